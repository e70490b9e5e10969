"""The owner's loop: gives work to idle workers and hands what they say to the feed it came from."""

from collections.abc import Callable, Sequence

from nas.feed import Feed
from nas.messages import EpochDone, Lost, WorkDone
from nas.pool import Event, WorkerPool

_WAIT_SECONDS = 0.2


class Owner:
    """One process that asks, schedules and persists; workers only train.

    Args:
        pool: Workers; started and closed here.
        feeds: Sources of work, the first that has some is served.
        tick: Called at least five times per second, as for the display.
    """

    def __init__(
        self, pool: WorkerPool, feeds: Sequence[Feed], tick: Callable[[], None] = lambda: None
    ) -> None:
        self._pool = pool
        self._feeds = list(feeds)
        self._tick = tick
        self._feed_of: dict[str, Feed] = {}

    def run(self) -> None:
        """Work until every feed is finished; whatever happens, no worker is left behind.

        Interrupts pass through: what was in training stays RUNNING in the storage, its finished
        epochs in checkpoints, and the next owner takes it up.
        """
        try:
            self._pool.start()
            while not self._is_finished():
                self._submit()
                for event in self._pool.events(_WAIT_SECONDS):
                    self._handle(event)
                self._tick()
        finally:
            self._pool.close()

    def _is_finished(self) -> bool:
        return not self._feed_of and all(feed.is_finished for feed in self._feeds)

    def _submit(self) -> None:
        for _ in range(self._pool.num_idle):
            for feed in self._feeds:
                work = feed.next()
                if work is not None:
                    for key in work.keys:
                        self._feed_of[key] = feed
                    self._pool.submit(work)
                    break

    def _handle(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            feed = self._feed_of.get(event.key)
            if feed is not None:
                self._pool.answer(event.key, feed.epoch(event.key, event.metrics))
        elif isinstance(event, WorkDone):
            for outcome in event.outcomes:
                if (feed := self._feed_of.pop(outcome.key, None)) is not None:
                    feed.done(outcome.key, outcome)
        elif isinstance(event, Lost):
            for key in event.keys:
                if (feed := self._feed_of.pop(key, None)) is not None:
                    feed.lost(key, event.message)

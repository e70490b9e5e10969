"""The owner's loop: gives work to idle workers and hands what they say to the feed it came from."""

from collections.abc import Callable, Iterable, Sequence

from nas.feed import Feed
from nas.groups import fair_share
from nas.messages import EpochDone, Lost, Ready, Work, WorkDone
from nas.pool import Event, WorkerPool
from trainer.progress import Verdict

_WAIT_SECONDS = 0.2


class Owner:
    """One process that asks, schedules and persists; workers only train.

    Args:
        pool: Workers; started and closed here.
        feeds: Sources of work, the first that has some is served.
        tick: Called at least five times per second, as for the display.
        on_ready: Told of each worker that is ready.
    """

    def __init__(
        self,
        pool: WorkerPool,
        feeds: Sequence[Feed],
        tick: Callable[[], None] = lambda: None,
        on_ready: Callable[[Ready], None] = lambda ready: None,
    ) -> None:
        self._pool = pool
        self._feeds = list(feeds)
        self._tick = tick
        self._on_ready = on_ready
        self._feed_of: dict[str, Feed] = {}
        self._num_epochs: dict[str, int] = {}
        self._share_left: dict[str, float] = {}
        """Of each candidate in training, the share that is left to train."""

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
                work = feed.next(self._most(feed))
                if work is not None:
                    self._give(work, feed)
                    break

    def _most(self, feed: Feed) -> int:
        """Return how many candidates the next worker gets."""
        return fair_share(
            feed.num_ready,
            self._share_left.values(),
            self._pool.num_workers,
            self._pool.group_size,
        )

    def _give(self, work: Work, feed: Feed) -> None:
        for key in work.keys:
            self._feed_of[key] = feed
            self._num_epochs[key] = work.pause_after or int(work.recipe.get("epochs", 1))
            self._share_left[key] = 1.0
        self._pool.submit(work)

    def _handle(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._on_ready(event)
        elif isinstance(event, EpochDone):
            self._take_epoch(event)
        elif isinstance(event, WorkDone):
            outcomes = {outcome.key: outcome for outcome in event.outcomes}
            for feed, keys in self._leave(outcomes):
                feed.done([outcomes[key] for key in keys])
        elif isinstance(event, Lost):
            for feed, keys in self._leave(event.keys):
                feed.lost(keys, event.message)

    def _take_epoch(self, event: EpochDone) -> None:
        feed = self._feed_of.get(event.key)
        if feed is None:
            return
        done = event.metrics.epoch / self._num_epochs[event.key]
        verdict = feed.epoch(event.key, event.metrics)
        self._share_left[event.key] = 0.0 if verdict is Verdict.STOP else max(1.0 - done, 0.0)
        self._pool.answer(event.key, verdict)

    def _leave(self, keys: Iterable[str]) -> list[tuple[Feed, list[str]]]:
        """Forget candidates that have left their worker; return them by feed."""
        # Feeds may be equal to one another, but each is itself.
        found: dict[int, tuple[Feed, list[str]]] = {}
        for key in keys:
            if (feed := self._feed_of.pop(key, None)) is not None:
                del self._num_epochs[key], self._share_left[key]
                found.setdefault(id(feed), (feed, []))[1].append(key)
        return list(found.values())

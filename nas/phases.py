"""What is trained when: the search, and anchors, finalists and their rival beside and after it."""

from collections.abc import Callable, Sequence

from nas.feed import Feed
from nas.finalists import choose_finalists
from nas.open_study import OpenStudy
from nas.repeats_feed import (
    Repeat,
    RepeatsFeed,
    plan_anchors,
    plan_equal_depth,
    plan_finalists,
)
from nas.running import TrialsInTraining
from nas.search_feed import SearchFeed
from nas.trials import Source, TrialRecord

TRIALS_BEFORE_ANCHORS = 16
"""Search trials before the anchors at the reference depth, which say what an effect must be worth:
early, so that the live count of settled answers uses the same limit as the report."""

Plan = Callable[[], Sequence[Repeat] | None]


class Phases:
    """Feeds of a study in the order in which they are served.

    There is always a feed for anchors, for finalists and for ablations, if only with an empty plan:
    one that a former owner had begun must end, whatever this owner was asked for.

    Args:
        study: The study.
        search: Its search.
        repeats: Trials of the `.repeats` study.
        winner: Finds the best finalist among the ended repeats.
    """

    def __init__(
        self,
        study: OpenStudy,
        search: SearchFeed,
        repeats: TrialsInTraining,
        winner: Callable[[Sequence[TrialRecord]], TrialRecord | None],
    ) -> None:
        self._winner = winner
        self._study = study
        self._settings = study.config.search
        self._search = search
        self._repeats = repeats
        self._expected: list[tuple[RepeatsFeed, int]] = []

    def of_study(self, *, anchors: bool, finalists: bool) -> list[tuple[str, Feed]]:
        """Return all feeds of a search, with their names.

        Args:
            anchors: Whether hand-designed networks are trained for comparison.
            finalists: Whether the best are trained again, and the rival of the winner.
        """
        space, num_seeds = self._study.space, self._settings.anchor_seeds
        planned = plan_anchors(space, num_seeds) if anchors else []
        first = [repeat for repeat in planned if repeat.spec.depths == space.deepest]
        rest = [repeat for repeat in planned if repeat.spec.depths != space.deepest]
        reference = self._feed(Source.ANCHOR, lambda: self._after_some(first), len(first))
        others = self._feed(Source.ANCHOR, lambda: rest, len(rest))
        top = min(self._settings.finalists, self._settings.trials) if finalists else 0
        final = self._feed(
            Source.FINALIST,
            (lambda: self._choose(top)) if top else list,
            top * self._settings.finalist_seeds,
        )
        rival = self._rival(final, lambda: self._winner(self._repeats.ended)) if top else []
        ablation = self._feed(Source.PAIRED, list, 0)
        return [
            ("anchors", reference),
            ("search", self._search),
            ("anchors", others),
            ("finalists", final),
            *rival,
            ("ablation", ablation),
        ]

    def of_trial(self, trial: TrialRecord) -> list[tuple[str, Feed]]:
        """Return the feeds that train one search trial on fresh seeds, and its rival."""
        num_seeds = self._settings.finalist_seeds
        planned = plan_finalists([trial], num_seeds)
        final = self._feed(Source.FINALIST, lambda: planned, num_seeds)
        return [("finalists", final), *self._rival(final, lambda: trial)]

    def of_ablation(self, planned: Sequence[Repeat]) -> list[tuple[str, Feed]]:
        """Return the feeds of an ablation, and of other repeats that had begun."""
        others = [(Source.ANCHOR, "anchors"), (Source.FINALIST, "finalists")]
        return [
            *((name, self._feed(source, list, 0)) for source, name in others),
            ("ablation", self._feed(Source.PAIRED, lambda: planned, len(planned))),
        ]

    @property
    def num_repeats(self) -> int:
        """Trainings beside the search: done, begun, and to come as far as it is known."""
        begun = len(self._repeats.in_training) + len(self._repeats.retries)
        to_come = 0
        for feed, expected in self._expected:
            left = feed.num_left
            to_come += expected if left is None else left
        return len(self._repeats.ended) + begun + to_come

    def _feed(self, source: Source, plan: Plan, expected: int) -> RepeatsFeed:
        feed = RepeatsFeed(self._study.config, self._study.space, self._repeats, source, plan)
        self._expected.append((feed, expected))
        return feed

    def _after_some(self, anchors: list[Repeat]) -> list[Repeat] | None:
        enough = self._search.num_counted >= TRIALS_BEFORE_ANCHORS
        return anchors if enough or self._search.is_finished else None

    def _choose(self, top: int) -> list[Repeat] | None:
        if not self._search.is_finished:
            return None
        chosen = choose_finalists(self._search.trials.ended, top, self._settings.direction)
        return plan_finalists(chosen, self._settings.finalist_seeds)

    def _rival(
        self, finalists: RepeatsFeed, winner: Callable[[], TrialRecord | None]
    ) -> list[tuple[str, Feed]]:
        """Return the feed of the network that the winner is compared with."""
        num_seeds = self._settings.anchor_seeds

        def plan() -> list[Repeat] | None:
            if not finalists.is_finished:
                return None
            best = winner()
            if best is None or best.spec is None:
                return []
            return plan_equal_depth(
                self._study.space,
                best.spec,
                num_seeds,
                self._study.config.recipe,
                best.recipe,
            )

        return [("equal_depth", self._feed(Source.ANCHOR, plan, num_seeds))]

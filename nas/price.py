"""What a study costs: trainings, epochs and minutes, estimated before and refined during it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nas.config import StudyConfig
from nas.ended import EndedTrials
from nas.trials import Source, State, TrialRecord
from search_spaces.complexity import complexity
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec, Kind
from trainer.data import DataFacts
from trainer.recipe import Recipe

_SECONDS_PER_TRAINING = 0.3
"""Fixed cost of one training: building, evidence, trainer."""
_SECONDS_PER_LAYER_STEP = 2.0e-4
"""Fixed cost of one layer in one step, forward and backward, on one CPU core."""
_MACS_PER_SECOND = 2.0e10
"""Multiply-adds of one CPU core in small convolutions; with the two above fitted to trainings of 8,
20 and 32 layers on digits (0.8, 1.7 and 2.5 s)."""
_SECONDS_PER_LOOK_UP = 0.02
"""Of a training that is in a table; most of it is the storage's."""
_BACKWARD = 3
"""Forward and backward pass in units of the forward pass."""


def training_seconds(spec: ArchitectureSpec, recipe: Recipe, facts: DataFacts) -> float:
    """Estimate the seconds of one training on one CPU core, by arithmetic."""
    if facts.is_recorded:
        return _SECONDS_PER_LOOK_UP
    steps = -(-facts.n_train // recipe.batch_size) * recipe.epochs
    macs = complexity(spec).macs * facts.n_train * recipe.epochs * _BACKWARD
    layers = steps * spec.layers * _SECONDS_PER_LAYER_STEP
    return _SECONDS_PER_TRAINING + layers + macs / _MACS_PER_SECOND


@dataclass(frozen=True, kw_only=True)
class Price:
    """Trainings of a whole study."""

    num_randomised: int
    num_adaptive: int
    num_anchors: int
    num_finalists: int
    """Fresh trainings of finalists and of the full-identity network of equal depth."""
    layers: int
    """Layers of the networks of the design."""
    epochs: int
    seconds: float
    """Estimated wall time of all trainings with the planned workers."""
    adaptive_share: float = 1.0
    """Share of its epochs that an adaptive trial costs on average, as rungs let it."""

    def describe(self) -> str:
        """Return the price in two lines; in one where no search trial is to be trained."""
        minutes = max(self.seconds / 60, 0.1)
        epochs = "1 epoch" if self.epochs == 1 else f"{self.epochs} epochs"
        trials = [
            f"{self.num_randomised} randomised trials at {self.layers} layers for the skip map, ",
            f"{self.num_adaptive} adaptive trials for the best network, ",
        ]
        numbers = (self.num_randomised, self.num_adaptive)
        first = "".join(text for text, number in zip(trials, numbers, strict=True) if number)
        repeats = (
            f"{self.num_anchors} anchor and {self.num_finalists} finalist trainings on fresh seeds"
        )
        if not first and not self.num_anchors + self.num_finalists:
            return "nothing is left to train."
        each = f"{epochs} each"
        if self.adaptive_share < 1 and self.num_adaptive:
            mean = self.adaptive_share * self.epochs
            each = f"{epochs} each, adaptive trials {mean:.1f} on average"
        lines = [first.strip(), f"{repeats}; {each}, about {minutes:.1f} min."]
        return "\n".join(line for line in lines if line)


def estimate_price(
    config: StudyConfig,
    space: SearchSpace,
    num_workers: int,
    *,
    anchors: bool,
    finalists: bool,
    ended: Sequence[TrialRecord] = (),
    has_design: bool = True,
    max_repeats: int | None = None,
) -> Price:
    """Estimate what the study costs from here to its end.

    Args:
        config: The study's configuration.
        space: Its search space.
        num_workers: Workers that share the trainings.
        anchors: Whether hand-designed networks are trained for comparison.
        finalists: Whether the best are trained again, and the rival of the winner.
        ended: Trials and repeats that are done. Finalists are priced anew where trials are left,
            which may choose others.
        has_design: Whether a row of the design is left to train.
        max_repeats: Most anchors and finalists that are to come, where it is known.
    """
    search, facts, recipe = config.search, config.facts(), config.recipe
    done = Counter(r.source for r in ended if r.state in (State.COMPLETE, State.PRUNED))
    num_left = max(search.trials - done[Source.RANDOMISED] - done[Source.ADAPTIVE], 0)
    num_rows = round(search.design_share * search.trials) - done[Source.RANDOMISED]
    num_randomised = min(max(num_rows, 0), num_left) if has_design else 0
    is_design_only = search.design_share == 1
    num_adaptive = 0 if is_design_only else num_left - num_randomised
    num_anchors = 2 * len(space.anchor_depths) * search.anchor_seeds if anchors else 0
    num_finalists = 0
    if finalists:
        top = min(search.finalists, search.trials)
        num_finalists = top * search.finalist_seeds + search.anchor_seeds
    if ended:
        num_anchors, num_finalists = _repeats_left(num_anchors, num_finalists, ended, num_left)
    if max_repeats is not None:
        num_anchors = min(num_anchors, max_repeats)
        num_finalists = min(num_finalists, max_repeats - num_anchors)

    def cost(depths: tuple[int, ...]) -> float:
        return training_seconds(space.uniform(depths, Kind.IDENTITY), recipe, facts)

    share = search.rungs.make(recipe.epochs).expected_share if search.rungs else 1.0
    at_anchors = [cost(depths) for depths in space.anchor_depths]
    middle = sum(at_anchors) / len(at_anchors)
    total = num_randomised * at_anchors[-1] + (num_adaptive * share + num_finalists) * middle
    total += num_anchors * middle
    return Price(
        num_randomised=num_randomised,
        num_adaptive=num_adaptive,
        num_anchors=num_anchors,
        num_finalists=num_finalists,
        layers=space.uniform(space.deepest, Kind.NONE).layers,
        epochs=recipe.epochs,
        seconds=total / num_workers,
        adaptive_share=share,
    )


def _repeats_left(
    num_anchors: int, num_finalists: int, ended: Sequence[TrialRecord], trials_left: int
) -> tuple[int, int]:
    """Return anchors and finalists that are to come, the winner's rival among the finalists."""
    names = [record.source for record in ended]
    done_anchors = names.count(Source.ANCHOR)
    if trials_left:
        return max(num_anchors - done_anchors, 0), num_finalists
    # Once it is trained, the rival counts as an anchor.
    rivals = max(done_anchors - num_anchors, 0)
    done_finalists = names.count(Source.FINALIST) + rivals
    return max(num_anchors - done_anchors, 0), max(num_finalists - done_finalists, 0)


def seconds_left(
    price: Price,
    ended: Sequence[TrialRecord],
    num_workers: int,
    num_repeats: int | None = None,
    seconds_paused: float = 0.0,
) -> float:
    """Estimate the wall time to the end from what ended trainings took, s.

    Args:
        price: What the study costs as a whole.
        ended: Trainings that have ended, of whatever source. Of those that were trained together
            each has its share of the time.
        num_workers: Workers that share the rest.
        num_repeats: All anchors and finalists, done ones included; None: as many as in the price.
        seconds_paused: What trials took that are paused at a rung, s.
    """
    counted = ended if isinstance(ended, EndedTrials) else EndedTrials(ended)
    done, spent = counted.num_timed, counted.seconds
    if num_repeats is None:
        num_repeats = price.num_anchors + price.num_finalists
    num_done = sum(done.values())
    if not num_done:
        return price.seconds
    overall = sum(spent.values()) / num_done
    has_rungs = price.adaptive_share < 1
    # Together, because the rival of the winner counts as an anchor once it is trained.
    planned = {
        (Source.RANDOMISED,): price.num_randomised,
        (Source.ADAPTIVE,): 0 if has_rungs else price.num_adaptive,
        (Source.ANCHOR, Source.FINALIST, Source.PAIRED): num_repeats,
    }
    left = _adaptive_seconds_left(price, counted, seconds_paused) if has_rungs else 0.0
    for sources, number in planned.items():
        num_ended = sum(done[source] for source in sources)
        seconds = sum(spent[source] for source in sources)
        mean = seconds / num_ended if num_ended >= 3 else overall
        left += max(number - num_ended, 0) * mean
    return left / num_workers


def _adaptive_seconds_left(price: Price, ended: EndedTrials, seconds_paused: float) -> float:
    """Estimate the seconds of adaptive trials that pause: by epochs, as the longest end first."""
    own = ended.num_timed[Source.ADAPTIVE] >= 3
    sources = [Source.ADAPTIVE] if own else list(Source)
    num_epochs = sum(ended.epochs[source] for source in sources)
    seconds_per_epoch = sum(ended.seconds[source] for source in sources) / max(num_epochs, 1)
    in_all = price.num_adaptive * price.adaptive_share * price.epochs * seconds_per_epoch
    return max(in_all - ended.seconds[Source.ADAPTIVE] - seconds_paused, 0.0)

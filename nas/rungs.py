"""Successive halving with pause and promotion: which trial trains on, and to which epoch.

Optuna's pruners can only stop a trial; here it pauses at a rung, with a checkpoint, and trains on
when it is seen to be among the best of those that came so far. Nobody waits for a rung to fill:
an idle worker takes up the best paused trial that deserves it, of the highest rung first, or else
begins a new trial (asynchronous successive halving).

What counts as a trial: each one that was begun, once, whether it is paused, promoted or complete.
So with `search.trials` begun no new one is, promotions go on until none deserves it, and then the
trials that are still paused end as pruned, each with its last value. Rows of the balanced design
never come here: they are trained to the end, because their effects are compared at the end.

Everything follows from the values at the rungs, so a study that is resumed tells them again and
goes on where it was.

Source:
    Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", arXiv:1810.05934,
    algorithm 2; differs in that epochs are a trial's own, counted from its beginning.
"""

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from nas.errors import ConfigError
from nas.trials import Source, State, TrialRecord


class Rungs:
    """Where the trials of one study stand.

    Args:
        epochs: Of a complete training.
        first: Epochs up to the first rung.
        reduction_factor: Each rung has so many times the epochs of the one before, and one of so
            many trials goes on from it.
        direction: Which way values are better.

    Raises:
        ConfigError: There is no rung before the end, or the factor is below 2.
    """

    def __init__(
        self,
        epochs: int,
        *,
        first: int = 2,
        reduction_factor: int = 2,
        direction: Literal["minimize", "maximize"] = "minimize",
    ) -> None:
        if not 1 <= first < epochs:
            raise ConfigError(
                f"search.rungs.first must be in [1, {epochs - 1}] for {epochs} epochs, got first="
                f"{first}. Choose a rung before the last epoch."
            )
        if reduction_factor < 2:
            raise ConfigError(
                "search.rungs.reduction_factor must be at least 2, got reduction_factor="
                f"{reduction_factor}."
            )
        self._epochs = epochs
        self._factor = reduction_factor
        self._sign = 1 if direction == "minimize" else -1
        self.levels: list[int] = []
        """Epochs at which trials pause, ascending; the end is none of them."""
        while first < epochs:
            self.levels.append(first)
            first *= reduction_factor
        self._arrived: list[dict[str, float]] = [{} for _ in self.levels]
        self._ranked: list[list[tuple[float, int, str]]] = [[] for _ in self.levels]
        self._promoted: list[set[str]] = [set() for _ in self.levels]

    def pause_after_of(self, key: str) -> int | None:
        """Return the epoch at which a trial is to pause next; None where it goes to the end."""
        for level, promoted in zip(self.levels, self._promoted, strict=True):
            if key not in promoted:
                return level
        return None

    def reached(self, key: str, epoch: int, value: float | None) -> bool:
        """Learn a trial's value after an epoch.

        Call it for every epoch, or for those at rungs; for a trial of a former owner in order.

        Args:
            key: The trial's.
            epoch: Finished epochs.
            value: None or not finite where the trial is worth nothing; then it is not promoted.

        Returns:
            Whether the trial pauses there.
        """
        # What trained beyond a rung was promoted from it.
        for level, promoted in zip(self.levels, self._promoted, strict=True):
            if level < epoch:
                promoted.add(key)
        if epoch not in self.levels:
            return False
        rung = self.levels.index(epoch)
        if key not in self._arrived[rung]:
            signed = math.inf
            if value is not None and math.isfinite(value):
                signed = self._sign * value
            # Of equal values the trial that came first is the better one.
            bisect.insort(self._ranked[rung], (signed, len(self._arrived[rung]), key))
            self._arrived[rung][key] = signed
        return key not in self._promoted[rung]

    def next_promotion(self) -> str | None:
        """Take the paused trial that deserves most to go on; None where none does.

        It counts as promoted from now on.
        """
        return next(iter(self.next_promotions(1)), None)

    def next_promotions(self, most: int) -> list[str]:
        """Take the paused trials that deserve most to go on, best first, all of one rung.

        They count as promoted from now on.

        Args:
            most: Most that are taken.
        """
        for rung in reversed(range(len(self.levels))):
            found = list(itertools.islice(self._deserving(rung), most))
            if found:
                self._promoted[rung].update(found)
                return found
        return []

    @property
    def num_deserving(self) -> int:
        """Paused trials that may go on now."""
        return sum(1 for rung in range(len(self.levels)) for _ in self._deserving(rung))

    def promoted(self, key: str, epoch: int) -> None:
        """Learn that a former owner let a trial go on from the rung at this epoch."""
        for level, promoted in zip(self.levels, self._promoted, strict=True):
            if level <= epoch:
                promoted.add(key)

    def _deserving(self, rung: int) -> Iterator[str]:
        """Yield the paused trials of a rung that may go on, best first."""
        ranked, promoted = self._ranked[rung], self._promoted[rung]
        for value, _, key in ranked[: len(ranked) // self._factor]:
            if key not in promoted and math.isfinite(value):
                yield key

    def paused(self) -> list[str]:
        """Return the keys of all trials that are paused, those of the first rung first."""
        return [
            key
            for arrived, promoted in zip(self._arrived, self._promoted, strict=True)
            for key in arrived
            if key not in promoted
        ]

    def rung_of(self, epoch: int) -> int:
        """Return the number of the rung at an epoch, counted from 1."""
        return self.levels.index(epoch) + 1

    @property
    def expected_share(self) -> float:
        """Share of a complete training that a trial costs on average, were all ranks by chance."""
        ends = [*self.levels, self._epochs]
        steps = zip([0, *self.levels], ends, strict=True)
        shares = ((end - begin) / self._factor**rung for rung, (begin, end) in enumerate(steps))
        return sum(shares) / self._epochs

    def forget(self, key: str) -> None:
        """Let a trial that failed be promoted no more; its values still count for the others."""
        for promoted in self._promoted:
            promoted.add(key)


def describe_rungs(records: Iterable[TrialRecord], levels: Sequence[int], epochs: int) -> str:
    """Say how many adaptive trials went on past each rung, and what that saved; empty for none.

    Args:
        records: Ended trials of the search.
        levels: Epochs of the rungs.
        epochs: Of a complete training.
    """
    ends = [
        record.epochs_done
        for record in records
        if record.source is Source.ADAPTIVE and record.state in (State.COMPLETE, State.PRUNED)
    ]
    if not ends:
        return ""
    first = levels[0]
    num_past = sum(end > first for end in ends)
    past = [f"{num_past} of {len(ends)} adaptive trials went on past epoch {first}"]
    past += [f"{sum(end > level for end in ends)} past {level}" for level in levels[1:]]
    saved = 1 - sum(ends) / (epochs * len(ends))
    return f"{', '.join(past)}: {100 * saved:.0f} % of their epochs saved"

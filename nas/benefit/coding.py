"""Design matrices in centred coding, and the contrasts that the estimands are.

With sum-to-zero coding a main effect is the average over all other blocks' kinds, each equally
likely, even with interactions in the model; so contrasts of main effects are the AMCEs of
Hainmueller, Hopkins and Yamamoto 2014 under the uniform distribution.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nas.benefit.sample import Sample


def effect_coding(num_levels: int) -> np.ndarray:
    """Return one row per level: the first is minus the sum of the others."""
    return np.vstack([-np.ones(num_levels - 1), np.eye(num_levels - 1)])


@dataclass(frozen=True)
class BlockDesign:
    """Intercept, depth factors, one group of columns per block, then one per adjacent pair."""

    sample: Sample
    with_pairs: bool = False

    @cached_property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Codes that occur at each block, in the order of `KINDS`."""
        codes = self.sample.codes
        return tuple(
            tuple(sorted(int(code) for code in np.unique(codes[:, index]) if code >= 0))
            for index in range(codes.shape[1])
        )

    @cached_property
    def groups(self) -> tuple[np.ndarray, ...]:
        """Coded columns of each block, 0 where the block is absent."""
        coded = []
        for index, levels in enumerate(self.levels):
            table = np.zeros((4, max(len(levels) - 1, 0)))
            if len(levels) > 1:
                table[list(levels)] = effect_coding(len(levels))
            # Code -1 (absent) reads the last row, which stays zero.
            coded.append(table[self.sample.codes[:, index]])
        return tuple(coded)

    @cached_property
    def base(self) -> np.ndarray:
        """Intercept and the depth factors of the stages whose depth varies."""
        columns = [np.ones(self.sample.num_rows)]
        for stage in range(self.sample.depths.shape[1]):
            depth = self.sample.depths[:, stage]
            columns.extend((depth == value).astype(float) for value in np.unique(depth)[1:])
        return np.column_stack(columns)

    @cached_property
    def pairs(self) -> tuple[np.ndarray, ...]:
        """Products of the columns of neighbouring blocks."""
        rows = self.sample.num_rows
        return tuple(
            (left[:, :, None] * right[:, None, :]).reshape(rows, -1)
            for left, right in zip(self.groups, self.groups[1:], strict=False)
        )

    @cached_property
    def matrix(self) -> np.ndarray:
        """The design matrix, shape (rows, columns)."""
        pairs = self.pairs if self.with_pairs else ()
        return np.hstack([self.base, *self.groups, *pairs])

    def contrast(self, index: int, code: int, reference: int) -> np.ndarray | None:
        """Return the contrast of two kinds at one block; None where one does not occur."""
        levels = self.levels[index]
        if code not in levels or reference not in levels:
            return None
        coding = effect_coding(len(levels))
        start = self.base.shape[1] + sum(group.shape[1] for group in self.groups[:index])
        found = np.zeros(self.matrix.shape[1])
        weights = coding[levels.index(code)] - coding[levels.index(reference)]
        found[start : start + len(weights)] = weights
        return found

    def contrast_given(
        self, index: int, code: int, reference: int, *, neighbours_on: bool
    ) -> np.ndarray | None:
        """Return the contrast of two kinds where the blocks beside have skips, or have none.

        A neighbour that is on has each of its skip kinds with equal weight. None without pairs
        in the design, or where a kind does not occur.
        """
        found = self.contrast(index, code, reference)
        if found is None or not self.with_pairs:
            return None
        levels = self.levels[index]
        coding = effect_coding(len(levels))
        own = coding[levels.index(code)] - coding[levels.index(reference)]
        start = self.base.shape[1] + sum(group.shape[1] for group in self.groups)
        for left, pair in enumerate(self.pairs):
            if index in (left, left + 1):
                beside = self._mean_coding(2 * left + 1 - index, on=neighbours_on)
                if beside is None:
                    return None
                part = np.outer(own, beside) if index == left else np.outer(beside, own)
                found[start : start + pair.shape[1]] = part.ravel()
            start += pair.shape[1]
        return found

    def _mean_coding(self, index: int, *, on: bool) -> np.ndarray | None:
        """Return the mean coding of a block's skip kinds, or that of none."""
        levels = self.levels[index]
        chosen = [number for number, code in enumerate(levels) if (code > 0) == on]
        return effect_coding(len(levels))[chosen].mean(axis=0) if chosen else None


@dataclass(frozen=True)
class ShareDesign:
    """Intercept, depth factors, and for each group of blocks the share of every kind in it.

    One coefficient serves a whole stage or the whole network, so it needs few rows. Where kinds
    are drawn alike and independently, the coefficient is the average of the blocks' AMCEs.

    Args:
        blocks: The same rows at block level.
        weights: For each group the weight of every block, 0 outside it, summing to 1.
    """

    blocks: BlockDesign
    weights: tuple[tuple[float, ...], ...]

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """Codes that occur anywhere."""
        return tuple(sorted({code for levels in self.blocks.levels for code in levels}))

    @cached_property
    def matrix(self) -> np.ndarray:
        """The design matrix, shape (rows, columns)."""
        codes = self.blocks.sample.codes
        columns = [self.blocks.base]
        table = np.zeros((4, max(len(self.levels) - 1, 0)))
        if len(self.levels) > 1:
            table[list(self.levels)] = effect_coding(len(self.levels))
        columns.extend(
            np.einsum("l,nlk->nk", np.array(weights), table[codes]) for weights in self.weights
        )
        return np.hstack(columns)

    def contrast(self, group: int, code: int, reference: int) -> np.ndarray | None:
        """Return the contrast of two kinds, averaged over a group's blocks by their weights."""
        if code not in self.levels or reference not in self.levels:
            return None
        coding = effect_coding(len(self.levels))
        width = coding.shape[1]
        start = self.blocks.base.shape[1] + group * width
        # The slope on the weighted share is (sum of w * tau) / (sum of w * w).
        scale = sum(weight**2 for weight in self.weights[group])
        found = np.zeros(self.matrix.shape[1])
        found[start : start + width] = scale * (
            coding[self.levels.index(code)] - coding[self.levels.index(reference)]
        )
        return found


def stage_weights(stages: Sequence[int]) -> tuple[tuple[float, ...], ...]:
    """Return for each stage equal weights of its blocks; `stages` names each block's stage."""
    return tuple(
        tuple(float(own == stage) / stages.count(stage) for own in stages)
        for stage in sorted(set(stages))
    )


def network_weights(stages: Sequence[int]) -> tuple[float, ...]:
    """Return equal weights of the stages, shared equally among their blocks."""
    per_stage = stage_weights(stages)
    return tuple(float(sum(column)) / len(per_stage) for column in zip(*per_stage, strict=True))

"""Design matrices in centred coding, and the contrasts that the estimands are.

With sum-to-zero coding a main effect is the average over all other blocks' kinds, each equally
likely, even with interactions in the model; so contrasts of main effects are the AMCEs of
Hainmueller, Hopkins and Yamamoto 2014 under the uniform distribution.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nas.benefit.sample import ENOUGH_ROWS, KINDS, Sample


def effect_coding(num_levels: int) -> np.ndarray:
    """Return one row per level: the first is minus the sum of the others."""
    return np.vstack([-np.ones(num_levels - 1), np.eye(num_levels - 1)])


@dataclass(frozen=True)
class BlockDesign:
    """Intercept, depth factors, covariates, columns per block, its spans, and adjacent pairs.

    Args:
        sample: The rows.
        with_pairs: Whether to hold the products of neighbouring blocks.
        with_spans: Whether to hold the spans, nested in the blocks: they are 0 where no skip ends,
            so that the contrasts of kinds are averages over the spans.
    """

    sample: Sample
    with_pairs: bool = False
    with_spans: bool = False

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
    def span_levels(self) -> tuple[tuple[int, ...], ...]:
        """Spans that occur at each block; empty where it is only one."""
        found = (np.unique(self.sample.spans_at(index)) for index in range(len(self.levels)))
        spans = (tuple(int(span) for span in own if span > 0) for own in found)
        return tuple(own if len(own) > 1 else () for own in spans)

    @cached_property
    def span_groups(self) -> tuple[np.ndarray, ...]:
        """Coded columns of each block's spans, 0 where no skip ends; none unless `with_spans`."""
        groups = []
        for index, levels in enumerate(self.span_levels):
            columns = max(len(levels) - 1, 0) if self.with_spans else 0
            group = np.zeros((self.sample.num_rows, columns))
            if columns:
                spans = self.sample.spans_at(index)
                for span, code in zip(levels, effect_coding(len(levels)), strict=True):
                    group[spans == span] = code
            groups.append(group)
        return tuple(groups)

    @cached_property
    def base(self) -> np.ndarray:
        """Intercept, depth factors of the stages whose depth varies, and covariates."""
        columns = [np.ones(self.sample.num_rows)]
        for stage in range(self.sample.depths.shape[1]):
            depth = self.sample.depths[:, stage]
            columns.extend((depth == value).astype(float) for value in np.unique(depth)[1:])
        if self.sample.covariates is not None:
            columns.extend(self.sample.covariates.T)
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
        return np.hstack([self.base, *self.groups, *self.span_groups, *pairs])

    def _start(self, groups: Sequence[np.ndarray]) -> int:
        """Return the column that follows these groups of columns and the base."""
        return self.base.shape[1] + sum(group.shape[1] for group in groups)

    def contrast(self, index: int, code: int, reference: int) -> np.ndarray | None:
        """Return the contrast of two kinds at one block; None where one does not occur."""
        levels = self.levels[index]
        if code not in levels or reference not in levels:
            return None
        coding = effect_coding(len(levels))
        start = self._start(self.groups[:index])
        found = np.zeros(self.matrix.shape[1])
        weights = coding[levels.index(code)] - coding[levels.index(reference)]
        found[start : start + len(weights)] = weights
        return found

    def span_contrast(self, index: int, span: int, reference: int) -> np.ndarray | None:
        """Return the contrast of two spans at one block, given a skip that ends there."""
        levels = self.span_levels[index]
        if not self.with_spans or span not in levels or reference not in levels:
            return None
        coding = effect_coding(len(levels))
        start = self._start([*self.groups, *self.span_groups[:index]])
        found = np.zeros(self.matrix.shape[1])
        weights = coding[levels.index(span)] - coding[levels.index(reference)]
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
        start = self._start([*self.groups, *self.span_groups])
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


class _Part(NamedTuple):
    """Blocks of a group that have the same choices: they share their coefficients."""

    group: int
    weights: np.ndarray
    """Weight of every block, 0 outside the part."""
    levels: tuple[int, ...]
    """Codes that occur."""
    declared: tuple[int, ...]
    """Codes that may occur."""
    common: frozenset[int]
    """Codes that occur, and are missing from no block but by chance in few rows."""

    @property
    def coding(self) -> np.ndarray:
        """Codes of the levels, shape (levels, columns)."""
        return effect_coding(len(self.levels))


@dataclass(frozen=True)
class ShareDesign:
    """Intercept, depth factors, covariates, and per group of blocks the share of every kind.

    One coefficient serves a whole stage or the whole network, so it needs few rows. Where kinds
    are drawn alike and independently, the coefficient is the average of the blocks' AMCEs; blocks
    with other choices of kinds have coefficients of their own.

    Args:
        blocks: The same rows at block level.
        weights: For each group the weight of every block, 0 outside it, summing to 1.
    """

    blocks: BlockDesign
    weights: tuple[tuple[float, ...], ...]

    @cached_property
    def parts(self) -> tuple[_Part, ...]:
        """Groups, split by the choices of their blocks."""
        sample, num_blocks = self.blocks.sample, len(self.blocks.levels)
        kinds = [sample.choices_at(index).kinds for index in range(num_blocks)]
        seen, found = self.blocks.levels, []
        for group, weights in enumerate(self.weights):
            own = dict.fromkeys(k for k, weight in zip(kinds, weights, strict=True) if weight)
            for choices in own:
                alike = np.array([other == choices for other in kinds])
                part = np.where(alike, np.array(weights), 0.0)
                levels = tuple(sorted({c for i in np.flatnonzero(alike) for c in seen[i]}))
                sure = [
                    i
                    for i in np.flatnonzero(part).tolist()
                    if sample.num_rows_with(i) >= ENOUGH_ROWS
                ]
                common = frozenset(levels).intersection(*(seen[i] for i in sure))
                declared = tuple(KINDS.index(kind) for kind in choices)
                found.append(_Part(group, part, levels, declared, common))
        return tuple(found)

    @cached_property
    def matrix(self) -> np.ndarray:
        """The design matrix, shape (rows, columns)."""
        codes = self.blocks.sample.codes
        columns = [self.blocks.base]
        for part in self.parts:
            table = np.zeros((4, max(len(part.levels) - 1, 0)))
            if len(part.levels) > 1:
                table[list(part.levels)] = part.coding
            columns.append(np.einsum("l,nlk->nk", part.weights, table[codes]))
        return np.hstack(columns)

    def may_compare(self, group: int, codes: Sequence[int], reference: int) -> bool:
        """Say whether a block of the group may have the reference and one of the kinds."""
        return any(
            part.group == group
            and reference in part.declared
            and bool({*codes} & {*part.declared})
            for part in self.parts
        )

    def contrast(self, group: int, code: int, reference: int) -> np.ndarray | None:
        """Return the contrast of two kinds, averaged over a group's blocks by their weights."""
        return self.mean_contrast(group, (code,), reference)

    def mean_contrast(self, group: int, codes: Sequence[int], reference: int) -> np.ndarray | None:
        """Return the mean contrast of several kinds, at each block over those that it may have.

        It is the average over the blocks that may have the reference and one of the kinds; None
        where one of these blocks lacks a kind that it may have, unless by chance in few rows:
        the rows then tell of other blocks only.
        """
        found = np.zeros(self.matrix.shape[1])
        start, total = self.blocks.base.shape[1], 0.0
        parts = [part for part in self.parts if part.group == group]
        for part in self.parts:
            width = max(len(part.levels) - 1, 0)
            known = [code for code in codes if code in part.declared]
            if part.group == group and known and reference in part.declared:
                if not {reference, *known} <= part.common:
                    return None
                against = part.coding[part.levels.index(reference)]
                # The slope on the weighted share is (sum of w * tau) / (sum of w * w).
                scale = float(np.sum(part.weights**2))
                scaled = [scale * (part.coding[part.levels.index(c)] - against) for c in known]
                found[start : start + width] = np.mean(scaled, axis=0)
                total += float(part.weights.sum())
            start += width
        if not total:
            return None
        return found if len(parts) == 1 else found / total


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

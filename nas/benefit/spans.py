"""Spans: what a longer skip does against the classic one, given that a skip ends at a block."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nas.benefit.sample import ENOUGH_ROWS, Sample
from search_spaces.spec import Kind

CLASSIC = 1
"""The span that all others are compared with: the classic block."""


def spans_asked(sample: Sample) -> tuple[int, ...]:
    """Return the spans that are compared with span 1 at some block, ascending."""
    every = {span for index in range(len(sample.places)) for span in longer_spans(sample, index)}
    return tuple(sorted(every))


def longer_spans(sample: Sample, index: int) -> tuple[int, ...]:
    """Return the spans above 1 at a block that may have span 1 as well."""
    spans = sample.choices_at(index).spans
    return tuple(span for span in spans if span > CLASSIC) if CLASSIC in spans else ()


def span_weights(sample: Sample, span: int) -> tuple[float, ...]:
    """Return equal weights of the blocks where this span and span 1 are possible."""
    blocks = [span in longer_spans(sample, index) for index in range(len(sample.places))]
    number = sum(blocks)
    return tuple(float(block) / number if number else 0.0 for block in blocks)


class _Alike(NamedTuple):
    """Blocks with the same choices of spans and kinds, which share their coefficients."""

    blocks: tuple[int, ...]
    reference: int
    """Shortest span that occurs."""
    longer: tuple[int, ...]
    """Longer spans that occur: one column each."""


@dataclass(frozen=True)
class SpanShares:
    """How often each span ends somewhere in the network, beside the columns of other things.

    The column of span s sums, over blocks, 1 where a skip of span s ends, less the chance of s,
    and 0 where none ends. Blocks that may have the same spans and kinds are in one column, whose
    coefficient is then the mean of their effects of span s against the shortest. Blocks with other
    choices have columns of their own: the chance of s is another one there, and in one column they
    would count by their variance, not alike.

    Args:
        sample: The rows.
        beside: Columns of other things, such as the shares of kinds.
    """

    sample: Sample
    beside: np.ndarray

    @cached_property
    def groups(self) -> tuple[_Alike, ...]:
        """The blocks where more than one span occurs, by their choices."""
        found = []
        for (spans, _), blocks in self._alike.items():
            seen = {int(s) for index in blocks for s in np.unique(self.sample.spans_at(index))}
            occurring = tuple(span for span in spans if span in seen)
            if len(occurring) > 1:
                found.append(_Alike(tuple(blocks), occurring[0], occurring[1:]))
        return tuple(found)

    @cached_property
    def _alike(self) -> dict[tuple[tuple[int, ...], tuple[Kind, ...]], list[int]]:
        """Blocks by their choices of spans and kinds."""
        alike: dict[tuple[tuple[int, ...], tuple[Kind, ...]], list[int]] = {}
        for index in range(len(self.sample.places)):
            choices = self.sample.choices_at(index)
            alike.setdefault((choices.spans, choices.kinds), []).append(index)
        return alike

    @cached_property
    def matrix(self) -> np.ndarray:
        """The design matrix, shape (rows, columns)."""
        columns = [self.beside]
        for group in self.groups:
            spans = np.stack([self.sample.spans_at(index) for index in group.blocks], axis=1)
            chance = (spans > 0) / (len(group.longer) + 1)
            shares = [((spans == span) - chance).sum(axis=1) for span in group.longer]
            columns.append(np.column_stack(shares))
        return np.hstack(columns)

    def contrast(self, span: int) -> np.ndarray | None:
        """Return the effect of a span against span 1, the mean over the blocks that may have both.

        None where a block has had only one of them.
        """
        if self._is_missing(span):
            return None
        found, total = np.zeros(self.matrix.shape[1]), 0
        start = self.beside.shape[1]
        for group in self.groups:
            if group.reference == CLASSIC and span in group.longer:
                found[start + group.longer.index(span)] = len(group.blocks)
                total += len(group.blocks)
            start += len(group.longer)
        return found / total if total else None

    def _is_missing(self, span: int) -> bool:
        """Say whether a block that may have both spans lacks one, and not by chance.

        Spans are drawn, and in few rows some block lacks one of them; its column is shared with
        blocks like it. What none of them has, or one lacks among many skips, is out of reach.
        """
        for group in self._alike.values():
            if span not in longer_spans(self.sample, group[0]):
                continue
            seen = [set(self.sample.spans_at(index)) - {0} for index in group]
            if not {CLASSIC, span} <= set().union(*seen):
                return True
            for index, own in zip(group, seen, strict=True):
                num_skips = np.count_nonzero(self.sample.spans_at(index))
                if num_skips >= ENOUGH_ROWS and not {CLASSIC, span} <= own:
                    return True
        return False


def mean_over_blocks(
    contrasts: Sequence[np.ndarray | None], weights: Sequence[float]
) -> np.ndarray | None:
    """Average the contrasts that have a weight; None where one of them does not exist.

    The mean of the others would be the answer to another question.
    """
    asked = [(c, w) for c, w in zip(contrasts, weights, strict=True) if w]
    known = [c for c, _ in asked if c is not None]
    if not known or len(known) < len(asked):
        return None
    return np.average(known, axis=0, weights=[w for _, w in asked])

"""Kinds and spans of many rows as arrays; a study may have ten thousand rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nas.benefit.reading import kinds_of, places_of_depths
from nas.spans import spans_of
from nas.trials import TrialRecord
from search_spaces.spec import ArchitectureSpec, Kind, Place

KINDS = tuple(Kind)
"""Order of the codes: none, identity, projection."""
ABSENT = -1
"""Code of a block that a network does not have."""


@dataclass(frozen=True)
class Grid:
    """What ends at each place in each row."""

    codes: np.ndarray
    """Shape (rows, places), indices into `KINDS`, or `ABSENT`."""
    spans: np.ndarray
    """Span of the shortest skip that ends there, 0 where none does, shape (rows, places)."""


def grid_of(rows: Sequence[TrialRecord], places: Sequence[Place]) -> Grid:
    """Read the kinds and spans of rows at these places."""
    codes = np.full((len(rows), len(places)), ABSENT, dtype=np.int64)
    spans = np.zeros((len(rows), len(places)), dtype=np.int64)
    column = {place: index for index, place in enumerate(places)}
    for row, own_codes, own_spans in zip(rows, codes, spans, strict=True):
        if row.spec is None:
            _read_decisions(row, column, own_codes, own_spans)
        else:
            _read_spec(row.spec, tuple(places), own_codes, own_spans)
    return Grid(codes, spans)


def _read_spec(
    spec: ArchitectureSpec, places: tuple[Place, ...], codes: np.ndarray, spans: np.ndarray
) -> None:
    index, columns, known = _layout(spec.depths, places)
    found = [(0, 0)] * len(index)
    for skip in spec.skips:
        end = index[skip.end]
        span = end - index[skip.start] + 1
        if not found[end][1] or span < found[end][1]:
            found[end] = KINDS.index(skip.kind), span
    both = np.array(found, dtype=np.int64).reshape(-1, 2)[known]
    codes[columns], spans[columns] = both[:, 0], both[:, 1]


@lru_cache(maxsize=256)
def _layout(
    depths: tuple[int, ...], places: tuple[Place, ...]
) -> tuple[dict[str, int], np.ndarray, np.ndarray]:
    """Return the number of every block by its name, the columns of its places, and which have."""
    own = places_of_depths(depths)
    column = {place: index for index, place in enumerate(places)}
    known = [number for number, place in enumerate(own) if place in column]
    columns = [column[own[number]] for number in known]
    names = {str(place): number for number, place in enumerate(own)}
    return names, np.array(columns, dtype=np.int64), np.array(known, dtype=np.int64)


def _read_decisions(
    row: TrialRecord, column: dict[Place, int], codes: np.ndarray, spans: np.ndarray
) -> None:
    for place, kind in kinds_of(row).items():
        if place in column:
            codes[column[place]] = KINDS.index(kind)
    for place, span in spans_of(row).items():
        if place in column:
            spans[column[place]] = span

from dataclasses import replace

import numpy as np
import pytest

from nas.benefit.grid import ABSENT, KINDS, grid_of
from nas.benefit.reading import kinds_of
from nas.spans import spans_of
from search_spaces import InputShape, make_space
from search_spaces.spec import Place

LONG = make_space(
    {"name": "longskip", "stages": 2, "max_blocks": 3, "max_span": 3, "max_fan_in": 2},
    InputShape(channels=1, height=8, width=8),
    10,
)


def specs(planted, space):
    rng = np.random.default_rng(0)
    template, *_ = planted.design(1)
    for number in range(40):
        spec = space.sample(rng)
        yield replace(
            template, number=number, spec=spec, spec_id=spec.spec_id,
            decisions=space.decisions(spec),
        )  # fmt: skip


@pytest.mark.parametrize("has_spec", [True, False])
@pytest.mark.parametrize("name", ["residual", "longskip"])
def test_a_grid_says_what_each_row_says(planted, name, has_spec):
    rows = list(specs(planted, planted.space if name == "residual" else LONG))
    if not has_spec:
        rows = [replace(row, spec=None, spec_id=None) for row in rows]
    places = [Place(2, 2), Place(1, 1), Place(1, 3), Place(9, 1)]
    grid = grid_of(rows, places)
    for row, codes, spans in zip(rows, grid.codes, grid.spans, strict=True):
        kinds, longest = kinds_of(row), spans_of(row)
        expected = [KINDS.index(kinds[p]) if p in kinds else ABSENT for p in places]
        assert codes.tolist() == expected
        assert spans.tolist() == [longest.get(place, 0) for place in places]


def test_no_rows_and_no_places_are_empty(planted):
    assert grid_of([], [Place(1, 1)]).codes.shape == (0, 1)
    assert grid_of(planted.design(2), []).spans.shape == (2, 0)

import dataclasses
from itertools import islice

import numpy as np
import pytest

from nas.benefit.power import detectable, runs_needed
from nas.config import make_config
from nas.design_plan import DesignPlan
from nas.plan_power import Spread, describe_search_power, effect_of, spread_of, state_power
from nas.plan_rows import num_terms
from nas.trials import Source, State, TrialRecord
from search_spaces import InputShape, make_space
from search_spaces.space import SearchSpace
from search_spaces.spec import Kind

KNOWN = Spread(sd=0.1, why="known")
UNKNOWN = Spread(sd=None, why="not known")


def space(**fields: object) -> SearchSpace:
    own = {"stages": 2, "max_blocks": 3, "kinds": ["none", "identity"], **fields}
    return make_space(own, InputShape(channels=1, height=8, width=8), 10)


def plan(**fields: object) -> DesignPlan:
    return DesignPlan(space(**fields), 0)


def trained(design: DesignPlan, number: int, sd: float) -> list[TrialRecord]:
    rng = np.random.default_rng(0)
    return [
        TrialRecord(
            number=index,
            state=State.COMPLETE,
            source=Source.RANDOMISED,
            decisions=row.answers,
            value=1.0 - 0.3 * len(row.spec.skips) + row.lr_factor + rng.normal(0, sd),
            lr=0.1 * row.lr_factor,
            seconds=6.0,
        )
        for index, row in enumerate(islice(design.rows(), number))
    ]


def test_numbers_are_those_of_an_orthogonal_design() -> None:
    stated = state_power(plan(), 64, KNOWN, metric="val/log_loss", effect=0.05)
    options = {"num_terms": 7, "family_size": 6}
    assert stated.needed == runs_needed(0.05, 0.1, **options)
    assert stated.at_block == pytest.approx(detectable(64, 0.1, **options))
    assert stated.at_all < stated.at_block / 2
    assert (stated.floor, stated.num_effects) == (14, 6)


def test_designs_that_are_not_orthogonal_need_more() -> None:
    three = {"kinds": ["none", "identity", "projection"], "max_blocks": 5, "stages": 3}
    stated = state_power(plan(**three), 72, KNOWN, metric="val/log_loss", effect=0.05)
    assert stated.at_block > 1.02 * detectable(72, 0.1, 3, num_terms=31, family_size=30)
    assert stated.needed >= runs_needed(0.05, 0.1, 3, num_terms=31, family_size=30)


def test_the_statement_says_rows_minutes_and_what_they_rest_on() -> None:
    stated = state_power(
        plan(), 64, KNOWN, metric="val/log_loss", effect=0.05, seconds_per_row=2.0
    )
    first, second = stated.describe()
    minutes = stated.needed * 2 / 60
    assert first.startswith(
        f"to see 0.05 nats at a single block takes about {stated.needed} design rows, "
        f"{minutes:.1f} min; 64 see {stated.at_block:.2g} nats, and {stated.at_all:.2g} nats"
    )
    assert second == "(80 times in 100, 6 block effects together at 5%; known)"


def test_without_a_deviation_effects_are_told_in_its_units() -> None:
    stated = state_power(plan(), 64, UNKNOWN, metric="val/accuracy", effect=0.05)
    assert "to see 0.5 residual sd at a single block" in stated.describe()[0]
    points = state_power(plan(), 64, KNOWN, metric="val/accuracy", effect=0.05)
    assert "to see 5 points at a single block" in points.describe()[0]
    own = state_power(plan(), 64, KNOWN, metric="val/f1", effect=0.05)
    assert "to see 0.05 at a single block" in own.describe()[0]


def test_few_rows_only_screen_and_too_few_tell_nothing_apart() -> None:
    stated = state_power(plan(), 8, KNOWN, metric="val/log_loss")
    assert stated.describe()[-1] == "fewer than 14 rows, two for each term, only screen"
    least = state_power(plan(), 7, KNOWN, metric="val/log_loss")
    assert "; 7 are too few to tell single blocks apart" in least.describe()[0]


def test_deviation_is_that_of_former_rows_as_soon_as_they_tell_it() -> None:
    design = DesignPlan(space(), 0, lr_factors=(0.5, 1.0))
    rows = trained(design, 200, 0.05)
    found = spread_of(design, "digits", "val/log_loss", rows)
    # What the rates differ by is not noise.
    assert found.sd == pytest.approx(0.05, rel=0.15)
    assert "of 200 rows trained so far" in found.why
    few = spread_of(design, "digits", "val/log_loss", rows[:12])
    assert few == spread_of(design, "digits", "val/log_loss")
    assert "typical of digits" in few.why
    others = [dataclasses.replace(row, source=Source.ADAPTIVE) for row in rows]
    assert spread_of(design, "digits", "val/log_loss", others) == few
    assert spread_of(design, "cats", "val/log_loss").sd is None


def test_effect_is_the_smallest_of_interest_or_typical_of_the_data() -> None:
    assert effect_of("digits", "val/log_loss", 0.01) == 0.01
    assert effect_of("digits", "val/log_loss", None) == 0.05
    assert effect_of("cats", "val/log_loss", None) is None


class TestOfASearch:
    CONFIG = make_config(
        {
            "space": {"stages": 2, "max_blocks": 3, "kinds": ["none", "identity"]},
            "search": {"trials": 80},
        }
    )

    def test_rows_to_come_are_stated_with_the_minutes_of_their_workers(self) -> None:
        own = self.CONFIG.make_space()
        one, two = (describe_search_power(self.CONFIG, own, [], n)[0] for n in (1, 2))
        assert one.startswith("power    to see 0.05 nats at a single block takes about ")
        assert "; 40 see " in one
        assert one != two

    def test_rows_that_are_there_tell_deviation_and_seconds(self) -> None:
        own = self.CONFIG.make_space()
        rows = trained(DesignPlan(own, 0), 30, 0.02)
        lines = describe_search_power(self.CONFIG, own, rows, 1)
        assert "of 30 rows trained so far" in lines[1]
        assert lines[1].startswith(" " * 9)

    def test_nothing_is_said_without_rows_to_come(self) -> None:
        own = self.CONFIG.make_space()
        rows = trained(DesignPlan(own, 0), 40, 0.02)
        assert describe_search_power(self.CONFIG, own, rows, 1) == []
        best = make_config({"search": {"goal": "best"}})
        assert describe_search_power(best, best.make_space(), [], 1) == []


@pytest.mark.parametrize(
    ("fields", "rows"), [({}, 62), ({}, 93), ({}, 155), ({"max_blocks": 3}, 57)]
)
def test_what_is_lost_against_an_orthogonal_design_is_about_what_its_rows_lose(
    fields: dict[str, object], rows: int
) -> None:
    own = {"stages": 3, "max_blocks": 5, "kinds": ["none", "identity", "projection"], **fields}
    design = plan(**own)
    codes = np.array(
        [
            [list(Kind).index(k) for k in row.spec.ending_kinds]
            for row in islice(design.rows(), rows)
        ]
    )
    coded = np.array([[-1, -1], [1, 0], [0, 1]])[codes].reshape(rows, -1)
    matrix = np.column_stack([np.ones(rows), coded])
    inverse = np.linalg.inv(matrix.T @ matrix)
    contrast = np.array([2, 1])
    starts = range(1, len(inverse), 2)
    variances = [contrast @ inverse[s : s + 2, s : s + 2] @ contrast for s in starts]
    lost = np.mean(variances) * rows / 6
    stated = state_power(design, rows, KNOWN, metric="val/log_loss").at_block
    terms = num_terms(design)
    orthogonal = detectable(rows, 0.1, 3, num_terms=terms, family_size=terms - 1)
    assert (stated / orthogonal) ** 2 == pytest.approx(lost, rel=0.12)

import dataclasses
from itertools import islice

import numpy as np
import pytest
from scipy.stats import t as student

from nas.benefit.power import detectable, runs_needed
from nas.config import make_config
from nas.design_plan import DesignPlan
from nas.plan_power import Spread, describe_search_power, effect_of, spread_of, state_power
from nas.plan_rows import num_terms
from nas.trials import Source, State, TrialRecord
from search_spaces import InputShape, make_space
from search_spaces.space import SearchSpace
from search_spaces.spec import Kind

SPACE = {"stages": 2, "max_blocks": 3, "kinds": ["none", "identity"]}
KNOWN = Spread(sd=0.1, why="known")
UNKNOWN = Spread(sd=None, why="not known")


def space(**fields: object) -> SearchSpace:
    return make_space({**SPACE, **fields}, InputShape(channels=1, height=8, width=8), 10)


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
    first, second, third = stated.describe()
    minutes = stated.needed * 2 / 60
    assert first.startswith(
        f"to see 0.05 nats at a single block takes about {stated.needed} design rows, "
        f"{minutes:.1f} min, if its whole stage has it; 64 see {stated.at_block:.2g} nats, and {stated.at_all:.2g} nats"
    )
    assert second == "(80 times in 100, 6 block effects together at 5%; known)"
    assert third == (
        "a single block is looked at only where all skips, and those of its stage, are found first: "
        f"one that alone has it takes about {stated.alone} rows"
    )


@pytest.mark.parametrize("stages", [1, 3])
def test_rows_are_those_that_find_a_block_through_its_gates(stages: int) -> None:
    blocks = 12 // stages
    design = plan(stages=stages, max_blocks=blocks)
    stated = state_power(
        design, 64, Spread(sd=1.0, why="known"), metric="val/log_loss", effect=0.5
    )
    alone = np.zeros(12)
    alone[7] = 1
    whole = (np.arange(12) // blocks == 7 // blocks) * 1.0
    assert share_found(0.5 * whole, stated.needed, blocks) == pytest.approx(0.8, abs=0.06)
    # The rows that find it with its stage hardly ever find it alone.
    assert share_found(0.5 * alone, stated.needed, blocks) < 0.3
    assert share_found(0.5 * alone, stated.alone, blocks) == pytest.approx(0.8, abs=0.06)


def share_found(effects: np.ndarray, rows: int, per_stage: int, simulations: int = 1000) -> float:
    """Return how often block 7 is found by an orthogonal design, after the network and its stage."""
    rng = np.random.default_rng(0)
    df, number = rows - 13, len(effects)
    estimates = effects + rng.normal(size=(simulations, number)) * 2 / np.sqrt(rows)
    errors = 2 * np.sqrt(rng.chisquare(df, simulations) / df / rows)
    stages = estimates.reshape(simulations, -1, per_stage).mean(axis=2)
    num_stages = stages.shape[1]

    def found(values: np.ndarray, blocks: int, family: int) -> np.ndarray:
        limit = student.ppf(1 - 0.025 / family, df) / np.sqrt(blocks)
        return np.abs(values) > limit * errors

    network = found(estimates.mean(axis=1), number, 1)
    stage = found(stages[:, 7 // per_stage], per_stage, num_stages)
    return float(np.mean(network & stage & found(estimates[:, 7], 1, number)))


def test_a_single_block_has_no_gate_before_it() -> None:
    stated = state_power(
        plan(stages=1, max_blocks=1), 64, KNOWN, metric="val/log_loss", effect=0.05
    )
    assert stated.alone == stated.needed
    assert "stage" not in " ".join(stated.describe())


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
    config = make_config({"space": SPACE, "search": {"trials": 80}})
    found = spread_of(design, config, rows)
    # What the rates differ by is not noise.
    assert found.sd == pytest.approx(0.05, rel=0.15)
    assert "of 200 rows trained so far" in found.why
    few = spread_of(design, config, rows[:12])
    assert few == spread_of(design, config)
    assert few.sd is None
    others = [dataclasses.replace(row, source=Source.ADAPTIVE) for row in rows]
    assert spread_of(design, config, others) == few


def test_before_any_row_the_deviation_is_known_for_the_default_study_alone() -> None:
    config = make_config({})
    design = DesignPlan(config.make_space(), 0)
    found = spread_of(design, config)
    assert found.sd == 0.075
    assert found.why == "residual sd 0.075, measured on digits, 32 layers, 8 epochs"
    others = [{"space": {"max_blocks": 4}}, {"space": {"kinds": ["none", "identity"]}}]
    for changes in [*others, {"recipe": {"epochs": 12}}]:
        other = make_config(changes)
        assert spread_of(DesignPlan(other.make_space(), 0), other).sd is None


def test_effect_is_the_smallest_of_interest_or_typical_of_the_data() -> None:
    assert effect_of("digits", "val/log_loss", 0.01) == 0.01
    assert effect_of("digits", "val/log_loss", None) == 0.05
    assert effect_of("cats", "val/log_loss", None) is None


class TestOfASearch:
    CONFIG = make_config(
        {
            "space": SPACE,
            "search": {"trials": 80},
        }
    )

    def test_rows_to_come_are_stated_with_the_minutes_of_their_workers(self) -> None:
        own = self.CONFIG.make_space()
        one, two = (describe_search_power(self.CONFIG, own, [], n)[0] for n in (1, 2))
        assert one.startswith("power    to see 0.5 residual sd at a single block takes about ")
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

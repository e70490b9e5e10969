import json
import time
from dataclasses import replace

import numpy as np
import pytest

from nas.benefit import skip_benefit
from nas.benefit.context import study_metric
from nas.benefit.effects import Analysis, analyse
from nas.benefit.frame import make_frame
from nas.benefit.sample import make_sample
from nas.benefit.sight import sight
from search_spaces.spec import Kind
from tests.nas.benefit.conftest import CONTEXT, design_trials


def analysis_of(rows: int, limit: float | None, *, noise: float = 0.1, seed: int = 0) -> Analysis:
    frame = make_frame(design_trials(rows, seed), CONTEXT)
    sample = make_sample(frame.reference_rows, frame.places, study_metric(CONTEXT), frame.choices)
    if noise:
        value = noise * np.random.default_rng(seed).normal(size=rows)
        sample = replace(sample, value=value)
    return analyse(sample, tuple(Kind), limit)


@pytest.fixture(scope="module")
def found() -> dict:
    return sight(analysis_of(96, 0.04), unit="nats")


def shares(found: dict, where: str, level: str) -> list[float]:
    rows = found["by_size"]
    return [r["found_share"] for r in rows if (r["planted_at"], r["level"]) == (where, level)]


def test_larger_effects_and_coarser_levels_are_found_more_often(found: dict) -> None:
    for where, levels in (
        ("everywhere", ("network", "stage", "block")),
        ("one_stage", ("stage", "block")),
        ("one_block", ("block",)),
    ):
        for level in levels:
            assert shares(found, where, level) == sorted(shares(found, where, level))
        at_planted = [shares(found, where, level)[1] for level in levels]
        assert at_planted == sorted(at_planted, reverse=True)
    assert len(found["by_size"]) == 4 * 6
    assert found["planted"] == 0.04
    assert found["planted_source"] == "smallest effect of interest"


def test_the_gate_costs_a_block_that_helps_alone(found: dict) -> None:
    beside, alone = shares(found, "one_stage", "block")[3], shares(found, "one_block", "block")[3]
    assert beside > 0.8 > alone
    by_place = found["by_place"]
    assert len(by_place) == 30
    assert all(row["found_share"] >= row["found_share_alone"] for row in by_place)
    assert {(row["position"], row["stage"], row["block"]) for row in by_place} >= {(6, 2, 1)}


def test_false_alarms_keep_their_level(found: dict) -> None:
    assert 0.01 < found["false_alarm_share"] < 0.08
    elsewhere = [row["false_alarm_share"] for row in found["by_size"]]
    assert max(share for share in elsewhere if share is not None) < 0.08


def test_the_size_that_is_found_80_times_is_found_80_times(found: dict) -> None:
    sizes = {row["level"]: row["size"] for row in found["found_80"]}
    assert sizes["network"] < sizes["stage"] < sizes["block"]
    again = sight(analysis_of(96, sizes["block"]))
    assert again["found_share"] == pytest.approx(0.8, abs=0.02)


@pytest.mark.slow
def test_shares_are_on_average_those_of_fresh_studies() -> None:
    """What a report says of itself, against studies whose noise is known."""
    planted, repeats = 0.055, 60
    analysis = analysis_of(64, planted)
    stage = np.isin([place.stage for place in analysis.sample.places], [1])
    on = (analysis.sample.codes[:, stage] > 0).sum(axis=1)
    rng, seen, said = np.random.default_rng(5), [], []
    for number in range(repeats):
        noise = 0.1 * rng.normal(size=64)
        sample = replace(analysis.sample, value=noise + planted * on)
        study = analyse(sample, tuple(Kind), planted, draws=400)
        seen.append(
            next(
                study.decisions[q] == "benefit"
                for q in study.questions
                if (q.estimand, q.stage, q.kind) == ("AMCE_STAGE", 1, "skip")
            )
        )
        if number < 12:
            own = sight(study, simulations=300)
            said.append(shares(own, "one_stage", "stage")[1])
    # Standard errors of the two are about 0.05 and 0.03.
    assert np.mean(seen) == pytest.approx(np.mean(said), abs=0.17)


def test_without_a_smallest_effect_one_is_planted_that_can_just_be_told() -> None:
    found = sight(analysis_of(96, None))
    assert found["planted_source"] == "typical detectable effect, block"
    assert 0.05 < found["planted"] < 0.15
    few = sight(analysis_of(20, None))
    assert few["planted_source"] == "typical detectable effect, stage"
    assert few["found_share"] == 0
    assert all(row["found_share_alone"] == 0 for row in few["by_place"])


@pytest.mark.parametrize("rows", [0, 3])
def test_too_few_rows_simulate_nothing(rows: int) -> None:
    assert sight(analysis_of(rows, 0.02)) == {}


def test_rows_that_can_decide_nothing_simulate_nothing() -> None:
    analysis = analysis_of(48, 0.02)
    assert sight(replace(analysis, can_decide=False)) == {}


def test_where_every_block_has_a_skip_kinds_are_compared() -> None:
    analysis = analysis_of(96, 0.04)
    sample = replace(
        analysis.sample,
        codes=np.where(analysis.sample.codes == 0, 1, analysis.sample.codes),
        choices=None,
    )
    found = sight(analyse(sample, (Kind.IDENTITY, Kind.PROJECTION), 0.04))
    assert {row["kind"] for row in found["by_place"]} == {"projection"}
    assert shares(found, "everywhere", "network")[3] == 1


def test_the_report_holds_it_and_the_same_rows_give_the_same_bytes() -> None:
    rows = design_trials(48)
    first, second = (skip_benefit(own, [], CONTEXT)["sight"] for own in (rows, rows[::-1]))
    assert json.dumps(first) == json.dumps(second)
    assert first["simulations"] == 1000
    assert first["unit"] == "nats"


@pytest.mark.parametrize(("rows", "seconds"), [(200, 1.0), (2500, 2.0)])
def test_it_is_quick(rows: int, seconds: float) -> None:
    analysis = analysis_of(rows, 0.02)
    before = time.process_time()
    sight(analysis)
    assert time.process_time() - before < seconds

import numpy as np
import pytest

from nas.benefit.effects import analyse
from nas.benefit.places import block_facts
from nas.benefit.profile import best_set, ranking, trend
from search_spaces.spec import Kind

TWO = (Kind.NONE, Kind.IDENTITY)


@pytest.fixture
def found(planted):
    tau = np.zeros((6, 3))
    tau[:, 1] = [0.1, 0.9, 0.5, 0.5, 0.3, 0.0]
    world = planted.world(tau)
    rng = np.random.default_rng(0)
    sample = world.draw(rng, 96, lambda r, codes: 0.1 * r.normal(size=len(codes)))
    return analyse(sample, TWO, 0.05)


def test_ranks_follow_the_estimates_and_their_intervals_hold_them(found):
    rows = ranking(found)
    assert min(rows, key=lambda row: row["rank"])["position"] == 2
    assert all(row["rank_low"] <= row["rank"] <= row["rank_high"] for row in rows)
    assert (rows[1]["rank_low"], rows[1]["rank_high"], rows[1]["p_top3"]) == (1, 1, 1.0)
    assert (rows[1]["p_top1"], rows[0]["p_top1"]) == (1.0, 0.0)
    assert sum(row["p_top1"] for row in rows) == pytest.approx(1.0)
    assert {rows[2]["rank"], rows[3]["rank"]} == {2, 3}
    assert (rows[2]["rank_low"], rows[2]["rank_high"]) == (2, 3)


def test_the_best_set_holds_what_reaches_the_largest_lower_end(found):
    assert best_set(found) == [{"position": 2, "kind": "identity"}]


def test_without_a_benefit_the_best_set_is_empty(planted):
    world = planted.world(np.zeros((6, 3)))
    rng = np.random.default_rng(0)
    sample = world.draw(rng, 48, lambda r, codes: r.normal(size=len(codes)))
    assert best_set(analyse(sample, TWO, None)) == []


def test_the_trend_is_the_slope_and_the_last_third_minus_the_first(planted, found):
    facts = block_facts(found.sample.places, planted.context)
    identity, skip = trend(found, facts)
    assert (identity["kind"], skip["kind"], identity["n"]) == ("identity", "skip", 96)
    depth = (np.arange(6) + 0.5) / 6
    slope = np.polyfit(depth, [0.1, 0.9, 0.5, 0.5, 0.3, 0.0], 1)[0]
    assert identity["slope"] == pytest.approx(slope, abs=0.15)
    assert identity["late_minus_early"] == pytest.approx(0.15 - 0.5, abs=0.08)
    assert identity["ci"][0] < identity["late_minus_early"] < identity["ci"][1]
    assert identity["frame"] == "staged"


def test_few_blocks_or_rows_have_no_trend(planted):
    world = planted.world(np.zeros((2, 3)), stages=1)
    rng = np.random.default_rng(0)
    sample = world.draw(rng, 40, lambda r, codes: r.normal(size=len(codes)))
    facts = block_facts(sample.places, planted.context)
    assert trend(analyse(sample, TWO, None), facts) == []

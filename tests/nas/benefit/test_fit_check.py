from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from nas.benefit import skip_benefit
from nas.benefit.effects import analyse
from nas.benefit.fit_check import lack_of_fit
from search_spaces.spec import Kind

TWO = (Kind.NONE, Kind.IDENTITY)
NO_NOISE = {"sd_within_arch": None, "replicate_df": 0}


def noisy(rng, codes):
    return 0.3 * rng.normal(size=len(codes))


def p_of(world, seed, spread):
    sample = world.draw(np.random.default_rng(seed), 80, noisy, repeats=2, spread=spread)
    return lack_of_fit(analyse(sample, TWO, None, draws=50, live=True), NO_NOISE)["lack_of_fit_p"]


def test_a_model_that_fits_is_seldom_doubted_and_one_that_does_not_is(planted):
    world = planted.world(np.zeros((6, 3)))
    fitting = [p_of(world, seed, spread=0.0) for seed in range(150)]
    assert np.mean(np.array(fitting) < 0.05) <= 0.09
    assert stats.kstest(fitting, "uniform").pvalue > 0.01
    bad = [p_of(world, seed, spread=0.6) for seed in range(20)]
    assert np.median(bad) < 0.001


def test_without_replicates_in_the_design_other_seeds_serve(planted):
    world = planted.world(np.zeros((6, 3)))
    sample = world.draw(np.random.default_rng(0), 80, noisy)
    analysis = analyse(sample, TWO, None, draws=50, live=True)
    for within, low, high in ((0.3, 0.05, 1.0), (0.1, 0.0, 1e-6)):
        found = lack_of_fit(analysis, {"sd_within_arch": within, "replicate_df": 40})
        assert low <= found["lack_of_fit_p"] <= high
        assert found["lack_of_fit_from"] == "networks trained on several seeds"
    expected = stats.f.sf((analysis.models.blocks.residual_sd / 0.3) ** 2, 80 - 7, 40)
    found = lack_of_fit(analysis, {"sd_within_arch": 0.3, "replicate_df": 40})
    assert found["lack_of_fit_p"] == pytest.approx(expected)


def test_nothing_to_compare_with_is_no_test(planted):
    found = skip_benefit(planted.design(60), [], planted.context)["noise"]
    assert (found["lack_of_fit_p"], found["lack_of_fit_from"]) == (None, None)


def test_networks_that_the_blocks_do_not_explain_are_warned_of(planted):
    rng = np.random.default_rng(0)
    trials = planted.design(60)
    shift = rng.normal(size=60)
    rows = [
        replace(t, number=2 * index + again, value=float(t.value + shift[index] + 0.01 * again))
        for index, t in enumerate(trials)
        for again in range(2)
    ]
    result = skip_benefit(rows, [], planted.context)
    assert result["noise"]["lack_of_fit_from"] == "replicated design rows"
    [entry] = [e for e in result["warning_details"] if e["code"] == "W_LACK_OF_FIT"]
    assert entry["remedy"] == "nas ablate runs/planted"


def test_one_network_at_two_rates_is_no_replicate(planted):
    rows = [
        replace(t, number=2 * t.number + index, lr=lr, value=t.value + index)
        for t in planted.design(60)
        for index, lr in enumerate((0.03, 0.1))
    ]
    found = skip_benefit(rows, [], planted.context)["noise"]
    assert found["lack_of_fit_p"] is None
    again = [replace(row, number=200 + row.number, value=row.value + 0.1) for row in rows]
    found = skip_benefit(rows + again, [], planted.context)["noise"]
    assert found["lack_of_fit_from"] == "replicated design rows"
    assert found["n_replicated"] == 120

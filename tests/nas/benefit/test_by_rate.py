from dataclasses import replace

import numpy as np
import pytest

from nas.benefit import skip_benefit
from nas.benefit.by_rate import analyses_by_rate, sign_changes
from nas.benefit.context import study_metric
from nas.benefit.frame import make_frame
from nas.benefit.reference import Reference
from nas.benefit.sample import values_of


def crossed(planted, rows=80, rates=(0.03, 0.1), effect=lambda rate, codes: 0.0, sd=0.1, seed=0):
    """Every design row at every rate; the loss falls by what `effect` says of its codes."""
    rng, found = np.random.default_rng(seed), []
    for trial in planted.design(rows):
        codes = np.array([kind != "none" for kind in trial.spec.kinds], float)
        shared = 0.1 * rng.normal()
        for rate in rates:
            loss = float(3 + 5 * rate - effect(rate, codes) + shared + sd * rng.normal())
            found.append(replace(trial, number=len(found), value=loss, lr=rate, metrics={}))
    return found


def flipping(rate, codes):
    """The first block helps at the low rate and hurts at the high one; all others help."""
    return 0.5 * codes[1:].sum() + (3 if rate < 0.05 else -3) * codes[0]


def test_one_rate_has_no_table_of_rates(planted):
    result = skip_benefit(planted.design(40), [], planted.context)
    assert (result["by_lr"], result["lr_sign_changes"]) == ([], [])


def test_the_map_averages_over_rates_and_each_rate_has_its_own(planted):
    def stronger(rate, codes):
        return (0.2 if rate < 0.05 else 0.6) * codes.sum()

    result = skip_benefit(crossed(planted, effect=stronger), [], planted.context)
    assert result["headline"]["estimate"] == pytest.approx(0.4, abs=0.05)
    low, high = result["by_lr"]
    assert (low["lr"], high["lr"]) == (0.03, 0.1)
    assert (low["n_rows"], high["n_rows"]) == (80, 80)
    assert low["headline"]["estimate"] == pytest.approx(0.2, abs=0.05)
    assert high["headline"]["estimate"] == pytest.approx(0.6, abs=0.05)
    assert set(low["effects"][0]) == set(result["effects"][0])
    assert "W_LR_UNTUNED" not in result["warnings"]
    assert result["training"]["lr_grid"] == [0.03, 0.1]


def test_the_rate_itself_widens_no_interval(planted):
    rows = crossed(planted, effect=lambda _, codes: 0.3 * codes.sum())
    far = [replace(t, value=t.value + (40 if t.lr == 0.1 else 0)) for t in rows]
    near = skip_benefit(rows, [], planted.context)["headline"]
    apart = skip_benefit(far, [], planted.context)["headline"]
    assert apart["estimate"] == pytest.approx(near["estimate"])
    assert apart["se"] == pytest.approx(near["se"])


def test_an_effect_that_changes_sign_with_the_rate_is_found_and_warned_of(planted):
    result = skip_benefit(crossed(planted, rows=100, effect=flipping), [], planted.context)
    first = [
        row for row in result["lr_sign_changes"]
        if row["position"] == 1 and row["kind"] == "identity"
    ]  # fmt: skip
    [row] = first
    assert (row["decided"], row["size_differs"], row["significant"]) == (True, True, True)
    assert [own["decision"] for own in row["by_lr"]] == ["benefit", "harm"]
    assert row["difference"] == pytest.approx(-6, abs=0.4)
    [entry] = [e for e in result["warning_details"] if e["code"] == "W_LR_SIGN"]
    assert "change sign with the learning rate" in entry["text"]
    # Which rate is the right one is not known here, so no command names one.
    assert entry["remedy"].startswith("Decide on the learning rate first")


def test_an_effect_at_one_rate_alone_differs_in_size_and_is_no_change_of_sign(planted):
    def at_the_high_rate(rate, codes):
        return (0.5 if rate > 0.05 else 0.0) * codes.sum()

    sized = 0
    for seed in range(4):
        rows = crossed(planted, effect=at_the_high_rate, sd=0.3, seed=seed)
        result = skip_benefit(rows, [], planted.context)
        assert "W_LR_SIGN" not in result["warnings"]
        changes = result["lr_sign_changes"]
        assert not any(row["decided"] for row in changes)
        sized += sum(row["size_differs"] for row in changes)
    assert sized >= 4


@pytest.mark.slow
def test_signs_that_differ_by_chance_are_listed_without_a_claim(planted):
    claims, listed = 0, 0
    for seed in range(12):
        rows = crossed(planted, rows=60, effect=lambda _, codes: 0.0, seed=seed)
        reference = Reference(make_frame(rows, planted.context), planted.context)
        values = values_of(reference.rows, study_metric(planted.context))
        changes = sign_changes(reference, analyses_by_rate(reference, values, None))
        listed += len(changes)
        claims += any(row["decided"] or row["size_differs"] for row in changes)
    assert listed > 60
    assert claims <= 3


def test_many_rates_are_no_grid(planted):
    rows = [replace(t, lr=0.01 * (1 + t.number)) for t in planted.design(60)]
    result = skip_benefit(rows, [], planted.context)
    assert result["by_lr"] == []
    assert result["headline"]["estimate"] == pytest.approx(0.24, abs=0.03)

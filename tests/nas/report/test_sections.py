"""Sections about further evidence: each is there exactly when its key is."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from nas.report import ReportData, render_report
from nas.report.associations import associations_section
from nas.report.claims import claims_section
from nas.report.neighbours import neighbours_section
from nas.report.numbers import metric_of, typographic
from nas.report.outcomes import failures_section, outcomes_section
from nas.report.over_depth import aligned_section, trend_words
from nas.report.rates import rates_section
from nas.report.sight import sight_section, sight_words
from nas.report.signals import signals_section
from nas.report.truth import truth_section
from tests.nas.report.reading import words
from tests.nas.report.sample import effect_row, sample
from tests.nas.report.whole import whole

Section = Callable[[ReportData], str]
SECTIONS: dict[str, Section] = {
    "by_lr": rates_section,
    "interaction_test": neighbours_section,
    "aligned": aligned_section,
    "metrics": outcomes_section,
    "claims": claims_section,
    "signals": signals_section,
    "sight": sight_section,
    "secondary": associations_section,
    "truth": truth_section,
}
RUBBISH = ("x", 3, [1], [{}], {"a": 1}, {"by": 3, "effects": "x", "by_size": [{}]}, None)


def but(data: ReportData, **benefit: Any) -> ReportData:
    return dataclasses.replace(data, benefit={**data.benefit, **benefit})


@pytest.mark.parametrize("key", SECTIONS)
def test_a_missing_or_odd_key_is_a_missing_section(key: str) -> None:
    lacking = {name: value for name, value in whole().benefit.items() if name != key}
    assert SECTIONS[key](dataclasses.replace(whole(), benefit=lacking)) == ""
    for value in RUBBISH:
        text = words(SECTIONS[key](but(whole(), **{key: value})))
        assert "None" not in text
        assert "nan" not in text


def test_all_sections_are_on_the_page_and_say_their_grade() -> None:
    text = words(render_report(whole()))
    for title in (
        "In single networks",
        "By learning rate",
        "Neighbouring skips",
        "Networks that did not train",
        "Other outcomes",
        "Claims about skips",
        "Inside training: diagnostics",
        "Would we have seen it?",
        "Association in the sampled trials",
    ):
        assert title in text
    assert text.count("Before you rely on it") == 1


def test_the_sample_without_these_keys_has_none_of_the_sections() -> None:
    text = words(render_report(sample()))
    for title in ("In single networks", "By learning rate", "Claims", "Inside training", "Assoc"):
        assert title not in text


def test_rates_stand_side_by_side_with_their_rows() -> None:
    text = words(rates_section(whole()))
    assert "(80 at 0.033, 80 at 0.1)" in text
    for row in whole().benefit["by_lr"]:
        head, metric = row["headline"], metric_of(whole().benefit)
        assert typographic(metric.effects(head["ci_sim_low"], head["ci_sim_high"])) in text


def change(**more: Any) -> dict[str, Any]:
    known = {
        "stage": 2,
        "block": 1,
        "kind": "identity",
        "by_lr": [
            {"lr": 0.03, "estimate": 0.2, "decision": "benefit"},
            {"lr": 0.1, "estimate": -0.1, "decision": "inconclusive"},
        ],
    }
    return {**known, **more}


def test_only_sign_changes_beyond_noise_are_named() -> None:
    found = [change(decided=True, size_differs=True), change(block=2), change(block=3)]
    text = words(rates_section(but(whole(), lr_sign_changes=found)))
    assert "The sign hangs on the learning rate" in text
    assert typographic("identity at stage 2, block 1: +0.20, helps at 0.03; -0.10 at 0.1") in text
    assert "2 further estimates have another sign at another rate by no more than noise" in text
    quiet = words(rates_section(but(whole(), lr_sign_changes=found[1:])))
    assert "The sign hangs" not in quiet
    assert "The sign hangs" not in words(rates_section(but(whole(), lr_sign_changes=[])))


def test_a_difference_in_size_is_not_called_a_change_of_sign() -> None:
    found = [change(decided=False, size_differs=True, block=index) for index in range(1, 9)]
    text = words(rates_section(but(whole(), lr_sign_changes=found)))
    assert "The sign hangs" not in text
    assert "The size differs between rates, a change of sign is not shown" in text
    assert "2 more in skip_benefit.json" in text
    assert "no more than noise" not in text


def test_neighbours_are_named_by_block_and_called_by_the_joint_test() -> None:
    pairs = [{"l": 1, "m": 2, "estimate": -0.3, "ci": [-0.5, -0.1], "p_adj": 0.001}]
    text = words(
        neighbours_section(but(whole(), interaction_test={"p": 0.004}, interactions=pairs))
    )
    assert "What a skip does depends on the blocks beside it" in text
    assert "blocks 1.1 and 1.2: stand in for each other" in text
    quiet = words(
        neighbours_section(but(whole(), interaction_test={"p": 0.4}, interactions=pairs))
    )
    assert "finds nothing that depends on the blocks beside it (p = 0.40)" in quiet
    assert "blocks 1.1 and 1.2: cannot tell" in quiet


def test_failures_are_written_as_shares_and_fewer_of_them_is_right_of_zero() -> None:
    text = words(failures_section(whole()))
    [row] = [
        row
        for row in whole().benefit["effects"]
        if (row["estimand"], row["kind"]) == ("FAIL_ALL", "skip")
    ]
    assert (
        f"with a skip at a block {100 * row['p_failed']:.0f}% do not train, of those without one "
        f"{100 * row['p_failed_reference']:.0f}%"
    ) in text
    assert "fewer fail" in text
    assert "left out a skip is worth" in text
    none = [r for r in whole().benefit["effects"] if not r["estimand"].startswith("FAIL")]
    assert failures_section(but(whole(), effects=none)) == ""


def test_effects_on_failures_do_not_change_how_the_metric_is_written() -> None:
    rows = [effect_row("AMCE", "identity", 0.004, 0.001, stage=1, block=1)]
    alone = metric_of({"effects": rows}).digits
    assert (
        metric_of({"effects": [*rows, effect_row("FAIL_ALL", "skip", 0.4, 0.1)]}).digits == alone
    )


def test_other_outcomes_say_what_the_target_is() -> None:
    text = words(outcomes_section(whole()))
    assert "Validation accuracy" in text
    assert "Epochs to target" in text
    assert "never get there and count as one more" in text


def test_the_trend_is_told_in_words_and_not_called_depth_alone_in_a_staged_network() -> None:
    row = {"kind": "skip", "frame": "staged", "late_minus_early": -0.2, "ci": [-0.3, -0.1]}
    assert trend_words(but(sample(), trend=[row])) == (
        "*Over depth.* Early blocks benefit more from a skip than late ones: last third minus "
        "first third *-0.20* (-0.30 to -0.10). Width and resolution change with depth here, so "
        "this is no effect of depth alone."
    )
    open_row = {**row, "ci": [-0.3, 0.1], "frame": "isotropic"}
    assert "cannot be told" in trend_words(but(sample(), trend=[open_row]))
    assert trend_words(sample()) == ""


def test_depths_are_pooled_only_where_they_do_not_differ() -> None:
    def aligned(p: float, estimate: float | None) -> dict[str, Any]:
        own = {
            "stage": 1, "from_start": 2, "estimate": estimate, "ci_low": 0.1, "ci_high": 0.3,
            "by_depth": [{"depth": 14, "estimate": 0.21}, {"depth": 20, "estimate": 0.17}],
        }  # fmt: skip
        kind = {"kind": "skip", "interaction": {"p": p}, "bins": [own]}
        return {"depths": [14, 20], "by": {"from_start": [kind]}}

    text = words(aligned_section(but(sample(), aligned=aligned(0.4, 0.19))))
    assert "No difference between the depths is found (p = 0.40)." in text
    assert "stage 1, block 2any+0.21+0.17+0.19+0.10 to +0.30" in text
    apart = words(aligned_section(but(sample(), aligned=aligned(0.01, None))))
    assert "The depths differ (p = 0.010), so nothing is pooled." in apart


def test_signals_are_diagnostic_until_this_study_shows_more() -> None:
    text = words(signals_section(whole()))
    assert "Diagnostics, not effects" in text
    assert "means over 5 seeds" in text
    assert "Accuracy lost without the shortcut: diagnostic, not compared with effects" in text
    assert "predictive here" not in text
    rows = [
        row | {"predictive_rho": {"g_init": 0.8}, "predictive_ci": {"g_init": [0.3, 0.95]}}
        for row in whole().benefit["signals"]
    ]
    shown = words(signals_section(but(whole(), signals=rows)))
    assert "Gradient at initialisation: predictive here, rank correlation 0.80" in shown


def test_importances_are_called_associations_and_are_no_bars() -> None:
    section = associations_section(whole())
    text = words(section)
    assert "say what went together, and not what a skip does" in text
    assert "Optuna's fANOVA: agreement" in text
    assert "a model of all trials, with depth and source as factors: agreement" in text
    assert "<svg" not in section


def test_the_first_screen_says_what_would_have_been_seen() -> None:
    found = whole().benefit["sight"]
    text = sight_words(whole())
    assert text.startswith("Were skips worth ")
    assert f"false alarms: {100 * found['false_alarm_share']:.0f}." in text
    assert found["sentence"] in words(sight_section(whole()))
    page = words(render_report(whole()))
    assert page.index("Were skips worth") < page.index("Every effect")


def test_the_true_map_is_drawn_on_our_intervals_and_counted() -> None:
    rows = [
        {"estimand": "AMCE_ALL", "kind": "skip", "stage": None, "block": None, "estimate": 0.2,
         "ci_sim_low": 0.1, "ci_sim_high": 0.3, "truth": 0.25, "inside": True},
        {"estimand": "AMCE", "kind": "identity", "stage": 1, "block": 1, "estimate": 0.2,
         "ci_sim_low": 0.1, "ci_sim_high": 0.3, "truth": 0.4, "inside": False},
    ]  # fmt: skip
    truth = {"effects": rows, "num_inside": 1, "num_compared": 2, "sentence": "All are trained."}
    section = truth_section(but(sample(), truth=truth))
    assert "All are trained. 1 of 2 intervals hold the truth." in words(section)
    assert "the interval misses the truth" in section
    # The mark in the key, and one per row in the wide and in the narrow plot.
    assert section.count('class="hollow"') == 4


def test_claims_have_a_verdict_each_and_lead_to_their_page() -> None:
    section = claims_section(whole())
    text = words(section)
    assert "1 contradicted, 1 not tested of 2 claims" in text
    assert 'href="../claims/claims.html"' in section
    alone = dataclasses.replace(whole(), claims_page=None)
    assert "href" not in claims_section(alone)

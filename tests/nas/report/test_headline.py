import math
from typing import ClassVar

import pytest

from nas.report import headline

ALL_HELP = {
    "estimand": "AMCE_ALL",
    "kind": "skip",
    "estimate": 0.2,
    "ci_sim_low": 0.15,
    "ci_sim_high": 0.25,
    "decision": "benefit",
    "n_runs": 100,
}
DATA = {"dataset": "digits", "metric": "val/log_loss", "direction": "minimize"}


def anchor(name: str, mean: float, low: float, high: float, failed: int = 0) -> dict:
    stats = {"mean": mean, "sd": 0.01, "ci": [low, high]}
    return {"name": name, "n": 5, "failed": failed, **stats, "metrics": {"val_accuracy": stats}}


def test_helping_skips_are_told_with_intervals_and_seeds() -> None:
    anchors = [anchor("plain-32", 0.801, 0.71, 0.892), anchor("identity-32", 0.978, 0.974, 0.982)]
    assert headline({"data": DATA, "effects": [ALL_HELP], "anchors": anchors}) == (
        "Skips help on digits at 32 layers: with an identity skip around every block validation "
        "accuracy is 97.8% (95% interval 97.4 to 98.2%, 5 seeds), with none 80.1% (71.0 to 89.2%, "
        "5 seeds); one skip lowers validation log-loss by 0.20 on average (95% interval 0.15 to "
        "0.25, 100 random networks)."
    )


def test_harm_of_the_random_design_alone_is_told() -> None:
    effect = ALL_HELP | {
        "estimate": -0.2,
        "ci_sim_low": -0.25,
        "ci_sim_high": -0.15,
        "decision": "harm",
    }
    assert headline({"data": DATA, "effects": [effect]}) == (
        "Skips hurt on digits: one skip raises validation log-loss by 0.20 on average (95% "
        "interval 0.15 to 0.25, 100 random networks)."
    )


def test_harm_in_the_anchors_alone_is_told() -> None:
    anchors = [anchor("plain-8", 0.98, 0.97, 0.99), anchor("identity-8", 0.9, 0.88, 0.92)]
    assert headline({"data": DATA, "anchors": anchors}).startswith("Skips hurt on digits at 8")


def test_overlapping_intervals_cannot_tell() -> None:
    effect = ALL_HELP | {
        "estimate": 0.01,
        "ci_sim_low": -0.02,
        "ci_sim_high": 0.04,
        "decision": "inconclusive",
    }
    anchors = [anchor("plain-8", 0.98, 0.97, 0.99), anchor("identity-8", 0.985, 0.975, 0.995)]
    sentence = headline({"data": DATA, "effects": [effect], "anchors": anchors})
    assert sentence.startswith(
        "The data cannot tell yet whether skips help on digits at 8 layers:"
    )
    assert "by 0.010 on average (95% interval -0.020 to 0.040" in sentence


def test_anchors_decide_where_the_random_design_cannot_tell() -> None:
    effect = ALL_HELP | {"decision": "inconclusive"}
    anchors = [anchor("plain-32", 0.8, 0.7, 0.9), anchor("identity-32", 0.98, 0.97, 0.99)]
    sentence = headline({"data": DATA, "effects": [effect], "anchors": anchors})
    assert sentence.startswith("Skips help")


def test_contradicting_evidence_is_called_mixed() -> None:
    anchors = [anchor("plain-8", 0.98, 0.97, 0.99), anchor("identity-8", 0.9, 0.88, 0.92)]
    sentence = headline({"data": DATA, "effects": [ALL_HELP], "anchors": anchors})
    assert sentence.startswith("The evidence on skips is mixed on digits at 8 layers:")


def test_a_settled_small_effect_is_no_worthwhile_difference() -> None:
    effect = ALL_HELP | {"estimate": 0.001, "ci_sim_low": -0.01, "ci_sim_high": 0.01}
    sentence = headline({"data": DATA, "effects": [effect | {"decision": "negligible"}]})
    assert sentence.startswith("Skips make no worthwhile difference on digits:")


def test_the_deepest_pair_of_anchors_speaks() -> None:
    anchors = [
        anchor(f"{family}-{layers}", 0.9, 0.8, 0.95)
        for layers in (8, 32, 20)
        for family in ("identity", "plain")
    ]
    assert "at 32 layers" in headline({"data": DATA, "anchors": anchors})


def test_failed_seeds_of_an_anchor_are_told() -> None:
    plain = {"name": "plain-32", "n": 0, "mean": None, "ci": None, "failed": 5, "metrics": {}}
    anchors = [plain, anchor("identity-32", 0.98, 0.97, 0.99, failed=1)]
    sentence = headline({"data": DATA, "anchors": anchors})
    assert "(95% interval 97.0 to 99.0%, 5 seeds, 1 failed)" in sentence
    assert "with none unknown (5 seeds failed)" in sentence


def test_a_missing_interval_is_named() -> None:
    effect = ALL_HELP | {"ci_sim_low": None, "ci_sim_high": None}
    assert "on average (no interval yet, 100 random networks)" in headline({"effects": [effect]})


def test_accuracy_as_the_metric_is_told_in_points() -> None:
    effect = ALL_HELP | {"estimate": 0.012, "ci_sim_low": 0.004, "ci_sim_high": 0.02}
    data = {"dataset": "x", "metric": "val/accuracy", "direction": "maximize"}
    assert "raises validation accuracy by 1.2 points on average (95% interval 0.4 to 2.0" in (
        headline({"data": data, "effects": [effect]})
    )


@pytest.mark.parametrize(
    ("benefit", "sentence"),
    [
        ({}, "No answer yet: nothing that compares skips with none has been measured."),
        (
            {"data": DATA, "study": {"n_trials": 3, "by_source": {"randomised": 0}}},
            "No answer on digits: no trial has source=randomised.",
        ),
        (
            {"data": DATA, "study": {"n_trials": 3, "by_source": {"randomised": 2}}},
            "No answer yet on digits: 3 trials, 2 from the random design, and no plain network "
            "beside one with skips: too little to compare skips with none.",
        ),
        (
            {
                "data": DATA,
                "rows": {"randomised": 100, "complete": 0, "failed": {"unknown": 100}},
                "settled": {"can_decide": False},
            },
            "No answer on digits: 100 of 100 random networks failed.",
        ),
    ],
)
def test_without_evidence_there_is_no_answer(benefit: dict, sentence: str) -> None:
    assert headline(benefit) == sentence


def test_the_sentence_is_ascii_for_terminals_and_logs() -> None:
    assert headline({"data": DATA, "effects": [ALL_HELP]}).isascii()


FAILED = {
    "rows": {"randomised": 30, "complete": 1, "failed": {"diverged": 28, "out_of_memory": 1}},
    "settled": {"can_decide": False},
    "data": DATA,
}


def test_estimates_from_failed_networks_are_no_evidence() -> None:
    assert headline(FAILED | {"effects": [ALL_HELP | {"decision": "negligible"}]}) == (
        "No answer on digits: 29 of 30 random networks failed (diverged, out of memory)."
    )


def test_too_many_rows_left_out_are_no_evidence() -> None:
    rows = {"randomised": 30, "complete": 25, "used": 25, "left_out": {"lost": 2, "pruned": 3}}
    benefit = FAILED | {"rows": rows, "effects": [ALL_HELP | {"decision": "inconclusive"}]}
    assert headline(benefit) == (
        "No answer on digits: 5 of 30 random networks are left out, too many to decide."
    )


def test_anchors_answer_where_the_random_networks_failed() -> None:
    anchors = [anchor("plain-8", 0.98, 0.97, 0.99), anchor("identity-8", 0.9, 0.88, 0.92)]
    sentence = headline(FAILED | {"effects": [ALL_HELP], "anchors": anchors})
    assert sentence.startswith("Skips hurt on digits at 8 layers: with an identity skip")
    assert sentence.endswith("; 29 of 30 random networks failed (diverged, out of memory).")
    assert "one skip" not in sentence


def test_where_the_mean_over_all_kinds_is_not_known_that_of_one_kind_is_told() -> None:
    identity = ALL_HELP | {"kind": "identity"}
    unknown = ALL_HELP | {"estimate": None, "decision": "inconclusive"}
    assert headline({"data": DATA, "effects": [unknown, identity]}) == (
        "Skips help on digits: one identity skip lowers validation log-loss by 0.20 on average "
        "(95% interval 0.15 to 0.25, 100 random networks)."
    )


class TestChance:
    """Ten classes and 360 images: guessing gives 10%, and up to 13.2% by luck."""

    DATA: ClassVar = DATA | {"num_classes": 10, "n_val": 360}

    def seeds(self, name: str, mean: float, ci: list[float] | None) -> dict:
        stats = {"mean": mean, "sd": 0.0 if ci is None else 0.01, "ci": ci}
        return {"name": name, "n": 2, "failed": 0, **stats, "metrics": {"val_accuracy": stats}}

    def test_networks_that_all_guess_are_no_evidence(self) -> None:
        for ci in (None, [0.102, 0.104]):
            anchors = [self.seeds("plain-8", 0.1, None), self.seeds("identity-8", 0.103, ci)]
            sentence = headline({"data": self.DATA, "anchors": anchors})
            assert sentence.startswith("The data cannot tell yet whether skips help")
            assert "both no better than guessing" in sentence

    def test_equal_seeds_have_no_interval_and_claim_nothing(self) -> None:
        anchors = [self.seeds("plain-8", 0.5, None), self.seeds("identity-8", 0.6, None)]
        sentence = headline({"data": self.DATA, "anchors": anchors})
        assert sentence.startswith("The data cannot tell yet whether skips help")
        assert "is 60.0% (no interval yet, 2 seeds), with none 50.0% (no interval yet" in sentence

    def test_a_network_that_learns_beside_one_that_guesses_is_evidence(self) -> None:
        anchors = [self.seeds("plain-8", 0.1, None), self.seeds("identity-8", 0.97, [0.96, 0.98])]
        assert headline({"data": self.DATA, "anchors": anchors}).startswith("Skips help")

    def test_log_loss_of_a_guess_is_known_too(self) -> None:
        guess = math.log(10)
        anchors = [
            {"name": "plain-8", "n": 2, "mean": guess, "sd": 0.0, "ci": None},
            {"name": "identity-8", "n": 2, "mean": guess, "sd": 0.0, "ci": None},
        ]
        assert "guessing" in headline({"data": self.DATA, "anchors": anchors})
        anchors[1] |= {"mean": 0.2, "ci": [0.1, 0.3]}
        assert headline({"data": self.DATA, "anchors": anchors}).startswith("Skips help")


class TestSpacesWhoseBlocksAllHaveASkip:
    KIND: ClassVar = ALL_HELP | {
        "estimand": "KIND",
        "kind": "projection",
        "reference_kind": "identity",
    }

    def test_projection_is_compared_with_identity(self) -> None:
        sentence = headline({"data": DATA, "effects": [self.KIND]})
        assert sentence.startswith("Projection skips are better than identity skips on digits:")
        equal = headline({"data": DATA, "effects": [self.KIND | {"decision": "negligible"}]})
        assert equal.startswith("Projection skips are as good as identity skips on digits:")
        open_ = headline({"data": DATA, "effects": [self.KIND | {"decision": "inconclusive"}]})
        assert open_.startswith(
            "The data cannot tell yet whether projection skips or identity skips are better on"
        )

    def test_with_one_kind_only_spans_are_compared(self) -> None:
        span = self.KIND | {
            "estimand": "SPAN_ALL",
            "kind": "skip",
            "span": 2,
            "reference_span": 1,
            "decision": "harm",
            "estimate": -0.2,
        }
        sentence = headline({"data": DATA, "effects": [span]})
        assert sentence.startswith("Skips of span 1 are better than skips of span 2 on digits:")

    def test_before_there_is_an_estimate_there_is_no_answer(self) -> None:
        unknown = self.KIND | {"estimate": None, "decision": "inconclusive"}
        assert headline({"data": DATA, "effects": [unknown]}) == (
            "No answer yet on digits: too few random networks to compare one kind of skip with "
            "another."
        )

import pytest

from nas.report.numbers import Metric, duration, metric_of, typographic

LOSS = Metric(name="val_log_loss", lower_is_better=True)
ACCURACY = Metric(name="val_accuracy", lower_is_better=False)


def test_names_say_split_and_metric() -> None:
    assert (LOSS.label, LOSS.short) == ("validation log-loss", "log-loss")
    assert (ACCURACY.label, ACCURACY.unit) == ("validation accuracy", " points")
    own = Metric(name="my_score", lower_is_better=False)
    assert (own.label, own.short, own.unit) == ("my score", "my score", "")


def test_accuracies_are_percentages_and_their_effects_points() -> None:
    assert ACCURACY.value(0.978) == "97.8%"
    assert ACCURACY.effect(-0.0123) == "-1.2"
    assert ACCURACY.effects(0.001, 0.02) == "+0.1 to +2.0"


def test_an_interval_of_accuracies_is_shown_within_zero_and_one() -> None:
    assert ACCURACY.values(0.97, 1.02) == "97.0 to 100.0%"


def test_an_effect_that_rounds_to_zero_has_no_sign() -> None:
    assert LOSS.effect(-0.001) == "0.00"
    assert LOSS.effect(None) == "?"


def test_a_size_has_a_minus_only_beyond_zero() -> None:
    assert LOSS.sizes(-0.25, -0.15, -0.2) == "0.15 to 0.25"
    assert LOSS.sizes(-0.25, 0.05, -0.1) == "-0.05 to 0.25"
    assert LOSS.sizes(None, 0.05, -0.1) == "no interval yet"


@pytest.mark.parametrize(("half", "text"), [(0.03, "+0.20"), (0.004, "+0.200"), (0.0, "+0.20")])
def test_narrow_intervals_get_more_decimals(half: float, text: str) -> None:
    assert LOSS.fine(0.2 - half, 0.2 + half).effect(0.2) == text


@pytest.mark.parametrize(("largest", "digits"), [(2.0, 2), (0.4, 2), (0.04, 3), (1e-9, 4), (0, 2)])
def test_small_effects_get_more_decimals(largest: float, digits: int) -> None:
    benefit = {"data": {"metric": "val/log_loss"}, "effects": [{"estimate": -largest}]}
    assert metric_of(benefit).digits == digits


def test_the_direction_is_the_datas_else_guessed_from_the_name() -> None:
    assert metric_of({"data": {"metric": "val/log_loss"}}).lower_is_better
    assert not metric_of({"data": {"metric": "score"}}).lower_is_better
    assert metric_of({"data": {"metric": "score", "direction": "minimize"}}).lower_is_better


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (348, "5 min 48 s"), (7200, "2 h"), (-1, "?")],
)
def test_durations_are_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_hyphens_in_names_stay_and_minus_signs_are_set() -> None:
    minus = "\N{MINUS SIGN}"
    assert typographic("-0.1 to (-2) in plain-32, 5-5-5") == (
        f"{minus}0.1 to ({minus}2) in plain-32, 5-5-5"
    )


def test_very_large_numbers_are_short_and_intervals_of_log_loss_begin_at_zero() -> None:
    assert LOSS.value(1.6e21) == "1.6e+21"
    assert LOSS.effects(-1.6e21, 12345.6) == "-1.6e+21 to +1.23e+04"
    assert ACCURACY.value(1.6e21) == "1.6e+23%"
    assert LOSS.value(9999.0) == "9999.000"
    assert LOSS.values(-0.2, 0.3) == "0.000 to 0.300"

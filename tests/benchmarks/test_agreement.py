import pytest

from benchmarks.agreement import (
    difference,
    quality,
    rank_correlation_between,
    rank_correlation_of_seeds,
    shared_architectures,
)
from benchmarks.arms import ArmError, ArmResult, Outcome


def result(**log_losses: float) -> ArmResult:
    """An arm's run; the accuracy is one minus the log-loss."""
    outcomes = {name: Outcome(log_loss=v, accuracy=1 - v) for name, v in log_losses.items()}
    return ArmResult(seconds=2.0, seconds_in_trials=1.0, outcomes=outcomes, num_failed=1)


def test_shared_are_the_architectures_that_no_run_lost() -> None:
    arms = {"stock": [result(a=0.1, b=0.2)], "nas": [result(a=0.1, b=0.2), result(b=0.3)]}

    assert shared_architectures(arms) == ["b"]


def test_too_few_shared_architectures_are_an_error() -> None:
    arms = {"stock": [result(a=0.1)], "nas": [result(b=0.3)]}

    with pytest.raises(ArmError, match=r"At least 1 architectures .* shared=0 with 2 failures"):
        shared_architectures(arms, 3)
    with pytest.raises(ArmError, match=r"At least 30 .* got shared=1"):
        shared_architectures({"stock": [result(a=0.1)], "nas": [result(a=0.3)]}, 64)


def test_failed_candidates_count_for_the_rate_and_are_counted() -> None:
    runs = [result(a=0.1, b=0.3), result(a=0.2, b=0.4)]

    found = quality(runs, ["a", "b"])

    assert runs[0].per_hour == pytest.approx(3 / 2 * 3600)
    assert found.num_failed == 2
    assert found.accuracy.low == pytest.approx(70)
    assert found.log_loss.high == pytest.approx(0.3)


def test_a_difference_is_paired_over_architectures() -> None:
    found = difference([result(a=0.1, b=0.2)], [result(a=0.2, b=0.3)], ["a", "b"])

    assert found.accuracy_points == pytest.approx(10)
    assert found.standard_error == pytest.approx(0, abs=1e-9)


def test_rank_correlations_compare_runs_of_other_seeds() -> None:
    rising, falling = result(a=0.1, b=0.2, c=0.3), result(a=0.3, b=0.2, c=0.1)

    between = rank_correlation_between([rising], [falling], ["a", "b", "c"])
    seeds = rank_correlation_of_seeds([rising, rising, falling], ["a", "b", "c"])

    assert between.median == pytest.approx(-1)
    assert seeds is not None
    assert (seeds.low, seeds.high, seeds.count) == (pytest.approx(-1), pytest.approx(1), 3)
    assert rank_correlation_of_seeds([rising], ["a", "b", "c"]) is None

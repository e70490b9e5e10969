import numpy as np
import pytest

from nas.claims.finding import Verdict
from nas.claims.residual_form import (
    best_rates,
    combine,
    decide_size,
    decide_toy,
    decide_zero_init,
)

YES, NO, OPEN = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.INCONCLUSIVE


def ratios(values: dict[int, float], spread: float = 0.02) -> dict[int, list[float]]:
    draws = np.random.default_rng(0)
    return {n: list(v + spread * draws.normal(size=8)) for n, v in values.items()}


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({8: 1.1, 20: 0.7, 56: 0.4}, YES),
        ({8: 0.4, 20: 0.7, 56: 0.9}, NO),
        # Falls, but branches are still larger than what they are added to.
        ({8: 3.0, 20: 2.0, 56: 1.5}, NO),
        ({8: 0.5, 20: 0.5, 56: 0.5}, OPEN),
    ],
)
def test_the_verdict_on_the_size_of_branches(values: dict[int, float], wanted: Verdict) -> None:
    verdict, estimates = decide_size(ratios(values))
    assert verdict is wanted
    assert estimates[1].value == pytest.approx(values[56], abs=0.05)


@pytest.mark.parametrize(
    ("with_skip", "without", "wanted"),
    [
        ([20] * 20, [90] * 20, YES),
        ([90] * 20, [20] * 20, NO),
        ([20] * 10 + [90] * 10, [50] * 20, OPEN),
        # Ties say nothing.
        ([20] * 20, [20] * 20, OPEN),
    ],
)
def test_the_verdict_on_the_toy(
    with_skip: list[float], without: list[float], wanted: Verdict
) -> None:
    assert decide_toy(with_skip, without)[0] is wanted


@pytest.mark.parametrize(("shift", "wanted"), [(0.1, YES), (-0.1, NO), (0.0, OPEN)])
def test_the_verdict_on_a_start_at_zero(shift: float, wanted: Verdict) -> None:
    noise = np.random.default_rng(4).normal(size=8)
    gains = shift + 0.01 * (noise - noise.mean())
    assert decide_zero_init(list(gains))[0] is wanted


@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        ((YES, YES, YES), YES),
        ((YES, YES, OPEN), OPEN),
        ((YES, NO, NO), OPEN),
        ((NO, OPEN, OPEN), NO),
        ((OPEN, OPEN, OPEN), OPEN),
    ],
)
def test_how_three_tests_make_a_verdict(verdicts: tuple[Verdict, ...], wanted: Verdict) -> None:
    assert combine(verdicts) is wanted


def test_each_arm_has_the_rate_with_the_fewest_steps() -> None:
    best, _ = best_rates({"a": [[9, 8], [1, 2]], "b": [[1, 1], [1, 1]]}, 1)
    assert best == {"a": 1, "b": 0}


def test_rates_are_chosen_by_other_seeds_than_those_that_are_tested() -> None:
    best, steps = best_rates({"a": [[1, 1, 9, 9, 9], [5, 6, 2, 2, 2]]}, 3)
    assert best == {"a": 1}
    assert steps == {"a": [5, 6]}


def test_the_sign_test_is_exact_although_each_arm_has_its_best_rate() -> None:
    rng = np.random.default_rng(0)
    # One arm hangs on its rate, the other does not; both are equal in the median at any rate.
    verdicts = [
        decide_toy(steps["with_skip"], steps["without"])[0]
        for _ in range(400)
        for _, steps in [
            best_rates(
                {
                    "with_skip": rng.normal(0, 3, (3, 30)).tolist(),
                    "without": rng.normal(0, 0.1, (3, 30)).tolist(),
                },
                10,
            )
        ]
    ]
    assert sum(verdict is not OPEN for verdict in verdicts) / 400 < 0.07

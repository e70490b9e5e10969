import numpy as np
import pytest

from nas.claims.depth import decide_growth, decide_trainable
from nas.claims.finding import Verdict


@pytest.mark.parametrize(
    ("ours", "plain", "wanted"),
    [
        ({0.1: (2, 5), 0.01: (5, 5)}, {0.1: (0, 5), 0.01: (0, 5)}, Verdict.SUPPORTED),
        # Networks with skips do not train either.
        ({0.1: (0, 5), 0.01: (0, 5)}, {0.1: (0, 5), 0.01: (0, 5)}, Verdict.CONTRADICTED),
        # Plain networks train as well: the statement is true, and skips are not what makes it so.
        ({0.1: (5, 5), 0.01: (5, 5)}, {0.1: (0, 5), 0.01: (5, 5)}, Verdict.INCONCLUSIVE),
        # Fewer than half is sure at one rate alone.
        ({0.1: (1, 5), 0.01: (0, 5)}, {0.1: (0, 5), 0.01: (0, 5)}, Verdict.INCONCLUSIVE),
        ({0.1: (3, 5), 0.01: (2, 5)}, {0.1: (1, 5), 0.01: (0, 5)}, Verdict.INCONCLUSIVE),
        # Two seeds are too few for any difference.
        ({0.1: (2, 2), 0.01: (2, 2)}, {0.1: (0, 2), 0.01: (0, 2)}, Verdict.INCONCLUSIVE),
    ],
)
def test_the_verdict_on_very_deep_networks(
    ours: dict[float, tuple[int, int]], plain: dict[float, tuple[int, int]], wanted: Verdict
) -> None:
    found = decide_trainable(ours, plain, 110)
    assert found.verdict is wanted
    assert "110 layers" in found.evidence


def test_plain_networks_that_train_are_told_by_the_bound_of_the_better_of_two_rates() -> None:
    few = decide_trainable({0.1: (5, 5), 0.01: (5, 5)}, {0.1: (5, 5), 0.01: (5, 5)}, 110)
    assert few.evidence.endswith(
        "; plain networks train as well, so that skips are not what makes the difference"
    )
    assert few.facts["lower 97.5% bound of plain at its best rate"] == pytest.approx(0.025**0.2)
    many = decide_trainable({0.1: (9, 9), 0.01: (9, 9)}, {0.1: (9, 9), 0.01: (0, 9)}, 110)
    assert many.evidence.endswith("(more than half surely)")
    none = decide_trainable({0.1: (5, 5), 0.01: (5, 5)}, {0.1: (0, 5), 0.01: (0, 5)}, 110)
    assert "as well" not in none.evidence


def test_equal_arms_are_rarely_told_apart_though_each_has_its_best_rate() -> None:
    draws = np.random.default_rng(0)
    supported = 0
    for _ in range(2000):
        share = draws.uniform()
        arms = [{lr: (int(draws.binomial(5, share)), 5) for lr in (0.1, 0.01)} for _ in range(2)]
        supported += decide_trainable(arms[0], arms[1], 110).verdict is Verdict.SUPPORTED
    assert supported <= 2000 * 0.025


def gains(by_layer: float, seeds: int = 5) -> dict[int, list[float]]:
    draws = np.random.default_rng(1)
    noise = draws.normal(size=seeds)
    noise -= noise.mean()
    return {n: list(0.1 + by_layer * n + 0.002 * noise * n) for n in (8, 14, 20, 26, 32)}


@pytest.mark.parametrize(
    ("by_layer", "wanted"),
    [
        (0.02, Verdict.SUPPORTED),
        (-0.02, Verdict.CONTRADICTED),
        (0.0, Verdict.INCONCLUSIVE),
    ],
)
def test_the_verdict_on_more_with_depth(by_layer: float, wanted: Verdict) -> None:
    found = decide_growth(gains(by_layer), gains(by_layer))
    assert found.verdict is wanted
    assert found.estimates[0].value == pytest.approx(by_layer)
    assert "8, 14, 20, 26, 32 layers" in found.evidence


def test_without_growth_one_of_forty_is_supported() -> None:
    draws = np.random.default_rng(2)
    verdicts = [
        decide_growth({n: list(draws.normal(size=5)) for n in (8, 20, 32)}).verdict
        for _ in range(2000)
    ]
    assert 0.015 < verdicts.count(Verdict.SUPPORTED) / 2000 < 0.035


@pytest.mark.parametrize("by_layer", [0.02, -0.02])
def test_depths_at_which_both_arms_guess_decide_nothing_and_are_named(by_layer: float) -> None:
    found = decide_growth(gains(by_layer), guessing=(20, 32))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "; at 20, 32 layers both arms end at guessing" in found.evidence
    assert found.estimates[0].value == pytest.approx(by_layer)
    assert "guessing" not in decide_growth(gains(by_layer)).evidence

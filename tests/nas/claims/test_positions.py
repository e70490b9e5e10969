import itertools

import numpy as np
import pytest

from nas.claims.finding import Verdict
from nas.claims.positions import decide_trend, thirds_effects

FRAMES = list(itertools.product(("staged", "isotropic"), (0.1, 0.033)))


def contrasts(*means: float, seeds: int = 8) -> dict[tuple[str, float], list[float]]:
    noise = np.random.default_rng(0).normal(size=seeds)
    noise -= noise.mean()
    return {key: list(mean + 0.01 * noise) for key, mean in zip(FRAMES, means, strict=True)}


@pytest.mark.parametrize(
    ("means", "wanted"),
    [
        ((0.1, 0.1, 0.1, 0.1), Verdict.SUPPORTED),
        ((-0.1, -0.1, -0.1, -0.1), Verdict.CONTRADICTED),
        # It hangs on the frame, so that it is no general rule.
        ((-0.1, -0.1, 0.1, 0.1), Verdict.CONTRADICTED),
        # One rate is not enough for either.
        ((-0.1, 0.0, 0.1, 0.1), Verdict.INCONCLUSIVE),
        ((0.1, 0.1, 0.1, 0.0), Verdict.INCONCLUSIVE),
        ((0.1, -0.1, 0.1, 0.1), Verdict.INCONCLUSIVE),
    ],
)
def test_the_verdict_on_early_and_deep_layers(means: tuple[float, ...], wanted: Verdict) -> None:
    assert decide_trend(contrasts(*means)).verdict is wanted


def test_the_words_name_each_frame() -> None:
    found = decide_trend(contrasts(-0.1, -0.1, 0.1, 0.1))
    assert "early skips matter more in the staged frame" in found.evidence
    assert "late skips matter more in the isotropic frame" in found.evidence


def test_without_a_trend_hardly_anything_is_supported_or_contradicted() -> None:
    draws = np.random.default_rng(5)
    verdicts = [
        decide_trend({key: list(draws.normal(size=8)) for key in FRAMES}).verdict
        for _ in range(1000)
    ]
    assert verdicts.count(Verdict.SUPPORTED) <= 1
    assert verdicts.count(Verdict.CONTRADICTED) <= 5


def test_thirds_are_told_apart_whatever_their_interactions() -> None:
    gains = {
        parts: 1.0 * parts[0] + 2.0 * parts[1] + 4.0 * parts[2] - 0.5 * (parts[0] and parts[2])
        for parts in itertools.product((False, True), repeat=3)
    }
    assert thirds_effects(gains) == pytest.approx((0.75, 2.0, 3.75))

import numpy as np
import pytest

from nas.claims.features import TARGETS, decide_access
from nas.claims.finding import Verdict


def explained(*shifts: float) -> dict[str, tuple[list[float], list[float]]]:
    draws = np.random.default_rng(0)
    pairs = {}
    for target, shift in zip(TARGETS, shifts, strict=True):
        noise = draws.normal(size=5)
        plain = 0.3 + 0.01 * (noise - noise.mean())
        pairs[target] = (list(np.full(5, 0.3 + shift)), list(plain))
    return pairs


@pytest.mark.parametrize(
    ("shifts", "wanted"),
    [
        ((0.1, 0.1, 0.1), Verdict.SUPPORTED),
        ((-0.1, -0.1, -0.1), Verdict.CONTRADICTED),
        ((0.1, 0.1, 0.0), Verdict.INCONCLUSIVE),
        ((0.1, -0.1, 0.1), Verdict.INCONCLUSIVE),
    ],
)
def test_the_verdict_on_access(shifts: tuple[float, ...], wanted: Verdict) -> None:
    found = decide_access(explained(*shifts), 20)
    assert found.verdict is wanted
    assert all(words in found.evidence for words in TARGETS.values())


def test_three_empty_differences_support_nothing_more_often_than_a_fortieth() -> None:
    draws = np.random.default_rng(0)
    supported = 0
    for _ in range(1000):
        pairs = {t: (list(draws.normal(size=5)), list(draws.normal(size=5))) for t in TARGETS}
        supported += decide_access(pairs, 20).verdict is Verdict.SUPPORTED
    assert supported <= 25

import numpy as np
import pytest

from nas.claims.finding import Verdict
from nas.claims.kinds import decide_kinds

NONE = (0.0, 0.0)


def losses(
    shallow: tuple[float, float], deep: tuple[float, float], noise: float = 0.0005
) -> dict[int, list[tuple[float, ...]]]:
    """Eight seeds; each pair is what B and C lose against A."""
    draws = np.random.default_rng(0)
    return {
        layers: [
            tuple(0.3 + np.array([0.0, *shift]) + noise * draws.normal(size=3)) for _ in range(8)
        ]
        for layers, shift in ((8, shallow), (56, deep))
    }


@pytest.mark.parametrize(
    ("shallow", "deep", "noise", "wanted"),
    [
        # Projections everywhere hurt in deep networks alone.
        (NONE, (0.0, 0.5), 0.0005, Verdict.SUPPORTED),
        # The same at every depth, but all of it at the few transitions.
        ((0.2, 0.2), (0.2, 0.2), 0.0005, Verdict.SUPPORTED),
        (NONE, NONE, 0.0005, Verdict.CONTRADICTED),
        (NONE, NONE, 0.1, Verdict.INCONCLUSIVE),
    ],
)
def test_the_verdict_on_kinds(
    shallow: tuple[float, float], deep: tuple[float, float], noise: float, wanted: Verdict
) -> None:
    found = decide_kinds(losses(shallow, deep, noise), (2, 25))
    assert found.verdict is wanted
    assert "at 56 layers" in found.evidence


def test_without_transitions_only_depth_decides() -> None:
    found = decide_kinds(losses(NONE, (0.0, 0.5)), (0, 27))
    assert [e.name for e in found.estimates if e.decides] == ["C - A at 56 minus at 8 layers"]


def test_equal_kinds_are_told_apart_in_one_of_twenty() -> None:
    draws = np.random.default_rng(1)
    supported = sum(
        decide_kinds(
            {n: [tuple(draws.normal(size=3)) for _ in range(8)] for n in (8, 56)}, (2, 25)
        ).verdict
        is Verdict.SUPPORTED
        for _ in range(1000)
    )
    assert supported / 1000 < 0.07

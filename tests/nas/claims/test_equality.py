import numpy as np
import pytest

from nas.claims.equality import decide_equality
from nas.claims.finding import Verdict
from nas.claims.fold_over import fold_over

NAMES = [f"group {number}" for number in range(1, 7)]


@pytest.mark.parametrize(
    ("effects", "noise", "wanted"),
    [
        ((1.0, 1.0, 1.0, 1.0, 1.0, 0.0), 0.3, Verdict.SUPPORTED),
        ((1.0,) * 6, 0.001, Verdict.CONTRADICTED),
        ((1.0,) * 6, 0.5, Verdict.INCONCLUSIVE),
    ],
)
def test_the_verdict_on_some_layers_benefiting_more(
    effects: tuple[float, ...], noise: float, wanted: Verdict
) -> None:
    rows = fold_over(3, seed=0)
    values = rows @ np.array(effects) / 2 + noise * np.random.default_rng(2).normal(size=len(rows))
    found = decide_equality(rows, list(values), 0.05, NAMES)
    assert found.verdict is wanted
    assert len(found.estimates) == 6


def test_differences_that_are_sure_and_small_are_said_to_be_small() -> None:
    rows = fold_over(3, seed=0)
    draws = np.random.default_rng(2).normal(size=len(rows))
    values = rows @ np.array([1.0, 1, 1, 1, 1, 0.99]) / 2 + 0.001 * draws
    found = decide_equality(rows, list(values), 0.05, NAMES)
    assert found.verdict is Verdict.SUPPORTED
    assert (
        "no group is further than 0.05 nats from their mean, which hardly matters"
        in found.evidence
    )
    assert found.facts["all differences are smaller"]


def test_the_words_name_the_most_and_the_least() -> None:
    rows = fold_over(3, seed=0)
    values = rows @ np.array([0, 3.0, 1, 1, 1, 1]) / 2
    noisy = values + 0.1 * np.random.default_rng(0).normal(size=len(rows))
    found = decide_equality(rows, list(noisy), 0.05, NAMES)
    assert "most in group 2" in found.evidence
    assert "least in group 1" in found.evidence
    assert found.facts["rank of group 2"] == "rank 1"

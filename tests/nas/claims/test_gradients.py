import numpy as np
import pytest

from nas.claims.finding import Verdict
from nas.claims.gradients import (
    SHATTERING,
    VANISHING,
    GradientCase,
    decide_shattering,
    decide_vanishing,
)
from nas.claims.jobs import Measuring
from nas.claims.results import Results
from nas.claims.setup import ClaimsSetup
from nas.config import make_config


def make_case(ratio: float, *, has_skips: bool, norm: str = "batch", spread: float = 0.05):
    """Ten seeds of four blocks whose gradients grow towards the first by so many powers of ten."""
    draws = np.random.default_rng(0)
    logs = [np.linspace(r, 0, 4).tolist() for r in ratio + spread * draws.normal(size=10)]
    return GradientCase(norm=norm, layers=20, has_skips=has_skips, logs=logs)


def cases(plain: float, skips: float, spread: float = 0.05) -> list[GradientCase]:
    other = [make_case(r, has_skips=s, norm="none") for r, s in ((-4.0, False), (0.0, True))]
    own = [
        make_case(plain, has_skips=False, spread=spread),
        make_case(skips, has_skips=True, spread=spread),
    ]
    return [*own, *other]


@pytest.mark.parametrize(
    ("plain", "skips", "wanted"),
    [
        (-3.0, -0.2, Verdict.SUPPORTED),
        (2.9, 0.5, Verdict.CONTRADICTED),
        (0.0, 0.0, Verdict.CONTRADICTED),
        # Skips do not hold what they should.
        (-3.0, -2.5, Verdict.INCONCLUSIVE),
        # The interval holds both answers.
        (-1.0, 0.0, Verdict.INCONCLUSIVE),
    ],
)
def test_the_verdict_on_vanishing_gradients(plain: float, skips: float, wanted: Verdict) -> None:
    assert decide_vanishing(cases(plain, skips), "batch").verdict is wanted


def test_the_other_norm_is_told_beside_and_does_not_decide() -> None:
    found = decide_vanishing(cases(2.9, 0.5), "batch")
    assert "with batch norm plain gradients explode" in found.evidence
    assert "without norm plain gradients vanish" in found.evidence
    assert found.facts["verdict without norm"] == "supported"
    assert decide_vanishing(cases(2.9, 0.5), "none").verdict is Verdict.SUPPORTED


def test_the_slope_and_the_ratio_are_those_of_the_logarithms() -> None:
    case = make_case(3.0, has_skips=False, spread=0.0)
    assert case.ratio.value == pytest.approx(3.0)
    assert case.slope.value == pytest.approx(-1.0)
    assert case.course == "explode"


@pytest.mark.parametrize(
    "logs", [[float("nan")] * 4, [30.0, 30.0, 30.0, 30.0], [-30.0] * 4, [float("nan"), 0, 0, 0]]
)
def test_gradients_that_are_not_known_are_not_even(logs: list[float]) -> None:
    unknown = GradientCase(norm="batch", layers=20, has_skips=False, logs=[logs] * 10)
    assert unknown.course == "are unclear"
    found = decide_vanishing([unknown, *cases(0.0, 0.0)[1:]], "batch")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.numbers()["estimates"][0]["estimate"] is None


def test_gradients_beyond_the_largest_number_at_the_first_block_alone_explode() -> None:
    case = GradientCase(norm="batch", layers=20, has_skips=False, logs=[[30.0, 9, 3, 0.0]] * 10)
    assert case.course == "explode"


def test_what_a_file_has_as_null_is_not_known() -> None:
    setup = ClaimsSetup.from_config(make_config({}))
    for claim in (VANISHING, SHATTERING):
        jobs = [job for job in claim.plan(setup) if isinstance(job, Measuring)]
        null = [None] * 10 if claim is SHATTERING else [[None, 0.0]] * 10
        results = Results(setup, {}, {job.key: null for job in jobs})
        assert claim.decide(setup, results).verdict is Verdict.INCONCLUSIVE


def test_cosines_that_are_not_known_decide_nothing() -> None:
    known = list(np.random.default_rng(1).normal(size=10) * 0.01)
    found = decide_shattering({20: ([*known[:9], float("nan")], [v - 1 for v in known])})
    assert found.verdict is Verdict.INCONCLUSIVE


def test_one_seed_decides_nothing() -> None:
    case = GradientCase(norm="batch", layers=20, has_skips=False, logs=[[-5.0, 0.0]])
    assert case.course == "are unclear"


@pytest.mark.parametrize(
    ("shift", "wanted"),
    [(0.1, Verdict.SUPPORTED), (-0.1, Verdict.CONTRADICTED), (0.0, Verdict.INCONCLUSIVE)],
)
def test_the_verdict_on_gradients_that_stay_alike(shift: float, wanted: Verdict) -> None:
    plain = np.random.default_rng(1).normal(size=10) * 0.01
    skips = np.random.default_rng(2).normal(size=10) * 0.01 + shift
    assert decide_shattering({20: (list(skips), list(plain))}).verdict is wanted


def test_one_depth_alone_does_not_support_it() -> None:
    plain = list(np.random.default_rng(1).normal(size=10) * 0.01)
    far = [value + 0.2 for value in plain[::-1]]
    found = decide_shattering({20: (far, plain), 56: (plain[::-1], plain)})
    assert found.verdict is Verdict.INCONCLUSIVE

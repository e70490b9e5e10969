import pytest

from nas.claims.toy import MOST_STEPS, RATES, toy_steps


@pytest.fixture(scope="module")
def steps() -> dict[str, list[list[int]]]:
    return toy_steps(3, study_seed=0)


def test_a_skip_needs_fewer_steps(steps: dict[str, list[list[int]]]) -> None:
    best = {arm: min(sum(by_seed) for by_seed in steps[arm]) for arm in ("with_skip", "without")}
    assert 0 < best["with_skip"] < best["without"]


def test_there_is_a_number_for_every_rate_and_seed(steps: dict[str, list[list[int]]]) -> None:
    assert steps["rates"] == list(RATES)
    for arm in ("with_skip", "without"):
        assert [len(by_seed) for by_seed in steps[arm]] == [3] * len(RATES)
        assert all(0 < n <= MOST_STEPS for by_seed in steps[arm] for n in by_seed)


def test_seeds_do_not_hang_on_one_another(steps: dict[str, list[list[int]]]) -> None:
    alone = toy_steps(1, study_seed=0)
    assert [by_seed[0] for by_seed in alone["with_skip"]] == [
        by_seed[0] for by_seed in steps["with_skip"]
    ]

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ablation import Plan, independent_quantile, plan_in_pairs, plan_with_control
from benchmarks.ablation_runs import Part, half_widths, list_trainings, plan_part, plan_whole
from benchmarks.job import Job
from search_spaces.places import Kind

SPACE = Job(
    trials=1, space={"min_blocks": 1, "max_blocks": 1, "kinds": ["none", "identity"]}
).make_space()


def test_a_plan_comes_to_the_half_width_together_for_all_blocks() -> None:
    sds, control_sd, wanted = np.array([1.0, 2.0, 0.5]), 0.8, 0.4
    plan = plan_with_control((sds**2).tolist(), control_sd**2, wanted)
    rng = np.random.default_rng(1)

    control = rng.normal(0, control_sd / math.sqrt(plan.control), (4000, 1))
    own = rng.normal(0, sds / np.sqrt(plan.per_block), (4000, 3))

    within = (np.abs(own - control) <= wanted).all(axis=1)
    assert np.mean(within) == pytest.approx(0.95, abs=0.02)


def test_pairs_take_both_trainings_of_each_pair() -> None:
    plan = plan_in_pairs([0.04, 0.04], 0.1)

    pairs = math.ceil(0.04 * (independent_quantile(2) / 0.1) ** 2)
    assert plan.trainings == 2 * 2 * pairs


@pytest.mark.parametrize(("ablation", "arm"), [("identity", 0), ("plain", 1)])
def test_an_ablation_changes_one_block_of_the_base(ablation: str, arm: int) -> None:
    trainings = list_trainings(SPACE, ablation, plan_part(ablation, 3, 2), seed=0)

    control = [spec for block, _, spec in trainings if block == -1]
    changed = [(block, own, spec) for block, own, spec in trainings if block >= 0]
    base = Kind.IDENTITY if ablation == "identity" else Kind.NONE
    assert [set(spec.kinds) for spec in control] == [{base}] * 2
    assert [block for block, _, _ in changed] == [0, 0, 1, 1, 2, 2]
    for block, own, spec in changed:
        assert own == arm
        assert [index for index, kind in enumerate(spec.kinds) if kind is not base] == [block]


def test_pairs_at_random_differ_at_their_block_alone() -> None:
    trainings = list_trainings(SPACE, "random", plan_part("random", 3, 2), seed=0)

    assert len(trainings) == 12
    for without, with_skip in zip(trainings[::2], trainings[1::2], strict=True):
        kinds = list(zip(without[2].kinds, with_skip[2].kinds, strict=True))
        assert (without[0], without[1], with_skip[1]) == (with_skip[0], 0, 1)
        assert kinds[without[0]] == (Kind.NONE, Kind.IDENTITY)
        assert [a for a, b in kinds if a != b] == [Kind.NONE]


def part(values: dict[tuple[int, int], tuple[float, ...]]) -> Part:
    """A part of ten seconds, four of them at its start and end."""
    trainings = sum(map(len, values.values()))
    return Part(seconds=10.0, seconds_in_trials=6.0, trainings=trainings, values=values)


def test_time_grows_with_the_trainings_but_not_start_and_end() -> None:
    trained = part({(-1, 1): (0.0, 1.0), (0, 0): (0.0, 1.0)})

    assert trained.seconds_for(40) == pytest.approx(4 + 40 * 6 / 4)


def test_variances_of_all_parts_make_the_plan_and_failures_are_left_out() -> None:
    values = {(-1, 1): (0.0, 0.2), (0, 0): (0.1, math.nan, 0.3), (1, 0): (0.0, 0.2)}

    plan = plan_whole([part(values), part(values)], "identity", 0.1)

    variance = float(np.var([0.0, 0.2, 0.0, 0.2], ddof=1))
    assert plan.trainings == plan_with_control([variance] * 2, variance, 0.1).trainings


def test_half_widths_of_pairs_are_those_of_mean_differences() -> None:
    trained = part({(0, 0): (0.0, 0.0), (0, 1): (0.1, 0.3)})

    [found] = half_widths(trained, "random", quantile=2.0)

    assert found == pytest.approx(2 * math.sqrt(0.02 / 2))


def test_a_single_training_has_no_variance() -> None:
    with pytest.raises(
        RuntimeError, match=r"At least two trainings of each network .* got 1 of 2"
    ):
        plan_whole([part({(-1, 1): (0.1, 0.2), (0, 0): (0.1, math.nan)})], "identity", 0.1)


def test_a_plan_counts_all_trainings(tmp_path: Path) -> None:
    assert Plan(control=3, per_block=(2, 4), quantile=2.0).trainings == 9

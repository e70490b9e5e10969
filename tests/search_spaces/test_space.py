import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution

from search_spaces import Decision, InputShape, SearchSpace, SpaceError, make_space


@pytest.fixture
def space() -> SearchSpace:
    config = {"stages": 2, "max_blocks": 2, "kinds": ["none", "identity"]}
    return make_space(config, InputShape(channels=1, height=8, width=8), num_classes=10)


@pytest.mark.parametrize(
    ("choices", "is_integer"),
    [
        ((1, 2, 3), True),
        ((4,), True),
        (("none",), False),
        ((8, 16, 32), False),
        ((8, 16), False),
        ((3, 2, 1), False),
        ((1, "none"), False),
    ],
)
def test_decision_knows_whether_it_counts(
    choices: tuple[int | str, ...], is_integer: bool
) -> None:
    assert Decision(name="x", choices=choices).is_integer is is_integer


def test_iteration_gives_every_architecture_once(space: SearchSpace) -> None:
    specs = list(space)
    assert len(specs) == space.size == 36
    assert len({spec.spec_id for spec in specs}) == 36
    assert [spec.code for spec in specs][:3] == ["1-1 N N", "1-1 N I", "1-1 I N"]


def test_choices_that_are_not_consecutive_are_categorical_for_optuna() -> None:
    config = {"stages": 1, "max_blocks": 2, "width": [4, 8, 16], "kinds": ["identity"]}
    space = make_space(config, InputShape(channels=1, height=8, width=8), num_classes=10)
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    spec = space.suggest(trial)
    assert trial.distributions["width"] == CategoricalDistribution((4, 8, 16))
    assert trial.distributions["depth.stage1"] == IntDistribution(1, 2)
    assert trial.params["width"] == spec.stem_width


@pytest.mark.parametrize(
    ("name", "choices", "fixed"),
    [
        ("skip.stage1.block1", ("none", "identity"), None),
        ("span.stage1.block1", (1, 2), None),
        ("depth.stage1", (2, 3, 5), 5),
        ("width", (16, 8), 16),
        ("block", ("bottleneck", "basic"), "bottleneck"),
    ],
)
def test_design_fixes_all_but_skips_and_spans(
    space: SearchSpace, name: str, choices: tuple[int | str, ...], fixed: int | str | None
) -> None:
    assert space.fixed_in_design(Decision(name=name, choices=choices)) == fixed


def test_sample_draws_every_decision_uniformly(space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    specs = [space.sample(rng) for _ in range(400)]
    deep = sum(spec.depths[0] == 2 for spec in specs) / len(specs)
    skipped = sum(spec.kinds[0] == "identity" for spec in specs) / len(specs)
    # Three standard errors of a share of a half among 400.
    assert deep == pytest.approx(0.5, abs=0.075)
    assert skipped == pytest.approx(0.5, abs=0.075)


def test_foreign_spec_is_not_contained(space: SearchSpace) -> None:
    other = make_space({"stages": 3}, InputShape(channels=1, height=8, width=8), num_classes=10)
    assert not space.contains(other.sample(np.random.default_rng(0)))


def test_neighbours_of_a_foreign_spec_are_an_error(space: SearchSpace) -> None:
    other = make_space({"stages": 3}, InputShape(channels=1, height=8, width=8), num_classes=10)
    with pytest.raises(SpaceError, match="The space has 2 stages of 1 to 2 blocks"):
        list(space.neighbours(other.sample(np.random.default_rng(0))))


def test_missing_answer_is_an_error(space: SearchSpace) -> None:
    with pytest.raises(SpaceError, match=r"got none for 'depth.stage2'. Choose one of \[1, 2\]"):
        space.from_decisions({"depth.stage1": 1})


def test_answer_that_is_no_choice_is_an_error(space: SearchSpace) -> None:
    answers = {"depth.stage1": 1, "depth.stage2": 3}
    with pytest.raises(SpaceError, match=r"depth.stage2 must be one of \[1, 2\], got 3"):
        space.from_decisions(answers)


def test_answer_for_an_absent_block_is_an_error(space: SearchSpace) -> None:
    answers: dict[str, int | str] = {
        "depth.stage1": 1,
        "depth.stage2": 1,
        "skip.stage1.block1": "none",
        "skip.stage2.block1": "identity",
        "skip.stage2.block2": "identity",
    }
    with pytest.raises(SpaceError, match=r"got 'skip.stage2.block2' for a network of 1-1 blocks"):
        space.from_decisions(answers)


def test_a_block_that_a_neighbour_adds_has_the_first_kind(space: SearchSpace) -> None:
    shallow = space.from_decisions(
        {
            "depth.stage1": 1,
            "depth.stage2": 1,
            "skip.stage1.block1": "identity",
            "skip.stage2.block1": "identity",
        }
    )
    codes = [neighbour.code for neighbour in space.neighbours(shallow)]
    assert codes == ["2-1 IN I", "1-2 I IN", "1-1 N I", "1-1 I N"]


def test_a_block_that_a_neighbour_removes_takes_its_decision_along(space: SearchSpace) -> None:
    deep = space.from_decisions(
        {
            "depth.stage1": 2,
            "depth.stage2": 1,
            "skip.stage1.block1": "none",
            "skip.stage1.block2": "identity",
            "skip.stage2.block1": "none",
        }
    )
    codes = [neighbour.code for neighbour in space.neighbours(deep)]
    assert codes == ["1-1 N N", "2-2 NI NN", "2-1 II N", "2-1 NN N", "2-1 NI I"]

from collections.abc import Sequence
from typing import Any

import pytest

from nas.ablation_plan import AblateOptions, AblationPlan, plan_ablation
from nas.config import make_config
from nas.config_file import merge
from nas.errors import ConfigError
from nas.finalists import best_finalist
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import ArchitectureSpec, Kind, Place
from tests.nas.fake_pool import tiny_config

CONFIG = tiny_config()
SPACE = CONFIG.make_space()
WINNER = SPACE.uniform((1, 2, 1), Kind.IDENTITY).with_kinds({Place(2, 2): Kind.NONE})
SECOND = SPACE.uniform((1, 1, 1), Kind.PROJECTION)


def finalist(spec: ArchitectureSpec, of_trial: int, value: float, **changes: Any) -> TrialRecord:
    known: dict[str, Any] = {
        "state": State.COMPLETE,
        "source": Source.FINALIST,
        "decisions": {},
        "lr": CONFIG.recipe.reference().lr,
        "weight_decay": CONFIG.recipe.reference().weight_decay,
    }
    return TrialRecord(
        number=of_trial,
        spec=spec,
        spec_id=spec.spec_id,
        of_trial=of_trial,
        value=value,
        **(known | changes),
    )


FINALISTS = (finalist(WINNER, 17, 0.1), finalist(SECOND, 4, 0.2))


def plan(
    *flips: str,
    finalists: Sequence[TrialRecord] = FINALISTS,
    space: Any = SPACE,
    **options: Any,
) -> AblationPlan:
    ranking = best_finalist(finalists, "minimize") if finalists else None
    return plan_ablation(space, CONFIG.recipe, ranking, AblateOptions(flips=flips, **options))


def sizes(found: AblationPlan) -> dict[str, int]:
    return {base.name: len(base.flips) for base in found.bases}


def test_the_winner_and_both_anchors_have_each_skip_flipped_to_each_other_kind() -> None:
    found = plan()
    assert sizes(found) == {"trial 17": 8, "identity-14": 12, "plain-14": 12}
    assert [base.of_trial for base in found.bases] == [17, None, None]
    assert len(found.repeats()) == 5 * (9 + 13 + 13)


def test_trainings_of_one_seed_come_together_and_each_base_before_its_flips() -> None:
    repeats = plan(seeds=2).repeats()
    assert [repeat.replicate for repeat in repeats] == [0] * 35 + [1] * 35
    first = repeats[:9]
    assert {repeat.base for repeat in first} == {"trial 17"}
    assert first[0].flip is None
    assert first[0].spec == WINNER
    assert first[1].flip == "stage1.block1=none"
    assert all(repeat.source is Source.PAIRED for repeat in repeats)


def test_more_finalists_and_none_can_be_asked_for() -> None:
    assert list(sizes(plan(top=2))) == ["trial 17", "trial 4", "identity-14", "plain-14"]
    assert list(sizes(plan(top=0, finalists=()))) == ["identity-14", "plain-14"]


def test_winner_that_is_an_anchor_is_not_trained_twice() -> None:
    identity = SPACE.uniform(SPACE.deepest, Kind.IDENTITY)
    found = plan(finalists=[finalist(identity, 3, 0.1)])
    assert [(base.name, base.of_trial) for base in found.bases] == [
        ("identity-14", 3),
        ("plain-14", None),
    ]


def test_winner_by_another_recipe_than_the_anchors_is_a_base_of_its_own() -> None:
    identity = SPACE.uniform(SPACE.deepest, Kind.IDENTITY)
    config = make_config(merge(CONFIG.to_dict(), {"recipe": {"lr": {"low": 0.03, "high": 0.3}}}))
    ranking = best_finalist([finalist(identity, 3, 0.1, lr=0.2)], "minimize")
    found = plan_ablation(SPACE, config.recipe, ranking, AblateOptions())
    assert list(sizes(found)) == ["trial 3", "identity-14", "plain-14"]
    assert config.recipe.resolve(found.bases[0].recipe).lr == 0.2
    assert config.recipe.resolve(found.bases[1].recipe).lr == config.recipe.reference().lr


class TestChosenFlips:
    def test_only_networks_that_they_change_are_trained(self) -> None:
        found = plan("stage2.block2=none", "stage2.block1=projection")
        chosen = {base.name: [str(flip) for flip in base.flips] for base in found.bases}
        assert chosen == {
            # Its second block of stage 2 has no skip already.
            "trial 17": ["stage2.block1=projection"],
            "identity-14": ["stage2.block2=none", "stage2.block1=projection"],
            "plain-14": ["stage2.block1=projection"],
        }
        # A network that none of them changes is not trained either.
        assert list(sizes(plan("stage2.block2=none"))) == ["identity-14"]

    def test_several_blocks_change_at_once(self) -> None:
        found = plan("stage1.block1=none,stage1.block2=none")
        # The winner has one block there.
        assert sizes(found) == {"identity-14": 1}
        [(flip, spec)] = found.bases[0].flips.items()
        assert (str(flip), spec.code) == (
            "stage1.block1=none,stage1.block2=none",
            "2-2-2 NN II II",
        )

    @pytest.mark.parametrize(
        ("flips", "message"),
        [
            (["stage4.block1=none"], r"must name a block of the networks, got stage4\.block1\. D"),
            (["stage1.block9=none"], r"got stage1\.block9\. Did you mean 'stage1\.block2'\?"),
            (["stage1.block1=nope"], "Unknown kind of shortcut 'nope'"),
            (["stage1.block1=none", "stage1.block1=none"], r"got stage1\.block1=none twice"),
            (
                ["stage1.block1=none,stage1.block2=identity"],
                "must change every block that it names, got stage1.block1=none,stage1.block2=id",
            ),
        ],
    )
    def test_what_is_not_possible_is_refused(self, flips: list[str], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            plan(*flips)

    def test_kind_that_the_space_has_not_is_refused(self) -> None:
        space = tiny_config(space={"kinds": ["none", "identity"]}).make_space()
        message = r"must lead to a network of the space, got stage1\.block1=projection\. .*Known: "
        with pytest.raises(ConfigError, match=message):
            plan("stage1.block1=projection", space=space, finalists=[finalist(WINNER, 1, 0.1)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 1}, r"--seeds must be >= 2, got seeds=1\."),
        ({"seeds": 1001}, r"--seeds must be <= 1000, got seeds=1001\. Five to twelve are usual"),
        ({"top": -1}, r"--top must be >= 0, got top=-1\."),
        ({"top": 3}, r"--top must be at most the number of retrained finalists, got top=3 of 2\."),
        ({"finalists": ()}, r"retrained finalists are needed, got none for top=1\. Bring the stu"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(**options)

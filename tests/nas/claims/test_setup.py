from nas.claims.features import ACCESS
from nas.claims.results import Results
from nas.claims.setup import ClaimsSetup
from nas.config import make_config
from search_spaces import Kind


def make_setup(seeds: int | None = None, **space: object) -> ClaimsSetup:
    return ClaimsSetup.from_config(make_config({"space": space}), seeds)


def test_networks_of_the_papers_depths() -> None:
    setup = make_setup()
    assert setup.depths((8, 14, 20, 26, 32, 56, 110)) == [8, 14, 20, 26, 32, 56, 110]
    assert setup.of_layers(20, Kind.NONE).code == "3-3-3 NNN NNN NNN"


def test_other_stages_and_blocks_have_the_nearest_depths() -> None:
    assert make_setup(block="bottleneck").depths((8, 14, 20, 26, 32)) == [11, 20, 29]
    assert make_setup(stages=1).of_layers(20).code == "9 IIIIIIIII"


def test_frames_have_groups_of_equal_size() -> None:
    setup = make_setup()
    assert setup.frame("staged").depths == (4, 4, 4)
    isotropic = setup.frame("isotropic")
    assert isotropic.depths == (12,)
    assert {stage.width for stage in isotropic.stages} == {setup.template.stem_width}
    for stages in range(1, 6):
        assert make_setup(stages=stages, width=4).frame("staged").num_blocks % 6 == 0


def test_parts_switch_their_skips_and_projections_their_place() -> None:
    setup = make_setup()
    full = setup.frame("staged")
    assert setup.with_parts(full, (True, False, True)).code == "4-4-4 IIII NNNN IIII"
    eight = setup.of_layers(8)
    assert setup.with_projections(eight, everywhere=False).code == "1-1-1 I P P"
    assert setup.with_projections(eight, everywhere=True).code == "1-1-1 P P P"


def test_what_the_space_fixes_is_kept_by_networks_with_skips() -> None:
    setup = make_setup(zero_init=True, projection="avgpool", activation="pre")
    full = setup.of_layers(8)
    everywhere = setup.with_projections(full, everywhere=True)
    assert full.zero_init
    assert everywhere.zero_init
    assert everywhere.projection == "avgpool"
    partly = setup.with_parts(setup.frame("staged"), (False, False, True))
    assert partly.zero_init
    assert partly.activation == "pre"


def test_seeds_scale_trainings_but_never_lower_cheap_tests() -> None:
    assert make_setup().num_seeds(8) == 8
    setup = make_setup(2)
    assert (setup.num_seeds(8), setup.least_seeds(20)) == (2, 20)
    assert make_setup(40).least_seeds(20) == 40


def test_trainings_share_seeds_and_differ_by_what_matters() -> None:
    setup = make_setup()
    spec = setup.of_layers(8)
    first = setup.training(spec, 0)
    assert first.key == setup.training(spec, 0).key
    assert first.seed == setup.training(setup.of_layers(20), 0).seed
    others = (
        setup.training(spec, 1),
        setup.training(spec, 0, lr=0.05),
        setup.training(spec, 0, warmup_epochs=3),
        setup.training(spec, 0, looks_inside=True),
        setup.training(setup.of_layers(20), 0),
    )
    assert len({first.key, *(other.key for other in others)}) == 6


def test_rates_may_differ_within_a_group_and_recipes_may_not() -> None:
    setup = make_setup()
    spec = setup.of_layers(8)
    first = setup.training(spec, 0)
    assert first.group == setup.training(setup.of_layers(20), 3, lr=0.01).group
    assert first.group != setup.training(spec, 0, warmup_epochs=3).group
    assert first.group != setup.training(setup.frame("isotropic"), 0).group
    assert first.candidate().recipe_values == {"lr": 0.1}


def test_a_warm_up_is_never_longer_than_the_training() -> None:
    setup = ClaimsSetup.from_config(make_config({"recipe": {"epochs": 2}}))
    assert setup.training(setup.of_layers(8), 0, warmup_epochs=3).recipe.warmup_epochs == 2


def test_networks_of_a_task_train_alone_and_are_not_looked_into() -> None:
    task = {"class_path": "trainer.module.CandidateModule"}
    setup = ClaimsSetup.from_config(make_config({"task": task}))
    training = setup.by_depth(setup.of_layers(8), 0)
    assert training.group is None
    assert not training.looks_inside
    assert training.key != make_setup().training(setup.of_layers(8), 0).key
    assert ACCESS.plan(setup) == []
    assert "a task of one's own" in ACCESS.decide(setup, Results(setup, {})).evidence

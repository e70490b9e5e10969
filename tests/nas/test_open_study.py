from pathlib import Path
from typing import Any

import optuna
import pytest

from nas.config import make_config
from nas.errors import ConfigError, ResumeError, RunFolderError, StorageError
from nas.open_study import check_classes, folder_of, open_study, read_repeats, read_trials
from nas.run_folder import RunFolder
from nas.storage import open_storage
from nas.trials import Source
from search_spaces.spec import Kind
from tests.nas.made_studies import SMALL, add_trial, make_study


def test_study_and_its_repeats_are_two_studies_of_one_storage(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5, 0.25])
    spec = study.space.uniform((1, 1), Kind.IDENTITY)
    add_trial(study, spec, Source.ANCHOR, 0.75, name="identity-6", replicate=1)
    storage = open_storage("journal", study.folder.path, create=False)
    names = {found.study_name for found in storage.get_all_studies()}
    assert names == {"made", "made.repeats"}
    assert study.search.uid == study.repeats.uid
    trials, direction = read_trials(storage, "made")
    assert direction == "minimize"
    assert [trial.value for trial in trials] == [0.5, 0.25]
    [anchor] = read_repeats(storage, "made")
    assert (anchor.name, anchor.replicate, anchor.value) == ("identity-6", 1, 0.75)


def test_study_opened_again_is_the_same(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5])
    again = open_study(study.folder, study.config)
    assert again.search.uid == study.search.uid
    assert len(again.search.trials()) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": {"max_blocks": 3}}, "has space.max_blocks=2, got space.max_blocks=3"),
        (
            {"search": {**SMALL["search"], "metric": "val/accuracy", "direction": "maximize"}},
            "has search.direction='minimize', got search.direction='maximize'",
        ),
        ({"recipe": {"epochs": 3}}, "has recipe.epochs=2, got recipe.epochs=3"),
        (
            {"search": {**SMALL["search"], "seed": 7}},
            "has search.seed=0, got search.seed=7",
        ),
        (
            {
                "search": {
                    **SMALL["search"],
                    "sampler": {"class_path": "optuna.samplers.GPSampler"},
                }
            },
            "has search.sampler='tpe', got search.sampler={'class_path': ",
        ),
    ],
)
def test_storage_with_a_study_of_that_name_about_something_else_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    url = f"sqlite:///{tmp_path}/all.db"
    make_study(tmp_path / "one", storage=url)
    space = {**SMALL["space"], **change.pop("space", {})}
    with pytest.raises(ResumeError, match=f"Study 'made' of this storage {message}"):
        make_study(tmp_path / "other", storage=url, space=space, **change)


def test_storage_with_a_study_goes_on_where_only_place_and_total_differ(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/all.db"
    study = make_study(tmp_path / "one", [0.5], storage=url)
    search = {**SMALL["search"], "trials": 9, "workers": 3, "devices": "cpu", "until": "settled"}
    wandb = {"mode": "disabled"}
    again = make_study(tmp_path / "other", storage=url, search=search, wandb=wandb)
    assert again.search.uid == study.search.uid
    assert len(again.search.trials()) == 1


def test_arguments_of_classes_are_compared_as_the_storage_gives_them_back(tmp_path: Path) -> None:
    pruner = {
        "class_path": "optuna.pruners.PercentilePruner",
        "init_args": {"percentile": 25.0, "n_min_trials": 2},
    }
    search = {**SMALL["search"], "pruner": pruner}
    study = make_study(tmp_path, search=search)
    assert open_study(study.folder, study.config).search.uid == study.search.uid
    other = {**pruner, "init_args": {"percentile": 25.0}}
    config = make_config({**SMALL, "search": {**search, "pruner": other}})
    match = r"has search\.pruner\.init_args\.n_min_trials=2, got search\S+=null"
    with pytest.raises(ResumeError, match=match):
        open_study(study.folder, config)


def test_study_of_another_major_version_of_optuna_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(tmp_path)
    monkeypatch.setattr(optuna, "__version__", "99.1.0")
    with pytest.raises(ResumeError, match=r"has optuna=\d, got optuna=99"):
        open_study(study.folder, study.config)


class TestReading:
    def test_missing_study_is_named_beside_those_that_are_there(self, tmp_path: Path) -> None:
        study = make_study(tmp_path)
        storage = open_storage("journal", study.folder.path)
        match = "must hold study 'mad', got 'made', 'made.repeats'. Check the name"
        with pytest.raises(StorageError, match=match):
            read_trials(storage, "mad")

    def test_empty_storage_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="must hold study 'made', got no studies"):
            read_trials(open_storage("journal", tmp_path), "made")

    def test_study_of_several_objectives_is_refused(self, tmp_path: Path) -> None:
        storage = open_storage("journal", tmp_path)
        optuna.create_study(storage=storage, study_name="two", directions=["minimize", "maximize"])
        with pytest.raises(StorageError, match="one objective is needed, got 2 in 'two'"):
            read_trials(storage, "two")

    def test_study_without_repeats_has_none(self, tmp_path: Path) -> None:
        storage = open_storage("journal", tmp_path)
        optuna.create_study(storage=storage, study_name="mine", direction="maximize")
        assert read_trials(storage, "mine") == ([], "maximize")
        assert read_repeats(storage, "mine") == []


class TestClasses:
    @pytest.mark.parametrize(
        ("search", "message"),
        [
            ({"sampler": {"class_path": "optuna.samplers.Nope"}}, "search.sampler.class_path"),
            ({"pruner": {"class_path": "optuna.pruners.Nope"}}, "search.pruner.class_path"),
        ],
    )
    def test_class_that_is_not_there_is_found_before_anything_is_written(
        self, tmp_path: Path, search: dict[str, Any], message: str
    ) -> None:
        config = make_config({**SMALL, "search": {**SMALL["search"], **search}})
        with pytest.raises(ConfigError, match=f"{message}.* must name an importable class"):
            open_study(RunFolder(tmp_path), config)
        assert list(tmp_path.iterdir()) == []

    def test_words_and_classes_that_are_there_pass(self) -> None:
        pruner = {"class_path": "optuna.pruners.MedianPruner"}
        check_classes(make_config({**SMALL, "search": {**SMALL["search"], "pruner": pruner}}))


def test_run_folder_must_hold_a_study(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    assert folder_of(study.folder.path).path == study.folder.path
    with pytest.raises(RunFolderError, match=r"must hold config\.yaml"):
        folder_of(tmp_path)

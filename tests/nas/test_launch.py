import errno
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from optuna.exceptions import StorageInternalError

from nas.ablation_plan import AblateOptions
from nas.config import StudyConfig, make_config
from nas.config_file import merge
from nas.errors import ConfigError, ResumeError, RunFolderError, StorageError
from nas.launch import ablate, explain_trouble, remove_drafts, run_search, sigterm_as_interrupt
from nas.run_folder import RunFolder
from nas.storage import folder_lock
from nas.study_run import SearchOptions
from nas.wandb_settings import WandbSettings
from tests.nas.fake_pool import tiny_config

OPTIONS = SearchOptions(with_report=False, with_export=False)


class Idle:
    """A run of a study that trains nothing."""

    def __init__(self, *arguments: object) -> None: ...

    def run(self) -> None: ...


def write_study(root: Path, config: StudyConfig) -> RunFolder:
    """Make a run folder with a configuration and no trial."""
    folder = RunFolder(root / config.name)
    folder.check_usable()
    folder.write_config(config)
    return folder


@pytest.mark.parametrize(
    "search",
    [
        {"callbacks": [{"class_path": "missing.callback"}]},
        {"sampler": {"class_path": "optuna.samplers.Tpe"}},
        {"pruner": {"class_path": "optuna.pruners.MedianPruner", "init_args": {"n": 1}}},
    ],
)
def test_a_class_that_cannot_be_made_is_told_before_the_study_exists(
    tmp_path: Path, search: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=r"search\.(callbacks|sampler|pruner)"):
        run_search(tiny_config(**search), tmp_path, OPTIONS)
    assert not RunFolder(tmp_path / "tiny").config.exists()
    # Once it is mended, the same name can be used.
    RunFolder(tmp_path / "tiny").check_usable()


def test_a_study_goes_on_with_its_own_settings_only(tmp_path: Path) -> None:
    write_study(tmp_path, tiny_config())
    with pytest.raises(ResumeError, match=r"search\.seed=0, got search\.seed=1"):
        run_search(tiny_config(seed=1), tmp_path, OPTIONS)


def test_wandb_of_the_environment_counts_for_a_resumed_study_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.launch.StudyRun", Idle)
    for mode, expected in (("offline", "offline"), ("disabled", "disabled"), (None, "disabled")):
        monkeypatch.delenv("WANDB_MODE", raising=False)
        if mode is not None:
            monkeypatch.setenv("WANDB_MODE", mode)
        config = tiny_config().model_copy(update={"wandb": WandbSettings()})
        run_search(config, tmp_path, OPTIONS)
        assert RunFolder(tmp_path / "tiny").read_config().wandb.mode == expected


def test_a_study_that_somebody_owns_is_left_alone(tmp_path: Path) -> None:
    folder = write_study(tmp_path, tiny_config())
    before = sorted(folder.path.iterdir())
    message = rf"owned by process {os.getpid()}\."
    with folder_lock(folder.path), pytest.raises(RunFolderError, match=message):
        run_search(tiny_config(), tmp_path, OPTIONS)
    assert sorted(folder.path.iterdir()) == sorted([*before, folder.path / "owner.lock"])


def test_a_folder_that_fails_is_explained_and_its_lock_freed(tmp_path: Path) -> None:
    folder = write_study(tmp_path, tiny_config())
    # The logs cannot be written.
    folder.logs.write_text("")
    message = r"run folder '.*tiny' failed during the study: File exists\. Nothing already"
    with pytest.raises(RunFolderError, match=message):
        run_search(tiny_config(), tmp_path, OPTIONS)
    with folder_lock(folder.path):
        pass


def test_a_full_disk_and_a_lost_server_are_explained(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with (
        pytest.raises(RunFolderError, match=r"No space left on device.*repeat the command"),
        explain_trouble(folder),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    lost = StorageInternalError("An exception is raised")
    lost.__cause__ = ConnectionError("server closed\nthe connection")
    with (
        pytest.raises(StorageError, match="failed during the study: server closed the connection"),
        explain_trouble(folder),
    ):
        raise lost


def test_a_reader_of_the_output_that_goes_away_is_no_trouble_of_the_folder(
    tmp_path: Path,
) -> None:
    with pytest.raises(BrokenPipeError), explain_trouble(RunFolder(tmp_path)):
        raise BrokenPipeError


class TestAblate:
    """What is refused before anything is trained; the rest is in test_study_run."""

    def test_folder_without_a_study_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(RunFolderError, match=r"must hold config\.yaml"):
            ablate(tmp_path, AblateOptions())
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"options": AblateOptions(seeds=1)}, r"--seeds must be >= 2, got seeds=1"),
            ({"workers": 0}, r"search\.workers must be 'auto' or an int >= 1, got workers=0"),
            ({"wandb": "onlin"}, r"wandb\.mode must be 'offline'.*onlin"),
            (
                {"options": AblateOptions(flips=("x",))},
                "must be a block and its new kind, got 'x'",
            ),
        ],
    )
    def test_wrong_words_are_told_before_the_study_is_opened(
        self, tmp_path: Path, given: dict[str, Any], message: str
    ) -> None:
        folder = write_study(tmp_path, tiny_config())
        before, given = sorted(folder.path.iterdir()), dict(given)
        with pytest.raises(ConfigError, match=message):
            ablate(folder.path, given.pop("options", AblateOptions()), **given)
        assert sorted(folder.path.iterdir()) == before

    def test_study_without_finalists_says_what_to_do(self, tmp_path: Path) -> None:
        folder = write_study(tmp_path, tiny_config())
        with pytest.raises(ConfigError, match=r"retrained finalists are needed, got none"):
            ablate(folder.path, AblateOptions())
        # Its lock is free again.
        with folder_lock(folder.path):
            pass

    def test_study_that_somebody_owns_is_left_alone(self, tmp_path: Path) -> None:
        folder = write_study(tmp_path, tiny_config())
        message = rf"owned by process {os.getpid()}\."
        with folder_lock(folder.path), pytest.raises(RunFolderError, match=message):
            ablate(folder.path, AblateOptions())


def test_sigterm_is_an_interrupt_while_a_study_runs() -> None:
    former = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), sigterm_as_interrupt():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is former


def test_another_thread_leaves_signals_alone() -> None:
    seen: list[object] = []

    def look() -> None:
        with sigterm_as_interrupt():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_half_written_checkpoints_and_exports_go(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir()
    for name in ("trial-0001.ckpt", "trial-0001.77.tmp", "repeat-0000-weights.ckpt"):
        (folder.checkpoints / name).write_bytes(b"")
    (tmp_path / ".export.e05e915c.draft").mkdir()
    folder.export.mkdir()
    remove_drafts(folder)
    remove_drafts(RunFolder(tmp_path / "none"))
    left = sorted(path.name for path in folder.checkpoints.iterdir())
    assert left == ["repeat-0000-weights.ckpt", "trial-0001.ckpt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "export"]


def test_limits_that_allow_nothing_are_told_before_the_study_exists(tmp_path: Path) -> None:
    limited = make_config(merge(tiny_config().to_dict(), {"constraints": {"max_layers": 5}}))
    with pytest.raises(ConfigError, match="the smallest layers found is 8"):
        run_search(limited, tmp_path, OPTIONS)
    assert not (tmp_path / "tiny" / "config.yaml").exists()


def test_constraints_are_part_of_what_a_study_is(tmp_path: Path) -> None:
    write_study(tmp_path, tiny_config())
    limited = make_config(merge(tiny_config().to_dict(), {"constraints": {"max_layers": 12}}))
    with pytest.raises(ResumeError, match=r"with constraints.max_layers=null, got .*=12"):
        run_search(limited, tmp_path, OPTIONS)

from pathlib import Path

from nas.wandb_runs.files import (
    finished_ids,
    mark_finished,
    remove_run,
    run_folders,
    writer_environment,
)
from nas.wandb_settings import WandbSettings

KEY = "k" * 40


def make_run(folder: Path, name: str) -> Path:
    path = folder / "wandb" / "wandb" / name
    path.mkdir(parents=True)
    return path


def test_runs_are_found_by_id_and_the_link_to_the_latest_is_not_counted(tmp_path: Path) -> None:
    first = make_run(tmp_path, "offline-run-20260101_000000-uid-0001")
    second = make_run(tmp_path, "offline-run-20260101_000001-uid-0001")
    online = make_run(tmp_path, "run-20260101_000001-uid-r0001")
    (first.parent / "latest-run").symlink_to(second.name)
    assert run_folders(tmp_path) == {"uid-0001": [first, second], "uid-r0001": [online]}


def test_a_folder_without_wandb_has_no_runs(tmp_path: Path) -> None:
    assert run_folders(tmp_path) == {}


def test_only_marked_runs_are_finished(tmp_path: Path) -> None:
    mark_finished(make_run(tmp_path, "offline-run-20260101_000000-uid-0001"))
    make_run(tmp_path, "offline-run-20260101_000000-uid-0002")
    assert finished_ids(tmp_path) == {"uid-0001"}


def test_removing_a_run_removes_all_its_folders_and_no_other(tmp_path: Path) -> None:
    make_run(tmp_path, "offline-run-20260101_000000-uid-0001")
    make_run(tmp_path, "offline-run-20260101_000001-uid-0001")
    kept = make_run(tmp_path, "offline-run-20260101_000000-other-uid-0001")
    remove_run(tmp_path, "uid-0001")
    assert run_folders(tmp_path) == {"other-uid-0001": [kept]}


def test_offline_writer_gets_no_key_and_nothing_that_names_a_run(tmp_path: Path) -> None:
    environ = {"PATH": "/bin", "WANDB_API_KEY": KEY, "WANDB_RUN_ID": "x", "WANDB_MODE": "online"}
    inside = writer_environment(tmp_path, WandbSettings(), environ)
    assert KEY not in inside.values()
    assert "WANDB_RUN_ID" not in inside
    assert "WANDB_MODE" not in inside
    assert inside["PATH"] == "/bin"


def test_online_writer_gets_the_key_and_the_server_of_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "settings").write_text(
        f"[default]\nbase_url = https://wandb.example.org\napi_key = {KEY}\n"
    )
    environ = {"HOME": str(tmp_path), "WANDB_CONFIG_DIR": str(tmp_path)}
    inside = writer_environment(tmp_path, WandbSettings(mode="online"), environ)
    assert inside["WANDB_API_KEY"] == KEY
    assert inside["WANDB_BASE_URL"] == "https://wandb.example.org"


def test_every_folder_of_wandb_is_in_the_run_folder(tmp_path: Path) -> None:
    inside = writer_environment(tmp_path, WandbSettings(), {})
    names = ["WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "TMPDIR"]
    assert all(Path(inside[name]).is_relative_to(tmp_path / "wandb") for name in names)

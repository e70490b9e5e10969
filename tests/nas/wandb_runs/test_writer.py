import json
import subprocess
import sys
from pathlib import Path

from nas.trials_json import record_to_json
from nas.wandb_runs.files import finished_ids, writer_environment
from nas.wandb_settings import WandbSettings
from tests.nas.wandb_studies import STUDY, make_record


def run_writer(folder: Path, text: str) -> "subprocess.CompletedProcess[str]":
    settings = WandbSettings()
    return subprocess.run(
        [sys.executable, "-m", "nas.wandb_runs.writer"],
        input=text,
        env=writer_environment(folder, settings),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )


def test_writer_without_a_set_up_ends(tmp_path: Path) -> None:
    assert run_writer(tmp_path, "").stdout == ""


def test_half_a_line_of_a_killed_owner_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "wandb" / "tmp").mkdir(parents=True)
    left_behind = tmp_path / "wandb" / "tmp" / "left-behind"
    left_behind.mkdir()
    setup = {
        "folder": str(tmp_path),
        "settings": WandbSettings().model_dump(),
        "study": STUDY.to_json(),
    }
    trial = {
        "ticket": 7,
        "what": "trial",
        "job_type": "trial",
        "record": record_to_json(make_record()),
    }
    lines = [json.dumps(setup), json.dumps(trial), json.dumps(trial)[:50]]
    done = run_writer(tmp_path, "\n".join(lines))
    assert json.loads(done.stdout) == {"ticket": 7, "error": None, "notices": []}
    assert finished_ids(tmp_path) == {"uid-0000"}
    assert not left_behind.exists()

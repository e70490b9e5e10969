import itertools
import sys
from pathlib import Path

import optuna
import pytest

from benchmarks.arms import ArmError, read_trials, run_arm
from benchmarks.job import Job
from benchmarks.processes import ProcessError, check_job, nas_search, run_timed
from search_spaces.errors import UserError


def test_a_job_becomes_flags_of_the_command() -> None:
    job = Job(trials=3, seed=5, space={"width": 4}, recipe={"epochs": 1}, architectures="/a.json")

    command = nas_search(job, ("--workers", "2"), {"search.goal": "best"})

    given = [value for flag, value in itertools.pairwise(command) if flag == "--set"]
    assert {"space.width=4", "recipe.epochs=1", 'search.goal="best"', "search.seed=5"} <= {*given}
    assert 'search.sampler.init_args.path="/a.json"' in given
    assert command[command.index("--trials") + 1] == "3"


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (Job(trials=0), "search.trials must be >= 1, got trials=0"),
        (Job(trials=5, space={"max_blocks": 1, "stages": 1}), "got trials=5 for 3 architectures"),
        (Job(trials=1, space={"width": 0}), "space.width must be an int >= 1 .* got width=0"),
        (Job(trials=1, recipe={"epochs": 0}), "recipe.epochs must be >= 1, got epochs=0"),
        (Job(trials=1, data="digit"), "Unknown data set 'digit'"),
    ],
)
def test_a_job_is_checked_as_the_command_does(job: Job, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_job(job)


def test_a_job_that_can_be_done_is_not_refused() -> None:
    check_job(Job(trials=64, device="cuda", architectures="/a.json", recipe={"epochs": 1}))


def test_a_command_that_breaks_off_shows_its_last_lines(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "raise SystemExit('no disk')"]

    with pytest.raises(ProcessError, match=r"must end with 0, got code=1[\s\S]*no disk"):
        run_timed([program], tmp_path)


def test_commands_run_side_by_side_in_their_folder(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "import os, time; time.sleep(0.5); print(os.getcwd())"]

    seconds = run_timed([program, program], tmp_path)

    assert seconds > 0.5
    assert (tmp_path / "output1.log").read_text().strip() == str(tmp_path.resolve())


def test_an_arm_that_leaves_out_work_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_one_trial(*arguments: object) -> float:
        storage = f"sqlite:///{tmp_path}/arm/study.db"
        study = optuna.create_study(study_name="benchmark", storage=storage)
        trial = study.ask()
        trial.set_user_attr("spec_id", "a")
        trial.set_user_attr("val_accuracy", 0.5)
        study.tell(trial, 1.0)
        return 1.0

    monkeypatch.setattr("benchmarks.arms.run_timed", only_one_trial)

    with pytest.raises(ArmError, match=r"must leave 2 ended trials .* got trials=1 and runs=0"):
        run_arm("stock", Job(trials=2), tmp_path / "arm")


def test_an_infinite_loss_counts_as_failed(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="benchmark", storage=f"sqlite:///{tmp_path}/study.db")
    for value in (1.0, float("inf")):
        trial = study.ask()
        trial.suggest_int("depth.stage1", 1, 2)
        study.tell(trial, value)

    done, failed = read_trials("stock", tmp_path)

    assert [trial.number for trial in done] == [0]
    assert [trial.number for trial in failed] == [1]

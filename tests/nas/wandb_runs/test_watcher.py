from pathlib import Path

import pytest

from nas.open_study import OpenStudy
from nas.results import Results
from nas.run_folder import RunFolder
from nas.timing import Timing
from nas.wandb_runs.files import finished_ids
from nas.wandb_runs.watcher import WandbWatcher
from nas.wandb_settings import WandbSettings
from tests.nas.fake_pool import (
    as_optuna,
    make_epoch,
    open_feed,
    open_tiny,
    search,
    tiny_config,
)

pytestmark = pytest.mark.timeout(120)


def open_study(folder: Path, mode: str = "offline") -> OpenStudy:
    wandb = WandbSettings.model_validate({"mode": mode})
    return open_tiny(folder, tiny_config(trials=2).model_copy(update={"wandb": wandb}))


def test_runs_of_ended_trials_and_the_summary_are_written(tmp_path: Path) -> None:
    as_optuna(open_tiny(tmp_path, tiny_config()).search).enqueue_trial({"depth.stage1": 99})
    ended = search(tmp_path, tiny_config(trials=2)).trials.ended
    study = open_study(tmp_path)
    watcher = WandbWatcher(study, timing := Timing(tmp_path / "timing.json"))
    watcher.started(ended[0])
    watcher.epoch(ended[0], make_epoch(1, 0.5))
    watcher.ended(ended[0])
    results = Results(RunFolder(tmp_path), study.config)
    results.load(ended, [])
    # Without a report there is nothing to sum up.
    watcher.summary(results)
    results.write_report()
    watcher.summary(results)
    # What a killed owner had not logged, an enqueued trial that failed included.
    watcher.catch_up(ended)
    watcher.close(60.0)
    uid = study.search.uid
    assert finished_ids(tmp_path) == {f"{uid}-{n:04d}" for n in range(3)} | {f"{uid}-summary"}
    assert timing.counts["wandb.hand_over"] == 1
    again = WandbWatcher(open_study(tmp_path), timing)
    again.catch_up(ended)
    again.close(60.0)
    assert timing.seconds["wandb.wait"] < 60


def test_whatever_fails_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = search(tmp_path, tiny_config(trials=1)).trials.ended
    watcher = WandbWatcher(open_study(tmp_path), Timing(tmp_path / "timing.json"))
    watcher.catch_up([None])  # type: ignore[list-item]
    watcher.ended(None)  # type: ignore[arg-type]
    assert capsys.readouterr().err.count("warning: W&B: AttributeError") == 2
    # The writer's folder cannot be made.
    (tmp_path / "wandb").write_text("")
    watcher.ended(ended[0])
    watcher.close(60.0)
    assert "runs were not written" in capsys.readouterr().err


def test_disabled_nothing_is_written(tmp_path: Path) -> None:
    feed = open_feed(tmp_path, tiny_config())
    watcher = WandbWatcher(open_study(tmp_path, "disabled"), Timing(tmp_path / "timing.json"))
    watcher.catch_up(feed.trials.ended)
    watcher.close(1.0)
    assert not (tmp_path / "wandb").exists()

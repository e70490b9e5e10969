import json
from dataclasses import replace
from pathlib import Path

from nas.epoch_log import EpochLog
from nas.trials import Source, State
from tests.nas.made_studies import make_metrics
from tests.nas.wandb_studies import make_record


def lines(path: Path) -> list[dict[str, object]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for line in found:
        assert str(line.pop("utc")).endswith("+00:00")
    return found


def test_life_of_a_trial_is_four_kinds_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "epochs.jsonl"
    log = EpochLog(path)
    running = make_record(4, state=State.RUNNING, source=Source.ADAPTIVE, attempts=2)
    log.started(running)
    log.epoch(running, make_metrics(1, 0.5))
    log.paused(running, 1)
    log.ended(
        make_record(4, state=State.FAILED, reason="lost", source=Source.ADAPTIVE, attempts=2)
    )
    log.close()
    about = {"trial": 4, "source": "adaptive", "attempt": 2}
    epoch = {"epoch": 1, "train_loss": 0.6, "val_log_loss": 0.5, "val_accuracy": 0.6065}
    assert lines(path) == [
        {"event": "start", **about},
        {"event": "epoch", **about, **epoch},
        {"event": "pause", **about, "epoch": 1},
        {"event": "end", **about, "state": "failed", "reason": "lost"},
    ]


def test_metrics_of_the_task_stand_beside_the_others(tmp_path: Path) -> None:
    log = EpochLog(tmp_path / "epochs.jsonl")
    log.epoch(make_record(4), replace(make_metrics(1, 0.5), more={"f1": 0.25}))
    log.close()
    [line] = lines(tmp_path / "epochs.jsonl")
    assert (line["val_log_loss"], line["val_f1"]) == (0.5, 0.25)


def test_lines_are_on_disk_at_once_and_the_next_owner_appends(tmp_path: Path) -> None:
    path = tmp_path / "epochs.jsonl"
    first = EpochLog(path)
    first.started(make_record(0))
    second = EpochLog(path)
    second.started(make_record(1))
    assert [line["trial"] for line in lines(path)] == [0, 1]
    first.close()
    second.close()

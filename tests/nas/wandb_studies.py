"""Trials of a made-up study for the tests of the W&B log, and where its processes are."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.trials import Source, State, TrialRecord
from nas.wandb_runs.content import StudyInfo
from nas.wandb_runs.run_log import RunLog
from nas.wandb_settings import WandbSettings
from search_spaces.complexity import complexity
from search_spaces.registry import make_space
from search_spaces.spec import InputShape
from trainer.measurement import EpochMetrics

STUDY = StudyInfo(name="made-up", uid="uid", dataset="digits", epochs=8, deepest=(2, 2, 3))
SPACE = make_space(
    {"name": "residual", "max_blocks": 3}, InputShape(channels=1, height=8, width=8), 10
)
DECISIONS = {
    "depth.stage1": 1,
    "depth.stage2": 2,
    "depth.stage3": 1,
    "skip.stage1.block1": "none",
    "skip.stage2.block1": "projection",
    "skip.stage2.block2": "identity",
    "skip.stage3.block1": "identity",
}


def make_epoch(epoch: int) -> EpochMetrics:
    """Return an epoch whose numbers tell which one it is."""
    return EpochMetrics(
        epoch=epoch,
        train_loss=1 / epoch,
        val_log_loss=2 / epoch,
        val_accuracy=1 - 0.5 / epoch,
        lr=0.1,
        seconds=0.2,
    )


def make_record(number: int = 0, *, epochs: int = 8, **changes: Any) -> TrialRecord:
    """Return a complete trial of eight epochs, or what `changes` make of it."""
    spec = SPACE.from_decisions(dict(DECISIONS))
    cost = complexity(spec)
    history = tuple(make_epoch(epoch) for epoch in range(1, epochs + 1))
    known: dict[str, Any] = {
        "state": State.COMPLETE,
        "source": Source.RANDOMISED,
        "decisions": DECISIONS,
        "value": 0.25,
        "spec": spec,
        "spec_id": spec.spec_id,
        "seed": 17,
        "lr": 0.1,
        "metrics": {"val_log_loss": 0.25, "val_accuracy": 0.9375, "train_loss": 0.125},
        "history": history,
        "epochs_done": epochs,
        "seconds": 1.5,
        "peak_memory_bytes": 300_000_000,
        "params": cost.params,
        "macs": cost.macs,
        "gradient_norms": (0.5, 0.25, 0.125, 0.0625),
        "device": "cpu",
        "wandb_id": f"uid-{number:04d}",
    }
    return TrialRecord(number=number, **(known | changes))


def open_log(folder: Path, **settings: Any) -> RunLog:
    """Return a log of the made-up study."""
    return RunLog(folder, WandbSettings(**settings), STUDY)


def processes_of(folder: Path) -> list[int]:
    """Return the ids of the writer and of W&B's services that work in this run folder."""
    wanted = f"WANDB_DIR={folder.resolve() / 'wandb'}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            # It ended while we looked, or belongs to somebody else.
            continue
    return found


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait for a condition; TimeoutError where it does not come."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the condition did not come true")
        time.sleep(0.02)

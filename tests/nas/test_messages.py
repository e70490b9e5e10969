import json
import math
from dataclasses import replace

import pytest

from nas.messages import Answer, EpochDone, Message, Ready, Setup, Work, WorkDone, decode, encode
from search_spaces.presets import preset
from tests.nas.made_studies import make_failure, make_measurement, make_metrics
from trainer.measurement import Candidate
from trainer.progress import Verdict

SPEC = preset("resnet-20")


@pytest.mark.parametrize(
    "message",
    [
        Setup(
            checkpoint_folder="/a/b",
            data="digits",
            device="cuda:0",
            num_threads=1,
            import_paths=["/a", "/b c"],
        ),
        Setup(
            checkpoint_folder="/a/b",
            data="digits",
            device="cpu",
            num_threads=1,
            import_paths=[],
            task={"class_path": "my_task.Focal", "init_args": {"gamma": 2.0}},
        ),
        Setup(
            checkpoint_folder="/a/b",
            data="digits",
            device="cpu",
            num_threads=1,
            import_paths=[],
            group_size=None,
            group_specs=[SPEC, preset("plain-20")],
            group_recipe={"epochs": 2},
        ),
        Work(
            candidates=[
                Candidate(key="trial-0001", spec=SPEC, seed=2**40, recipe_values={"lr": 0.05})
            ],
            recipe={"epochs": 2, "lr": 0.1, "gradient_clip_norm": None},
            test=True,
            keep_weights=True,
            evidence=True,
            supervised=["trial-0001"],
            pause_after=4,
        ),
        Answer(key="trial-0001", verdict=Verdict.STOP),
        Ready(pid=7, device="cpu", setup_seconds=1.5),
        Ready(
            pid=7,
            device="cpu",
            setup_seconds=1.5,
            group_size=8,
            group_seconds={1: 0.016, 8: 0.009},
            group_why="16 do not pay",
        ),
        EpochDone(key="trial-0001", metrics=make_metrics(1, 0.1 + 0.2)),
        EpochDone(key="trial-0001", metrics=replace(make_metrics(1, 0.5), more={"f1": 0.1})),
        WorkDone(outcomes=[make_measurement(SPEC, 1.0, 0.1), make_failure(SPEC)]),
        WorkDone(outcomes=[make_measurement(SPEC, math.inf)]),
        WorkDone(outcomes=[make_failure(SPEC, message='a "quoted"\nline: café')]),
    ],
    ids=[
        "setup",
        "own task",
        "to be measured",
        "work",
        "answer",
        "ready",
        "measured",
        "epoch",
        "own metric",
        "done",
        "infinite",
        "odd text",
    ],
)
def test_message_arrives_as_it_was_sent(message: Message) -> None:
    data = encode(message)
    assert json.loads(data)["type"] == type(message).__name__
    assert decode(data) == message


def test_work_names_the_keys_of_its_candidates() -> None:
    candidates = [Candidate(key=key, spec=SPEC, seed=0) for key in ("a", "b")]
    assert Work(candidates=candidates, recipe={}).keys == ("a", "b")

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.errors import ConfigError
from nas.own_task import check_task, export_problem, load_task
from search_spaces.registry import make_space
from search_spaces.spec import InputShape, Kind
from trainer.recipe import Recipe

SPACE = make_space(
    {"stages": 2, "max_blocks": 1, "width": 2}, InputShape(channels=1, height=8, width=8), 10
)
SPEC = SPACE.uniform((1, 1), Kind.IDENTITY)
HEAD = """
import torch
from torch import nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score
from search_spaces.resnet import build_candidate
from trainer.module import CandidateModule


class Task(CandidateModule):
"""

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> Write:
    """Write a module of the user's into the current folder; return the path of its class."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    # Modules are cached by name, so that every test has its own.
    name = f"task_{abs(hash(request.node.name))}"

    def write(body: str, *, head: str = HEAD) -> str:
        lines = "".join(f"    {line}\n" if line else "\n" for line in body.splitlines())
        (tmp_path / f"{name}.py").write_text(head + (lines if head == HEAD else body))
        return f"{name}.Task"

    return write


def check(path: str, metric: str = "val/log_loss", **init_args: Any) -> None:
    check_task(load_task(path), init_args, spec=SPEC, recipe=Recipe(), metric=metric)


F1 = """
def make_metrics(self):
    metrics = super().make_metrics()
    metrics.add_metrics({"f1": MulticlassF1Score(10)})
    return metrics
"""


def test_a_loss_and_a_metric_of_ones_own_are_fine_and_can_be_exported(write: Write) -> None:
    path = write(
        F1 + "\ndef training_loss(self, logits, labels):\n    return logits.square().sum()"
    )
    check(path)
    check(path, "val/f1")
    assert export_problem(path, {}, SPEC) is None
    assert load_task(path).__name__ == "Task"


def test_arguments_reach_the_class(write: Write) -> None:
    body = (
        "def __init__(self, spec, recipe, seed, power):\n    super().__init__(spec, recipe, seed)"
    )
    path = write(body + "\n    self.power = power + 1")
    check(path, power=2)
    with pytest.raises(
        ConfigError, match=r"must be made from spec, recipe, seed and init_args={}, got Typ"
    ):
        check(path)
    with pytest.raises(
        ConfigError, match=r"init_args={'power': 'a'}, got TypeError: can only conc"
    ):
        check(path, power="a")


@pytest.mark.parametrize(
    "body",
    [
        "def build_network(self, generator):\n"
        "    network = build_candidate(self.spec, generator)\n"
        "    network.head = nn.Sequential(nn.Dropout(0.5), network.head)\n"
        "    return network",
        "def forward(self, images):\n    return 2 * self.network(images)",
        "def build_network(self, generator):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))",
    ],
    ids=["another head", "another forward", "another network"],
)
def test_another_network_is_searched_but_not_exported(write: Write, body: str) -> None:
    path = write(body)
    check(path)
    problem = str(export_problem(path, {}, SPEC))
    assert problem.startswith("An export needs the network that the architecture alone describes")
    assert f"got the network of task='{path}', which has parts of its own." in problem


def test_initial_weights_of_ones_own_can_be_exported(write: Write) -> None:
    body = (
        "def build_network(self, generator):\n"
        "    network = build_candidate(self.spec, generator)\n"
        "    nn.init.zeros_(network.head.weight)\n"
        "    return network"
    )
    assert export_problem(write(body), {}, SPEC) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "class Task(",
            r"whose file can be imported, got 'task_\d+.Task' \(SyntaxError: .*was never closed",
        ),
        ("", r"must name an importable class, .*has no attribute 'Task'"),
        ("import nothing_like_this", "No module named 'nothing_like_this'"),
        (
            "1 / 0",
            r"whose file can be imported, .* \(ZeroDivisionError: division by zero.*\)\. Mend",
        ),
        ("class Task:\n    pass", "must name a subclass of trainer.module.CandidateModule, got"),
        ("def Task(**kwargs):\n    pass", "must name a subclass of trainer.module.CandidateModu"),
    ],
    ids=["syntax", "no class", "no module", "fails", "another class", "a function"],
)
def test_what_cannot_be_loaded_is_told(write: Write, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_task(write(text, head=""))


def test_a_module_that_does_not_exist_is_told() -> None:
    with pytest.raises(
        ConfigError, match=r"task\.class_path must name an importable class, got 'no"
    ):
        load_task("nowhere_at_all.Task")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "def make_metrics(self):\n    return MetricCollection({'f1': MulticlassF1Score(10)})",
            "make_metrics must measure 'accuracy', got f1. Add to the metrics of super()",
        ),
        (
            "def make_metrics(self):\n    return {}",
            "must be made from .*, got AttributeError: 'dict' object has no attribute 'clone'",
        ),
        (
            "def make_metrics(self):\n"
            "    metrics = super().make_metrics()\n"
            "    metrics.add_metrics({'per_class': MulticlassAccuracy(10, average=None)})\n"
            "    return metrics",
            r"every metric must be one number, got 'per_class' of shape=\(10,\). Average it",
        ),
        (
            "def make_metrics(self):\n"
            "    metrics = super().make_metrics()\n"
            "    metrics.add_metrics({'f1/macro': MulticlassF1Score(10)})\n"
            "    return metrics",
            "names must be letters, digits and '_', since they become columns, got 'f1/macro'.",
        ),
        (
            "def make_metrics(self):\n"
            "    metrics = super().make_metrics()\n"
            "    metrics.add_metrics({'odd': MulticlassAccuracy(3)})\n"
            "    return metrics",
            "must measure a batch, got ",
        ),
        (
            "def training_loss(self, logits, labels):\n    return (logits - labels[:, None])",
            r"training_loss must return a scalar with a gradient, got shape=\(10, 10\)",
        ),
        (
            "def training_loss(self, logits, labels):\n    return logits.detach().sum()",
            r"got shape=\(\), requires_grad=False. Return the batch's mean.",
        ),
        (
            "def training_loss(self, logits, labels):\n    return logits.mean() * float('nan')",
            r"training_loss must be finite on a batch of noise, got loss=nan\. Mend the loss",
        ),
        (
            "def training_loss(self, logits, labels):\n    logits.mean()",
            r"training_loss must return a scalar tensor, got NoneType\.",
        ),
        (
            "def training_loss(self, logits, labels):\n    return logits.mean().item()",
            r"training_loss must return a scalar tensor, got float\.",
        ),
        (
            "def make_metrics(self):\n"
            "    class Words(MulticlassAccuracy):\n"
            "        def compute(self):\n"
            "            return 'good'\n"
            "    metrics = super().make_metrics()\n"
            "    metrics.add_metrics({'words': Words(10)})\n"
            "    return metrics",
            "every metric must be a number, got 'words' of type str. Let its compute return",
        ),
        (
            "def training_loss(self, logits, labels):\n    return logits @ labels",
            "must train on a batch, got RuntimeError: .* Mend the class; nothing was started.",
        ),
        (
            "def build_network(self, generator):\n    return undefined",
            "must be made from spec, recipe, seed and init_args={}, got NameError: name 'undefined'",
        ),
    ],
)
def test_what_would_fail_in_every_training_is_told(write: Write, body: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(write(body))


def test_a_metric_of_the_study_that_is_not_measured_is_told(write: Write) -> None:
    with pytest.raises(
        ConfigError,
        match=r"must measure 'f2', since search\.metric is 'val/f2', got accuracy, f1, log_loss. Add",
    ):
        check(write(F1), "val/f2")


def test_hyperparameters_that_are_no_json_are_told(write: Write) -> None:
    body = (
        "def __init__(self, spec, recipe, seed, weights):\n"
        "    weights = torch.tensor(weights)\n"
        "    super().__init__(spec, recipe, seed)"
    )
    with pytest.raises(ConfigError, match="must keep hyperparameters that are JSON values, since"):
        check(write(body), weights=[1.0])

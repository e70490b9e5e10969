"""A user's own task: a `CandidateModule` subclass by class path, checked before it is trained.

torch is imported only where there is one.
"""

import json
import re
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from nas.errors import ConfigError
from search_spaces.class_paths import load_class
from search_spaces.errors import UserError
from search_spaces.spec import ArchitectureSpec, InputShape
from trainer.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.module import CandidateModule

_T = TypeVar("_T")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NEEDED = ("accuracy", "log_loss")
_MAX_IMAGES = 16


def load_task(class_path: str) -> "type[CandidateModule]":
    """Import a user's module.

    Raises:
        ConfigError: There is no such class, or it is no `CandidateModule`.
    """
    found = load_class("task", class_path, ConfigError)
    # Only now: torch takes seconds, which a mistake in the file should not wait for.
    from trainer.module import CandidateModule

    if not (isinstance(found, type) and issubclass(found, CandidateModule)):
        raise ConfigError(
            "task.class_path must name a subclass of trainer.module.CandidateModule, got "
            f"{class_path!r}. Derive your class from it."
        )
    return found


def check_task(
    task: "type[CandidateModule]",
    init_args: Mapping[str, Any],
    *,
    spec: ArchitectureSpec,
    recipe: Recipe,
    metric: str,
) -> None:
    """Make the task's module once and let it compute loss and metrics of a batch of noise.

    Args:
        task: The class, as `load_task` returns it.
        init_args: Its arguments beside spec, recipe and seed.
        spec: A small network of the space.
        recipe: How candidates are trained.
        metric: What the study optimises, such as `val/macro_f1`.

    Raises:
        ConfigError: The class cannot be made or used, or does not measure what is needed.
    """
    where = f"task: {task.__module__}.{task.__qualname__}"

    def make() -> "CandidateModule":
        plain = recipe.model_dump(mode="json")
        return task(spec=spec.to_dict(), recipe=plain, seed=0, **init_args)

    args = f"init_args={dict(init_args)!r}"
    module = _attempt(f"{where} must be made from spec, recipe, seed and {args}", make)
    _check_hyperparameters(where, module)
    images, labels = _noise(spec.input, spec.num_classes)
    with warnings.catch_warnings():
        # Metrics of so few images have things to say that mean nothing.
        warnings.simplefilter("ignore")
        _attempt(
            f"{where} must train on a batch", lambda: _check_loss(where, module, images, labels)
        )
        values = _attempt(
            f"{where} must measure a batch", lambda: _measure(module, images, labels)
        )
    _check_values(where, values, metric)


def export_problem(
    class_path: str, init_args: Mapping[str, Any], spec: ArchitectureSpec
) -> str | None:
    """Say why networks of this task cannot be exported as plain files; None where they can.

    They can where the task's module computes what the network of the spec alone computes, so with
    a loss or metrics of its own, but not with a head or stem of its own.
    """
    import torch

    from search_spaces.resnet import build_candidate

    task = load_task(class_path)
    module = task(
        spec=spec.to_dict(), recipe=Recipe().model_dump(mode="json"), seed=0, **init_args
    ).eval()
    plain = build_candidate(spec).to(memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]
    images, _ = _noise(spec.input, spec.num_classes)
    try:
        plain.load_state_dict(module.network.state_dict())
        with torch.no_grad():
            ours, theirs = plain(images), module(images)
        same = ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=1e-3, atol=1e-5)
    except (RuntimeError, AttributeError, TypeError):
        same = False
    if same:
        return None
    return (
        "An export needs the network that the architecture alone describes, got the network of "
        f"task={class_path!r}, which has parts of its own. The weights of the finalists are in "
        "checkpoints/ of the run folder; load them with your class, or search "
        "without build_network and forward of your own."
    )


def _attempt(what: str, work: Callable[[], _T]) -> _T:
    """Do what the user's code may fail at in any way."""
    try:
        return work()
    except UserError:
        raise
    except Exception as error:
        words = " ".join(str(error).split())
        raise ConfigError(
            f"{what}, got {type(error).__name__}: {words}. Mend the class; nothing was started."
        ) from error


def _check_hyperparameters(where: str, module: "CandidateModule") -> None:
    try:
        json.dumps(dict(module.hparams))
    except TypeError as error:
        raise ConfigError(
            f"{where} must keep hyperparameters that are JSON values, since checkpoints hold them, "
            f"got {error}. Make tensors and objects inside __init__, under names that are no "
            "arguments."
        ) from None


def _noise(shape: InputShape, num_classes: int) -> "tuple[Tensor, Tensor]":
    """Return images and labels in which as many classes as possible occur."""
    import torch

    num_images = min(max(num_classes, 2), _MAX_IMAGES)
    draws = torch.Generator().manual_seed(0)
    size = (num_images, shape.channels, shape.height, shape.width)
    return torch.randn(size, generator=draws), torch.arange(num_images) % num_classes


def _check_loss(where: str, module: "CandidateModule", images: "Tensor", labels: "Tensor") -> None:
    loss: Any = module.training_loss(module(images), labels)
    if not hasattr(loss, "requires_grad"):
        raise ConfigError(
            f"{where}.training_loss must return a scalar tensor, got {type(loss).__name__}. Return "
            "the batch's mean as torch computed it."
        )
    if loss.dim() != 0 or not loss.requires_grad:
        raise ConfigError(
            f"{where}.training_loss must return a scalar with a gradient, got shape="
            f"{tuple(loss.shape)}, requires_grad={loss.requires_grad}. Return the batch's mean."
        )
    if not loss.isfinite():
        raise ConfigError(
            f"{where}.training_loss must be finite on a batch of noise, got loss={loss.item()}. "
            "Mend the loss, or the network's own parts."
        )
    loss.backward()
    # What is measured before a training: the loss of the network alone.
    module.training_loss(module.network(images), labels)


def _measure(module: "CandidateModule", images: "Tensor", labels: "Tensor") -> "dict[str, Tensor]":
    import torch

    metrics = module.make_metrics()
    with torch.no_grad():
        metrics.update(module.eval()(images), labels)
    return metrics.compute()


def _check_values(where: str, values: "Mapping[str, Any]", metric: str) -> None:
    from torch import Tensor

    wanted = metric.removeprefix("val/")
    known = ", ".join(sorted(values)) or "nothing"
    for name in dict.fromkeys((*_NEEDED, wanted)):
        if name not in values:
            raise ConfigError(
                f"{where}.make_metrics must measure {name!r}"
                f"{'' if name in _NEEDED else f', since search.metric is {metric!r}'}, got "
                f"{known}. Add to the metrics of super().make_metrics(), or correct search.metric."
            )
    for name, value in values.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{where}.make_metrics: names must be letters, digits and '_', since they become "
                f"columns, got {name!r}. Rename the metric."
            )
        if isinstance(value, Tensor) and value.numel() != 1:
            raise ConfigError(
                f"{where}.make_metrics: every metric must be one number, got {name!r} of shape="
                f"{tuple(value.shape)}. Average it, or split it into metrics with names."
            )
        if not isinstance(value, Tensor | int | float):
            raise ConfigError(
                f"{where}.make_metrics: every metric must be a number, got {name!r} of type "
                f"{type(value).__name__}. Let its compute return a tensor."
            )

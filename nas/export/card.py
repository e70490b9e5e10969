"""The model card: what was found, how well it does and how sure that is; no torch here.

It says nothing of the machine: no host names, no paths.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from nas.errors import TableError
from nas.export.card_network import network_facts
from nas.export.card_scores import against_identity, finalists, score
from nas.export.markdown import counted, numbers
from nas.export.model_source import network_name
from nas.export.request import ExportRequest
from nas.finalists import Ranking, Standing, best_finalist
from search_spaces.spec import BlockClass


def card(request: ExportRequest, test_accuracy: float | None) -> str:
    """Return the text of `card.md`.

    Args:
        request: The network and its records.
        test_accuracy: As measured with the exported files; None where it was not measured.
    """
    ranking = _ranking(request)
    standing = next((s for s in ranking.standings if _is_ours(s, request)), None)
    sections = [
        _what(request),
        score(request, standing, test_accuracy),
        against_identity(request, standing),
        finalists(request, ranking, standing),
        _data_and_training(request),
        _load(request),
        _retrain(request),
        _limits(request),
        _versions(request),
    ]
    return "\n\n".join(sections) + "\n"


def _ranking(request: ExportRequest) -> Ranking:
    """An export is written even where nothing was re-evaluated; the card then says so."""
    try:
        return best_finalist(request.finalists, request.direction)
    except TableError:
        return Ranking(standings=())


def _is_ours(standing: Standing, request: ExportRequest) -> bool:
    """Whether the exported run is one of these: same architecture, and same recipe."""
    same_recipe = standing.runs[0].training[1:] == request.chosen.training[1:]
    return standing.spec_id == request.spec.spec_id and same_recipe


def _what(request: ExportRequest) -> str:
    spec = request.spec
    lines = [
        f"# {network_name(spec)} from the study `{request.study}`",
        "",
        f"An image classifier found by architecture search: {spec.layers} layers, "
        f"{'-'.join(map(str, spec.depths))} residual blocks per stage. In short: `{spec.code}`.",
        "",
        *network_facts(spec),
        f"- Input: raw images, {_images(request)}; normalisation is inside the network.",
        f"- Output: logits of {spec.num_classes} classes.",
        f"- Architecture: `architecture.json`, `spec_id` {spec.spec_id}.",
    ]
    if request.picture:
        lines += ["", "![The network with its shortcuts](architecture.svg)"]
    return "\n".join(lines)


def _data_and_training(request: ExportRequest) -> str:
    facts, recipe = request.facts, request.recipe
    task = f" with the task `{request.task['class_path']}`" if request.task else ""
    return "\n".join(
        [
            "## Data and training",
            "",
            f"- Data: `{facts.name}`, {facts.n_train} training, {facts.n_val} validation and "
            f"{facts.n_test} test images; stratified split, split seed {facts.split_seed}.",
            f"- Training{task}: {_epochs(recipe)}, peak learning rate "
            f"{recipe.get('lr', 'unknown')}, {recipe.get('optimizer', 'unknown optimizer')}, "
            f"weights of the last epoch, seed {request.seed}.",
            f"- Normalisation, per channel: mean {numbers(request.mean)}, std {numbers(request.std)}.",
        ]
    )


def _epochs(recipe: Mapping[str, Any]) -> str:
    found = recipe.get("epochs")
    return counted(found, "epoch") if isinstance(found, int) else "unknown epochs"


def _load(request: ExportRequest) -> str:
    shape = request.spec.input
    low, high = request.facts.value_range
    is_own = isinstance(request.spec.block, BlockClass)
    others = "and what `block.py` imports" if is_own else "nothing else"
    return "\n".join(
        [
            "## Load",
            "",
            f"`model.py` needs torch and safetensors, {others}. In this folder:",
            "",
            "```python",
            "import torch",
            "",
            "from model import load",
            "",
            "network = load()",
            f"images = torch.empty(1, {shape.channels}, {shape.height}, {shape.width})"
            f".uniform_({low:g}, {high:g})  # raw",
            "with torch.no_grad():",
            "    probabilities = network(images).softmax(dim=1)",
            "```",
            "",
            "`python model.py` prints its layers, parameters and blocks.",
        ]
    )


def _retrain(request: ExportRequest) -> str:
    config: dict[str, Any] = {"name": f"{request.study}-again", "data": request.facts.name}
    if request.space is not None:
        config["space"] = dict(request.space)
    if request.task is not None:
        config["task"] = dict(request.task)
    config["recipe"] = dict(request.recipe)
    if request.metric != "val/log_loss":
        config["search"] = {"metric": request.metric, "direction": request.direction}
    zeros = ", and the last layer of every branch beside a skip from zero"
    zeros = zeros if request.spec.zero_init else ""
    return "\n".join(
        [
            "## Retrain",
            "",
            "`model.ResNet()` is an ordinary `torch.nn.Module` with fresh weights: train it with "
            "the recipe below on your own images. Here convolutions began from a normal "
            f"distribution with variance 2 / fan-out{zeros}.",
            "",
            "To search again with the same space and recipe, save this as `again.yaml` and run "
            f"`nas search again.yaml --trials {request.cost.trials}`:",
            "",
            "```yaml",
            yaml.safe_dump(config, sort_keys=False).rstrip(),
            "```",
        ]
    )


def _limits(request: ExportRequest) -> str:
    facts = request.facts
    step = 1 / facts.n_test
    return "\n".join(
        [
            "## Limits",
            "",
            f"- It knows images like those of `{facts.name}`, {_images(request)}. Others give "
            "numbers that mean nothing.",
            f"- The test split has {facts.n_test} images: accuracy moves in steps of {step:.4f}, "
            "and smaller differences say nothing.",
            "- Logits are not calibrated probabilities.",
            "- It was found with the recipe above; with another one, another architecture may win.",
        ]
    )


def _versions(request: ExportRequest) -> str:
    lines = [f"- {tool} {version}" for tool, version in request.versions.items()]
    return "\n".join(["## Versions", "", *lines])


def _images(request: ExportRequest) -> str:
    shape = request.spec.input
    low, high = request.facts.value_range
    return f"N x {shape.channels} x {shape.height} x {shape.width}, values {low:g} to {high:g}"

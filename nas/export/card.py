"""The model card: what was found, how well it does and how sure that is; no torch here.

It says nothing of the machine: no host names, no paths.
"""

from typing import Any

import yaml

from nas.errors import TableError
from nas.export.card_scores import against_identity, finalists, score
from nas.export.markdown import numbers
from nas.export.model_source import network_name
from nas.export.request import ExportRequest
from nas.finalists import Ranking, best_finalist
from search_spaces.complexity import complexity
from search_spaces.spec import Kind


def card(request: ExportRequest, test_accuracy: float | None) -> str:
    """Return the text of `card.md`.

    Args:
        request: The network and its records.
        test_accuracy: As measured with the exported files; None where it was not measured.
    """
    ranking = _ranking(request)
    spec_id = request.spec.spec_id
    standing = next((s for s in ranking.standings if s.spec_id == spec_id), None)
    sections = [
        _what(request),
        score(request, standing, test_accuracy),
        against_identity(request, standing),
        finalists(request, ranking),
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


def _what(request: ExportRequest) -> str:
    spec, cost = request.spec, complexity(request.spec)
    counts = {kind: spec.kinds.count(kind) for kind in Kind}
    num_long = sum(skip.start != skip.end for skip in spec.skips)
    shortcuts = (
        f"{counts[Kind.IDENTITY]} identity, {counts[Kind.PROJECTION]} projection, "
        f"{counts[Kind.NONE]} without"
    )
    long = f", and {num_long} longer skips" if num_long else ""
    lines = [
        f"# {network_name(spec)} from the study `{request.study}`",
        "",
        f"An image classifier found by architecture search: {spec.layers} layers, "
        f"{'-'.join(map(str, spec.depths))} residual blocks per stage. Shortcuts of its "
        f"{spec.num_blocks} blocks: {shortcuts}{long}. In short: `{spec.code}`.",
        "",
        f"- Parameters: {cost.params:,}. Multiply-adds per image: {cost.macs:,}.",
        f"- Input: raw images, {_images(request)}; normalisation is inside the network.",
        f"- Output: logits of {spec.num_classes} classes.",
        f"- Architecture: `architecture.json`, `spec_id` {spec.spec_id}.",
    ]
    if request.picture:
        lines += ["", "![The network with its shortcuts](architecture.svg)"]
    return "\n".join(lines)


def _data_and_training(request: ExportRequest) -> str:
    facts, recipe = request.facts, request.recipe
    return "\n".join(
        [
            "## Data and training",
            "",
            f"- Data: `{facts.name}`, {facts.n_train} training, {facts.n_val} validation and "
            f"{facts.n_test} test images; stratified split, split seed {facts.split_seed}.",
            f"- Training: {recipe.get('epochs', 'unknown')} epochs, peak learning rate "
            f"{recipe.get('lr', 'unknown')}, {recipe.get('optimizer', 'unknown optimizer')}, "
            f"weights of the last epoch, seed {request.seed}.",
            f"- Normalisation, per channel: mean {numbers(request.mean)}, std {numbers(request.std)}.",
        ]
    )


def _load(request: ExportRequest) -> str:
    shape = request.spec.input
    low, high = request.facts.value_range
    return "\n".join(
        [
            "## Load",
            "",
            "`model.py` needs torch and safetensors, nothing else. In this folder:",
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
    config["recipe"] = dict(request.recipe)
    return "\n".join(
        [
            "## Retrain",
            "",
            "`model.ResNet()` is an ordinary `torch.nn.Module` with fresh weights: train it with "
            "the recipe below on your own images. Here convolutions began from a normal "
            "distribution with variance 2 / fan-out.",
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

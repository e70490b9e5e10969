"""A small trained-like network and everything its export needs; no training."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import save

from nas.export import ExportRequest, SearchCost
from nas.trials import Source, State, TrialRecord
from search_spaces import ArchitectureSpec, CandidateResNet, build_candidate
from trainer.data import DataFacts

MEAN, STD = (4.9,), (6.0,)


class Network(NamedTuple):
    """A network as training leaves it, and what it says of some raw images."""

    module: CandidateResNet
    weights: bytes
    images: np.ndarray
    labels: np.ndarray
    logits: torch.Tensor
    accuracy: float


def architecture(depths: tuple[int, ...], skips: list[tuple[str, str, str]]) -> ArchitectureSpec:
    return ArchitectureSpec.from_dict(
        {
            "input": {"channels": 1, "height": 8, "width": 8},
            "num_classes": 10,
            "stem_width": 4,
            "stages": [
                {"blocks": blocks, "width": 4 * 2**i, "stride": min(i + 1, 2)}
                for i, blocks in enumerate(depths)
            ],
            "skips": [{"from": start, "to": end, "kind": kind} for start, end, kind in skips],
        }
    )


def _classic(place: str, kind: str) -> tuple[str, str, str]:
    return (place, place, kind)


SPECS = {
    "none": architecture((1, 1), []),
    "identity": architecture(
        (2, 1, 1),
        [
            _classic(place, "identity")
            for place in ("stage1.block1", "stage1.block2", "stage2.block1", "stage3.block1")
        ],
    ),
    "projection": architecture(
        (1, 2), [_classic(p, "projection") for p in ("stage1.block1", "stage2.block1")]
    ),
    "mixed": architecture(
        (2, 1, 1), [_classic("stage1.block2", "identity"), _classic("stage3.block1", "projection")]
    ),
    "long": architecture(
        (2, 2),
        [
            ("stage1.block1", "stage2.block1", "identity"),
            ("stage1.block2", "stage2.block1", "projection"),
            _classic("stage2.block1", "projection"),
            ("stage2.block1", "stage2.block2", "identity"),
        ],
    ),
}


def make_network(spec: ArchitectureSpec, seed: int = 0, num_images: int = 80) -> Network:
    generator = torch.Generator().manual_seed(seed)
    module = build_candidate(spec, generator)
    shape = spec.input
    size = (num_images, shape.channels, shape.height, shape.width)
    images = torch.randint(0, 17, size, generator=generator).float()
    normalised = (images - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.no_grad():
        # Running statistics of batch norm get the values that training would leave.
        for _ in range(20):
            module(normalised)
        logits = module.eval()(normalised)
    labels = torch.randint(0, spec.num_classes, (num_images,), generator=generator)
    # Every second label is right, so that the accuracy says something.
    labels[::2] = logits.argmax(dim=1)[::2]
    accuracy = (logits.argmax(dim=1) == labels).float().mean().item()
    weights = save(module.state_dict())
    return Network(module, weights, images.numpy(), labels.numpy(), logits, accuracy)


def record(number: int, spec: ArchitectureSpec, seed: int, val: float, **changes) -> TrialRecord:
    fields = {
        "state": State.COMPLETE,
        "source": Source.FINALIST,
        "decisions": {},
        "value": val,
        "spec": spec,
        "spec_id": spec.spec_id,
        "seed": seed,
        "of_trial": 41,
        "metrics": {
            "val_log_loss": val,
            "val_accuracy": 1 - val / 4,
            "test_log_loss": val + 0.01,
            "test_accuracy": 0.975 - val / 4,
        },
    }
    return TrialRecord(number=number, **(fields | changes))


def make_request(spec: ArchitectureSpec, network: Network) -> ExportRequest:
    runs = [record(i, spec, 100 + i, val) for i, val in enumerate((0.12, 0.10, 0.14))]
    chosen = replace(runs[1], metrics=runs[1].metrics | {"test_accuracy": network.accuracy})
    runs[1] = chosen
    other = SPECS["mixed"] if spec != SPECS["mixed"] else SPECS["none"]
    others = [record(10 + i, other, 200 + i, 0.2 + i / 100, of_trial=7) for i in range(3)]
    anchors = [
        record(20 + i, spec, 300 + i, 0.3 + i / 100, source=Source.ANCHOR, name="identity-10")
        for i in range(3)
    ]
    return ExportRequest(
        study="digits",
        spec=spec,
        weights=network.weights,
        mean=MEAN,
        std=STD,
        facts=DataFacts(
            name="digits",
            input=spec.input,
            num_classes=spec.num_classes,
            n_train=1077,
            n_val=360,
            n_test=len(network.images),
            split_seed=0,
            value_range=(0.0, 16.0),
        ),
        recipe={"epochs": 8, "lr": 0.1, "optimizer": "sgd", "precision": "32-true"},
        seed=101,
        chosen=chosen,
        finalists=[*others, *runs],
        identity_anchor=anchors,
        cost=SearchCost(trials=200, seconds=250.0, workers=2),
        versions={"torch": "2.13.0", "python": "3.11"},
        picture="<svg xmlns='http://www.w3.org/2000/svg'/>",
        test_images=network.images,
        test_labels=network.labels,
    )

"""A small trained-like network and everything its export needs; no training."""

from dataclasses import replace
from typing import Any, NamedTuple

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


def architecture(
    depths: tuple[int, ...], skips: list[tuple[str, str, str]], **fields: Any
) -> ArchitectureSpec:
    stages = [
        {"blocks": blocks, "width": 4 * 2**i, "stride": min(i + 1, 2)}
        for i, blocks in enumerate(depths)
    ]
    base = {
        "input": {"channels": 1, "height": 8, "width": 8},
        "num_classes": 10,
        "stem_width": 4,
        "stages": stages,
        "skips": [{"from": start, "to": end, "kind": kind} for start, end, kind in skips],
    }
    return ArchitectureSpec.from_dict(base | fields)


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


_CLASSIC = [
    _classic("stage1.block1", "identity"),
    _classic("stage1.block2", "projection"),
    _classic("stage2.block1", "projection"),
    _classic("stage2.block2", "identity"),
]
_ACROSS = [
    ("stage1.block1", "stage1.block2", "identity"),
    ("stage1.block1", "stage2.block1", "projection"),
    ("stage1.block2", "stage2.block1", "identity"),
    _classic("stage2.block1", "projection"),
    ("stage1.block1", "stage3.block1", "projection"),
    ("stage2.block2", "stage3.block1", "identity"),
]
_LARGE = {"channels": 1, "height": 33, "width": 29}
_STRIDE_THREE = [{"blocks": 1, "width": 8, "stride": 3}, {"blocks": 2, "width": 12, "stride": 1}]

VARIED = {
    **SPECS,
    "bottleneck": architecture((2, 2), _CLASSIC, block="bottleneck"),
    "bottleneck with the stride in its first convolution": architecture(
        (2, 2), _CLASSIC, block="bottleneck", bottleneck_stride="1x1"
    ),
    "pre-activation": architecture((2, 2), _CLASSIC, activation="pre"),
    "pre-activation without skips": architecture((2, 1), [], activation="pre"),
    "pre-activation bottleneck with long skips": architecture(
        (2, 2, 1), _ACROSS, activation="pre", block="bottleneck", zero_init=True
    ),
    "no norm": architecture((2, 2), _CLASSIC, norm="none"),
    "no norm, pre-activation": architecture((2, 2), _CLASSIC, norm="none", activation="pre"),
    "no norm, bottleneck, no skips": architecture((1, 1), [], norm="none", block="bottleneck"),
    "average pooling": architecture((2, 2), _CLASSIC, projection="avgpool"),
    "average pooling, pre-activation, long skips": architecture(
        (2, 2, 1), _ACROSS, projection="avgpool", activation="pre"
    ),
    "average pooling of odd sizes": architecture(
        (2, 2, 1), _ACROSS, projection="avgpool", input={"channels": 1, "height": 7, "width": 9}
    ),
    "large stem": architecture((2, 2), _CLASSIC, stem="large", input=_LARGE),
    "large stem, pre-activation, no norm": architecture(
        (2, 2), _CLASSIC, stem="large", input=_LARGE, activation="pre", norm="none"
    ),
    "zero-initialised": architecture((2, 2), _CLASSIC, zero_init=True),
    "long skips across stages": architecture((2, 2, 1), _ACROSS),
    "stride three": architecture(
        (), [_classic("stage1.block1", "projection")], stages=_STRIDE_THREE, projection="avgpool"
    ),
    "narrower than before": architecture(
        (),
        [_classic("stage2.block1", "identity")],
        stages=[{"blocks": 1, "width": 8, "stride": 1}, {"blocks": 1, "width": 4, "stride": 1}],
    ),
}
"""One of everything that a spec can say, small."""


def make_network(spec: ArchitectureSpec, seed: int = 0, num_images: int = 80) -> Network:
    generator = torch.Generator().manual_seed(seed)
    module = build_candidate(spec, generator)
    with torch.no_grad():
        for parameter in module.parameters():
            # Training leaves no scale at one and no bias at zero.
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
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


OWN_BLOCK = """
import torch
from torch import Tensor, nn

from search_spaces.blocks import BasicBranch


class Gated(BasicBranch):
    def __init__(self, in_channels, out_channels, stride, *, norm, activation, reduction=2):
        super().__init__(in_channels, out_channels, stride, norm=norm, activation=activation)
        self.squeeze = nn.Linear(out_channels, out_channels // reduction)
        self.excite = nn.Linear(out_channels // reduction, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        gate = self.excite(torch.relu(self.squeeze(out.mean(dim=(2, 3)))))
        return out * gate.sigmoid()[:, :, None, None]
"""
"""Source of a block type as a user may write it."""


def own_block_spec(class_path: str, **fields: Any) -> ArchitectureSpec:
    """Return a network of the user's blocks; the class is imported when it is built."""
    block = {"class_path": class_path, "init_args": {"reduction": 4}, "layers": 2}
    return architecture((2, 2), fields.pop("skips", _CLASSIC), block=block, **fields)

"""Sizes and costs of published networks, to check what is built here against; no torch here.

Convolutions have no bias, batch norm's scale and shift count, its running statistics do not, the
classifier has a bias; multiply-adds of convolutions and of the classifier alone.

Source:
    He et al. 2015, arXiv:1512.03385. CIFAR: counted from section 4.2; ResNet-56 and ResNet-110 with
    projections also in pycls, model_complexity.json (855,770 and 1,730,714 parameters). ImageNet:
    parameters as torchvision documents them, multiply-adds that round to its 1.81, 3.66, 4.09 and
    7.80 G, and to the paper's 3.8 G for the stride placement of v1.
"""

from search_spaces.complexity import Complexity

_CIFAR = {
    20: ((269722, 40551040), (272474, 40813184), (283962, 42648192)),
    32: ((464154, 68862592), (466906, 69124736), (489594, 72532608)),
    44: ((658586, 97174144), (661338, 97436288), (695226, 102417024)),
    56: ((853018, 125485696), (855770, 125747840), (900858, 132301440)),
    110: ((1727962, 252887680), (1730714, 253149824), (1826202, 266781312)),
    1202: ((19421274, 2829238912), (19424026, 2829501056), (20538714, 2986263168)),
}
"""Layers -> parameters and multiply-adds with shortcuts A, B and C, 32x32 images, 10 classes."""

_IMAGENET = {
    "resnet-18": (11689512, 1814073344),
    "resnet-34": (21797672, 3663761408),
    "resnet-50": (25557032, 4089184256),
    "resnet-50-v1": (25557032, 3857973248),
    "resnet-101": (44549160, 7801405440),
}
"""224x224 images, 1000 classes."""


def published() -> dict[str, Complexity]:
    """Return the published networks by preset name; a plain network is option A without skips."""
    rows: dict[str, tuple[int, int]] = {}
    for layers, (a, b, c) in _CIFAR.items():
        rows |= {f"plain-{layers}": a, f"resnet-{layers}": a}
        rows |= {f"resnet-{layers}-b": b, f"resnet-{layers}-c": c}
    rows |= _IMAGENET
    return {name: Complexity(params=params, macs=macs) for name, (params, macs) in rows.items()}

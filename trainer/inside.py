"""What the blocks of a trained candidate do, in the form that its measurement keeps."""

import math
from collections.abc import Sequence

from torch import nn

from trainer.block_evidence import branch_lesions, branch_shortcut_ratios, shortcut_lesions
from trainer.datasets import Split

RATIO = "branch_shortcut_ratio"
LESION_BRANCH = "lesion_branch"
LESION_SHORTCUT = "lesion_shortcut"


def look_inside(network: nn.Module, val: Split) -> dict[str, tuple[float | None, ...]]:
    """Measure every block of a trained network on the validation split.

    Args:
        network: A network whose blocks are `ResidualBlock`s; it stays as it is.
        val: Normalised validation images and labels on the network's device.

    Returns:
        Per block, in network order, None where a block has no shortcut: `branch_shortcut_ratio`,
        the root mean square of the branch's output over that of the shortcut; `lesion_branch` and
        `lesion_shortcut`, the drop of accuracy when that part gives zeros.
    """
    images, labels = val
    return {
        RATIO: _known(branch_shortcut_ratios(network, images)),
        LESION_BRANCH: _known(branch_lesions(network, images, labels)),
        LESION_SHORTCUT: _known(shortcut_lesions(network, images, labels)),
    }


def _known(values: Sequence[float]) -> tuple[float | None, ...]:
    # JSON has no NaN.
    return tuple(value if math.isfinite(value) else None for value in values)

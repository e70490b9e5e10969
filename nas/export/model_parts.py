"""The pieces of the generated `model.py`, as text with $placeholders; plain strings, no torch here.

State dict names are those of `search_spaces.resnet.CandidateResNet`, so weights map one to one.
"""

HEADER = '''"""$title

Found by architecture search. It needs torch and safetensors, nothing else:

    from model import load

    network = load()  # eval mode, weights from model.safetensors beside this file
    logits = network(images)  # raw images: $images

The network follows He et al. 2015, "Deep Residual Learning for Image Recognition",
arXiv:1512.03385, section 4.2; it differs in the shortcuts, which a search chose block by block.
Shapes: N batch, C channels, H and W px.
"""

${imports}import sys
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

SPEC_ID = "$spec_id"
"""Hash of the architecture; the weights file carries the same."""
IMAGE_SHAPE = $image_shape
"""Channels, height in px and width in px of an image."""
MEAN = $mean
"""Of the raw training images, per channel."""
STD = $std
"""Of the raw training images, per channel."""
NUM_CLASSES = $num_classes
STEM_WIDTH = $stem_width
"""Channels after the stem."""'''

ROW_PLAIN = '''class BlockRow(NamedTuple):
    """One line of the table below."""

    name: str
    in_channels: int
    out_channels: int
    stride: int
    """Of the first convolution."""'''

ROW_SPAN_ONE = '''class BlockRow(NamedTuple):
    """One line of the table below."""

    name: str
    in_channels: int
    out_channels: int
    stride: int
    """Of the first convolution, and of the shortcut."""
    shortcut: str
    """$kinds."""'''

SKIP_ROW = '''class SkipRow(NamedTuple):
    """A skip from the input of block `start` to the addition at the end of block `end`."""

    start: str
    end: str
    kind: str
    """$kinds."""'''

IDENTITY = '''class IdentityShortcut(nn.Module):
    """The input itself; where the shape changes, subsampled and padded with zero channels.

    Option A of section 3.3. It has no parameters.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""
        x = x[:, : self.out_channels, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, 0, self.out_channels - x.shape[1]))'''

PROJECTION = '''class ProjectionShortcut(nn.Sequential):
    """1x1 convolution with the stride, and batch norm: options B and C of section 3.3."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)'''

BLOCK_PLAIN = '''class PlainBlock(nn.Module):
    """relu(branch(x)); the branch is two 3x3 convolutions with batch norm."""

    def __init__(self, row: BlockRow) -> None:
        super().__init__()
        channels = row.out_channels
        self.conv1 = nn.Conv2d(row.in_channels, channels, 3, row.stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""
        out = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(out)))'''

BLOCK_SPAN_ONE = '''class ResidualBlock(nn.Module):
    """relu(branch(x) + shortcut(x)); the branch is two 3x3 convolutions with batch norm."""

    def __init__(self, row: BlockRow) -> None:
        super().__init__()
        channels = row.out_channels
        self.conv1 = nn.Conv2d(row.in_channels, channels, 3, row.stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        # Empty for a block without a shortcut, so the loop below adds nothing.
        self.shortcuts = nn.ModuleList()
        if row.shortcut != "none":
            shortcut = SHORTCUTS[row.shortcut]
            self.shortcuts.append(shortcut(row.in_channels, channels, row.stride))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""
        out = functional.relu(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        for shortcut in self.shortcuts:
            out = out + shortcut(x)
        return functional.relu(out)'''

BLOCK_LONG = '''class ResidualBlock(nn.Module):
    """relu(branch(x) + shortcuts); the branch is two 3x3 convolutions with batch norm.

    A shortcut may begin at the input of an earlier block, so each has its own source.
    """

    def __init__(self, index: int) -> None:
        super().__init__()
        row = BLOCKS[index]
        channels = row.out_channels
        self.conv1 = nn.Conv2d(row.in_channels, channels, 3, row.stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.sources: list[int] = []
        self.shortcuts = nn.ModuleList()
        for skip in SKIPS:
            if skip.end == row.name:
                start = NAMES.index(skip.start)
                stride = math.prod(passed.stride for passed in BLOCKS[start : index + 1])
                shortcut = SHORTCUTS[skip.kind]
                self.sources.append(start)
                self.shortcuts.append(shortcut(BLOCKS[start].in_channels, channels, stride))

    def forward(self, inputs: list[Tensor]) -> Tensor:
        """Map the inputs of all blocks up to this one to (N, C_out, H/stride, W/stride)."""
        out = functional.relu(self.norm1(self.conv1(inputs[-1])))
        out = self.norm2(self.conv2(out))
        for shortcut, source in zip(self.shortcuts, self.sources, strict=True):
            out = out + shortcut(inputs[source])
        return functional.relu(out)'''

NETWORK = '''class ResNet(nn.Module):
    """Stem, $stages of residual blocks, head."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(IMAGE_SHAPE[0], STEM_WIDTH, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(STEM_WIDTH)
        self.blocks = nn.ModuleList($make_blocks)
        self.head = nn.Linear(BLOCKS[-1].out_channels, NUM_CLASSES)
        # Not persistent: they are constants of this file, and no weights.
        self.register_buffer("mean", torch.tensor(MEAN).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map raw images (N, $dims) to logits (N, $num_classes), before softmax.

        Raises:
            ValueError: The images have another shape.
        """
        if images.shape[1:] != IMAGE_SHAPE:
            raise ValueError(
                f"images must have shape (N, $dims), got shape={tuple(images.shape)}. "
                "Give raw images as the data set has them."
            )
        x = (images.to(self.mean.dtype) - self.mean) / self.std
        x = functional.relu(self.stem_norm(self.stem(x)))
$run_blocks
        return self.head(x.mean(dim=(2, 3)))'''

RUN_SPAN_ONE = """        for block in self.blocks:
            x = block(x)"""

MORE_LONG = """    lines += [f"{skip.kind} from {skip.start} to {skip.end}" for skip in SKIPS]
"""

RUN_LONG = """        inputs: list[Tensor] = []
        for block in self.blocks:
            inputs.append(x)
            x = block(inputs)"""

LOAD = '''def load(folder: str | Path | None = None) -> ResNet:
    """Return the trained network in eval mode, on the CPU.

    Args:
        folder: Where `model.safetensors` lies; beside this file by default.

    Raises:
        ValueError: The weights belong to another architecture.
    """
    file = (Path(__file__).parent if folder is None else Path(folder)) / "model.safetensors"
    with safe_open(file, framework="pt") as weights:
        found = (weights.metadata() or {}).get("spec_id")
    if found != SPEC_ID:
        raise ValueError(
            f"{file.name}: must hold weights of spec_id={SPEC_ID!r}, got spec_id={found!r}. "
            "Use the file that was exported with this one."
        )
    network = ResNet()
    network.load_state_dict(load_file(file))
    return network.eval()


def describe() -> str:
    """Return layers, parameters and blocks as text for people."""
    params = sum(parameter.numel() for parameter in ResNet().parameters())
    layers = 2 * len(BLOCKS) + 2
    lines = [
        f"$name: {layers} layers, {params:,} params, {NUM_CLASSES} classes, spec {SPEC_ID}",
        "Input: raw images, $images",
    ]
    for row in BLOCKS:
        shape = f"{row.in_channels:>4} -> {row.out_channels:>4} channels, stride {row.stride}"
        lines.append(f"{row.name:<16}{shape}$row_text")
$more_lines    return "\\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(describe() + "\\n")'''

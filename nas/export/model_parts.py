"""The pieces of the generated `model.py`, as text with $placeholders; plain strings, no torch here.

State dict names are those of `search_spaces.resnet.CandidateResNet`, so weights map one to one.
"""

HEADER = '''"""$title

Found by architecture search. It needs torch and safetensors, $needs:

    from model import load

    network = load()  # eval mode, weights from model.safetensors beside this file
    logits = network(images)  # raw images: $images

$paper
The layers of an `nn.Sequential` run in the order in which they are set. Shapes: N batch,
C channels, H and W px.
"""

${imports}import sys
$from_imports

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
    """Of the branch."""'''

ROW_SPAN_ONE = '''class BlockRow(NamedTuple):
    """One line of the table below."""

    name: str
    in_channels: int
    out_channels: int
    stride: int
    """Of the branch, and of the shortcut."""
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

    Option A of He et al. 2015, section 3.3. It has no parameters.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""
        x = x[:, : self.out_channels, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, 0, self.out_channels - x.shape[1]))'''

BLOCK_PLAIN = '''class PlainBlock(nn.Module):
    """$block_formula."""

    def __init__(self, row: BlockRow) -> None:
        super().__init__()
        self.branch = $make_branch

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""
        return $plain_result'''

BLOCK_SPAN_ONE = '''class ResidualBlock(nn.Module):
    """$block_formula."""

    def __init__(self, row: BlockRow) -> None:
        super().__init__()
        self.branch = $make_branch
        # Empty for a block without a shortcut, so the loop below adds nothing.
        self.shortcuts = nn.ModuleList()
        if row.shortcut != "none":
            shortcut = SHORTCUTS[row.shortcut]
            self.shortcuts.append(shortcut(row.in_channels, row.out_channels, row.stride))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""
        out = self.branch(x)
        for shortcut in self.shortcuts:
            out = out + shortcut(x)
        return $block_result'''

BLOCK_LONG = '''class ResidualBlock(nn.Module):
    """$block_formula.

    A shortcut may begin at the input of an earlier block, so each has its own source.
    """

    def __init__(self, index: int) -> None:
        super().__init__()
        row = BLOCKS[index]
        self.branch = $make_branch
        self.sources: list[int] = []
        self.shortcuts = nn.ModuleList()
        for skip in SKIPS:
            if skip.end == row.name:
                start = NAMES.index(skip.start)
                stride = math.prod(passed.stride for passed in BLOCKS[start : index + 1])
                shortcut = SHORTCUTS[skip.kind]
                self.sources.append(start)
                self.shortcuts.append(
                    shortcut(BLOCKS[start].in_channels, row.out_channels, stride)
                )

    def forward(self, inputs: list[Tensor]) -> Tensor:
        """Map the inputs of all blocks up to this one to (N, C_out, H/stride, W/stride)."""
        out = self.branch(inputs[-1])
        for shortcut, source in zip(self.shortcuts, self.sources, strict=True):
            out = out + shortcut(inputs[source])
        return $block_result'''

NETWORK = '''class ResNet(nn.Module):
    """Stem, $stages of residual blocks, head."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        self.blocks = nn.ModuleList($make_blocks)
${make_final}        self.head = nn.Linear(BLOCKS[-1].out_channels, NUM_CLASSES)
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
        x = self.stem((images.to(self.mean.dtype) - self.mean) / self.std)
$run_blocks
${run_final}        return self.head(x.mean(dim=(2, 3)))'''

MAKE_FINAL = """        self.final_norm = nn.BatchNorm2d(BLOCKS[-1].out_channels)
"""

RUN_FINAL = """        x = functional.relu(self.final_norm(x))
"""

RUN_FINAL_BARE = """        x = functional.relu(x)
"""

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
    layers = $block_layers * len(BLOCKS) + 2
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

OWN_BRANCH = '''BRANCH_ARGUMENTS: dict[str, Any] = $branch_arguments
"""Of the branch, beside channels and stride."""


def import_beside(name: str) -> ModuleType:
    """Import a file that lies beside this one."""
    file = Path(__file__).with_name(f"{name}.py")
    found = spec_from_file_location(f"{__name__}_{name}", file)
    if found is None or found.loader is None:
        raise ImportError(f"{file.name} cannot be imported")
    module = module_from_spec(found)
    sys.modules[module.__name__] = module
    found.loader.exec_module(module)
    return module


def import_branch() -> type[nn.Module]:
    """Return $class_name of block.py, which is a copy of the file that defines it.

    That file was written for the package search_spaces, of which it needs the module blocks. A
    copy of it stands in for the package while block.py is imported.
    """
    blocks = import_beside("search_spaces_blocks")
    package = ModuleType("search_spaces")
    vars(package).update(vars(blocks), blocks=blocks, __name__="search_spaces", __path__=[])
    stand_ins = {"search_spaces": package, "search_spaces.blocks": blocks}
    former = {name: sys.modules[name] for name in stand_ins if name in sys.modules}
    sys.modules.update(stand_ins)
    try:
        return import_beside("block").$class_name
    finally:
        for name in stand_ins:
            del sys.modules[name]
        sys.modules.update(former)


Branch = import_branch()'''

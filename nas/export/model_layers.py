"""Write stem, residual branch and projection of `model.py`: modules in the order they run in.

Each is an `nn.Sequential` with named steps, so that the source is the list of its layers and
nothing else. No torch here.
"""

from collections.abc import Sequence
from typing import NamedTuple

from search_spaces.spec import ArchitectureSpec

_SHAPE = "in_channels: int, out_channels: int, stride: int"


class _Step(NamedTuple):
    """One layer."""

    name: str
    module: str
    """Expression that makes it."""
    condition: str = ""
    """When there is such a layer, as an expression; empty for always."""


def stem_class(spec: ArchitectureSpec) -> str:
    """Return the class `Stem`."""
    is_large, is_post = spec.stem == "large", spec.activation == "post"
    size, stride = (7, 2) if is_large else (3, 1)
    conv = _convolution(spec, "IMAGE_SHAPE[0]", "STEM_WIDTH", size, str(stride))
    steps, words = [_Step("conv", conv)], [f"{size}x{size} convolution"]
    if is_post:
        norms = _norms(spec, "norm", "STEM_WIDTH")
        steps += [*norms, _relu()]
        words += ["batch norm", "ReLU"] if norms else ["ReLU"]
    if is_large:
        steps.append(_Step("pool", "nn.MaxPool2d(3, 2, padding=1)"))
        words.append("maximum pooling")
    return _sequential("Stem", "", f"{_listed(words)}.", steps)


def branch_name(spec: ArchitectureSpec) -> str:
    """Return the name of the branch's class."""
    return {"basic": "BasicBranch", "bottleneck": "BottleneckBranch"}.get(
        str(spec.block), "Branch"
    )


def branch_class(spec: ArchitectureSpec) -> str:
    """Return the class of the residual branch, `basic` or `bottleneck`."""
    convolutions = [
        ("in_channels", "out_channels", 3, "stride"),
        ("out_channels", "out_channels", 3, "1"),
    ]
    first, text = "", "Two 3x3 convolutions"
    if spec.block == "bottleneck":
        at_first = spec.bottleneck_stride == "1x1"
        convolutions = [
            ("in_channels", "inner", 1, "stride" if at_first else "1"),
            ("inner", "inner", 3, "1" if at_first else "stride"),
            ("inner", "out_channels", 1, "1"),
        ]
        first, text = "        inner = out_channels // 4\n", "1x1, 3x3 and 1x1 convolutions"
    steps: list[_Step] = []
    for number, (before, after, size, stride) in enumerate(convolutions, start=1):
        conv = _Step(f"conv{number}", _convolution(spec, before, after, size, stride))
        relu = _relu(str(number))
        if spec.activation == "pre":
            steps += [*_norms(spec, f"norm{number}", before), relu, conv]
        else:
            is_last = number == len(convolutions)
            steps += [conv, *_norms(spec, f"norm{number}", after), *([] if is_last else [relu])]
    return _sequential(branch_name(spec), _SHAPE, f"{text}{_order(spec)}.", steps, first)


def projection_class(spec: ArchitectureSpec) -> str:
    """Return the class `ProjectionShortcut`."""
    pools, is_pre = spec.projection == "avgpool", spec.activation == "pre"
    conv = _convolution(spec, "in_channels", "out_channels", 1, "1" if pools else "stride")
    steps, words = [_Step("conv", conv)], ["1x1 convolution" + ("" if pools else " with stride")]
    if pools:
        pool = "nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)"
        steps.insert(0, _Step("pool", pool, "stride > 1"))
        words.insert(0, "average pooling by the stride")
    norms = _norms(spec, "norm", "in_channels" if is_pre else "out_channels")
    norm_words = ["batch norm"] if norms else []
    if is_pre:
        steps, words = [*norms, _relu(), *steps], [*norm_words, "ReLU", *words]
    else:
        steps, words = [*steps, *norms], [*words, *norm_words]
    return _sequential("ProjectionShortcut", _SHAPE, f"{_listed(words)}.", steps)


def _norms(spec: ArchitectureSpec, name: str, channels: str) -> list[_Step]:
    return [_Step(name, f"nn.BatchNorm2d({channels})")] if spec.norm == "batch" else []


def _relu(number: str = "") -> _Step:
    return _Step(f"relu{number}", "nn.ReLU()")


def _convolution(spec: ArchitectureSpec, before: str, after: str, size: int, stride: str) -> str:
    """Return the expression of a convolution that keeps the size at stride 1."""
    options = [before, after, str(size)]
    options += [stride] if stride != "1" else []
    options += [f"padding={size // 2}"] if size > 1 else []
    options += ["bias=False"] if spec.norm == "batch" else []
    return f"nn.Conv2d({', '.join(options)})"


def _order(spec: ArchitectureSpec) -> str:
    """Say where norm and ReLU are, in the words that follow the convolutions."""
    has_norm = spec.norm == "batch"
    if spec.activation == "pre":
        return f", each after {'batch norm and ReLU' if has_norm else 'a ReLU'}"
    return ", each with batch norm" if has_norm else " without norms"


def _listed(words: Sequence[str]) -> str:
    """Return `A, b and c`."""
    text = " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
    return text[0].upper() + text[1:]


def _sequential(
    name: str, parameters: str, text: str, steps: Sequence[_Step], first: str = ""
) -> str:
    """Return a class whose layers run in the order in which they are set."""
    lines = [f"class {name}(nn.Sequential):", f'    """{text}"""', ""]
    arguments = f"self, {parameters}" if parameters else "self"
    lines += [f"    def __init__({arguments}) -> None:", "        super().__init__()"]
    lines += [first.rstrip("\n")] if first else []
    for step in steps:
        line = f"        self.{step.name} = {step.module}"
        lines += [f"        if {step.condition}:", f"    {line}"] if step.condition else [line]
    return "\n".join(lines)

"""The published networks beside ours: by arithmetic, and by building and counting them."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from search_spaces.complexity import Complexity, complexity
from search_spaces.presets import preset
from search_spaces.published import published
from search_spaces.spec import ArchitectureSpec


@dataclass(frozen=True, kw_only=True)
class PresetRow:
    """One published network."""

    name: str
    layers: int
    published: Complexity
    arithmetic: Complexity
    built: Complexity | None
    """Counted by torch in the built network; None where it was not built."""

    @property
    def is_equal(self) -> bool:
        """Whether all counts agree."""
        return {self.published, self.arithmetic, self.built or self.published} == {self.published}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self) | {"equal": self.is_equal}


def preset_rows(*, build: bool) -> Iterator[PresetRow]:
    """Yield every published network with our counts.

    Args:
        build: Whether networks are built and counted too, which needs torch and some seconds.
    """
    for name, size in published().items():
        spec = preset(name)
        yield PresetRow(
            name=name,
            layers=spec.layers,
            published=size,
            arithmetic=complexity(spec),
            built=count_built(spec) if build else None,
        )


def count_built(spec: ArchitectureSpec) -> Complexity:
    """Build the network of `spec` without memory for its weights, and let torch count."""
    import torch

    from search_spaces.counting import count_module
    from search_spaces.resnet import build_candidate

    image = spec.input
    with torch.device("meta"):
        images = torch.empty(1, image.channels, image.height, image.width)
        params, macs = count_module(build_candidate(spec), images)
    return Complexity(params=params, macs=macs)


def describe_row(row: PresetRow) -> str:
    """Return a line of the table; `describe_header` is its header."""
    checks = [row.arithmetic, *([row.built] if row.built else [])]
    words = ["equal" if check == row.published else _numbers(check) for check in checks]
    columns = [f"{word:<10}" for word in words]
    line = f"{row.name:<14} {row.layers:>6} {_numbers(row.published)}  {'  '.join(columns)}"
    return line.rstrip()


def describe_header(*, build: bool) -> str:
    """Return the header of the table."""
    numbers = f"{'params':>12} {'MACs':>18}"
    checks = "arithmetic  built network" if build else "arithmetic"
    return f"{'preset':<14} {'layers':>6} {numbers}  {checks}"


def _numbers(size: Complexity) -> str:
    return f"{size.params:>12,} {size.macs:>18,}"

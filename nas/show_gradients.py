"""Gradients at initialisation beside each other, with and without batch norm, as bars of text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Literal

from search_spaces.spec import ArchitectureSpec
from trainer.gradient_profile import (
    LIMIT,
    Course,
    GradientProfile,
    gradient_profile,
    profile_data,
)

_MOST_LINES = 30
"""Of deeper networks not every block is shown."""
_LONGEST_BAR = 28
_NAMES = {"batch": "batch norm", "none": "no norm"}
_RATIO = "log10 of first block over last block"


@dataclass(frozen=True, kw_only=True)
class GradientComparison:
    """The profile of a network as it stands, and with the other choice of norm."""

    data: str
    """On which images, in words."""
    seeds: int
    own: GradientProfile
    other: GradientProfile

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON data."""
        return {
            "data": self.data,
            "seeds": self.seeds,
            "profiles": [self.own.to_dict(), self.other.to_dict()],
        }


def compare_gradients(spec: ArchitectureSpec, *, seeds: int) -> GradientComparison:
    """Measure the gradients of a network with its norm and without, or the other way round.

    Raises:
        UserError: `seeds` is below 1, a block of the user's cannot be built, or the network does
            not fit into memory.
    """
    other: Literal["batch", "none"] = "none" if spec.norm == "batch" else "batch"
    return GradientComparison(
        data=profile_data(spec),
        seeds=seeds,
        own=gradient_profile(spec, seeds=seeds),
        other=gradient_profile(spec.changed(norm=other), seeds=seeds),
    )


def describe_gradients(
    comparison: GradientComparison, *, width: int = 80, ascii_only: bool = False
) -> str:
    """Return a line per block with a bar for each profile, and what becomes of the gradients.

    Args:
        comparison: The measured profiles.
        width: Characters per line.
        ascii_only: For streams that cannot show block characters.
    """
    places = [str(place) for place in comparison.own.spec.places()]
    profiles = (comparison.own, comparison.other)
    columns = [profile.logs for profile in profiles]
    shown = _shown(len(places))
    left = max(len(places[index]) for index in shown)
    length = max(4, min(_LONGEST_BAR, (width - left - 2 * 9) // 2))
    bars = [_bars(columns, column, length, "#" if ascii_only else "█") for column in columns]
    heads = [f"{_NAMES[profile.spec.norm]}" for profile in profiles]
    heads[0] += " (this network)" if length >= len(heads[0]) + 8 else " *"
    about = (
        "Gradients at initialisation: log10 of the L2 norm over the weights of each block's branch, "
        f"mean of {comparison.seeds} seed{'s' * (comparison.seeds > 1)}; {comparison.data}."
    )
    title = f"{'':<{left}}  {heads[0]:<{length + 9}}{heads[1]}".rstrip()
    lines = [*wrap(about, width), "", title]
    for index in shown:
        cells = [
            f"{_number(column[index]):>6} {bar[index]:<{length}}"
            for column, bar in zip(columns, bars, strict=True)
        ]
        lines.append(f"{places[index]:<{left}}  {'  '.join(cells)}".rstrip())
    if len(shown) < len(places):
        lines.append(f"({len(shown)} of {len(places)} blocks; --json has all)")
    words = [_summary(name, profile) for name, profile in zip(heads, profiles, strict=True)]
    rule = (
        f"Vanishing is below -{LIMIT:g} and exploding above +{LIMIT:g}, with the whole interval; "
        "even is between them."
    )
    summary = [
        line
        for text in words
        for line in wrap(text, width, initial_indent="  ", subsequent_indent="    ")
    ]
    return "\n".join([*lines, "", f"{_RATIO}:", *summary, *wrap(rule, width)])


def _shown(count: int) -> list[int]:
    """Return evenly spread blocks, the first and the last among them."""
    if count <= _MOST_LINES:
        return list(range(count))
    step = (count - 1) / (_MOST_LINES - 1)
    return [round(index * step) for index in range(_MOST_LINES)]


def _bars(
    columns: Sequence[Sequence[float | None]],
    column: Sequence[float | None],
    length: int,
    mark: str,
) -> list[str]:
    """Return the bars of a column on the scale of all columns."""
    finite = [value for values in columns for value in values if value is not None]
    if not finite:
        return [""] * len(column)
    low, room = min(finite), max(max(finite) - min(finite), 1.0)
    return [
        "" if value is None else mark * (1 + round((value - low) / room * (length - 1)))
        for value in column
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"


def _summary(name: str, profile: GradientProfile) -> str:
    ratio, spread, interval = profile.ratio, profile.spread, profile.interval
    if profile.spec.num_blocks == 1:
        return f"{name}: no ratio, the network has one block"
    if ratio is None:
        zero = sum(blocks[0] == 0 for blocks in profile.norms)
        why = f"{zero} of {len(profile.norms)} seeds without any gradient at the first block"
        if not zero:
            bad = sum(not all(map(math.isfinite, blocks)) for blocks in profile.norms)
            why = f"{bad} of {len(profile.norms)} seeds with gradients that are no numbers"
        return f"{name}: {profile.course} ({why})"
    within = "one seed, no interval"
    if spread is not None and interval is not None:
        within = f"sd {spread:.2f}, 95% from {interval[0]:+.2f} to {interval[1]:+.2f}"
    words = {
        Course.VANISHING: "vanishing towards the first block",
        Course.EXPLODING: "exploding towards the first block",
        Course.UNCLEAR: "unclear, its interval holds two answers",
        Course.UNKNOWN: "no verdict; several --seeds give one",
    }
    return f"{name}: {ratio:+.2f} ({within}): {words.get(profile.course, profile.course)}"

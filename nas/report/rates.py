"""Effects at each learning rate of the design, and where their sign hangs on it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nas.report.data import ReportData
from nas.report.effects import Direction, Effect, direction_of, read_effects
from nas.report.forest import effect_interval
from nas.report.html import both, esc, paragraph, section, stress
from nas.report.intervals import Frame, Interval, intervals_svg
from nas.report.numbers import Metric, count, is_number, metric_of, rows
from nas.report.svg import NARROW, WIDE

_MOST_CHANGES = 6


def rates_section(data: ReportData) -> str:
    """Draw the coarse effects rate by rate and name the sign changes; nothing with one rate."""
    found = [row for row in rows(data.benefit.get("by_lr")) if is_number(row.get("lr"))]
    if len(found) < 2:
        return ""
    metric = metric_of(data.benefit)
    sizes = ", ".join(f"{row.get('n_rows') or '?'} at {row['lr']:g}" for row in found)
    intro = paragraph(
        "A skip may do at one learning rate what it does not at another: plain networks often "
        f"want a lower one. Each rate has design rows of its own ({sizes}); bars are simultaneous "
        "95% intervals."
    )
    lines = _lines(found)
    frame = Frame(title=f"Effect of any skip on {metric.label} by learning rate", note_head="rows")
    plot = both(*(intervals_svg(lines, metric, width, frame) for width in (WIDE, NARROW)))
    return section("rates", "By learning rate", intro, _changes(data, metric), plot)


def _lines(found: list[Mapping[str, Any]]) -> list[Interval]:
    """Return the effect of any skip over all blocks and by stage, the rates side by side."""
    by_rate = [(float(row["lr"]), _coarse(row)) for row in found]
    places = sorted({place for _, effects in by_rate for place in effects})
    lines: list[Interval] = []
    for place in places:
        own = [(rate, effects[place]) for rate, effects in by_rate if place in effects]
        for index, (rate, effect) in enumerate(own):
            label = f"Stage {place}" if place else "All blocks"
            line = effect_interval(
                effect, label="" if index else label, is_heavy=True, note=str(effect.n_runs or "")
            )
            lines.append(replace(line, name=f"lr {rate:g}", short=f"{rate:g}"))
    return lines


def _coarse(row: Mapping[str, Any]) -> dict[int, Effect]:
    """Return the effects over all blocks (0) and by stage: of any skip, else of the first kind."""
    found: dict[int, Effect] = {}
    for effect in read_effects(rows(row.get("effects"))):
        if effect.estimand not in ("AMCE_ALL", "AMCE_STAGE"):
            continue
        place = effect.stage or 0
        if effect.kind == "skip" or place not in found:
            found[place] = effect
    return found


def _changes(data: ReportData, metric: Metric) -> str:
    """Name the effects that have another sign at another rate, clear ones first.

    A change of sign is shown where both signs are decided. Where only the difference is, the effect
    may as well be nothing at one of the rates.
    """
    changes = rows(data.benefit.get("lr_sign_changes"))
    turned = [row for row in changes if row.get("decided")]
    sized = [row for row in changes if not row.get("decided") and row.get("size_differs")]
    left = len(changes) - len(turned) - len(sized)
    rest = paragraph(
        f"{count(left, 'further estimate')} {'has' if left == 1 else 'have'} another sign at "
        "another rate by no more than noise."
    )
    return (
        _named("*The sign hangs on the learning rate*:", turned, metric)
        + _named("The size differs between rates, a change of sign is not shown:", sized, metric)
        + (rest if left else "")
    )


def _named(head: str, changes: Sequence[Mapping[str, Any]], metric: Metric) -> str:
    if not changes:
        return ""
    lines = "".join(f"<li>{_change(row, metric)}</li>" for row in changes[:_MOST_CHANGES])
    if len(changes) > _MOST_CHANGES:
        lines += f"<li>{len(changes) - _MOST_CHANGES} more in skip_benefit.json.</li>"
    return f"{paragraph(head, 'plain')}<ul>{lines}</ul>"


def _change(row: Mapping[str, Any], metric: Metric) -> str:
    block = f", block {row['block']}" if is_number(row.get("block")) else ""
    where = f"stage {row['stage']}{block}" if is_number(row.get("stage")) else "all blocks"
    parts: list[str] = []
    for one in rows(row.get("by_lr")):
        direction = direction_of(str(one.get("decision")))
        said = f", {direction}" if direction is not Direction.UNKNOWN else ""
        parts.append(f"*{metric.effect(one.get('estimate'))}*{said} at {one.get('lr')}")
    kind = "any skip" if row.get("kind") == "skip" else str(row.get("kind"))
    return f"{esc(kind)} at {esc(where)}: {stress('; '.join(parts))}"

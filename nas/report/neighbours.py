"""Neighbouring skips: whether they stand in for each other, or need each other."""

from collections.abc import Mapping
from typing import Any

from nas.report.data import ReportData
from nas.report.effects import Direction, places_by_position
from nas.report.html import both, esc, paragraph, section, table
from nas.report.intervals import Frame, Interval, intervals_svg
from nas.report.numbers import Metric, is_number, mapping, metric_of, pair, rows
from nas.report.svg import NARROW, WIDE

_SURE = 0.05


def neighbours_section(data: ReportData) -> str:
    """Say what the joint test found, and draw the pairs; nothing where it was not made."""
    test = mapping(data.benefit.get("interaction_test"))
    if not is_number(test.get("p")):
        return ""
    metric = metric_of(data.benefit)
    found = test["p"] < _SURE
    verdict = (
        "*What a skip does depends on the blocks beside it*, by the joint test of all "
        f"neighbouring pairs (p = {test['p']:.3f})."
        if found
        else "The joint test of all neighbouring pairs finds nothing that depends on the blocks "
        f"beside it (p = {test['p']:.2f}): read the pairs below as a first look."
    )
    intro = paragraph(
        "A pair's number is what both skips do together beyond the sum of each alone: below zero "
        "they stand in for each other, above zero they need each other."
    )
    lines = [_line(row, places_by_position(data.benefit), found) for row in _pairs(data)]
    frame = Frame(
        title=f"Interactions of neighbouring skips on {metric.label}",
        left_words="stand in",
        right_words="need",
        note_head="p, adjusted",
    )
    plot = both(*(intervals_svg(lines, metric, width, frame) for width in (WIDE, NARROW)))
    plot = plot if found or not lines else _folded("Every pair", plot)
    given = _given(data, metric)
    return section(
        "neighbours", "Neighbouring skips", paragraph(verdict, "plain"), intro, plot, given
    )


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{esc(title)}</summary>{body}</details>"


def _pairs(data: ReportData) -> list[Mapping[str, Any]]:
    every = rows(data.benefit.get("interactions"))
    return [row for row in every if is_number(row.get("l")) and is_number(row.get("m"))]


def _line(row: Mapping[str, Any], places: Mapping[int, Any], found: bool) -> Interval:
    low, high = pair(row.get("ci"))
    estimate, p = row.get("estimate"), row.get("p_adj")
    direction = Direction.UNKNOWN
    if found and is_number(p) and p < _SURE and is_number(estimate):
        direction = Direction.HELPS if estimate > 0 else Direction.HURTS
    ends = [places.get(int(row[name])) for name in ("l", "m")]
    names = [
        f"{end.stage}.{end.block}" if end else str(row[n])
        for end, n in zip(ends, "lm", strict=True)
    ]
    words = {
        Direction.HELPS: "need each other",
        Direction.HURTS: "stand in for each other",
    }.get(direction, "cannot tell")
    return Interval(
        estimate=float(estimate) if is_number(estimate) else None,
        low=low,
        high=high,
        direction=direction,
        label=f"{names[0]} and {names[1]}",
        kind="skip",
        note=f"p = {p:.3f}" if is_number(p) else "",
        where=f"blocks {names[0]} and {names[1]}",
        words=words,
    )


def _given(data: ReportData, metric: Metric) -> str:
    """List effects where the blocks beside have skips, and where they have none."""
    lines: list[tuple[str, list[str]]] = []
    for row in rows(data.benefit.get("effects")):
        given = mapping(row.get("neighbour_conditional"))
        sides = [mapping(given.get(name)) for name in ("on", "off")]
        if row.get("estimand") != "AMCE" or not any(is_number(s.get("estimate")) for s in sides):
            continue
        cells = [f"stage {row.get('stage')}, block {row.get('block')}", str(row.get("kind"))]
        for side in sides:
            interval = metric.effects(side.get("ci_low"), side.get("ci_high"))
            cells += [metric.effect(side.get("estimate")), interval]
        lines.append(("", [esc(cell) for cell in cells]))
    heads = [("Where", "w"), ("Skip", ""), ("Beside skips", "n"), ("95% interval", "n")]
    heads += [("Beside none", "n"), ("95% interval", "n")]
    listing = table(heads, lines, "Effects given the neighbours")
    return _folded("What a skip does beside skips, and beside none", listing) if lines else ""

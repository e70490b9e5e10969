"""How effects change from the first blocks to the last, and from shallow networks to deep ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.report.data import ReportData
from nas.report.effects import Direction
from nas.report.html import esc, paragraph, section, table
from nas.report.numbers import Metric, is_number, mapping, metric_of, pair, rows

_SURE = 0.05
_COORDINATES = {
    "from_start": "Blocks counted from the start of their stage",
    "from_end": "Blocks counted from the end of their stage",
    "rel_depth": "Thirds of the network",
}


def trend_words(data: ReportData) -> str:
    """Say whether skips help more in late blocks than in early ones; empty where not measured.

    Args:
        data: The report; its `trend` compares the last third of the blocks with the first.
    """
    found = rows(data.benefit.get("trend"))
    chosen = [row for row in found if row.get("kind") == "skip"] or found[:1]
    if not chosen or not is_number(chosen[0].get("late_minus_early")):
        return ""
    row, metric = chosen[0], metric_of(data.benefit)
    low, high = pair(row.get("ci"))
    fine = metric.fine(low, high)
    said = {
        Direction.HELPS: "Late blocks benefit more from a skip than early ones",
        Direction.HURTS: "Early blocks benefit more from a skip than late ones",
        Direction.UNKNOWN: "Whether early or late blocks benefit more cannot be told",
    }[_direction(low, high)]
    interval = fine.effects(low, high)
    frame = str(row.get("frame") or "")
    shape = {
        "staged": " Width and resolution change with depth here, so this is no effect of depth alone.",
        "isotropic": "",
    }.get(frame, "")
    return (
        f"*Over depth.* {said}: last third minus first third *"
        f"{fine.effect(row['late_minus_early'])}*{fine.unit} ({interval}).{shape}"
    )


def _direction(low: float | None, high: float | None) -> Direction:
    if low is not None and low > 0:
        return Direction.HELPS
    return Direction.HURTS if high is not None and high < 0 else Direction.UNKNOWN


def aligned_section(data: ReportData) -> str:
    """Put the effects of several depths side by side; nothing where the design has one depth."""
    aligned = mapping(data.benefit.get("aligned"))
    views = mapping(aligned.get("by"))
    depths = [int(depth) for depth in aligned.get("depths") or () if is_number(depth)]
    metric = metric_of(data.benefit)
    bodies = [
        _view(title, rows(views.get(name)), depths, metric)
        for name, title in _COORDINATES.items()
        if rows(views.get(name))
    ]
    if not bodies:
        return ""
    named = ", ".join(map(str, depths))
    intro = paragraph(
        f"Random networks of {named} layers, blocks aligned by where they are. Depths are pooled "
        "only where a test does not find them to differ. Randomised rows."
    )
    return section("depths", "Across depths", intro, *bodies)


def _view(
    title: str, found: Sequence[Mapping[str, Any]], depths: Sequence[int], metric: Metric
) -> str:
    chosen = [row for row in found if row.get("kind") == "skip"] or list(found)
    heads = [("Where", "w"), ("Skip", ""), *((f"{depth} layers", "n") for depth in depths)]
    heads += [("Pooled", "n"), ("95% interval", "n")]
    lines = [
        ("", [esc(cell) for cell in _cells(row, own, depths, metric)])
        for row in chosen
        for own in rows(row.get("bins"))
    ]
    test = mapping(chosen[0].get("interaction"))
    words = ""
    if is_number(test.get("p")):
        words = (
            f"The depths differ (p = {test['p']:.3f}), so nothing is pooled."
            if test["p"] < _SURE
            else f"No difference between the depths is found (p = {test['p']:.2f})."
        )
    return f"<h3>{esc(title)}</h3>{paragraph(words)}{table(heads, lines, title)}"


def _cells(
    row: Mapping[str, Any], own: Mapping[str, Any], depths: Sequence[int], metric: Metric
) -> list[str]:
    parts = [f"stage {own['stage']}"] if is_number(own.get("stage")) else []
    parts += [f"block {own[n]}" for n in ("from_start", "from_end") if is_number(own.get(n))]
    parts += [f"third {own['third']}"] if is_number(own.get("third")) else []
    by_depth = {one.get("depth"): one.get("estimate") for one in rows(own.get("by_depth"))}
    estimates = [by_depth.get(depth) for depth in depths]
    pooled = own.get("estimate")
    return [
        ", ".join(parts),
        "any" if row.get("kind") == "skip" else str(row.get("kind")),
        *(metric.effect(value) if is_number(value) else "" for value in estimates),
        metric.effect(pooled) if is_number(pooled) else "",
        metric.effects(own.get("ci_low"), own.get("ci_high")) if is_number(pooled) else "",
    ]

"""Would we have seen it: how often this design and this noise find an effect that is there."""

from collections.abc import Mapping
from typing import Any

from nas.report.data import ReportData
from nas.report.html import esc, paragraph, section, table
from nas.report.numbers import Metric, is_number, mapping, metric_of, rows

TITLE = "Would we have seen it?"
_WHERE = {
    "everywhere": "all blocks",
    "one_stage": "the blocks of one stage",
    "one_block": "one block alone",
}
_LEVELS = {"network": "all blocks together", "stage": "that stage", "block": "a single block"}


def sight_words(data: ReportData) -> str:
    """Say in one sentence how often an effect worth having is found; empty where not simulated."""
    found, metric = mapping(data.benefit.get("sight")), metric_of(data.benefit)
    if not is_number(found.get("planted")):
        return ""
    shares = [
        (_share(found, "network", "everywhere"), "over all blocks"),
        (_share(found, "stage", "one_stage"), "in a stage"),
        (_share(found, "block", "one_stage"), "at a single block"),
    ]
    known = [f"*{_in_100(share)}* {words}" for share, words in shares if share is not None]
    if not known:
        return ""
    alarms = found.get("false_alarm_share")
    false = f"; false alarms: {_in_100(alarms)}" if is_number(alarms) else ""
    size = f"{metric.size(found['planted'])}{metric.unit}"
    listed = ", ".join(known)
    return (
        f"Were skips worth {size} each, studies like this would find it in 100: {listed}{false}."
    )


def sight_section(data: ReportData) -> str:
    """Write the table of planted effects by size, and the sentence that belongs to it."""
    found, metric = mapping(data.benefit.get("sight")), metric_of(data.benefit)
    lines = [("", _cells(row, metric)) for row in rows(found.get("by_size"))]
    if not lines:
        return ""
    intro = paragraph(
        f"{int(found.get('simulations') or 0):,} studies were "
        "simulated with the rows and the noise of this one, effects of known size were planted, "
        "and the rules of this page applied."
    )
    heads = [("A skip is worth", "n"), ("Planted at", ""), ("Looked for at", ""), ("Found", "n")]
    heads += [("Places from", "n"), ("to", "n"), ("False alarms elsewhere", "n")]
    sentence = str(found.get("sentence") or "")
    listing = table(heads, lines, "How often planted effects are found")
    folded = f"<details><summary>Sizes and shares as a table</summary>{listing}</details>"
    return section("sight", TITLE, intro, paragraph(sentence, "plain"), folded)


def _cells(row: Mapping[str, Any], metric: Metric) -> list[str]:
    size = row.get("size")
    shown = f"{metric.size(size)}{metric.unit}" if is_number(size) else "?"
    where, level = str(row.get("planted_at") or ""), str(row.get("level") or "")
    shares = [row.get(n) for n in ("found_share", "lowest", "highest", "false_alarm_share")]
    words = [f"{100 * share:.0f}%" if is_number(share) else "" for share in shares]
    return [esc(shown), esc(_WHERE.get(where, where)), esc(_LEVELS.get(level, level)), *words]


def _share(found: Mapping[str, Any], level: str, where: str) -> float | None:
    for row in rows(found.get("by_size")):
        if (row.get("level"), row.get("planted_at"), row.get("multiple")) == (level, where, 1):
            share = row.get("found_share")
            return float(share) if is_number(share) else None
    return None


def _in_100(share: float) -> str:
    """Return a share as a number of 100; nothing is certain that was only simulated."""
    return "over 99" if share > 0.995 else "under 1" if 0 < share < 0.005 else f"{100 * share:.0f}"

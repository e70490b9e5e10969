"""Verdicts on the founding claims, for this data; each rests on a test of its own."""

from nas.report.data import ReportData
from nas.report.effects import Direction
from nas.report.html import esc, paragraph, section, table, word
from nas.report.numbers import count, rows

_VERDICTS = {"supported": Direction.HELPS, "contradicted": Direction.HURTS}


def claims_section(data: ReportData) -> str:
    """Write a line per claim with its verdict and its evidence; nothing without claims."""
    found = rows(data.benefit.get("claims"))
    if not found:
        return ""
    verdicts = [str(row.get("verdict") or "not tested") for row in found]
    counts = ", ".join(
        f"*{verdicts.count(verdict)}* {verdict}" for verdict in dict.fromkeys(sorted(verdicts))
    )
    link = ""
    if data.claims_page:
        link = (
            f'<p><a href="{esc(data.claims_page)}">Tests, decision rules and numbers of every '
            "claim</a></p>"
        )
    intro = paragraph(
        f"What is said of skips in general, tested for this data: {counts} of "
        f"{count(len(found), 'claim')}. A verdict holds for this data, depth and recipe."
    )
    lines = [
        (
            "",
            [
                esc(row.get("id") or ""),
                esc(row.get("statement") or ""),
                word(_VERDICTS.get(verdict, Direction.UNKNOWN), verdict),
                esc(row.get("evidence") or ""),
            ],
        )
        for row, verdict in zip(found, verdicts, strict=True)
    ]
    heads = [("", ""), ("Claim", ""), ("Verdict", ""), ("Evidence", "")]
    return section("claims", "Claims about skips", intro, table(heads, lines, "Claims"), link)

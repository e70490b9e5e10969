"""The claims as one self-contained HTML page: the verdict first, then what it rests on."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.claims.describe import summary
from nas.claims.figures import intervals_svg, lines_svg
from nas.report.html import both, definitions, esc, paragraph, section, table
from nas.report.numbers import typographic
from nas.report.style import PAGE_CSS
from nas.report.svg import NARROW, WIDE

_WORDS = {
    "supported": "helps-word",
    "contradicted": "hurts-word",
    "inconclusive": "quiet-word",
    "not tested": "quiet-word",
}
_OWN_CSS = """
.verdicts{display:grid;grid-template-columns:max-content max-content 1fr;gap:9px 20px;
align-items:baseline;margin:0;font-size:15px}
.verdicts a{font-weight:640;text-decoration:none}.verdicts .why{color:var(--quiet);font-size:13.5px;
display:block}
.fig .curve.other{stroke:var(--unknown)}.fig .mark.other{fill:var(--unknown)}
.verdict{font-size:15px}section .fig{margin:10px 0 4px}
@media (max-width:680px){.verdicts{grid-template-columns:max-content 1fr}
.verdicts>div:nth-child(3n){grid-column:1/-1;margin-bottom:8px}}
"""
_SHOWN_SETTINGS = (
    ("Training images", "n_train"),
    ("Validation images", "n_val"),
    ("Layers", "layers"),
    ("Learning rate", "lr"),
    ("Epochs", "epochs"),
    ("Trainings", "trainings"),
    ("Seeds that networks share", "seeds"),
    ("Seeds without training", "measuring_seeds"),
    ("Block", "block"),
    ("Activation", "activation"),
    ("Norm", "norm"),
    ("Width of the first stage", "width"),
)


def render_claims(
    records: Sequence[Mapping[str, Any]], *, study: str, tool_version: str | None = None
) -> str:
    """Return the page; it fetches nothing and needs no script.

    Args:
        records: As in `claims.json`.
        study: Name of the study.
        tool_version: Version of the toolkit.
    """
    dataset = records[0]["data"]["dataset"] if records else study
    title = f"{study}: the founding claims about skip connections"
    links = "".join(f'<a href="#{record["id"]}">{record["id"]}</a>' for record in records)
    bar = (
        f'<header class="bar"><span><b>{esc(study)}</b></span><span>{esc(dataset)}</span>'
        f'<nav aria-label="Claims">{links}</nav></header>'
    )
    made = f"Made by nas {esc(tool_version)}. " if tool_version else "Made by nas. "
    footer = (
        f"<footer>{made}The numbers of this page are in claims.json beside it, every training in "
        "trainings.jsonl.</footer>"
    )
    sections = "".join(_claim(record) for record in records)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{esc(title)}</title><style>{PAGE_CSS}{_OWN_CSS}</style></head><body>"
        '<a class="skip" href="#verdicts">Skip to the verdicts</a>'
        f'<div class="page">{bar}<main>{_head(records, dataset)}{sections}</main>{footer}</div>'
        "</body></html>\n"
    )


def _head(records: Sequence[Mapping[str, Any]], dataset: str) -> str:
    rows = "".join(
        f'<div><a href="#{record["id"]}">{record["id"]}</a></div><div>{_verdict(record)}</div>'
        f'<div>{esc(record["statement"])}<span class="why">{esc(record["evidence"])}</span></div>'
        for record in records
    )
    return (
        f'<h1><span class="claim">What skips do on {esc(dataset)}: {len(records)} claims tested '
        f'by fixed rules</span> <span class="evidence">{esc(summary(records))}. A verdict holds '
        "for the data, the networks and the recipe named beside it, and says no more than its "
        f'rule.</span></h1><section class="card" id="verdicts"><div class="verdicts">{rows}</div>'
        "</section>"
    )


def _verdict(record: Mapping[str, Any]) -> str:
    return f'<span class="{_WORDS[record["verdict"]]}">{esc(record["verdict"])}</span>'


def _claim(record: Mapping[str, Any]) -> str:
    parts = [
        f'<p class="verdict plain">{_verdict(record)}</p>',
        paragraph(_sentence(record["evidence"]), "plain"),
    ]
    if record["verdict"] != "not tested":
        parts += [_figures(record["numbers"]), _numbers(record["numbers"])]
    parts.append(
        "<details><summary>Test, rule and setting</summary>"
        + paragraph(record["test"])
        + paragraph(record["rule"])
        + definitions((name, _value(record["data"].get(key))) for name, key in _SHOWN_SETTINGS)
        + "</details>"
    )
    return section(record["id"], f"{record['id']}. {record['statement']}", *parts)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(f"{part:.3g}" for part in value)
    return value


def _figures(numbers: Mapping[str, Any]) -> str:
    """Draw what the rule looks at, a figure per unit, and the plot."""
    by_unit: dict[str, list[Mapping[str, Any]]] = {}
    for row in numbers["estimates"]:
        if row["decides"]:
            by_unit.setdefault(row["unit"], []).append(row)
    parts = []
    for unit, rows in by_unit.items():
        drawn = both(intervals_svg(rows, WIDE), intervals_svg(rows, NARROW))
        words = f"What the rule looks at{f', in {unit}' if unit else ''}"
        title = f"<h3>{esc(words)}</h3><p>Dark where the interval excludes zero.</p>"
        parts.append(title + drawn if drawn else "")
    plot = numbers["plot"]
    if plot is not None:
        parts.append(both(lines_svg(plot, WIDE), lines_svg(plot, NARROW)))
    return "".join(parts)


def _numbers(numbers: Mapping[str, Any]) -> str:
    heads = (
        ("Estimate", ""),
        ("Value", "n"),
        ("Interval", "n"),
        ("n", "n"),
        ("Unit", ""),
        ("In the rule", ""),
    )
    rows = [
        (
            "",
            [
                esc(row["name"]),
                _number(row["estimate"]),
                f"{_number(row['ci_low'])} to {_number(row['ci_high'])}",
                str(row["n"]),
                esc(row["unit"]),
                "yes" if row["decides"] else "",
            ],
        )
        for row in numbers["estimates"]
    ]
    facts = definitions(
        (name, _number(value) if isinstance(value, float) else value)
        for name, value in numbers["facts"].items()
    )
    body = table(heads, rows, "Numbers of this claim") if rows else ""
    return f"<details><summary>All numbers</summary>{body}{facts}</details>"


def _number(value: float | None) -> str:
    return "?" if value is None else typographic(f"{value:.4g}")

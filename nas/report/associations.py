"""What other views say of the sampled trials: associations, never evidence for an effect."""

from collections.abc import Mapping
from typing import Any

from nas.report.data import ReportData
from nas.report.effects import places_by_position
from nas.report.html import esc, paragraph, section, table
from nas.report.numbers import count, is_number, mapping, metric_of, rows

_NAMES = {
    "model_based": "a model of all trials, with depth and source as factors",
    "fanova": "Optuna's fANOVA",
    "ped_anova": "Optuna's PED-ANOVA",
}


def associations_section(data: ReportData) -> str:
    """Write how far the other views agree with the randomised effects; nothing without any."""
    secondary = mapping(data.benefit.get("secondary"))
    agreement = mapping(secondary.get("rank_agreement"))
    lines = [
        f"<li>{esc(name)}: {_agreement(mapping(agreement.get(key)))}</li>"
        for key, name in _NAMES.items()
        if mapping(secondary.get(key))
    ]
    if not lines:
        return ""
    intro = paragraph(
        "Association in the sampled trials: a sampler chose most of them, so these numbers say "
        "what went together, and not what a skip does. Importances have no sign and no interval. "
        "Nothing above rests on them. Agreement is Kendall's rank correlation with the "
        "randomised effects, 1 for the same order and 0 for none."
    )
    model = _folded("The model of all trials, block by block", _model(data, secondary))
    importances = _folded("Importances, block by block", _importances(data, secondary))
    listing = f"<ul>{''.join(lines)}</ul>"
    return section(
        "associations", "Association in the sampled trials", intro, listing, model, importances
    )


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{esc(title)}</summary>{body}</details>" if body else ""


def _agreement(found: Mapping[str, Any]) -> str:
    tau, n = found.get("kendall"), found.get("n")
    if not is_number(tau) or not is_number(n):
        return "too few blocks to compare the order"
    return esc(f"agreement {tau:.2f} over {count(int(n), 'effect')}")


def _model(data: ReportData, secondary: Mapping[str, Any]) -> str:
    """List the estimates of the model of all trials beside ours."""
    metric = metric_of(data.benefit)
    ours = {
        (row.get("estimand"), row.get("stage"), row.get("block"), row.get("kind")): row
        for row in rows(data.benefit.get("effects"))
    }
    lines: list[tuple[str, list[str]]] = []
    for row in rows(mapping(secondary.get("model_based")).get("effects")):
        place = [row.get(name) for name in ("estimand", "stage", "block", "kind")]
        where = "all blocks" if not place[1] else f"stage {place[1]}"
        where += f", block {place[2]}" if place[2] else ""
        own = mapping(ours.get(tuple(place)))
        cells = [
            where,
            "any" if place[3] == "skip" else str(place[3]),
            metric.effect(own.get("estimate")),
            metric.effect(row.get("estimate")),
            metric.effects(row.get("ci_low"), row.get("ci_high")),
        ]
        lines.append(("" if place[2] else "heavy", [esc(cell) for cell in cells]))
    heads = [("Where", "w"), ("Skip", ""), ("Randomised", "n"), ("Association", "n")]
    heads += [("95% interval", "n")]
    return table(heads, lines, "Estimates from all trials") if lines else ""


def _importances(data: ReportData, secondary: Mapping[str, Any]) -> str:
    places = places_by_position(data.benefit)
    found: dict[int, dict[str, float]] = {}
    used = [name for name in ("fanova", "ped_anova") if mapping(secondary.get(name))]
    for name in used:
        for row in rows(mapping(secondary.get(name)).get("by_position")):
            if is_number(row.get("position")) and is_number(row.get("importance")):
                found.setdefault(int(row["position"]), {})[name] = float(row["importance"])
    heads = [("Where", "w"), *((_NAMES[name].removeprefix("Optuna's "), "n") for name in used)]
    lines: list[tuple[str, list[str]]] = []
    for position, values in sorted(found.items()):
        place = places.get(position)
        where = f"stage {place.stage}, block {place.block}" if place else f"block {position}"
        shown = [f"{values[name]:.3f}" if name in values else "" for name in used]
        lines.append(("", [esc(where), *shown]))
    return table(heads, lines, "Importances") if lines else ""

"""What was seen inside trainings, beside the effects: diagnostics, predictive only if measured so."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.report.data import ReportData
from nas.report.effects import places_by_position
from nas.report.html import esc, paragraph, section, table
from nas.report.numbers import count, is_number, mapping, pair, rows

_COLUMNS = {
    "g_init": "Gradient at initialisation",
    "ratio": "Branch to shortcut",
    "lesion_branch": "Accuracy lost without the branch",
    "lesion_skip": "Accuracy lost without the shortcut",
    "cosine": "Gradient cosine",
}
_SHARES = ("lesion_branch", "lesion_skip")


def signals_section(data: ReportData) -> str:
    """Write the signals by block, and what this study knows of their worth; nothing without any."""
    found = rows(data.benefit.get("signals"))
    used = [name for name in _COLUMNS if any(_value(row, name) is not None for row in found)]
    if not used:
        return ""
    intro = paragraph(
        f"Seen in the full-identity networks{_seeds(found)}. Diagnostics, not effects: taking a "
        "shortcut out of a trained network breaks what relies on it, and says little of a network "
        "trained without it. A signal is called predictive only where its rank correlation with the randomised "
        "effects has an interval in this study that leaves out zero."
    )
    places = places_by_position(data.benefit)
    heads = [("Where", "w"), *((_COLUMNS[name], "n") for name in used)]
    lines = [("", [esc(_where(row, places)), *_cells(row, used)]) for row in found]
    return section(
        "signals",
        "Inside training: diagnostics",
        intro,
        _verdicts(found, used),
        table(heads, lines, "Signals by block"),
    )


def _seeds(found: Sequence[Mapping[str, Any]]) -> str:
    n = found[0].get("n_seeds")
    return f", means over {count(int(n), 'seed')}" if is_number(n) else ""


def _value(row: Mapping[str, Any], name: str) -> float | None:
    """Return a signal's value; signals may hold more than a number."""
    value = row.get(name)
    value = mapping(value).get("mean", value) if isinstance(value, Mapping) else value
    return float(value) if is_number(value) else None


def _cells(row: Mapping[str, Any], used: Sequence[str]) -> list[str]:
    texts: list[str] = []
    for name in used:
        value = _value(row, name)
        if value is None:
            texts.append("")
        else:
            texts.append(esc(f"{100 * value:.1f} points" if name in _SHARES else f"{value:.3g}"))
    return texts


def _where(row: Mapping[str, Any], places: Mapping[int, Any]) -> str:
    position = row.get("position")
    place = places.get(int(position)) if is_number(position) else None
    return f"stage {place.stage}, block {place.block}" if place else f"block {position}"


def _verdicts(found: Sequence[Mapping[str, Any]], used: Sequence[str]) -> str:
    """Say for every signal whether this study shows that it predicts the benefit."""
    texts: list[str] = []
    for name in used:
        rho, interval = _predictive(found, name)
        if rho is None:
            texts.append(f"<li>{esc(_COLUMNS[name])}: diagnostic, not compared with effects</li>")
            continue
        low, high = pair(interval)
        is_shown = low is not None and high is not None and (low > 0 or high < 0)
        said = "predictive here" if is_shown else "diagnostic, not shown to predict the benefit"
        ends = f" ({low:.2f} to {high:.2f})" if low is not None and high is not None else ""
        texts.append(
            f"<li>{esc(f'{_COLUMNS[name]}: {said}, rank correlation {rho:.2f}{ends}')}</li>"
        )
    return f"<ul>{''.join(texts)}</ul>"


def _predictive(found: Sequence[Mapping[str, Any]], name: str) -> tuple[float | None, Any]:
    for row in found:
        rho, interval = row.get("predictive_rho"), row.get("predictive_ci")
        if isinstance(rho, Mapping):
            rho, interval = rho.get(name), mapping(interval).get(name)
        if is_number(rho):
            return float(rho), interval
    return None, None

"""Below the skip map: change any skip, and see what is predicted and what would prove it.

The page's script reads what stands here. Without script nothing of it shows, and the map is a
picture.
"""

import json
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from nas.report.best_found import incumbent_of
from nas.report.data import ReportData
from nas.report.html import esc
from nas.report.numbers import mapping, metric_of, rows
from nas.report.trained import LETTERS, CodeReader, near, trained_networks
from nas.trials import TrialRecord
from search_spaces.spec import Kind, Place

CHANGES_ID = "changes-data"
"""Id of what the script reads; a page without it needs no script."""
_BUTTON = '<button type="button"{0}>{1}</button>'


class _Base(NamedTuple):
    """A network to start from."""

    key: str
    name: str
    code: str
    is_ablated: bool
    """Whether `nas ablate` changes this very network."""


class _Block(NamedTuple):
    """A block of the model, as the script needs it."""

    place: Place
    kinds: str
    """Letters of the kinds that can be predicted."""
    params: list[Any]
    macs: list[Any]


def changes_box(data: ReportData) -> str:
    """Write the box below the map that the script fills; nothing where nothing is predicted."""
    blocks = _blocks(data)
    bases = _bases(data, blocks)
    if not blocks or not bases:
        return ""
    buttons = " ".join(
        _BUTTON.format(f' data-base="{index}" aria-pressed="false"', esc(base.name))
        for index, base in enumerate(bases)
    )
    result = (
        '<p class="answer" data-out="predicted" role="status"></p>'
        + "".join(f'<p class="small" data-out="{name}"></p>' for name in ("ground", "support"))
        + '<p class="small" data-out="costs"></p>'
        '<div class="scroll" tabindex="0" role="region" aria-label="Nearest trained networks">'
        '<table><thead><tr><th scope="col">Nearest networks really trained</th>'
        f'<th scope="col">Difference</th><th scope="col">{esc(_score_head(data))}</th></tr>'
        '</thead><tbody></tbody></table></div><p class="small prove"><span data-out="proof">'
        '</span> <code data-out="command"></code> '
        f"{_BUTTON.format(' data-copy', 'Copy')}</p>"
    )
    return (
        '<div class="changes" id="changes" hidden><p class="small"><b>Try a change.</b> Start '
        f"from {buttons} and press skips in the picture. "
        f"{_BUTTON.format(' data-close hidden', 'Back to the map')}</p>"
        f'<div class="result" hidden>{result}</div></div>'
        f'<script type="application/json" id="{CHANGES_ID}">{_as_json(data, blocks, bases)}'
        "</script>"
    )


@cache
def changes_script() -> str:
    """Return the page's script, which fetches nothing."""
    path = Path(__file__).with_name("changes.js")
    return f"<script>\n{path.read_text(encoding='utf-8')}</script>"


def _score_head(data: ReportData) -> str:
    return metric_of(data.benefit).label.capitalize()


def _as_json(data: ReportData, blocks: list[_Block], bases: list[_Base]) -> str:
    """Return what the script reads; no tag can begin inside it."""
    model, metric = mapping(data.benefit.get("prediction")), metric_of(data.benefit)
    networks = trained_networks(data, [block.place for block in blocks])
    command = f"nas ablate {shlex.quote(data.run or 'RUN')} --flip FLIPS"
    content = {
        "places": [str(block.place) for block in blocks],
        "kinds": [block.kinds for block in blocks],
        "params": [block.params for block in blocks],
        "macs": [block.macs for block in blocks],
        "terms": [_term(term) for term in model.get("terms") or []],
        "coefficients": model.get("coefficients"),
        "covariance": model.get("covariance"),
        "t": model.get("t"),
        "runs": model.get("n_runs"),
        "support": model.get("support"),
        "bases": [base._asdict() for base in bases],
        "trained": [
            [one.code, float(f"{one.mean:.5g}"), len(one.values), one.name]
            for one in near(networks, [base.code for base in bases])
        ],
        "metric": {
            "short": metric.short,
            "digits": metric.digits,
            "share": metric.is_share,
            "unit": metric.unit,
            "lower": metric.lower_is_better,
        },
        "command": command,
    }
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def _term(term: list[Any]) -> list[Any]:
    """Return a term with positions from 0 and letters for kinds."""
    return [LETTERS.get(part, part - 1 if isinstance(part, int) else part) for part in term]


def _blocks(data: ReportData) -> list[_Block]:
    """Return the blocks of the model; none where there is no model."""
    model = mapping(data.benefit.get("prediction"))
    if data.reference() is None or not model.get("coefficients"):
        return []
    return [
        _Block(
            place=Place(int(row["stage"]), int(row["block"])),
            kinds="".join(LETTERS[kind] for kind in row["kinds"]),
            params=list(row["params"]),
            macs=list(row["macs"]),
        )
        for row in rows(model.get("blocks"))
    ]


def _bases(data: ReportData, blocks: list[_Block]) -> list[_Base]:
    """Return the networks to start from: the best one of this depth, all identity, and plain."""
    found: list[_Base] = []
    best = _best(data, [block.place for block in blocks])
    if best is not None:
        trial, code, is_incumbent = best
        name = "your best network" if is_incumbent else "the best of this depth"
        found.append(_Base("best", f"{name} (trial {trial.number})", code, is_incumbent))
    for kind, key, name in (
        (Kind.IDENTITY, "identity", "identity everywhere"),
        (Kind.NONE, "plain", "no skip"),
    ):
        letter = LETTERS[kind.value]
        if blocks and all(letter in block.kinds for block in blocks):
            found.append(_Base(key, name, letter * len(blocks), True))
    return [base for base in found if _is_predictable(base.code, blocks)]


def _is_predictable(code: str, blocks: list[_Block]) -> bool:
    return all(letter in block.kinds for letter, block in zip(code, blocks, strict=True))


def _best(data: ReportData, places: list[Place]) -> tuple[TrialRecord, str, bool] | None:
    """Return the best network of this depth, its code, and whether it is the best of all."""
    incumbent: Mapping[str, Any] = incumbent_of(data)
    number = incumbent.get("trial")
    ranked = data.ranked(lower_is_better=metric_of(data.benefit).lower_is_better)
    named = [trial for trial in ranked if trial.number == number]
    reader = CodeReader(places)
    for trial in (*named, *ranked):
        code = reader.code_of(trial)
        if code is not None:
            return trial, code, trial.number == number
    return None

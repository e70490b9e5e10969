"""What the summary run says about the answers of a study; imports no wandb."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nas.records import best_record
from nas.trials import State, TrialRecord
from nas.wandb_runs.content import JOB_TYPES, StudyInfo

_CLAIM = ("id", "statement", "verdict", "evidence", "test", "rule")


@dataclass(frozen=True, kw_only=True)
class StudySummary:
    """What the summary run shows."""

    headline: str
    """The answer in a sentence."""
    benefit: Mapping[str, Any]
    """Content of `skip_benefit.json`."""
    trials: Sequence[TrialRecord]
    repeats: Sequence[TrialRecord]
    pictures: Mapping[str, str]
    """SVG or HTML text, or the absolute path of a .svg or .html file, by name."""
    best: str | None = None
    """Absolute path of the export folder."""
    benefit_file: str | None = None
    """Absolute path of `skip_benefit.json`."""


def summary_id(uid: str) -> str:
    """Return the id of the study's summary run."""
    return f"{uid}-summary"


def answer_rows(benefit: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Yield one row per position: estimate and simultaneous bounds of each kind.

    Only randomised block-level effects against no shortcut; what is not identified is left out.
    Depth plans beside the reference have their own prefix, and so have ranks with their intervals
    and, of paired evidence, each network whose skips were flipped.
    """
    yield from _depth_rows("answer", benefit.get("effects") or ())
    yield from _rank_rows(benefit.get("ranking") or ())
    yield from _paired_rows(benefit.get("confirm") or ())
    for other in benefit.get("other_depths") or ():
        plan = "-".join(map(str, other["depth_plan"]))
        yield from _depth_rows(f"answer_{plan}", other["effects"])


def _rank_rows(ranking: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, float]]:
    """Yield rank and rank interval of each kind by position; 1 benefits most."""
    rows: dict[int, dict[str, float]] = {}
    for rank in ranking:
        row = rows.setdefault(rank["position"], {"answer/position": rank["position"]})
        for ending, field in (("", "rank"), ("_low", "rank_low"), ("_high", "rank_high")):
            row[f"answer_rank/{rank['kind']}{ending}"] = rank[field]
    yield from (row for _, row in sorted(rows.items()))


def _paired_rows(confirm: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, float]]:
    """Yield what single flips do, by network and position; flips of several blocks have none."""
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for pair in confirm:
        if pair.get("position") is None or pair.get("d_mean") is None:
            continue
        base, position = str(pair["base"]).replace(" ", "-"), pair["position"]
        row = rows.setdefault((base, position), {"answer/position": position})
        kind = "projection_against_identity" if pair["estimand"] == "KIND" else pair["kind"]
        row[f"answer_{base}/{kind}"] = pair["d_mean"]
        for ending, bound in zip(("low", "high"), pair.get("ci_sim") or (), strict=False):
            row[f"answer_{base}/{kind}_{ending}"] = bound
    yield from rows.values()


def summary_tables(content: StudySummary) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table of the summary run, by its name; empty ones are left out.

    Importances have none: they are associations without sign or interval.
    """
    benefit = content.benefit
    by_lr = [
        {"lr": own["lr"], **row} for own in benefit.get("by_lr") or () for row in own["effects"]
    ]
    found = {
        "effects": list(benefit.get("effects") or ()),
        "effects_by_lr": by_lr,
        "confirm": list(benefit.get("confirm") or ()),
        "interactions": list(benefit.get("interactions") or ()),
        "signals": list(benefit.get("signals") or ()),
        "claims": [
            {name: row.get(name) for name in _CLAIM} for row in benefit.get("claims") or ()
        ],
        "trials": trial_rows((*content.trials, *content.repeats)),
    }
    return {name: rows for name, rows in found.items() if rows}


def _depth_rows(prefix: str, table: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, float]]:
    effects = [
        effect
        for effect in table
        if effect.get("estimand") == "AMCE" and effect.get("reference_kind", "none") == "none"
    ]
    rows: dict[int, dict[str, float]] = {}
    for effect in effects:
        position = _position(effect, effects)
        row = rows.setdefault(position, {"answer/position": position})
        kind = effect["kind"]
        for key, field in (
            (kind, "estimate"),
            (f"{kind}_low", "ci_sim_low"),
            (f"{kind}_high", "ci_sim_high"),
        ):
            if effect.get(field) is not None:
                row[f"{prefix}/{key}"] = effect[field]
    for _, row in sorted(rows.items()):
        yield row


def study_summary(
    headline: str, benefit: Mapping[str, Any], trials: Sequence[TrialRecord], study: StudyInfo
) -> dict[str, Any]:
    """Return the summary of the summary run: the headline, counts and the best trial."""
    states = Counter(trial.state.value for trial in trials)
    summary: dict[str, Any] = {"headline": headline}
    summary |= {f"n_{state.value}": states[state.value] for state in State if state.is_finished}
    settled = benefit.get("settled") or {}
    summary |= {f"n_{name}": settled.get(f"num_{name}") or 0 for name in ("answers", "settled")}
    summary |= {
        f"claim_{row['id']}": row["verdict"]
        for row in benefit.get("claims") or ()
        if row.get("id") and row.get("verdict")
    }
    best = best_record(trials, study.direction)
    if best is not None:
        summary |= {"best_trial": best.number, "best_value": best.value}
    return summary


def trial_rows(records: Iterable[TrialRecord]) -> list[dict[str, Any]]:
    """Return one row per trial for the table of trials."""
    return [{"job_type": JOB_TYPES[record.source], **record.to_row()} for record in records]


def table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Return columns and cells; a column that a row lacks is None there, a list is text."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return columns, [[_cell(row.get(column)) for column in columns] for row in rows]


def _position(effect: Mapping[str, Any], effects: Sequence[Mapping[str, Any]]) -> int:
    """Count blocks through the network from 1, also where positions have names."""
    if isinstance(effect["position"], int):
        return effect["position"]
    places = sorted({(other["stage"], other["block"]) for other in effects})
    return places.index((effect["stage"], effect["block"])) + 1


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, (int, float, str)) else str(value)

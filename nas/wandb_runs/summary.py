"""What the summary run says about the answers of a study; imports no wandb."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nas.records import best_record
from nas.trials import State, TrialRecord
from nas.wandb_runs.content import JOB_TYPES, StudyInfo


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
    Depth plans beside the reference have their own prefix.
    """
    yield from _depth_rows("answer", benefit.get("effects") or ())
    for other in benefit.get("other_depths") or ():
        plan = "-".join(map(str, other["depth_plan"]))
        yield from _depth_rows(f"answer_{plan}", other["effects"])


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

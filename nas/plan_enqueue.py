"""A plan as waiting trials of any Optuna study, which its own `study.optimize` takes up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection

from nas.errors import StorageError
from nas.finalists import Direction
from nas.plan_rows import PLAN_ROW, Plan, PlanRow
from nas.storage import open_storage
from nas.trials import Source

_PLAN = "plan"
"""User attribute of an enqueued trial: what its row follows from."""


@dataclass(frozen=True, kw_only=True)
class Enqueued:
    """What was enqueued."""

    plan: Plan
    is_new_study: bool
    num_before: int
    """Rows of the same plan that the study had already."""


def enqueue_plan(
    storage: str, name: str, direction: Direction, make_plan: Callable[[int], Plan]
) -> Enqueued:
    """Enqueue the rows of a plan; a study that has rows of it gets those after them.

    Each trial has the decisions as fixed parameters, and as user attributes its `source`
    (randomised), `decisions`, `seed`, `lr`, `spec_id` and number in the plan.

    Args:
        storage: An Optuna storage URL, or the path of a journal.
        name: The study; it is made where there is none.
        direction: `minimize` or `maximize`.
        make_plan: Makes the plan from some row on.

    Raises:
        ConfigError: A plan cannot be made.
        StorageError: The storage cannot be reached, or its study cannot take these rows.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Made before anything is written: it may fail.
    plan = make_plan(0)
    opened = open_storage(storage, Path.cwd())
    known = {study.study_name for study in opened.get_all_studies()}
    if name not in known:
        study = optuna.create_study(storage=opened, study_name=name, direction=direction)
    else:
        study = optuna.load_study(storage=opened, study_name=name)
        _check(study, direction, plan)
    num_before = _num_before(study, plan.facts)
    if num_before:
        plan = make_plan(num_before)
    facts = plan.facts
    for row in plan.rows:
        study.enqueue_trial(dict(row.decisions), user_attrs=_attributes(row, facts))
    return Enqueued(plan=plan, is_new_study=name not in known, num_before=num_before)


def _attributes(row: PlanRow, facts: Mapping[str, Any]) -> dict[str, Any]:
    left_out = {"rows_left_out": row.rows_left_out} if row.rows_left_out else {}
    return {
        "source": Source.RANDOMISED.value,
        "decisions": dict(row.decisions),
        "seed": row.seed,
        "lr": row.lr,
        "spec_id": row.spec_id,
        PLAN_ROW: row.number,
        _PLAN: dict(facts),
        **left_out,
    }


def _check(study: optuna.Study, direction: str, plan: Plan) -> None:
    """Refuse a study that these rows do not belong to."""
    where = f"nas plan: study {study.study_name!r}"
    if len(study.directions) != 1:
        raise StorageError(
            f"{where} must have one objective, got {len(study.directions)}. Give another --name."
        )
    if study.direction != StudyDirection[direction.upper()]:
        raise StorageError(
            f"{where} must have the direction of the plan, got direction="
            f"{study.direction.name.lower()} for {direction}. Add --set search.direction="
            f"{study.direction.name.lower()} with a metric of that direction, or give another "
            "--name."
        )
    if "nas" in study.user_attrs:
        raise StorageError(
            f"{where} must be one of your own, got one of nas search, which trains a design of "
            "its own. Go on with it by nas search --trials, or give another --name."
        )
    for trial in study.get_trials(deepcopy=False):
        found = trial.user_attrs.get(_PLAN)
        if isinstance(found, Mapping) and found.get("space") != plan.facts["space"]:
            raise StorageError(
                f"{where} must have the rows of one space, got rows of another since trial "
                f"{trial.number}. Give another --name."
            )


def _num_before(study: optuna.Study, facts: Mapping[str, Any]) -> int:
    """Return the number after the last row of the same plan."""
    attributes = (trial.user_attrs for trial in study.get_trials(deepcopy=False))
    rows = (own[PLAN_ROW] for own in attributes if own.get(_PLAN) == facts)
    return max(rows, default=-1) + 1

"""Trials of any Optuna study, under any names: ours as they are, others translated and checked."""

import copy
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from optuna.trial import FrozenTrial

from nas.errors import TableError
from nas.own_names import OwnNames
from nas.records import to_record
from nas.table_checks import Together
from nas.table_columns import shown
from nas.table_problems import Problems, ReadRows, RowError, unused_rows
from nas.trials import Source, State, TrialRecord
from search_spaces.errors import SpecError
from search_spaces.places import Kind, Place
from trainer.measurement import Reason

_ENQUEUED = "fixed_params"
"""Optuna's own attribute of trials whose parameters somebody fixed."""
_KIND = re.compile(r"^skip\d*\.(stage[1-9]\d*\.block[1-9]\d*)$")
_NO_SKIP = "no parameter about a skip"
_NOT_YET = ("not finished", "not trained yet")
_EXTRAS = ("seed", "lr", "weight_decay")


def read_study(trials: Iterable[FrozenTrial], names: OwnNames, where: str) -> ReadRows:
    """Read the trials of a study.

    A trial made elsewhere has the source that it carries as a user attribute; else that of
    `names`, unless somebody enqueued it; else it is adaptive, as samplers leave no trace. Where a
    row of the design was not trained as it was planned, it is adaptive too.

    Args:
        trials: All trials.
        names: What parameters and kinds are called there.
        where: The study, for messages.

    Raises:
        TableError: A name is no parameter, or a word for a kind is unknown.
    """
    listed = sorted(trials, key=lambda trial: trial.number)
    if names.columns and listed:
        known = {name for trial in listed for name in (*trial.params, *trial.user_attrs)}
        names.check_there(where, known, "parameter")
    problems = Problems("trial")
    records, foreign = [], []
    for trial in listed:
        if is_ours(trial):
            records.append(to_record(trial))
            continue
        try:
            foreign.append(_foreign(trial, names, f"{where}, trial {trial.number}"))
        except RowError as error:
            problems.add(trial.number, error)
    problems.check()
    usable, unused = _usable(foreign, where)
    if unused and not records and not usable:
        _check_any_skip(listed, unused, where)
    merged = sorted([*records, *usable], key=lambda record: record.number)
    return ReadRows(records=merged, unused=unused_rows(unused, "trial"))


def _check_any_skip(
    trials: Sequence[FrozenTrial], unused: Sequence[tuple[int, str]], where: str
) -> None:
    """Refuse a study without a single parameter that is known to be about a skip."""
    reasons = {reason for _, reason in unused}
    if _NO_SKIP in reasons and reasons <= {_NO_SKIP, *_NOT_YET}:
        names = dict.fromkeys(name for trial in trials for name in trial.params)
        raise TableError(
            f"{where}: some parameter must decide about a skip, such as skip.stage1.block1, got "
            f"{shown(list(names)) or 'none'}. Say with --names which ones do."
        )


def is_ours(trial: FrozenTrial) -> bool:
    """Say whether this toolkit started the trial, which then says all about itself."""
    attributes = trial.user_attrs
    return isinstance(attributes.get("spec"), Mapping) and "spec_id" in attributes


def _foreign(trial: FrozenTrial, names: OwnNames, where: str) -> TrialRecord:
    found = copy.copy(trial)
    found.params = _translated(trial.params, names)
    planned = trial.user_attrs.get("decisions")
    if isinstance(planned, Mapping):
        found.params = {**planned, **found.params}
    said = trial.user_attrs.get("source")
    attributes = {**trial.user_attrs, **_extras(trial, names)}
    if said not in set(Source) and names.source and _ENQUEUED not in trial.system_attrs:
        attributes["source"] = names.source
    if isinstance(planned, Mapping) and any(
        str(found.params.get(name)) != str(value) for name, value in planned.items()
    ):
        attributes["source"] = Source.ADAPTIVE.value
    found.user_attrs = attributes
    record = _with_depths(to_record(found))
    _check_words(record, where)
    if record.value is not None and not math.isfinite(record.value):
        # Optuna takes infinity for a result.
        record = replace(record, state=State.FAILED, value=None, reason="diverged")
    if record.state is State.FAILED and record.reason is None:
        record = replace(record, reason=_why_failed(trial))
    return record


def _why_failed(trial: FrozenTrial) -> str:
    """Return why a trial failed that does not say so.

    An exception is no divergence; a last report that is no number is one.
    """
    reports = trial.intermediate_values
    is_finite = not reports or math.isfinite(reports[max(reports)])
    return (Reason.ERROR if is_finite else Reason.DIVERGED).value


def _translated(params: Mapping[str, Any], names: OwnNames) -> dict[str, Any]:
    ours = {theirs: name for name, theirs in names.columns.items()}
    found: dict[str, Any] = {}
    for theirs, value in params.items():
        name = ours.get(theirs, theirs)
        if name == theirs and theirs in names.columns:
            # One of our names that stands for something else there.
            continue
        word = names.value(name, str(value)) if _KIND.match(name) else value
        if word != "":
            found[name] = word
    return found


def _extras(trial: FrozenTrial, names: OwnNames) -> dict[str, Any]:
    """Return what the study keeps of a training under names of its own."""
    known = {**trial.user_attrs, **trial.params}
    wanted = {name: names.columns.get(name, name) for name in _EXTRAS}
    return {name: known[theirs] for name, theirs in wanted.items() if theirs in known}


def _with_depths(record: TrialRecord) -> TrialRecord:
    """Where no depth is decided, a stage is as deep as its last block."""
    depths: dict[str, int] = {}
    for name in record.decisions:
        match = _KIND.match(name)
        if match:
            place = Place.parse(match[1])
            key = f"depth.stage{place.stage}"
            depths[key] = max(depths.get(key, 0), place.block)
    return replace(record, decisions={**depths, **record.decisions})


def _check_words(record: TrialRecord, where: str) -> None:
    for name, value in record.decisions.items():
        if _KIND.match(name):
            try:
                Kind.parse(str(value))
            except SpecError as error:
                raise RowError(
                    f"{where}: parameter {name!r}: {error} Say with --names what it means: kinds: "
                    f"{{{value}: identity}}.",
                    "kind",
                ) from None
        elif name.startswith(("depth.", "span")) and not (
            isinstance(value, int) and not isinstance(value, bool) and value >= 1
        ):
            raise RowError(
                f"{where}: parameter {name!r} must be an integer >= 1, got {name}={value!r}. Name "
                "another one with --names, or leave it out.",
                "integer",
            )


def _usable(
    records: Sequence[TrialRecord], where: str
) -> tuple[list[TrialRecord], list[tuple[int, str]]]:
    """Part what can be read from what cannot; nobody can correct a study, so nothing is raised."""
    unused: list[tuple[int, str]] = []
    kept = []
    for record in records:
        if record.state is State.RUNNING:
            unused.append((record.number, "not finished"))
        elif record.state is State.WAITING:
            unused.append((record.number, "not trained yet"))
        elif not any(_KIND.match(name) for name in record.decisions):
            unused.append((record.number, _NO_SKIP))
        else:
            kept.append(record)
    together = Together(where, kept, (), "trial")
    usable = []
    for record in kept:
        try:
            together.check(record.number, record)
        except RowError as error:
            unused.append((record.number, f"does not fit together ({error.sort})"))
        else:
            usable.append(record)
    return usable, unused

"""What the warnings look at, and the commands that they end in."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nas.benefit.all_trials import AllTrials
from nas.benefit.context import BenefitContext, Metric
from nas.benefit.effects import Analysis, mostly_known
from nas.benefit.frame import Frame
from nas.benefit.more_trials import more_trials
from nas.trials import TrialRecord

_LONGEST_NAME = 100


class Caution(NamedTuple):
    """One warning."""

    code: str
    text: str
    remedy: str
    """A command where the study is ours, else words."""


@dataclass(frozen=True)
class Facts:
    """What the warnings look at."""

    rows: Sequence[TrialRecord]
    frame: Frame
    analysis: Analysis
    context: BenefitContext
    noise: Mapping[str, Any]
    effects: Sequence[Mapping[str, Any]]
    """Rows of the map, one per question of the analysis."""
    without_failed: Mapping[str, Any] | None = None
    """The effects from complete rows alone."""
    sign_changes: Sequence[Mapping[str, Any]] = ()
    """Effects whose sign hangs on the learning rate."""
    aligned: Mapping[str, Any] = field(default_factory=dict)
    """Effects of several depths side by side."""
    all_trials: AllTrials | None = None
    """The model of all trials."""
    confirm: Sequence[Mapping[str, Any]] = ()
    """Paired retrainings."""
    anchors: Sequence[Mapping[str, Any]] = ()
    """Rows of the anchors."""
    metric: Metric | None = None
    """The study's metric as the rows were scored; None: that of the context."""


def new_study(facts: Facts, flags: str, ending: str, words: str) -> str:
    """Return the command of a study like this one with other settings, or else the words."""
    if facts.context.run_folder is None:
        return words
    folder, name = shlex.quote(facts.context.run_folder), facts.context.study_name
    new = shlex.quote(_new_name(name, ending))
    return f"nas search {folder}/config.yaml {flags} --name {new}"


def _new_name(name: str, ending: str) -> str:
    """Return a name that studies may have: letters, digits and ._- and at most 100 of them."""
    ending = re.sub(r"[^A-Za-z0-9._-]", "", ending)
    return f"{name[: _LONGEST_NAME - len(ending) - 1]}-{ending}"


def ablation(facts: Facts, words: str, flags: str = "") -> str:
    """Return the command that retrains networks of this study in pairs, or else the words."""
    if facts.context.run_folder is None:
        return words
    return f"nas ablate {shlex.quote(facts.context.run_folder)}{flags and ' '}{flags}"


def more_rows(facts: Facts) -> str:
    """Say how to get the design rows that would settle more."""
    step = more_trials(facts.rows, facts.analysis, facts.context)
    if step is None:
        return "Train design rows."
    if facts.context.run_folder is None:
        first = ", as a first step" if step.is_first_step else ""
        return f"Train about {step.design_rows} more design rows{first}."
    command = f"nas search --name {shlex.quote(facts.context.study_name)} --trials {step.total}"
    return f"A first step: {command}" if step.is_first_step else command


def without_limits(limits: Sequence[str]) -> str:
    """Return the flags that lift constraints."""
    return "".join(f" --set constraints.{key}=null" for key in limits)


def undecided(facts: Facts) -> str:
    """Say that nothing is decided where too many design rows are left out, else nothing."""
    known, rows = facts.analysis.sample.num_rows, len(facts.frame.reference_rows)
    if mostly_known(known, rows):
        return ""
    return (
        f" With {rows - known} of {rows} design rows left out the others may be a selection, so "
        "nothing is decided."
    )

"""Importances of skip decisions by Optuna's two evaluators, to be shown beside the map.

They are unsigned, have no interval, and describe the trials that were sampled: association.
"""

import math
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.trial import TrialState, create_trial

from nas.trials import State, TrialRecord

_SKIP = re.compile(r"^skip\.stage[1-9]\d*\.block[1-9]\d*$")
_LEAST = {"fanova": 20, "ped_anova": 50}
"""Complete trials below which an evaluator says nothing: PED-ANOVA compares the best tenth with
all, and wants five trials in it."""
_MOST = 300
"""Trials that are looked at, spread evenly over the study: a report has seconds."""
_TREES = 12


def importances(
    trials: Sequence[TrialRecord], direction: Literal["minimize", "maximize"]
) -> dict[str, dict[str, float]]:
    """Return `fanova` and `ped_anova`, each by decision name; an evaluator that cannot is missing.

    Complete trials with the most frequent set of skip decisions count: fANOVA knows no parameter
    that some trials lack. Both evaluators are named, since Optuna's default changes.

    Args:
        trials: All trials of the search.
        direction: Which way the value is better.
    """
    study = _study(trials, direction)
    number = 0 if study is None else len(study.get_trials(deepcopy=False))
    evaluators = {
        "fanova": FanovaImportanceEvaluator(n_trees=_TREES, seed=0),
        "ped_anova": PedAnovaImportanceEvaluator(),
    }
    found = {}
    for name, evaluator in evaluators.items():
        if study is None or number < _LEAST[name]:
            continue
        with warnings.catch_warnings():
            # They warn of what is known here: few trials, experimental interfaces.
            warnings.simplefilter("ignore")
            values = optuna.importance.get_param_importances(study, evaluator=evaluator)
        if all(math.isfinite(value) for value in values.values()):
            found[name] = {key: float(values[key]) for key in sorted(values)}
    return found


def _study(
    trials: Sequence[TrialRecord], direction: Literal["minimize", "maximize"]
) -> optuna.Study | None:
    """Return a study in memory with the skip decisions alone; None where nothing varies."""
    complete = [
        (trial, skips)
        for trial in sorted(trials, key=lambda trial: trial.number)
        if trial.state is State.COMPLETE and trial.value is not None
        if (skips := {k: v for k, v in trial.decisions.items() if _SKIP.match(k)})
    ]
    if not complete:
        return None
    counts = Counter(frozenset(skips) for _, skips in complete)
    names = max(counts, key=lambda own: (counts[own], len(own), sorted(own)))
    kept = [(trial, skips) for trial, skips in complete if frozenset(skips) == names]
    step = math.ceil(len(kept) / _MOST)
    kept = kept[::step]
    choices = {name: sorted({str(skips[name]) for _, skips in kept}) for name in sorted(names)}
    values = {trial.value for trial, _ in kept}
    if len(values) < 2 or all(len(own) < 2 for own in choices.values()):
        return None
    distributions: dict[str, BaseDistribution] = {
        name: CategoricalDistribution(own) for name, own in choices.items()
    }
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(direction=direction)
    finally:
        optuna.logging.set_verbosity(level)
    study.add_trials(
        [
            create_trial(
                state=TrialState.COMPLETE,
                value=trial.value,
                params={name: str(skips[name]) for name in distributions},
                distributions=distributions,
            )
            for trial, skips in kept
        ]
    )
    return study

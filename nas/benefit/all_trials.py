"""The model of all trials, those that a sampler chose too, and where it differs from the map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nas.benefit.coding import BlockDesign
from nas.benefit.comparison import Gap, Scores, gap, scores_of
from nas.benefit.context import Metric
from nas.benefit.effects import Analysis
from nas.benefit.estimates import ALPHA
from nas.benefit.models import Models
from nas.benefit.multiplicity import holm
from nas.benefit.ols import Fit
from nas.benefit.questions import Question
from nas.benefit.reference import Reference
from nas.benefit.sample import Sample, tabulate, values_of
from nas.trials import Source, State, TrialRecord

_SPARE = 8
"""Architectures beyond the number of columns before the model is fitted, as for the blocks."""


@dataclass(frozen=True)
class AllTrials:
    """The pair model of all trials, and how its answers differ from the design rows'."""

    models: Models
    """Its block model alone; coarser answers are averages of it."""
    adjusted_for: tuple[str, ...]
    num_adaptive: int
    estimates: Mapping[Question, Scores]
    gaps: Mapping[Question, Gap]
    """This minus the primary estimate, where both exist."""
    adjusted: Mapping[Question, float]
    """Holm's p of the gaps, by level."""

    @property
    def disagreeing(self) -> list[Question]:
        """Questions where the two differ by more than two standard errors and more than chance."""
        return [
            question
            for question, p in self.adjusted.items()
            if p < ALPHA and abs(self.gaps[question].difference) > 2 * self.gaps[question].se
        ]


def all_trials(
    reference: Reference, analysis: Analysis, rows: Sequence[TrialRecord], metric: Metric
) -> AllTrials | None:
    """Fit the model of blocks and adjacent pairs to all finished trials.

    Depth, learning rate and source (design or sampler) are factors beside the blocks. Blocks that
    a network lacks are zero in the centred coding. None without trials of a sampler: the second
    opinion would be the first.

    Args:
        reference: The design rows at the reference.
        analysis: Their study's metric.
        rows: All trials of the search.
        metric: The study's metric.
    """
    every = [row for row in rows if row.state in (State.COMPLETE, State.FAILED)]
    values = values_of(every, metric)
    kept = [row for row, value in zip(every, values, strict=True) if np.isfinite(value)]
    adaptive = np.array([row.source is Source.ADAPTIVE for row in kept], np.float64)
    if not adaptive.any() or not reference.frame.places:
        return None
    sample = _sample(reference, kept, values[np.isfinite(values)], adaptive)
    fitted = _fit(sample)
    if fitted is None:
        return None
    design, fit = fitted
    models = replace(
        analysis.models,
        blocks=fit,
        block_design=design,
        coarse_from_shares=False,
        pair_test=None,
    )
    estimates, gaps = _compare(models, sample, analysis, _places_in(kept, reference))
    return AllTrials(
        models=models,
        adjusted_for=_adjusted_for(sample, adaptive),
        num_adaptive=int(adaptive.sum()),
        estimates=estimates,
        gaps=gaps,
        adjusted=_adjust(gaps),
    )


def _sample(
    reference: Reference, rows: Sequence[TrialRecord], values: np.ndarray, adaptive: np.ndarray
) -> Sample:
    frame = reference.frame
    sample = tabulate(rows, frame.places, frame.choices, is_conditional=frame.is_conditional)
    # Spans are averaged over; a model of all trials with them would need far more rows.
    sample = replace(sample, value=values, spans=None)
    if adaptive.all():
        return sample
    columns = [] if sample.covariates is None else [sample.covariates]
    return replace(sample, covariates=np.hstack([*columns, adaptive[:, None]]))


def _fit(sample: Sample) -> tuple[BlockDesign, Fit] | None:
    """Fit pairs where there are two architectures per column, else blocks alone."""
    for with_pairs in (True, False):
        design = BlockDesign(sample, with_pairs=with_pairs)
        columns = design.matrix.shape[1]
        needed = 2 * columns if with_pairs else columns + _SPARE
        if sample.num_clusters >= needed:
            return design, Fit(design.matrix, sample.value, sample.cluster)
    return None


def _adjusted_for(sample: Sample, adaptive: np.ndarray) -> tuple[str, ...]:
    num_covariates = 0 if sample.covariates is None else sample.covariates.shape[1]
    is_mixed = not adaptive.all()
    names = {
        "depth": len(np.unique(sample.depths, axis=0)) > 1,
        "source": is_mixed,
        "lr": num_covariates > int(is_mixed),
    }
    return tuple(name for name, used in names.items() if used)


def _places_in(kept: Sequence[TrialRecord], reference: Reference) -> np.ndarray:
    """Return where the primary's rows are among those kept."""
    index = {id(row): number for number, row in enumerate(kept)}
    found = [index[id(row)] for row in reference.rows if id(row) in index]
    return np.array(found, dtype=np.int64)


def _compare(
    models: Models, sample: Sample, analysis: Analysis, primary_rows: np.ndarray
) -> tuple[dict[Question, Scores], dict[Question, Gap]]:
    """Estimate every question against none, and compare with the primary's answer."""
    number = sample.num_clusters
    estimates, gaps = {}, {}
    for question in analysis.questions:
        if not question.estimand.startswith("AMCE"):
            continue
        own = scores_of(models, question, sample.cluster, number)
        if own is None:
            continue
        estimates[question] = own
        primary = None
        if question in analysis.answers and len(primary_rows) == analysis.sample.num_rows:
            architectures = sample.cluster[primary_rows]
            primary = scores_of(analysis.models, question, architectures, number)
        found = gap(own, primary) if primary is not None else None
        if found is not None:
            gaps[question] = found
    return estimates, gaps


def _adjust(gaps: Mapping[Question, Gap]) -> dict[Question, float]:
    adjusted: dict[Question, float] = {}
    for level in ("network", "stage", "block"):
        own = [question for question in gaps if question.level == level]
        adjusted |= zip(own, holm([gaps[question].p for question in own]), strict=True)
    return adjusted

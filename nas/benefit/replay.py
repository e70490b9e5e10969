"""A report's own rows with noise of their own kind, drawn many times, under the report's rule."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.benefit.effects import Analysis
from nas.benefit.estimates import model_of
from nas.benefit.ols import Fit
from nas.benefit.questions import Question

_PINNED = 1e-8
"""Rows that keep less than this of their own noise say nothing of it."""
_CELLS = 1_000_000
"""Rows times draws that are held at once."""
_STEADY_DF, _FEW = 1000, 100
"""Degrees of freedom from which on errors vary by less than 3%; simulations that then tell them."""


@dataclass(frozen=True)
class Replay:
    """What simulated reports would have estimated, for outcomes without any effect.

    Estimates are linear in the outcomes, so that a planted effect only shifts them; where a model
    cannot express it (one block of a stage, in a model of stages), it also adds to their errors.
    """

    questions: tuple[Question, ...]
    deviations: np.ndarray
    """Estimates from noise alone, shape (questions, simulations)."""
    variances: np.ndarray
    """Their squared robust errors, the same shape."""
    shifts: np.ndarray
    """What a planted effect of 1 adds to each estimate, shape (questions, plants)."""
    spreads: np.ndarray
    """What it adds to the squared error, times its square; the same shape."""
    quantiles: np.ndarray
    """Half-width of the simultaneous band in standard errors, as the report has it; infinite where
    the rows cannot tell their noise. Shape (questions,)."""

    def judge(self, plant: int, size: float) -> tuple[np.ndarray, np.ndarray]:
        """Decide every simulated report by band and gatekeeping.

        Args:
            plant: Which column was planted.
            size: How large.

        Returns:
            Whether each question is called a benefit, and whether it is called benefit or harm;
            both of shape (questions, simulations).
        """
        estimates = self.deviations + size * self.shifts[:, plant, None]
        errors = np.sqrt(self.variances + size**2 * self.spreads[:, plant, None])
        known = errors > 0
        t = np.divide(estimates, errors, out=np.zeros_like(estimates), where=known)
        helps = t > self.quantiles[:, None]
        decided = helps | (t < -self.quantiles[:, None])
        open_ = self._gates(decided)
        return helps & open_, decided & open_

    def _gates(self, decided: np.ndarray) -> np.ndarray:
        """Open stages where the network is decided, and blocks where their stage is too."""
        levels = np.array([question.level for question in self.questions])
        stages = np.array([question.stage or 0 for question in self.questions])
        network = decided[levels == "network"].any(axis=0)
        gates = np.ones_like(decided)
        gates[levels != "network"] = network
        for stage in np.unique(stages[levels == "block"]):
            passed = decided[(levels == "stage") & (stages == stage)].any(axis=0)
            gates[(levels == "block") & (stages == stage)] = network & passed
        return gates


def replay(
    analysis: Analysis,
    questions: Sequence[Question],
    plants: np.ndarray,
    simulations: int,
    seed: int,
) -> Replay:
    """Simulate the report's estimates from its own design and its own noise.

    Noise is a wild bootstrap: in every simulation each architecture keeps its residuals, scaled
    so that on average they are as large as the noise, and is given a random sign. So networks that
    vary more go on to do so. Every model has the noise that it left itself; signs are shared.

    Args:
        analysis: The report's estimates.
        questions: Those that are asked; unanswered ones are never found.
        plants: What an effect of 1 adds to each row's outcome, shape (rows, plants).
        simulations: How many.
        seed: Of the signs.
    """
    sample = analysis.sample
    number = len(questions)
    found = Replay(
        questions=tuple(questions),
        deviations=np.zeros((number, simulations)),
        variances=np.zeros((number, simulations)),
        shifts=np.zeros((number, plants.shape[1])),
        spreads=np.zeros((number, plants.shape[1])),
        quantiles=np.array([_quantile(analysis, question) for question in questions]),
    )
    rng = np.random.default_rng(seed)
    shape = (sample.num_clusters, simulations)
    signs = rng.integers(0, 2, shape, dtype=np.int8) * 2.0 - 1
    by_fit: dict[int, list[tuple[int, np.ndarray]]] = defaultdict(list)
    fits: dict[int, Fit] = {}
    for index, question in enumerate(questions):
        model = model_of(analysis.models, question)
        if model is not None and np.isfinite(found.quantiles[index]):
            fits[id(model[0])] = model[0]
            by_fit[id(model[0])].append((index, model[1]))
    for key, asked in by_fit.items():
        fit, rows = fits[key], [index for index, _ in asked]
        weights = fit.weights(np.array([contrast for _, contrast in asked]))
        _draw(found, rows, fit, weights, signs)
        found.shifts[rows] = weights @ plants
        left = plants - fit.fitted(plants)
        found.spreads[rows] = fit.variances(weights, left)
    return found


def _draw(
    found: Replay, rows: Sequence[int], fit: Fit, weights: np.ndarray, signs: np.ndarray
) -> None:
    """Fill in estimates and errors of one model, some simulations at a time.

    With very many rows errors hardly differ from one simulation to the next, and those of the
    first serve for all.
    """
    noise = noise_of(fit)
    shares = np.array([np.bincount(fit.cluster, row * noise, len(signs)) for row in weights])
    step = max(_CELLS // max(len(fit.y), 1), 1)
    is_steady = fit.df >= _STEADY_DF
    last = min(_FEW, signs.shape[1]) if is_steady else signs.shape[1]
    for start in range(0, signs.shape[1], step):
        found.deviations[rows, start : start + step] = shares @ signs[:, start : start + step]
    for start in range(0, last, step):
        stop = min(start + step, last)
        draws = signs[fit.cluster, start:stop] * noise[:, None]
        residuals = draws - fit.fitted(draws)
        found.variances[rows, start:stop] = fit.variances(weights, residuals)
    if is_steady:
        found.variances[rows] = found.variances[rows, :last].mean(axis=1, keepdims=True)


def _quantile(analysis: Analysis, question: Question) -> float:
    answer = analysis.answers.get(question)
    if answer is None or not 0 < answer.se < np.inf:
        return np.inf
    return answer.half_width_sim / answer.se


def noise_of(fit: Fit) -> np.ndarray:
    """Return the residuals, scaled so that their squares are on average those of the noise.

    Of an architecture of one row: divided by sqrt(1 - leverage), as in HC2. Of several rows: their
    vector times (I - hat)^(-1/2) of its block, as in CR2. (The scale of HC3, 1 / (1 - leverage),
    would make the noise too large: its variance by a third at four rows per coefficient.)
    """
    scaled = np.zeros(len(fit.y))
    sizes = np.array([len(rows) for rows in fit.members])
    for size in np.unique(sizes):
        rows = np.array([fit.members[index] for index in np.flatnonzero(sizes == size)])
        spare = np.eye(size) - fit.matrix[rows] @ fit.pseudo_inverse[:, rows].swapaxes(0, 1)
        values, vectors = np.linalg.eigh(spare)
        kept = values > _PINNED
        roots = np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
        turned = np.einsum("gij,gi->gj", vectors, fit.residuals[rows])
        scaled[rows] = np.einsum("gij,gj->gi", vectors, roots * turned)
    return scaled

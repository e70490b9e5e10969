"""A design of six groups of neighbouring blocks, each with its skips on or off.

The claims about where skips matter share its trainings.
"""

import numpy as np

from nas.claims.jobs import OWN_SEED, Training
from nas.claims.results import Results
from nas.claims.setup import ClaimsSetup
from nas.claims.statistics import Fit, fit_effects

GROUPS = 6
_SEEDS = 8


def fold_over(repetitions: int, seed: int) -> np.ndarray:
    """Return rows of a two-level design with their mirror images, 16 per repetition.

    Six columns of an 8 x 8 Hadamard matrix, chosen, ordered and signed anew in each repetition, and
    the same with all signs turned: main effects are then clear of all two-way interactions.

    Args:
        repetitions: How often.
        seed: Of the choices.
    """
    two = np.array([[1, 1], [1, -1]])
    hadamard = np.kron(np.kron(two, two), two)
    draws = np.random.default_rng(seed)
    parts = []
    for _ in range(repetitions):
        columns = draws.choice(np.arange(1, 8), size=GROUPS, replace=False)
        rows = hadamard[:, columns] * draws.choice([-1, 1], size=GROUPS)
        both = np.concatenate([rows, np.negative(rows)])
        parts.append(both[draws.permutation(len(both))])
    return np.concatenate(parts)


def design_rows(setup: ClaimsSetup, frame: str) -> list[tuple[np.ndarray, Training]]:
    """Return the fold-over's rows, each on a seed of its own."""
    repetitions = max(1, round(setup.num_seeds(_SEEDS) * 3 / 8))
    rows = fold_over(repetitions, setup.scope.study_seed)
    full = setup.frame(frame)
    return [
        (row, setup.training(setup.with_parts(full, list(row > 0)), OWN_SEED + index))
        for index, row in enumerate(rows)
    ]


def fit_design(setup: ClaimsSetup, results: Results, frame: str) -> Fit | None:
    """Fit the groups' effects; None where there are too few trainings for that."""
    settings, values = design_table(setup, results, frame)
    return fit_effects(settings, values) if len(values) > 2 * GROUPS else None


def design_table(
    setup: ClaimsSetup, results: Results, frame: str
) -> tuple[np.ndarray, list[float]]:
    """Return settings and negative log-losses of the rows that were trained."""
    found = [
        (row, -loss)
        for row, training in design_rows(setup, frame)
        if (loss := results.loss(training)) is not None
    ]
    settings = np.array([row for row, _ in found]).reshape(len(found), GROUPS)
    return settings, [value for _, value in found]

import itertools

import numpy as np

from nas.claims.fold_over import design_rows, fit_design, fold_over
from nas.claims.results import Outcome, Results
from nas.claims.setup import ClaimsSetup
from nas.config import make_config


def test_a_fold_over_is_balanced_and_clear_of_pairs() -> None:
    rows = fold_over(2, seed=7)
    assert rows.shape == (32, 6)
    assert (rows.T @ rows == 32 * np.eye(6)).all()
    pairs = np.column_stack(
        [rows[:, i] * rows[:, j] for i, j in itertools.combinations(range(6), 2)]
    )
    assert (rows.T @ pairs == 0).all()
    assert (fold_over(2, seed=7) == rows).all()


def test_more_seeds_add_rows_to_those_that_were_trained() -> None:
    setups = [ClaimsSetup.from_config(make_config({}), seeds) for seeds in (8, 16)]
    few, many = ([t.key for _, t in design_rows(setup, "staged")] for setup in setups)
    assert (len(few), len(many)) == (48, 96)
    assert many[:48] == few


def test_effects_are_those_of_the_groups_and_need_trainings() -> None:
    setup = ClaimsSetup.from_config(make_config({}))
    assert fit_design(setup, Results(setup, {}), "staged") is None
    outcomes = {
        training.key: Outcome(
            diverged=False, val_log_losses=(1.0 - 0.1 * (row[2] > 0),), val_accuracy=0.9
        )
        for row, training in design_rows(setup, "staged")
    }
    fit = fit_design(setup, Results(setup, outcomes), "staged")
    assert fit is not None
    assert np.allclose(fit.coefficients, [0, 0, 0.1, 0, 0, 0])

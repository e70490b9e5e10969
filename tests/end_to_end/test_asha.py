"""Optuna's own ASHA and our sampler, both by class path, in a study of real workers."""

from pathlib import Path

import pytest

from nas.trials import Source, State
from tests.end_to_end.studies import Search, read, write_config

EPOCHS, TRIALS = 4, 24


def test_asha_prunes_adaptive_trials_and_no_row_of_the_design(tmp_path: Path) -> None:
    config = write_config(
        tmp_path,
        space={"stages": 1, "max_blocks": 4, "width": 2},
        recipe={"epochs": EPOCHS, "batch_size": 64},
        search={
            "trials": TRIALS,
            "workers": 2,
            "devices": "cpu",
            "startup_trials": 2,
            "sampler": {
                "class_path": "nas.mutation_sampler.MutationSampler",
                "init_args": {"seed": 0, "startup_trials": 4},
            },
            "pruner": {
                "class_path": "optuna.pruners.SuccessiveHalvingPruner",
                "init_args": {"min_resource": 1, "reduction_factor": 2},
            },
        },
        wandb={"mode": "disabled"},
    )
    search = Search(tmp_path, config.name, "--no-report", "--no-export")
    assert search.wait() == 0, search.errors
    records = read(tmp_path / "runs" / "tiny").records()
    rows = [record for record in records if record.source is Source.RANDOMISED]
    adaptive = [record for record in records if record.source is Source.ADAPTIVE]
    assert len(rows) == len(adaptive) == TRIALS // 2
    for record in rows:
        assert (record.state, record.epochs_done) == (State.COMPLETE, EPOCHS)
    pruned = [record for record in adaptive if record.state is State.PRUNED]
    assert 0 < len(pruned) < len(adaptive)
    saved = sum(EPOCHS - record.epochs_done for record in pruned)
    assert saved >= len(pruned)
    assert all(record.epochs_done == EPOCHS for record in adaptive if record not in pruned)
    # A pruned trial keeps the value of its last epoch.
    for record in pruned:
        assert record.value == pytest.approx(record.metrics["val_log_loss"])

"""The table of all skip patterns: recording, truth, and replays of designs and searches."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import exhaustive, exhaustive_replay, exhaustive_truth
from benchmarks.exhaustive_designs import DESIGNS, draw_design, run_search
from benchmarks.exhaustive_estimates import as_study, importances, naive, ours, sample_of
from trainer.recorded.skipbench import load_skipbench
from trainer.recorded.table import load_table, pattern_digits

TABLE = load_skipbench()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.slow
def test_recording_trains_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    given = ["--seeds", "1", "--workers", "1", "--table", str(path)]
    exhaustive.main([*given, "--limit", "1"])
    lines = path.with_suffix(".jsonl").read_text().splitlines()
    assert len(lines) == 8
    exhaustive.main([*given, "--limit", "0"])
    assert not path.exists()
    # The rest is made up: 64 trainings take too long.
    with path.with_suffix(".jsonl").open("a") as file:
        for pattern in range(8, 64):
            file.write(json.dumps(json.loads(lines[0]) | {"architecture": pattern}) + "\n")
    exhaustive.main([*given, "--limit", "0"])
    table = load_table(path)
    assert table.log_loss.shape == (64, 1, 12)
    assert not path.with_suffix(".jsonl").exists()


def test_diverged_training_is_nan_in_the_table() -> None:
    line = {
        "train_loss": [1.0, 0.5],
        "log_loss": [1.0, 0.5],
        "accuracy": [0.5, 0.7],
        "lr": [0.1, 0.0],
        "seconds": 1.0,
        "failed": None,
        "test_log_loss": 0.5,
        "test_accuracy": 0.7,
        "gradient_norms": [1.0, 2.0],
    }
    nothing = dict.fromkeys(("test_log_loss", "test_accuracy", "gradient_norms"))
    curves = {"log_loss": [1.0], "train_loss": [1.0], "accuracy": [0.5], "lr": [0.1]}
    failed = line | nothing | curves | {"failed": "DivergedError"}
    lines = [line | {"architecture": 0, "seed": 0}, failed | {"architecture": 1, "seed": 0}]
    table = exhaustive.as_table(lines, 2, 1, {})
    assert table.log_loss[0, 0].tolist() == [1.0, 0.5]
    assert table.values("val/log_loss", 10)[1, 0] == pytest.approx(-math.log(10))
    assert np.isnan(table.gradient_norms[1, 0]).all()
    assert table.lr.tolist() == [0.1, 0.0]


@pytest.mark.parametrize("design", ["balanced", "fold-over"])
def test_design_and_its_mirror_balance_every_pair(design: str) -> None:
    signs = np.where(TABLE.patterns[DESIGNS[design](16, rng())], 1, -1)
    assert not signs.sum(axis=0).any()
    mirrored = {tuple(row) for row in signs} == {tuple(-row) for row in signs}
    assert mirrored
    if design == "fold-over":
        np.testing.assert_array_equal(signs.T @ signs, 16 * np.eye(6))


def test_search_mixes_rows_of_the_design_in() -> None:
    rows = run_search(TABLE, 24, rng(), design_share=0.5)
    assert rows.is_random.sum() == 12
    assert rows.study is not None
    values = [trial.value for trial in rows.study.get_trials(deepcopy=False)]
    assert values == TABLE.log_loss[rows.patterns, rows.seeds, -1].tolist()
    for name in ("PED-ANOVA", "fANOVA"):
        assert importances(rows.study, name).sum() == pytest.approx(1.0)


def test_all_patterns_once_give_the_truth_but_for_the_seeds() -> None:
    rows = draw_design(TABLE, "balanced", 64, rng())
    assert sorted(rows.patterns) == list(range(64))
    sample = sample_of(TABLE, "val/log_loss", rows, rows.is_random)
    values = TABLE.values("val/log_loss", 10)[rows.patterns, rows.seeds]
    on = pattern_digits(6)[rows.patterns]
    expected = [values[on[:, g]].mean() - values[~on[:, g]].mean() for g in range(6)]
    np.testing.assert_allclose(ours(sample).estimate, expected)
    np.testing.assert_allclose(naive(sample).estimate, expected)
    assert (ours(sample).half_sim >= ours(sample).half).all()
    assert len(as_study(TABLE, rows).trials) == 64


@pytest.mark.slow
def test_replays_hold_what_they_promise(tmp_path: Path) -> None:
    # Bounds for few replays: nominal less what luck may take away.
    flags = "--replays 40 --searches 3 --forests 1 --curves 2 --workers 2"
    exhaustive_replay.main([*flags.split(), "--out", str(tmp_path)])
    result = json.loads((tmp_path / "exhaustive_replay.json").read_text())
    found = {(row["rows"], row["estimator"], row["metric"]): row for row in result["rows"]}
    for design in ("random", "balanced", "fold-over"):
        row = found[f"{design}, 48 runs", "ours", "val/log_loss"]
        assert row["share_answered"] > 0.95
        assert row["coverage"] > 0.9
        assert row["coverage_simultaneous"] > 0.8
        assert row["largest_bias_in_mc_se"] < 4
    assert found["TPE alone, 48 trials", "fANOVA", "val/log_loss"]["replays"] == 1
    assert set(result["samplers"]) == {"random", "tpe", "mutation"}


def test_truth_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exhaustive_truth.main(["--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "Shapley" in printed
    assert "adjacent pairs jointly p" in printed
    result = json.loads((tmp_path / "exhaustive_truth.json").read_text())
    accuracy = result["val/accuracy"]
    shares = sum(own["value"] for own in accuracy["groups"]["Shapley"])
    assert shares == pytest.approx(accuracy["full_minus_plain"]["value"])
    assert accuracy["groups"]["AMCE"] == [
        pytest.approx(own) for own in accuracy["groups"]["Banzhaf"]
    ]

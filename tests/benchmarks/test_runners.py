"""Every runner once, with the least that it takes."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import (
    candidate_size,
    candidates_per_hour,
    lightning_overhead,
    scaling,
    time_to_precision,
)
from trainer.errors import DataError

LEAST = ["--repeats", "1", "--epochs", "1"]


def result(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / f"{name}.json").read_text())


def test_candidate_size_compares_groups_with_one(tmp_path: Path) -> None:
    candidate_size.main(
        ["--sizes", "width-8", "--groups", "1", "2", "--repeats", "1", "--results", str(tmp_path)]
    )

    found = result(tmp_path, "candidate_size")["width-8"]
    assert found["ratio"]["1"]["median"] == 1
    assert found["paths"]["2"] == "group of 2"
    assert found["best_group"] in (1, 2)


def test_candidate_size_needs_enough_images() -> None:
    size = candidate_size.SIZES["width-8"]

    message = "digits has 1077 training and 360 validation images, got n_train=16000 and n_val=16"
    with pytest.raises(DataError, match=message):
        candidate_size.seconds_per_step(size, 1, 1000, "cpu")


def test_all_ways_of_h3_train_the_same(tmp_path: Path) -> None:
    lightning_overhead.main(
        (
            "--widths 4 --depths 1 --data generated-3x32x32 --images 128 --repeats 1 --epochs 1 "
            f"--results {tmp_path}"
        ).split()
    )

    [found] = result(tmp_path, "lightning_overhead")["candidates"].values()
    assert found["path"] == "lean"
    assert found["per_step_ratio"]["raw"]["median"] == 1
    assert found["ms_per_step"].keys() == {"raw", "bare", "ours", "ordinary"}
    assert found["over_bare"]["per_step"]["median"] > 0
    assert max(found["largest_difference_of_first_loss"].values()) < 1e-3


@pytest.mark.slow
def test_all_arms_of_h1_train_the_same_architectures(tmp_path: Path) -> None:
    candidates_per_hour.main(
        ["--architectures", "2", "--max-blocks", "1", *LEAST, "--results", str(tmp_path)]
    )

    found = result(tmp_path, "candidates_per_hour")["width 8"]
    assert found["per_hour"].keys() == {"stock", "competent", "nas"}
    assert found["shared_architectures"] == 2
    assert "nas / stock" in found["times_as_many"]


@pytest.mark.slow
def test_each_arm_may_search_for_itself(tmp_path: Path) -> None:
    candidates_per_hour.main(
        (
            "--architectures 2 --own-search --max-blocks 1 --repeats 1 --epochs 1 "
            f"--results {tmp_path} --keep {tmp_path / 'kept'}"
        ).split()
    )

    assert "quality" not in result(tmp_path, "candidates_per_hour_own_search")["width 8"]
    assert (tmp_path / "kept" / "width8" / "turn0" / "stock" / "study.db").is_file()


@pytest.mark.slow
def test_scaling_compares_workers(tmp_path: Path) -> None:
    scaling.main(
        ["--architectures", "2", "--max-blocks", "1", "--pin", *LEAST, "--results", str(tmp_path)]
    )

    found = result(tmp_path, "scaling")
    assert found["per_hour"].keys() == {"1", "2"}
    assert found["efficiency"]["median"] > 0


@pytest.mark.slow
def test_precision_compares_with_three_ablations(tmp_path: Path) -> None:
    time_to_precision.main(
        (
            "--blocks 1 --worthwhile 1 --trials 8 --part 2 --repeats 1 --epochs 1 "
            f"--whole identity --results {tmp_path}"
        ).split()
    )

    found = result(tmp_path, "time_to_precision")
    assert found["ablations"].keys() == {"identity", "plain", "random"}
    assert found["whole"]["trainings"] >= 8

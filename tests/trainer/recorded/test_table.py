import math
from pathlib import Path

import numpy as np
import pytest

from trainer.errors import DataError
from trainer.recorded.table import PatternTable, load_table, pattern_digits


def made_table(num_groups: int = 2, seeds: int = 3, epochs: int = 4) -> PatternTable:
    rng = np.random.default_rng(0)
    shape = (2**num_groups, seeds)
    curves = rng.uniform(0.1, 1.0, (3, *shape, epochs))
    # One that diverged in its third epoch.
    curves[:, 0, 0, 2:] = math.nan
    return PatternTable(
        about={"seeds": seeds},
        train_loss=curves[0],
        log_loss=curves[1],
        accuracy=curves[2],
        test_log_loss=rng.uniform(size=shape),
        test_accuracy=rng.uniform(size=shape),
        seconds=rng.uniform(size=shape),
        gradient_norms=rng.uniform(size=(*shape, 4)),
        lr=np.linspace(0.1, 0, epochs),
    )


def test_table_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    table, path = made_table(), tmp_path / "made.npz"
    table.save(path)
    found = load_table(path)
    assert found.about == {"seeds": 3}
    np.testing.assert_allclose(found.log_loss, table.log_loss, rtol=1e-6)
    np.testing.assert_allclose(found.gradient_norms, table.gradient_norms, rtol=1e-6)
    sizes = (found.num_patterns, found.num_groups, found.num_seeds, found.num_epochs)
    assert sizes == (4, 2, 3, 4)


def test_first_group_is_the_highest_digit() -> None:
    digits = pattern_digits(3)
    assert digits[0b100].tolist() == [True, False, False]
    assert not digits[0].any()
    assert digits[-1].all()


def test_outcomes_are_positive_where_better_and_diverged_ones_guess() -> None:
    table = made_table()
    losses, accuracies = (table.values(f"val/{name}", 10) for name in ("log_loss", "accuracy"))
    assert (table.values("test/accuracy", 10) == table.test_accuracy).all()
    assert (table.values("test/log_loss", 10) == -table.test_log_loss).all()
    assert losses[1, 1] == -table.log_loss[1, 1, -1]
    assert accuracies[1, 1] == table.accuracy[1, 1, -1]
    assert losses[0, 0] == pytest.approx(-math.log(10))
    assert accuracies[0, 0] == pytest.approx(0.1)


def test_unknown_outcome_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"metric must be one of val/log_loss, .*, got metric='val/f1'"
    ):
        made_table().values("val/f1", 10)


@pytest.mark.parametrize("content", [None, b"no archive"])
def test_damaged_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "made.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"made.npz: the table must be a whole file"):
        load_table(path)

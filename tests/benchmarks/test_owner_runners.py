"""The runners of H4 and H8, with the least that they take."""

import json
import time
from pathlib import Path

import pytest

from benchmarks import control_plane, restart
from benchmarks.parts import measured

_RARE = ("design row", "known")
"""Parts that a study this small may not come to."""


def test_control_plane_says_where_the_time_goes(tmp_path: Path) -> None:
    control_plane.main(
        f"--trials 20 --candidates 8 --stock 2 --repeats 1 --results {tmp_path}".split()
    )
    found = json.loads((tmp_path / "control_plane.json").read_text())["trials"]["20"]
    assert set(found) == {
        "nas, groups of 1",
        "nas, groups of 8",
        "Optuna, SQLite",
        "Optuna, journal",
    }
    ours = {part: spread["median"] for part, spread in found["nas, groups of 8"].items()}
    assert all(ours[part] > 0 for part in control_plane.PARTS if part not in _RARE)
    assert ours["with clocked"] > ours["all"]
    parts = sum(ours[part] for part in (*control_plane.PARTS, "rest"))
    assert parts == pytest.approx(ours["all"])


@pytest.mark.slow
def test_nothing_that_ended_is_lost_by_a_kill(tmp_path: Path) -> None:
    restart.main(f"--trials 40 --killed 24 --epochs 2 --repeats 1 --results {tmp_path}".split())
    found = json.loads((tmp_path / "restart.json").read_text())
    assert found["restart"]["seconds_since_start"]["first group"]["median"] > 0
    for kill in found["kills"].values():
        assert kill["ended_trials_lost"]["high"] == 0
        # At most what both workers had at hand.
        assert kill["candidates_of_epochs_twice"]["high"] <= 16


class Clockwork:
    """Two functions, one of which calls the other for much longer."""

    def outer(self) -> None:
        """Take a while, and let the other one."""
        time.sleep(0.02)
        self.inner()

    def inner(self) -> None:
        """Take a while."""
        time.sleep(0.5)


def test_parts_are_without_the_parts_they_call() -> None:
    clockwork = Clockwork()
    with measured({"a": [(Clockwork, "outer")], "b": [(Clockwork, "inner")]}) as parts:
        clockwork.outer()
    clockwork.inner()
    assert dict(parts.calls) == {"a": 1, "b": 1}
    assert 0.02 <= parts.seconds["a"] < 0.5 <= parts.seconds["b"]

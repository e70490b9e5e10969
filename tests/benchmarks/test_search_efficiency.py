"""Recording a table, searching on it, and the picture of what came out."""

import json
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import search_efficiency
from benchmarks.curve_picture import draw_curves
from benchmarks.recorded_search import ARMS, Arm, RecordedSearch
from benchmarks.recorded_table import generated_table, load_table, make_space
from nas.errors import ConfigError
from search_spaces.errors import SpaceError
from search_spaces.registry import make_space as make_shipped_space
from search_spaces.spec import InputShape, Kind
from trainer.errors import DataError

TABLE = generated_table()
ARM = {arm.name: arm for arm in ARMS}


class TestHalfStages:
    SPACE = make_space({"stages": 1, "blocks": 4, "width": 4})

    def test_every_architecture_has_one_set_of_answers(self) -> None:
        specs = list(self.SPACE)
        assert len({spec.spec_id for spec in specs}) == self.SPACE.size == 9
        for spec in specs:
            answers = self.SPACE.decisions(spec)
            assert [*answers] == ["skip.stage1.half1", "skip.stage1.half2"]
            assert self.SPACE.from_decisions(answers) == spec
        assert self.SPACE.contains(self.SPACE.uniform((4,), Kind.IDENTITY))
        assert self.SPACE.anchor_depths == (self.SPACE.deepest,) == ((4,),)

    def test_half_of_several_kinds_is_not_in_the_space(self) -> None:
        images = InputShape(channels=1, height=8, width=8)
        wider = make_shipped_space(
            {"stages": 1, "min_blocks": 4, "max_blocks": 4, "width": 4}, images, 10
        )
        mixed = wider.from_decisions(
            {
                "depth.stage1": 4,
                **{f"skip.stage1.block{n}": "identity" for n in (1, 2, 3)},
                "skip.stage1.block4": "none",
            }
        )
        with pytest.raises(SpaceError, match="half2 must have one kind, got 'none' at block 4"):
            self.SPACE.decisions(mixed)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"blocks": 3}, "blocks must be even, got blocks=3. Give 4"),
            ({"stages": 9}, "space.stages must be <= 8, got stages=9"),
        ],
    )
    def test_networks_that_there_are_none_of_are_refused(
        self, fields: dict[str, int], message: str
    ) -> None:
        with pytest.raises(SpaceError, match=message):
            make_space(fields)


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    with pytest.raises(DataError, match=r"other\.npz: must be a table .* got No such file"):
        load_table(other)
    other.write_text("words")
    with pytest.raises(DataError, match=r"other\.npz: must be a table .* got something else"):
        load_table(other)


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_every_arm_searches_within_its_budget(arm: Arm) -> None:
    curve = RecordedSearch(TABLE, arm, slots=8, seed=0).run(8 * 24)
    assert 8 * 24 <= curve.epochs[-1] < 8 * 24 + 8
    assert curve.epochs == sorted(curve.epochs)
    assert len(curve.finalists) == len(curve.quality)
    assert (curve.num_pruned > 0) == ("+" in arm.name and "rungs" not in arm.name)


def test_search_without_a_slot_is_refused() -> None:
    with pytest.raises(ConfigError, match="slots must be at least 1, got slots=0"):
        RecordedSearch(TABLE, ARM["random"], slots=0, seed=0)


def test_search_in_which_nothing_is_complete_has_no_quality() -> None:
    curve = RecordedSearch(TABLE, ARM["random"], slots=4, seed=0).run(8)
    assert np.isnan(curve.at([8, 16])).all()


def test_same_seed_searches_the_same() -> None:
    runs = [RecordedSearch(TABLE, ARM["mutation"], 4, seed).run(200) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_curve_says_nothing_before_its_first_complete_training() -> None:
    curve = RecordedSearch(TABLE, ARM["random"], 4, 0).run(64)
    assert np.isnan(curve.at([31])[0])
    assert curve.at([32])[0] == curve.quality[0]


def test_finalists_are_not_judged_by_the_training_that_picked_them() -> None:
    # Two networks whose every training is luck: who picks by luck gains nothing on another seed.
    rng = np.random.default_rng(0)
    luck = replace(TABLE, log_loss=rng.normal(1, 0.2, TABLE.log_loss.shape))
    runs = [RecordedSearch(luck, ARM["random"], 16, seed).run(8 * 64) for seed in range(12)]
    assert np.mean([run.finalists[-1] for run in runs]) == pytest.approx(1, abs=0.1)


def test_finalists_need_a_seed_that_judges() -> None:
    two_seeds = generated_table(num_seeds=2)
    curve = RecordedSearch(two_seeds, ARM["random"], 8, 0).run(8 * 24)
    assert curve.finalists == []
    assert curve.quality


def test_trainings_to_match_are_counted_until_it_stays_so() -> None:
    stays_as_good = search_efficiency.stays_as_good
    assert stays_as_good(np.array([math.nan, 3.0, 1.0, 2.0]), 2.0) == 3
    assert stays_as_good(np.array([1.0, 3.0, 2.0]), 2.0) == 3
    assert stays_as_good(np.array([1.0, 2.0]), 2.0) == 1
    assert stays_as_good(np.array([1.0, 3.0]), 2.0) == math.inf


@pytest.mark.slow
def test_comparison_is_written_with_its_picture(tmp_path: Path) -> None:
    flags = "--generated --searches 2 --budget 16 --workers 1 --out"
    search_efficiency.main([*flags.split(), str(tmp_path)])
    found = json.loads((tmp_path / "search_efficiency_16.json").read_text())
    assert [row["arm"] for row in found["rows"]] == [arm.name for arm in ARMS] * 2
    assert found["table"]["generated"]
    assert found["rows"][0]["times fewer"]["16"] >= 1
    ET.parse(tmp_path / "search_efficiency_16.svg")


def test_smallest_comparison_has_its_picture() -> None:
    curves = {f"chosen: {arm.name}": np.array([[1.0, 0.5]]) for arm in ARMS}
    ET.fromstring(search_efficiency.picture(curves, "the least"))


def test_picture_begins_where_there_is_something() -> None:
    curves = {"a < b": np.array([[np.nan, 1.0, 0.5], [np.nan, 2.0, 0.7]])}
    svg = draw_curves([8, 16, 32], curves, title="t", x_label="x", y_label="y")
    assert "a &lt; b" in svg
    assert "nan" not in svg

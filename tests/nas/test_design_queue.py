import json
from collections import Counter
from pathlib import Path

import pytest

from nas.config import SearchConfig, make_config
from nas.design_file import DesignFile
from nas.design_queue import RUN_LENGTH, DesignQueue
from nas.errors import ConfigError
from nas.run_folder import RunFolder
from search_spaces import InputShape, make_space
from search_spaces.space import SearchSpace
from search_spaces.spec import Kind
from tests.nas.spaces import TransitionSpace


def make(trials: int, *, max_blocks: int = 2, **search: str) -> DesignQueue:
    return DesignQueue(_space(max_blocks), SearchConfig(trials=trials, **search))  # type: ignore[arg-type]


def _space(max_blocks: int = 2) -> SearchSpace:
    config = {"stages": 1, "max_blocks": max_blocks}
    return make_space(config, InputShape(channels=1, height=8, width=8), 10)


def live(num_rows: int, num_adaptive: int) -> tuple[int, int]:
    return num_rows + num_adaptive, num_rows


def test_the_first_run_is_the_designs() -> None:
    queue = make(4 * RUN_LENGTH, max_blocks=5)
    assert queue.is_turn(0, 0)
    assert queue.is_turn(*live(RUN_LENGTH - 1, 0))
    assert not queue.is_turn(*live(RUN_LENGTH, 0))
    assert queue.is_turn(*live(RUN_LENGTH, RUN_LENGTH))


def test_rows_fill_up_when_the_adaptive_trials_are_all_there() -> None:
    queue = make(16, max_blocks=5)
    assert queue.is_turn(*live(2, 8))
    assert not queue.is_turn(*live(8, 2))


def test_rows_come_in_order_and_those_of_a_former_owner_are_left_out() -> None:
    first, second = make(16), make(16)
    rows = [first.next() for _ in range(4)]
    assert [number for _, number in rows] == [0, 1, 2, 3]
    second.learn(None)
    second.learn(1)
    second.learn(0)
    assert second.next() == rows[2]


def test_planned_architectures_are_those_of_the_rows() -> None:
    queue = make(12)
    assert queue.planned == {queue.next()[0].spec_id for _ in range(6)}


def test_the_design_of_a_small_space_leaves_the_rest_to_the_sampler() -> None:
    # Nine patterns, and half of 100 trials are more.
    assert not make(100).is_turn(*live(9, 0))
    assert make(100, goal="map").is_turn(*live(9, 0))


@pytest.mark.parametrize("goal", ["best", "map"])
def test_a_share_of_all_or_nothing_never_changes_its_mind(goal: str) -> None:
    queue = make(20, max_blocks=5, goal=goal)
    turns = {queue.is_turn(*live(number if goal == "map" else 0, number)) for number in range(9)}
    assert turns == {goal == "map"}


def test_rows_are_at_the_deepest_networks() -> None:
    spec, _ = make(8).next()
    assert spec.depths == (2,)
    assert set(spec.kinds) <= set(Kind)


def test_spans_make_a_small_space_larger() -> None:
    config = {"name": "longskip", "stages": 1, "max_blocks": 2}
    space = make_space(config, InputShape(channels=1, height=8, width=8), 10)
    queue = DesignQueue(space, SearchConfig(trials=100))
    # 3 kinds of the first block times 1 + 2 * 2 of the second.
    assert queue.is_turn(*live(14, 20))
    assert not queue.is_turn(*live(15, 20))


def test_a_space_without_decisions_about_skips_has_no_share_of_rows() -> None:
    space = TransitionSpace(names="wiring")
    assert not DesignQueue(space, SearchConfig(trials=8, goal="best")).is_turn(0, 0)
    for search in (SearchConfig(trials=8), SearchConfig(trials=8, goal="map")):
        with pytest.raises(ConfigError, match=r"search\.goal: a share of random rows needs"):
            DesignQueue(space, search)
    with pytest.raises(ConfigError, match=r"search\.mode: a share of random rows needs"):
        DesignQueue(space, SearchConfig(trials=8, mode="effects"))


class TestKeptRows:
    FACTS = {"space": {"max_blocks": 3}, "seed": 0}  # noqa: RUF012

    def queue(self, folder: Path, trials: int = 12, **facts: object) -> DesignQueue:
        kept = DesignFile(folder / "design.jsonl", {**self.FACTS, **facts})
        return DesignQueue(_space(3), SearchConfig(trials=trials), kept)

    def test_next_owner_reads_them_and_chooses_the_same_ones_further_on(
        self, tmp_path: Path
    ) -> None:
        fresh = make(24, max_blocks=3)
        rows = [fresh.next() for _ in range(12)]
        first = self.queue(tmp_path)
        assert first.planned == {spec.spec_id for spec, _ in rows[:6]}
        kept = (tmp_path / "design.jsonl").read_text()
        second = self.queue(tmp_path)
        assert second.planned == first.planned
        assert [second.next() for _ in range(12)] == rows
        assert (tmp_path / "design.jsonl").read_text() == kept
        longer = self.queue(tmp_path, trials=24)
        assert longer.planned == {spec.spec_id for spec, _ in rows}
        assert [longer.next() for _ in range(12)] == rows

    @pytest.mark.parametrize("damage", ["", "nonsense", "cut", "other"])
    def test_without_them_they_are_chosen_again(self, tmp_path: Path, damage: str) -> None:
        planned = self.queue(tmp_path).planned
        path = tmp_path / "design.jsonl"
        whole = path.read_text()
        if damage == "other":
            assert self.queue(tmp_path, seed=1).planned == planned
            assert '"seed": 1' in path.read_text()
            return
        path.write_text(whole[:-40] if damage == "cut" else damage)
        assert self.queue(tmp_path).planned == planned
        assert path.read_text() == whole

    def test_folder_that_cannot_be_written_costs_nothing_but_time(self, tmp_path: Path) -> None:
        assert self.queue(tmp_path / "none").planned == self.queue(tmp_path).planned


def test_rows_have_the_rates_that_they_are_crossed_with(tmp_path: Path) -> None:
    space = make_space(
        {"stages": 1, "max_blocks": 3, "kinds": ["none", "identity"]},
        InputShape(channels=1, height=8, width=8),
        10,
    )
    search = SearchConfig(trials=32, lr_factors=(0.5, 1.0))
    queue = DesignQueue(space, search)
    assert Counter(queue.lr_factor(number) for number in range(16)) == {0.5: 8, 1.0: 8}
    kept = DesignFile(tmp_path / "design.jsonl", {})
    first, second = (DesignQueue(space, search, kept) for _ in range(2))
    assert first.planned == second.planned
    assert [second.lr_factor(n) for n in range(16)] == [queue.lr_factor(n) for n in range(16)]
    # Eight patterns at two rates: what is more is the sampler's.
    assert DesignQueue(space, SearchConfig(trials=99, lr_factors=(0.5, 1.0))).is_turn(
        *live(15, 90)
    )
    assert not DesignQueue(space, SearchConfig(trials=99, lr_factors=(0.5, 1.0))).is_turn(
        *live(16, 90)
    )


def test_the_design_may_be_another_than_the_searchs() -> None:
    space = make_space(
        {"stages": 1, "max_blocks": 5, "kinds": ["none", "identity"]},
        InputShape(channels=1, height=8, width=8),
        10,
    )
    search = SearchConfig(trials=40)
    auto, random, mirrored = (
        DesignQueue(space, search, design=word)  # type: ignore[arg-type]
        for word in (None, "random", "mirrored")
    )
    assert auto.planned == mirrored.planned != random.planned
    with pytest.raises(ConfigError, match=r"search\.design=mirrored needs blocks of two kinds"):
        DesignQueue(_space(), SearchConfig(trials=8, design="mirrored"))


def test_file_of_a_study_tells_its_design_and_rates(tmp_path: Path) -> None:
    def head(**search: object) -> set[str]:
        config = make_config({"search": search})
        kept = DesignFile.of_study(RunFolder(tmp_path), config)
        kept.write([])
        found = json.loads((tmp_path / "design.jsonl").read_text())
        return found.keys() - {"format", "space", "seed"}

    assert head(design="random") == set()
    assert head() == {"design"}
    assert head(design="random", lr_factors=[0.5]) == {"lr_factors"}

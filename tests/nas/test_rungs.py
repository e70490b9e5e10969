import math
import random

import pytest

from nas.errors import ConfigError
from nas.rungs import Rungs


def reach(rungs: Rungs, epoch: int, **values: float | None) -> None:
    for key, value in values.items():
        assert rungs.reached(key, epoch, value)


class TestLevels:
    @pytest.mark.parametrize(
        ("epochs", "first", "factor", "levels"),
        [(8, 2, 2, [2, 4]), (9, 2, 2, [2, 4, 8]), (27, 1, 3, [1, 3, 9]), (8, 7, 4, [7])],
    )
    def test_rungs_multiply_and_the_end_is_none(
        self, epochs: int, first: int, factor: int, levels: list[int]
    ) -> None:
        assert Rungs(epochs, first=first, reduction_factor=factor).levels == levels

    @pytest.mark.parametrize("first", [0, 8])
    def test_first_rung_lies_before_the_end(self, first: int) -> None:
        with pytest.raises(ConfigError, match=rf"in \[1, 7\] for 8 epochs, got first={first}"):
            Rungs(8, first=first)

    def test_a_share_of_the_trials_must_stay_behind(self) -> None:
        with pytest.raises(ConfigError, match="at least 2, got reduction_factor=1"):
            Rungs(8, reduction_factor=1)


class TestPromotion:
    def test_best_of_a_rung_goes_on_as_soon_as_enough_have_come(self) -> None:
        rungs = Rungs(8)
        reach(rungs, 2, a=1.0)
        assert rungs.next_promotion() is None
        reach(rungs, 2, b=0.5)
        assert rungs.next_promotion() == "b"
        assert rungs.next_promotion() is None
        assert rungs.pause_after_of("b") == 4
        assert rungs.pause_after_of("a") == rungs.pause_after_of("new") == 2

    def test_highest_rung_comes_first(self) -> None:
        rungs = Rungs(8)
        reach(rungs, 2, a=1.0, b=2.0, c=3.0, d=4.0)
        assert [rungs.next_promotion(), rungs.next_promotion()] == ["a", "b"]
        reach(rungs, 4, a=1.0, b=0.9)
        reach(rungs, 2, e=0.1, f=0.2)
        assert rungs.next_promotion() == "b"
        assert rungs.pause_after_of("b") is None
        assert rungs.next_promotion() == "e"

    def test_trial_may_be_promoted_late_when_others_turn_out_worse(self) -> None:
        rungs = Rungs(8)
        reach(rungs, 2, a=1.0, b=2.0)
        assert rungs.next_promotion() == "a"
        reach(rungs, 2, c=3.0, d=4.0)
        assert rungs.next_promotion() == "b"

    def test_larger_values_can_be_better(self) -> None:
        rungs = Rungs(8, direction="maximize")
        reach(rungs, 2, a=1.0, b=2.0)
        assert rungs.next_promotion() == "b"

    def test_of_equal_values_the_first_goes_on(self) -> None:
        rungs = Rungs(8)
        reach(rungs, 2, b=1.0, a=1.0)
        assert rungs.next_promotion() == "b"

    @pytest.mark.parametrize("value", [None, math.nan, -math.inf])
    def test_trial_without_a_value_never_goes_on(self, value: float | None) -> None:
        rungs = Rungs(8)
        reach(rungs, 2, a=value, b=value)
        assert rungs.next_promotion() is None

    def test_failed_trial_goes_on_no_more_but_still_counts(self) -> None:
        rungs = Rungs(8)
        reach(rungs, 2, a=1.0, b=2.0, c=3.0, d=4.0)
        rungs.forget("a")
        assert rungs.next_promotion() == "b"
        assert rungs.next_promotion() is None
        assert rungs.paused() == ["c", "d"]


def test_epochs_between_rungs_do_not_pause() -> None:
    rungs = Rungs(8)
    assert not rungs.reached("a", 1, 0.5)
    assert rungs.reached("a", 2, 0.5)
    assert rungs.paused() == ["a"]


def test_resumed_study_goes_on_as_if_it_had_never_stopped() -> None:
    draw = random.Random(0)
    rungs = Rungs(9, first=1, reduction_factor=3)
    curves: dict[str, list[float]] = {}
    for number in range(200):
        key = rungs.next_promotion() or f"trial-{number}"
        end = rungs.pause_after_of(key) or 9
        curve = curves.setdefault(key, [])
        while len(curve) < end:
            curve.append(draw.random())
            assert rungs.reached(key, len(curve), curve[-1]) == (len(curve) == end < 9)
    again = Rungs(9, first=1, reduction_factor=3)
    for key, curve in curves.items():
        for epoch, value in enumerate(curve, start=1):
            again.reached(key, epoch, value)
    assert sorted(again.paused()) == sorted(rungs.paused())
    assert {again.pause_after_of(key) for key in again.paused()} == {1, 3}
    complete = [key for key, curve in curves.items() if len(curve) == 9]
    assert len(curves) > 100 > len(complete) > 5
    while (promoted := rungs.next_promotion()) is not None:
        assert again.next_promotion() == promoted
    assert again.next_promotion() is None


class TestGroups:
    def test_promotions_are_of_one_rung_best_first(self) -> None:
        rungs = Rungs(8)
        reach(rungs, 2, a=1.0, b=2.0, c=3.0, d=4.0, e=5.0, f=6.0)
        assert rungs.num_deserving == 3
        assert rungs.next_promotions(2) == ["a", "b"]
        reach(rungs, 4, a=1.0, b=0.9)
        assert rungs.num_deserving == 2
        assert rungs.next_promotions(8) == ["b"]
        assert rungs.next_promotions(8) == ["c"]
        assert rungs.next_promotions(8) == []
        assert rungs.num_deserving == 0

    def test_promotion_by_a_former_owner_is_known(self) -> None:
        rungs = Rungs(8)
        reach(rungs, 2, a=1.0, b=2.0)
        rungs.promoted("a", 2)
        assert rungs.paused() == ["b"]
        assert rungs.pause_after_of("a") == 4
        assert rungs.next_promotion() is None

    def test_rungs_are_counted_from_one(self) -> None:
        assert [Rungs(9).rung_of(level) for level in (2, 4, 8)] == [1, 2, 3]


class TestShare:
    @pytest.mark.parametrize(
        ("rungs", "epochs"),
        [(Rungs(8), 2 + 2 / 2 + 4 / 4), (Rungs(4, first=1), 1 + 1 / 2 + 2 / 4)],
    )
    def test_expected_share_is_what_ranks_by_chance_cost(
        self, rungs: Rungs, epochs: float
    ) -> None:
        total = 8 if rungs.levels == [2, 4] else 4
        assert rungs.expected_share == pytest.approx(epochs / total)

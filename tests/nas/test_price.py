from dataclasses import replace
from typing import Any

import pytest

from nas.config import StudyConfig, make_config
from nas.price import Price, estimate_price, seconds_left, training_seconds
from nas.trials import Source, State
from search_spaces.presets import cifar_network
from tests.nas.wandb_studies import make_record
from trainer.data import data_facts
from trainer.recipe import Recipe


def price_of(num_workers: int = 2, *, rest: bool = True, **search: Any) -> Price:
    config = make_config({"search": search})
    return estimate_price(config, config.make_space(), num_workers, anchors=rest, finalists=rest)


def test_default_study_counts_all_its_trainings() -> None:
    price = price_of()
    assert (price.num_randomised, price.num_adaptive) == (100, 100)
    # Plain and identity at 8, 20 and 32 layers; eight finalists and their rival of equal depth.
    assert (price.num_anchors, price.num_finalists) == (30, 45)
    assert (price.layers, price.epochs) == (32, 8)
    # Measured on two cores: 310 s, start and report included.
    assert 240 < price.seconds < 360


@pytest.mark.parametrize(
    ("search", "randomised", "adaptive"),
    [
        ({"goal": "best"}, 0, 200),
        ({"goal": "map"}, 200, 0),
        ({"mode": "effects"}, 200, 0),
        ({"trials": 1, "goal": "map"}, 1, 0),
        ({"trials": 7}, 4, 3),
    ],
)
def test_goal_and_mode_share_out_the_trials(
    search: dict[str, Any], randomised: int, adaptive: int
) -> None:
    price = price_of(**search)
    assert (price.num_randomised, price.num_adaptive) == (randomised, adaptive)


def test_one_epoch_is_one_epoch() -> None:
    config = make_config({"recipe": {"epochs": 1, "warmup_epochs": 0.5}})
    price = estimate_price(config, config.make_space(), 2, anchors=True, finalists=True)
    assert "; 1 epoch each, " in price.describe()


def test_finalists_are_no_more_than_trials_and_their_rival_has_the_seeds_of_an_anchor() -> None:
    assert price_of(trials=3, finalist_seeds=4, anchor_seeds=2).num_finalists == 3 * 4 + 2


def test_without_report_and_export_nothing_is_repeated() -> None:
    price = price_of(rest=False)
    assert (price.num_anchors, price.num_finalists) == (0, 0)


def test_twice_the_workers_need_half_the_time() -> None:
    assert price_of(4).seconds == pytest.approx(price_of(2).seconds / 2)


def test_price_is_said_in_two_lines() -> None:
    assert price_of().describe().splitlines() == [
        "100 randomised trials at 32 layers for the skip map, 100 adaptive trials for the best "
        "network,",
        "30 anchor and 45 finalist trainings on fresh seeds; 8 epochs each, about "
        f"{price_of().seconds / 60:.1f} min.",
    ]


def test_deeper_networks_and_more_epochs_cost_more() -> None:
    facts = data_facts("digits")
    small = training_seconds(cifar_network(1), Recipe(), facts)
    assert training_seconds(cifar_network(3), Recipe(), facts) > small
    longer = training_seconds(cifar_network(1), Recipe(epochs=16), facts)
    # Building a network costs the same whatever its epochs.
    assert longer == pytest.approx(2 * small, rel=0.05)
    assert longer < 2 * small


class TestTimeLeft:
    PRICE = Price(
        num_randomised=10,
        num_adaptive=10,
        num_anchors=0,
        num_finalists=0,
        layers=32,
        epochs=8,
        seconds=123.0,
    )

    def ended(self, number: int, source: Source, seconds: float | None = 2.0) -> Any:
        return [make_record(n, source=source, seconds=seconds) for n in range(number)]

    def test_first_guess_is_the_price(self) -> None:
        assert seconds_left(self.PRICE, [], 2) == 123.0
        # Trials without a time, as after a crash, say nothing.
        assert seconds_left(self.PRICE, self.ended(3, Source.ADAPTIVE, None), 2) == 123.0

    def test_each_kind_goes_on_at_its_own_pace(self) -> None:
        ended = self.ended(5, Source.RANDOMISED, 4.0) + self.ended(5, Source.ADAPTIVE, 1.0)
        assert seconds_left(self.PRICE, ended, 1) == pytest.approx(5 * 4.0 + 5 * 1.0)
        assert seconds_left(self.PRICE, ended, 5) == pytest.approx(5.0)

    def test_kind_with_few_trials_goes_at_the_pace_of_all(self) -> None:
        ended = self.ended(4, Source.RANDOMISED, 3.0)
        assert seconds_left(self.PRICE, ended, 1) == pytest.approx(6 * 3.0 + 10 * 3.0)

    def test_nothing_is_left_at_the_end_and_never_less(self) -> None:
        ended = self.ended(12, Source.RANDOMISED) + self.ended(12, Source.ADAPTIVE)
        assert seconds_left(self.PRICE, ended, 1) == 0

    def test_repeats_are_counted_together_as_many_as_are_known_to_come(self) -> None:
        price = replace(self.PRICE, num_anchors=4, num_finalists=6)
        ended = self.ended(10, Source.RANDOMISED) + self.ended(10, Source.ADAPTIVE)
        # The rival of the winner, two of the planned finalists, is an anchor once it is trained.
        ended += self.ended(6, Source.ANCHOR) + self.ended(4, Source.FINALIST)
        assert seconds_left(price, ended, 1) == 0
        assert seconds_left(price, ended, 1, 12) == pytest.approx(2 * 2.0)

    def test_ablations_are_repeats_too(self) -> None:
        ended = self.ended(10, Source.RANDOMISED) + self.ended(10, Source.ADAPTIVE)
        ended += self.ended(6, Source.PAIRED)
        assert seconds_left(self.PRICE, ended, 1, 8) == pytest.approx(2 * 2.0)

    def test_failed_trials_cost_time_too(self) -> None:
        failed = [
            make_record(n, source=Source.RANDOMISED, state=State.FAILED, seconds=1.0)
            for n in range(4)
        ]
        assert seconds_left(self.PRICE, failed, 1) == pytest.approx(6 + 10)


class TestWhatIsLeft:
    def left(self, ended: list[Any], **more: Any) -> Price:
        config = make_config({"search": {"trials": 10}})
        return estimate_price(
            config, config.make_space(), 2, anchors=True, finalists=True, ended=ended, **more
        )

    def ended(self, number: int, source: Source) -> list[Any]:
        return [make_record(n, source=source) for n in range(number)]

    def test_ended_trials_and_anchors_are_paid(self) -> None:
        ended = self.ended(4, Source.RANDOMISED) + self.ended(3, Source.ADAPTIVE)
        price = self.left(ended + self.ended(10, Source.ANCHOR) + self.ended(40, Source.FINALIST))
        assert (price.num_randomised, price.num_adaptive) == (1, 2)
        # New trials may make other finalists.
        assert (price.num_anchors, price.num_finalists) == (20, 45)
        assert price.seconds < self.left([]).seconds

    def test_nothing_is_left_of_a_finished_study(self) -> None:
        ended = self.ended(5, Source.RANDOMISED) + self.ended(5, Source.ADAPTIVE)
        # The rival of the winner is an anchor once it is trained.
        ended += self.ended(35, Source.ANCHOR) + self.ended(40, Source.FINALIST)
        price = self.left(ended)
        assert price.describe() == "nothing is left to train."
        assert price.seconds == 0

    def test_repeats_are_no_more_than_are_known_to_come(self) -> None:
        price = self.left(self.ended(10, Source.ADAPTIVE), max_repeats=31)
        assert (price.num_anchors, price.num_finalists) == (30, 1)

    def test_without_a_design_all_trials_are_adaptive(self) -> None:
        price = self.left([], has_design=False)
        assert (price.num_randomised, price.num_adaptive) == (0, 10)
        assert "randomised" not in price.describe()
        assert "skip map" not in price.describe()


class TestRungs:
    CONFIG = make_config({"search": {"trials": 20, "rungs": {}}})

    def price(self, config: StudyConfig) -> Price:
        return estimate_price(config, config.make_space(), 1, anchors=False, finalists=False)

    def test_adaptive_trials_cost_fewer_epochs(self) -> None:
        price, whole = self.price(self.CONFIG), self.price(make_config({"search": {"trials": 20}}))
        assert price.adaptive_share == 0.5
        assert price.seconds < whole.seconds
        assert "8 epochs each, adaptive trials 4.0 on average, about" in price.describe()

    def test_time_left_goes_by_epochs(self) -> None:
        price = self.price(self.CONFIG)
        rows = [
            make_record(n, source=Source.RANDOMISED, seconds=8.0, epochs_done=8) for n in range(10)
        ]
        assert seconds_left(price, rows, 1) == pytest.approx(10 * 4.0)
        longest = [
            make_record(n, source=Source.ADAPTIVE, seconds=8.0, epochs_done=8) for n in range(3)
        ]
        left = seconds_left(price, rows + longest, 1, seconds_paused=6.0)
        assert left == pytest.approx(10 * 4.0 - 3 * 8.0 - 6.0)


def test_look_ups_cost_next_to_nothing() -> None:
    config = make_config({"data": "skipbench"})
    price = estimate_price(config, config.make_space(), 2, anchors=True, finalists=True)
    assert (price.num_randomised, price.num_adaptive, price.layers) == (32, 32, 26)
    assert price.seconds < 5

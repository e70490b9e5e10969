import pytest

import trainer.population.group_size as group_size
from search_spaces import BlockClass, UserError
from trainer.population.group_size import GroupSize, measure_group_size
from trainer.population.network import FusedResNet


@pytest.fixture
def timed(monkeypatch):
    """Let a step of K candidates take what the test says, in seconds per candidate."""

    def set_to(**by_size):
        table = {int(name.removeprefix("k")): value for name, value in by_size.items()}

        def answer(specs, *_):
            value = table[len(specs)]
            if isinstance(value, Exception):
                raise value
            return value * len(specs)

        monkeypatch.setattr(group_size, "_step_seconds", answer)

    return set_to


def test_a_few_real_steps_are_measured(make_spec, recipe, digits):
    found = measure_group_size([make_spec(), make_spec(blocks=2)], recipe, digits, largest=4)
    assert found.size in found.seconds
    assert set(found.seconds) <= {1, 2, 4}
    assert all(value > 0 for value in found.seconds.values())
    assert found.why


def test_the_fastest_size_is_taken(make_spec, recipe, digits, timed):
    timed(k1=1.0, k2=0.8, k4=0.6, k8=0.5)
    found = measure_group_size([make_spec()], recipe, digits, largest=8)
    assert found == GroupSize(
        size=8,
        seconds=pytest.approx({1: 1.0, 2: 0.8, 4: 0.6, 8: 0.5}),
        why="8 candidates together take 0.50 of their time one by one; more than 8 are not tried",
    )


def test_larger_groups_are_not_tried_where_two_sizes_gain_nothing(
    make_spec, recipe, digits, timed
):
    timed(k1=1.0, k2=0.7, k4=0.69, k8=0.71)
    found = measure_group_size([make_spec()], recipe, digits)
    assert (found.size, set(found.seconds)) == (2, {1, 2, 4, 8})
    assert found.why.endswith("4 and 8 gain nothing more")


def test_one_size_that_gains_nothing_may_be_chance(make_spec, recipe, digits, timed):
    timed(k1=1.0, k2=1.1, k4=0.6)
    assert measure_group_size([make_spec()], recipe, digits, largest=4).size == 4


def test_where_fusing_loses_candidates_train_one_by_one(make_spec, recipe, digits, timed):
    timed(k1=1.0, k2=1.2, k4=1.3)
    found = measure_group_size([make_spec()], recipe, digits)
    assert found.size == 1
    assert found.why == "candidates train one by one: 2 and 4 gain nothing more"


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't allocate memory: 9 GB")])
def test_what_does_not_fit_ends_the_search(make_spec, recipe, digits, timed, error):
    timed(k1=1.0, k2=0.7, k4=error)
    found = measure_group_size([make_spec()], recipe, digits)
    assert found.size == 2
    assert found.why.endswith("4 do not fit")


def test_what_fails_otherwise_is_logged_and_named(make_spec, recipe, digits, timed, caplog):
    timed(k1=1.0, k2=RuntimeError("kernel\nlost"))
    found = measure_group_size([make_spec()], recipe, digits)
    said = "2 could not be trained together (RuntimeError: kernel)"
    assert found.why == f"candidates train one by one: {said}"
    assert "2 candidates could not be trained together" in caplog.text


def test_a_group_is_compared_with_the_same_networks_alone(make_spec, recipe, digits, monkeypatch):
    # The first network takes a tenth of the second; as a group both take their sum.
    cost = {1: 0.1, 2: 1.0}
    monkeypatch.setattr(
        group_size,
        "_step_seconds",
        lambda specs, *_: sum(cost[spec.depths[0]] for spec in specs),
    )
    found = measure_group_size([make_spec(), make_spec(blocks=2)], recipe, digits)
    assert found.size == 1
    assert found.seconds == pytest.approx({1: 0.55, 2: 0.55, 4: 0.55})


def test_a_full_memory_is_met_by_the_real_network(make_spec, recipe, digits, monkeypatch):
    class Tight(FusedResNet):
        def __init__(self, networks, device):
            raise MemoryError

    monkeypatch.setattr(group_size, "FusedResNet", Tight)
    found = measure_group_size([make_spec()], recipe, digits)
    assert (found.size, set(found.seconds)) == (1, {1})
    assert found.why == "candidates train one by one: 2 do not fit"


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_measuring_is_possible_in_every_precision(sample, recipe, digits, precision):
    changed = recipe.model_copy(update={"precision": precision})
    specs = sample(2, space={"width": 8})
    assert set(measure_group_size(specs, changed, digits, largest=2).seconds) == {1, 2}


def test_what_cannot_be_fused_is_not_measured(make_spec, recipe, digits):
    own = make_spec().changed(block=BlockClass(class_path="some.where.Branch"))
    found = measure_group_size([own, own], recipe, digits)
    assert found == GroupSize(size=1, seconds={}, why="these networks cannot be fused")


def test_an_unknown_device_is_refused(make_spec, recipe, digits):
    with pytest.raises(UserError, match="got device='gpu'"):
        measure_group_size([make_spec()], recipe, digits, device="gpu")

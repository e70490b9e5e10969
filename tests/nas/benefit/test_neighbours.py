import numpy as np
import pytest

from nas.benefit.effect_rows import effect_rows
from nas.benefit.effects import analyse
from nas.benefit.neighbours import given_neighbours
from nas.benefit.places import block_facts
from nas.benefit.questions import Question
from search_spaces.spec import Kind


def found(planted, gamma, num_kinds=2, rows=192):
    """y = 0.5 per skip plus gamma per pair of neighbouring skips."""
    tau = np.zeros((6, 3))
    tau[:, 1:] = 0.5
    world = planted.world(tau, gamma=gamma, num_kinds=num_kinds)
    rng = np.random.default_rng(0)
    sample = world.draw(rng, rows, lambda r, codes: 0.1 * r.normal(size=len(codes)))
    return analyse(sample, tuple(Kind)[:num_kinds], 0.05)


@pytest.mark.parametrize("num_kinds", [2, 3])
def test_substitutes_help_less_beside_a_skip(planted, num_kinds):
    models = found(planted, -0.3, num_kinds, rows=96 * num_kinds).models
    for position, num_neighbours in ((0, 1), (3, 2), (5, 1)):
        given = given_neighbours(models, Question("AMCE", "identity", "none", 1, position))
        assert given["off"]["estimate"] == pytest.approx(0.5, abs=0.12)
        assert given["on"]["estimate"] == pytest.approx(0.5 - 0.3 * num_neighbours, abs=0.12)
        assert given["on"]["ci_low"] < given["on"]["estimate"] < given["on"]["ci_high"]


def test_the_average_lies_between_for_two_kinds(planted):
    analysis = found(planted, -0.3)
    rows = effect_rows(analysis, block_facts(analysis.sample.places, planted.context), (3, 3))
    blocks = [row for row in rows if row["estimand"] == "AMCE"]
    for row in blocks:
        given = row["neighbour_conditional"]
        middle = (given["on"]["estimate"] + given["off"]["estimate"]) / 2
        assert row["estimate"] == pytest.approx(middle)
    coarse = [row for row in rows if row["estimand"] == "AMCE_ALL"]
    assert coarse[0]["neighbour_conditional"] == {"on": None, "off": None}


def test_without_pairs_in_the_model_there_is_nothing_to_tell(planted):
    models = found(planted, 0.0, rows=48).models
    nothing = {"on": None, "off": None}
    assert given_neighbours(models, Question("AMCE", "identity", "none", 1, 0)) == nothing

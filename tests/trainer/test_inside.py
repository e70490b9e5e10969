from dataclasses import replace

import pytest

from search_spaces import Kind, Place, build_candidate
from trainer import Measurement
from trainer.block_evidence import branch_lesions, branch_shortcut_ratios
from trainer.inside import LESION_BRANCH, LESION_SHORTCUT, RATIO, look_inside
from trainer.module import CandidateModule
from trainer.seeding import generator
from trainer.train import train


def test_it_keeps_what_the_single_measures_say_and_none_where_there_is_no_shortcut(
    digits, make_spec
):
    spec = make_spec(blocks=2).with_kinds({Place(1, 2): Kind.NONE})
    network, val = build_candidate(spec, generator(1, "init")), digits.to("cpu").val
    found = look_inside(network, val)
    assert found[RATIO][1] is None
    assert found[LESION_SHORTCUT][1] is None
    assert found[LESION_BRANCH] == branch_lesions(network, *val)
    assert found[RATIO][0] == branch_shortcut_ratios(network, val.images)[0]


@pytest.mark.parametrize("path", ["auto", "ordinary"])
def test_a_group_and_one_alone_see_the_same_inside(digits, make_spec, candidate, recipe, path):
    others = [replace(candidate, key=f"trial-{i}", seed=i) for i in (1, 2)]
    trained = train([candidate, *others], recipe, digits, path=path, evidence=True)
    alone = train([candidate], recipe, digits, path="ordinary", evidence=True)
    assert len(trained[0].evidence[RATIO]) == len(list(candidate.spec.places()))
    for name, values in trained[0].evidence.items():
        assert values == pytest.approx(alone[0].evidence[name], rel=1e-3, abs=0.01)
    assert trained[1].evidence != trained[0].evidence


def test_nothing_is_looked_at_unasked_nor_in_a_module_of_the_users(digits, candidate, recipe):
    assert train([candidate], recipe, digits)[0].evidence == {}
    found = train([candidate], recipe, digits, evidence=True, module_class=_Own)
    assert found[0].evidence == {}


def test_it_survives_json(digits, candidate, recipe):
    [found] = train([candidate], recipe, digits, evidence=True)
    assert Measurement.from_dict(found.to_dict()) == found


class _Own(CandidateModule):
    """A module whose outputs may be anything."""

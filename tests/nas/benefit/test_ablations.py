"""How paired trainings are grouped; what is estimated of them is in test_paired."""

import pytest

from nas.benefit.ablations import contrasts_of, group_ablations
from nas.flips import Flip
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import Kind, Place


def run(number: int, spec, base: str, flip: str | None, replicate: int = 0) -> TrialRecord:
    return TrialRecord(
        number=number,
        state=State.COMPLETE,
        source=Source.PAIRED,
        decisions={},
        spec=spec,
        base=base,
        flip=flip,
        replicate=replicate,
        params=complexity_of(spec),
    )


def complexity_of(spec) -> int:
    return sum(kind is Kind.PROJECTION for kind in spec.kinds)


@pytest.mark.parametrize(
    ("own", "new", "estimand", "kind", "reference", "base_is_first"),
    [
        (Kind.IDENTITY, Kind.NONE, "ABL", "identity", "none", True),
        (Kind.PROJECTION, Kind.NONE, "ABL", "projection", "none", True),
        (Kind.NONE, Kind.IDENTITY, "ADD", "identity", "none", False),
        (Kind.NONE, Kind.PROJECTION, "ADD", "projection", "none", False),
        (Kind.IDENTITY, Kind.PROJECTION, "KIND", "projection", "identity", False),
        (Kind.PROJECTION, Kind.IDENTITY, "KIND", "projection", "identity", True),
    ],
)
def test_sign_is_always_that_of_having_the_skip(
    planted, own: Kind, new: Kind, estimand: str, kind: str, reference: str, base_is_first: bool
) -> None:
    network = planted.space.uniform((5, 5, 5), own)
    changed = network.with_kinds({Place(2, 3): new})
    rows = [run(0, network, "trial 4", None), run(1, changed, "trial 4", f"stage2.block3={new}")]
    [ablation] = group_ablations(rows)
    [contrast] = contrasts_of(ablation)
    told = (contrast.estimand, contrast.kind, contrast.reference_kind)
    assert told == (estimand, kind, reference)
    first = contrast.pairs()[0][0]
    assert (first.flip is None) is base_is_first
    assert contrast.where(ablation)["position"] == 8
    more = 1 if Kind.PROJECTION.value == kind else 0
    assert contrast.difference("params") == more
    assert contrast.difference("macs") is None


def test_bases_keep_the_order_in_which_they_were_begun(planted) -> None:
    plain = planted.plain
    rows = [
        run(5, plain, "plain-32", None),
        run(3, plain, "trial 4", None),
        run(4, plain, "trial 4", None, replicate=1),
        run(6, plain, "identity-32", "stage1.block1=none"),
    ]
    found = group_ablations(rows)
    # The last one has no training of its base yet.
    assert [ablation.base for ablation in found] == ["trial 4", "plain-32"]
    assert sorted(found[0].runs) == [0, 1]


def test_flip_of_an_absent_block_has_no_position(planted) -> None:
    rows = [run(0, planted.plain, "b", None), run(1, planted.plain, "b", "stage9.block1=identity")]
    [ablation] = group_ablations(rows)
    [contrast] = contrasts_of(ablation)
    assert contrast.where(ablation)["position"] is None
    assert ablation.flips.keys() == {Flip(((Place(9, 1), Kind.IDENTITY),))}
    assert contrast.difference("params") == 0

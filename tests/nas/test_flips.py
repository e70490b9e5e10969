import pytest

from nas.errors import ConfigError
from nas.flips import Flip, flipped, legal_flips, legality
from search_spaces import make_space
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec, InputShape, Kind, Place

DIGITS = InputShape(channels=1, height=8, width=8)


def space_of(**fields: object) -> SearchSpace:
    return make_space({"max_blocks": 2, "width": 2, **fields}, DIGITS, num_classes=10)


SPACE = space_of()
FULL = SPACE.uniform((2, 2, 2), Kind.IDENTITY)
PLAIN = SPACE.uniform((2, 2, 2), Kind.NONE)


def codes(flips: dict[Flip, ArchitectureSpec]) -> dict[str, str]:
    return {str(flip): spec.code for flip, spec in flips.items()}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("stage2.block1=none", "stage2.block1=none"),
        (" stage2.block1 = none ", "stage2.block1=none"),
        ("stage2.block1=none,stage1.block2=projection",) * 2,
    ],
)
def test_flips_are_read_and_shown_in_network_order(text: str, shown: str) -> None:
    flip = Flip.parse(text)
    assert str(flip) == ",".join(sorted(shown.split(",")))
    assert Flip.parse(str(flip)) == flip
    assert (flip.single is None) is ("," in text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stage2.block1", r"must be a block and its new kind, got 'stage2\.block1'"),
        ("", "must be a block and its new kind, got ''"),
        ("block1=none", r"named like 'stage2\.block1' \(from 1\), got 'block1'"),
        ("stage2.block1=nothing", r"Unknown kind of shortcut 'nothing'\..*Known"),
        ("stage1.block1=none,stage1.block1=identity", r"got stage1\.block1 twice"),
    ],
)
def test_what_is_no_flip_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Flip.parse(text)


def test_every_block_is_flipped_to_each_other_kind_in_network_order() -> None:
    found = codes(legal_flips(SPACE, FULL))
    assert len(found) == 12
    assert list(found.items())[:3] == [
        ("stage1.block1=none", "2-2-2 NI II II"),
        ("stage1.block1=projection", "2-2-2 PI II II"),
        ("stage1.block2=none", "2-2-2 IN II II"),
    ]


def test_several_blocks_can_change_at_once() -> None:
    flip = Flip.parse("stage1.block1=none,stage3.block2=projection")
    assert flipped(SPACE, FULL, flip).code == "2-2-2 NI II IP"


def test_kinds_that_the_space_has_not_are_no_flips() -> None:
    space = space_of(kinds=["none", "identity"])
    assert all(flip.changes[0][1] is Kind.NONE for flip in legal_flips(space, FULL))
    assert not legality(space, FULL)(Flip.parse("stage1.block1=projection"))


def test_plain_network_of_a_space_without_none_gets_the_kinds_of_the_space() -> None:
    space = space_of(kinds=["identity", "projection"])
    found = codes(legal_flips(space, PLAIN))
    assert len(found) == 12
    assert found["stage2.block1=projection"] == "2-2-2 NN PN NN"
    # A block with a skip cannot lose it there.
    assert {flip.changes[0][1] for flip in legal_flips(space, FULL)} == {Kind.PROJECTION}


def test_first_skip_of_its_kind_is_as_the_space_has_it() -> None:
    space = space_of(zero_init=True, projection="avgpool")
    plain = space.uniform((2, 2, 2), Kind.NONE)
    assert not plain.zero_init
    added = flipped(space, plain, Flip.parse("stage1.block1=identity"))
    assert added.zero_init
    full = space.uniform((2, 2, 2), Kind.IDENTITY)
    projected = flipped(space, full, Flip.parse("stage2.block1=projection"))
    assert projected.projection == "avgpool"
    assert all(space.contains(spec) for spec in legal_flips(space, full).values())


class TestLongSkips:
    SPACE = space_of(name="longskip", max_span=3, max_fan_in=2, max_blocks=2)

    def long(self) -> ArchitectureSpec:
        plain = self.SPACE.uniform((2, 2, 2), Kind.NONE)
        return plain.with_skips(
            [
                {"from": "stage1.block1", "to": "stage2.block1", "kind": "identity"},
                {"from": "stage1.block2", "to": "stage2.block1", "kind": "identity"},
                {"from": "stage3.block1", "to": "stage3.block1", "kind": "identity"},
            ]
        )

    def test_kind_changes_and_the_span_stays(self) -> None:
        spec = flipped(self.SPACE, self.long(), Flip.parse("stage2.block1=projection"))
        found = [(spec.span(skip), skip.kind.value) for skip in spec.incoming[2]]
        assert found == [(2, "projection"), (3, "identity")]

    def test_shortest_skip_goes_and_longer_ones_stay(self) -> None:
        spec = flipped(self.SPACE, self.long(), Flip.parse("stage2.block1=none"))
        assert [spec.span(skip) for skip in spec.incoming[2]] == [3]
        assert self.SPACE.contains(spec)

    def test_skip_that_is_added_is_of_the_classic_block(self) -> None:
        spec = flipped(self.SPACE, self.long(), Flip.parse("stage1.block2=identity"))
        assert [spec.span(skip) for skip in spec.incoming[1]] == [1]
        places = {flip.changes[0][0] for flip in legal_flips(self.SPACE, self.long())}
        assert places == set(spec.places())
        assert Place(2, 1) in places

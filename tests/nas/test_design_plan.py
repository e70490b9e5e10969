from collections import Counter
from itertools import islice

import pytest

from nas.design import design_rows
from nas.design_plan import DesignPlan, DesignRow
from nas.errors import ConfigError
from search_spaces import Kind, make_space
from search_spaces.space import SearchSpace
from tests.nas.spaces import INPUT, TransitionSpace


def make(**fields: object) -> SearchSpace:
    return make_space({"name": "longskip", "max_blocks": 2, **fields}, INPUT, 10)


def rows(space: SearchSpace, number: int, seed: int = 0) -> list[DesignRow]:
    return list(islice(DesignPlan(space, seed).rows(), number))


def test_rows_of_a_space_without_spans_are_those_of_the_balanced_design() -> None:
    space = make_space({"kinds": ["projection", "none", "identity"]}, INPUT, 10)
    plain = space.uniform(space.deepest, Kind.NONE)
    design = design_rows(list(plain.places()), list(Kind), 3)
    expected = [plain.with_kinds(kinds).spec_id for kinds in islice(design, 20)]
    assert [row.spec.spec_id for row in rows(space, 20, seed=3)] == expected


def test_the_reference_is_the_plain_network_of_the_rows() -> None:
    space = make_space({"width": [4, 8], "block": ["bottleneck", "basic"]}, INPUT, 10)
    assert DesignPlan(space, 0).reference == space.uniform(space.deepest, Kind.NONE)
    assert {row.spec.stem_width for row in rows(space, 12)} == {4}


def test_kinds_are_balanced_and_spans_uniform_given_a_skip() -> None:
    found = rows(make(max_span=3, across_stages=False, max_blocks=3), 480)
    for index, place in enumerate(found[0].spec.places()):
        kinds = Counter(row.spec.ending_kinds[index] for row in found)
        assert kinds == dict.fromkeys(Kind, 160)
        spans = Counter(row.spec.spans[index] for row in found)
        assert set(spans) == set(range(place.block + 1))
        # 320 skips: binomial standard deviation of a span's count is at most 9.
        expected = 320 / place.block
        assert all(abs(spans[s] - expected) < 36 for s in range(1, place.block + 1))


def test_rows_have_at_most_one_skip_per_addition_and_are_in_the_space() -> None:
    space = make(max_fan_in=2)
    for row in rows(space, 24):
        assert all(len(skips) <= 1 for skips in row.spec.incoming)
        assert space.decisions(row.spec) == row.answers
        assert space.from_decisions(row.answers) == row.spec


def test_the_same_seed_gives_the_same_rows_however_far_they_are_read() -> None:
    space = make()
    assert rows(space, 5) == rows(space, 30)[:5]
    assert rows(space, 5, seed=1) != rows(space, 5)


def test_spans_of_equal_kinds_differ_from_row_to_row() -> None:
    # Nine kinds of two blocks; the second has two spans: 3 * (1 + 2 * 2) networks.
    space = make(stages=1)
    plan = DesignPlan(space, 0)
    assert plan.num_patterns == 15 == sum(1 for spec in space if spec.depths == (2,))
    found = Counter(row.spec.spec_id for row in rows(space, 18))
    twice = [row for row in rows(space, 18) if found[row.spec.spec_id] > 1]
    assert {row.spec.spans[1] for row in twice} <= {0}


@pytest.mark.parametrize("across", [False, True])
def test_patterns_are_counted_exactly(across: bool) -> None:
    space = make(stages=2, min_blocks=2, across_stages=across, max_span=3)
    assert DesignPlan(space, 0).num_patterns == space.size


def test_a_users_space_has_kinds_of_its_own_at_every_block() -> None:
    plan = DesignPlan(TransitionSpace(), 0)
    assert {str(place): own.kinds for place, own in plan.choices.items()} == {
        "stage1.block1": (Kind.NONE, Kind.IDENTITY),
        "stage1.block2": tuple(Kind),
        "stage2.block1": (Kind.PROJECTION,),
        "stage2.block2": tuple(Kind),
    }
    assert plan.num_patterns == 2 * 3 * 3
    assert plan.reference.code == "2-2 NN NN"
    found = rows(TransitionSpace(), 18)
    assert len({row.spec.spec_id for row in found}) == 18
    assert {row.spec.kinds[2] for row in found} == {Kind.PROJECTION}
    assert {row.answers["width"] for row in found} == {4}


def test_a_space_without_decisions_about_skips_is_refused() -> None:
    plan = DesignPlan(TransitionSpace(names="wiring"), 0)
    assert plan.choices == {}
    with pytest.raises(
        ConfigError,
        match=r"search\.goal: a share of random rows needs a space with decisions named "
        r"skip\.stage<i>\.block<j>.*got space=TransitionSpace without one\. Search with "
        r"search\.goal=best",
    ):
        plan.check("search.goal")


TWO = ["none", "identity"]


def residual(**fields: object) -> SearchSpace:
    return make_space({"max_blocks": 2, "kinds": TWO, **fields}, INPUT, 10)


def codes(found: list[DesignRow]) -> list[str]:
    return ["".join(kind.value[0] for kind in row.spec.ending_kinds) for row in found]


def mirror(code: str) -> str:
    return code.translate(str.maketrans("ni", "in"))


def test_auto_mirrors_two_kinds_and_nothing_else() -> None:
    assert DesignPlan(residual(), 0).design == "mirrored"
    assert DesignPlan(residual(), 0, design="random").design == "random"
    others = [
        residual(kinds=[*TWO, "projection"]),
        residual(kinds=["identity"]),
        make(max_span=2, kinds=TWO),
        TransitionSpace(),
        TransitionSpace(names="wiring"),
    ]
    assert [DesignPlan(space, 0).design for space in others] == ["random"] * 5
    # Without longer spans nothing is drawn.
    assert DesignPlan(make(max_span=1, kinds=TWO), 0).design == "mirrored"


def test_rows_of_two_kinds_come_in_mirrored_pairs_of_whole_fold_overs() -> None:
    plan = DesignPlan(residual(), 3)
    assert (plan.unit, plan.whole) == (2, 16)
    found = codes(list(islice(plan.rows(), 16)))
    assert all(mirror(a) == b for a, b in zip(found[::2], found[1::2], strict=True))
    for place in range(6):
        # Orthogonal: every pair of blocks has each of its four patterns equally often.
        for other in range(place):
            assert set(Counter((row[place], row[other]) for row in found).values()) == {4}


def test_a_mirrored_pair_is_trained_at_every_rate() -> None:
    plan = DesignPlan(residual(), 0, lr_factors=(0.333, 1.0))
    assert (plan.unit, plan.whole, plan.num_rows) == (2, 32, 2 * 2**6)
    found = list(islice(plan.rows(), 32))
    trained = Counter(zip(codes(found), [row.lr_factor for row in found], strict=True))
    assert set(trained.values()) == {1}
    assert len(set(codes(found))) == 16
    assert Counter(row.lr_factor for row in found[:8]) == {0.333: 4, 1.0: 4}
    assert codes(found[:16]) == codes(list(islice(DesignPlan(residual(), 0).rows(), 16)))


def test_balanced_sets_of_three_kinds_have_one_rate_each() -> None:
    space = make_space({"max_blocks": 5}, INPUT, 10)
    plan = DesignPlan(space, 0, lr_factors=(0.5, 1.0))
    assert (plan.unit, plan.whole) == (12, 24)
    found = list(islice(plan.rows(), 24))
    assert {len({row.lr_factor for row in part}) for part in (found[:12], found[12:])} == {1}
    assert {found[0].lr_factor, found[12].lr_factor} == {0.5, 1.0}
    assert [row.spec for row in found] == [r.spec for r in islice(DesignPlan(space, 0).rows(), 24)]
    # A small space is enumerated in sets of three.
    assert DesignPlan(make_space({"max_blocks": 2}, INPUT, 10), 0).unit == 3


@pytest.mark.parametrize(
    ("space", "got"),
    [
        (residual(kinds=list(map(str, Kind))), "stage1.block1 with none, identity, projection"),
        (residual(kinds=["identity"]), "one kind at every block"),
        (make(max_span=2, kinds=TWO), "a LongSkipSpace that draws more, such as spans"),
    ],
)
def test_what_cannot_be_mirrored_is_refused_where_it_was_asked_for(
    space: SearchSpace, got: str
) -> None:
    with pytest.raises(
        ConfigError,
        match=rf"search\.design=mirrored needs blocks of two kinds and nothing else that is "
        rf"drawn, got {got}\. Set space\.kinds to two of them, or search\.design=random\.",
    ):
        DesignPlan(space, 0, design="mirrored").check("search.mode")

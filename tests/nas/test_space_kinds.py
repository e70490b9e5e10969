import pytest

from nas.space_kinds import BlockChoices, choices_of, factor_of, kinds_of
from search_spaces import InputShape, Kind, make_space
from search_spaces.space import Decision
from search_spaces.spec import Place
from tests.nas.spaces import TransitionSpace

INPUT = InputShape(channels=1, height=8, width=8)


@pytest.mark.parametrize("kinds", [["none", "identity", "projection"], ["projection", "none"]])
def test_the_kinds_are_those_that_blocks_may_have(kinds: list[str]) -> None:
    space = make_space({"kinds": kinds}, INPUT, 10)
    assert kinds_of(space) == tuple(kind for kind in Kind if kind.value in kinds)


def test_the_kinds_of_a_users_space_are_those_of_any_block() -> None:
    assert kinds_of(TransitionSpace()) == tuple(Kind)
    assert kinds_of(TransitionSpace(names="wiring")) == ()


def test_spans_grow_with_the_blocks_before() -> None:
    space = make_space({"name": "longskip", "max_blocks": 2, "max_span": 3}, INPUT, 10)
    choices = choices_of(space)
    assert [own.spans for own in choices.values()] == [(1,), (1, 2), *[(1, 2, 3)] * 4]
    within = make_space({"name": "longskip", "max_blocks": 2, "across_stages": False}, INPUT, 10)
    assert [own.spans for own in choices_of(within).values()] == [(1,), (1, 2)] * 3


def test_blocks_of_the_residual_space_have_span_one() -> None:
    choices = choices_of(make_space({"max_blocks": 1}, INPUT, 10))
    assert choices[Place(2, 1)] == BlockChoices(kinds=tuple(Kind), spans=(1,))


@pytest.mark.parametrize(
    ("name", "choices", "place"),
    [
        ("skip.stage2.block1", ("none", "identity"), Place(2, 1)),
        ("skip2.stage2.block1", ("none", "identity"), None),
        ("skip.stage2.block1", ("none", "dense"), None),
        ("skip.stage2.block1", (0, 1), None),
        ("depth.stage1", (1, 2), None),
    ],
)
def test_a_factor_is_a_decision_about_the_kind_of_a_block(
    name: str, choices: tuple[str | int, ...], place: Place | None
) -> None:
    assert factor_of(Decision(name=name, choices=choices)) == place

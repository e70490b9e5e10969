"""Every mistake in a space of a user's own is told before anything is trained."""

from collections.abc import Callable
from typing import Any

import pytest

from nas.own_space import check_space, of_other_data, strangers
from search_spaces import list_spaces, make_space
from search_spaces.errors import SpaceError
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig
from search_spaces.space import Choose, Decision, Value
from search_spaces.spec import ArchitectureSpec, InputShape, Kind

DIGITS = InputShape(channels=1, height=8, width=8)


class Own(ResidualSpace):
    """Two stages of up to three blocks; a test replaces one member."""

    def __init__(self) -> None:
        config = ResidualSpaceConfig(stages=2, max_blocks=3, width=4)
        super().__init__(config, DIGITS, 10)


def broken(**members: Any) -> Own:
    """Make a space of which some members are others."""
    return type("Own", (Own,), {"__module__": "my", **members})()


def asking(*more: Decision) -> Callable[[Own, Choose], ArchitectureSpec]:
    """Return a `decide` that asks more decisions before its own."""

    def decide(self: Own, choose: Choose) -> ArchitectureSpec:
        for decision in more:
            choose(decision)
        return ResidualSpace.decide(self, choose)

    return decide


def deciding(change: Callable[[ArchitectureSpec], Any]) -> Callable[[Own, Choose], Any]:
    """Return a `decide` whose networks are changed."""

    def decide(self: Own, choose: Choose) -> Any:
        return change(ResidualSpace.decide(self, choose))

    return decide


def raising(error: Exception) -> Callable[..., Any]:
    def member(*args: object) -> Any:
        raise error

    return member


def told(space: Own) -> str:
    with pytest.raises(SpaceError) as caught:
        check_space(space, DIGITS, 10)
    message = str(caught.value)
    assert message.startswith("space: my.Own")
    assert message.endswith(". Mend the class.")
    return message


@pytest.mark.parametrize("name", list_spaces())
def test_shipped_spaces_are_fine(name: str) -> None:
    check_space(make_space({"name": name}, DIGITS, 10), DIGITS, 10)


@pytest.mark.parametrize(
    ("decide", "said"),
    [
        (deciding(lambda _: None), "decide must return an ArchitectureSpec, got None"),
        (deciding(lambda spec: spec.to_dict()), "must return an ArchitectureSpec, got {'schema"),
        (
            raising(KeyError("x")),
            "decide must build a network from any answers, got KeyError: 'x'",
        ),
        (raising(SpaceError("no")), "from any answers, got SpaceError: no in test_own_space.py"),
        (
            deciding(lambda spec: spec.changed(input={"channels": 3, "height": 8, "width": 8})),
            "input=(channels=1 height=8 width=8), got input=(channels=3 height=8 width=8)",
        ),
        (
            deciding(lambda spec: spec.changed(num_classes=2)),
            "for the data, num_classes=10, got 2",
        ),
        (
            deciding(lambda spec: spec.changed(stages=[*spec.to_dict()["stages"]] * 2)),
            "decide must build nothing beyond deepest=(3, 3), got (",
        ),
        (asking(Decision(name="x", choices=())), "give 'x' at least one choice, got choices=()"),
        (asking(Decision(name="x", choices=(1, 1))), "give 'x' every choice once, got choices=(1"),
        (
            asking(Decision(name="x", choices=[1, 2])),  # type: ignore[arg-type]
            "give 'x' a tuple of ints and strs as choices, got choices=[1, 2]",
        ),
        (
            asking(Decision(name="x", choices=(0.1, 0.2))),  # type: ignore[arg-type]
            "give 'x' a tuple of ints and strs as choices, got choices=(0.1, 0.2)",
        ),
        (
            asking(Decision(name=3, choices=(1,))),  # type: ignore[arg-type]
            "name every decision with a str, got 3",
        ),
        (asking("x"), "call choose with a Decision, got 'x'"),  # type: ignore[arg-type]
        (
            asking(*[Decision(name="x", choices=(1,))] * 2),
            "ask every decision once, got 'x' twice",
        ),
        (
            asking(Decision(name="lr", choices=(1, 2))),
            "my.Own must name no decision like a column of the tables or a value of the recipe, "
            "got name='lr'",
        ),
        (
            asking(Decision(name="x", choices=(1, 2))),
            "decisions must return the answers that lead to a network of the space",
        ),
        (
            deciding(lambda spec: spec.with_skips([])),
            "my.Own must answer 'skip.stage",
        ),
    ],
)
def test_what_decide_does_wrong_is_told(decide: Any, said: str) -> None:
    assert said in told(broken(decide=decide))


def test_choices_that_depend_on_answers_are_told_but_for_ranges() -> None:
    def asks(words: Callable[[int], tuple[Value, ...]]) -> Own:
        def decide(self: Own, choose: Choose) -> ArchitectureSpec:
            spec = ResidualSpace.decide(self, choose)
            choose(Decision(name="x", choices=words(spec.num_blocks)))
            return spec

        def decisions(self: Own, spec: ArchitectureSpec) -> dict[str, Value]:
            return ResidualSpace.decisions(self, spec) | {"x": words(spec.num_blocks)[0]}

        return broken(decide=decide, decisions=decisions)

    said = told(asks(lambda blocks: ("a",) if blocks % 2 else ("b",)))
    assert "give 'x' the same choices in the same order whatever was answered before" in said
    check_space(asks(lambda blocks: (blocks,)), DIGITS, 10)


def test_network_that_depends_on_more_than_its_answers_is_told() -> None:
    calls: list[int] = []

    def decide(self: Own, choose: Choose) -> ArchitectureSpec:
        calls.append(1)
        spec = ResidualSpace.decide(self, choose)
        return spec if len(calls) % 2 else spec.changed(norm="none")

    said = told(broken(decide=decide, decisions=lambda self, spec: _answers(spec)))
    assert "decide must build the same network from the same answers" in said


def _answers(spec: ArchitectureSpec) -> dict[str, Value]:
    depths: dict[str, Value] = {f"depth.stage{i}": d for i, d in enumerate(spec.depths, start=1)}
    kinds = zip(spec.places(), spec.kinds, strict=True)
    return depths | {f"skip.{place}": kind.value for place, kind in kinds}


@pytest.mark.parametrize(
    ("decisions", "said"),
    [
        (raising(SpaceError("not mine")), "such as .*, got SpaceError: not mine"),
        (raising(IndexError("far")), "got IndexError: far"),
        (lambda self, spec: {}, "depth.stage1=None where decide was given"),
        (
            lambda self, spec: dict(reversed(ResidualSpace.decisions(self, spec).items())),
            "in the order of decide, got",
        ),
        (
            lambda self, spec: _answers(spec),
            "decisions must raise SpaceError for a network that the space does not hold, such as "
            ".* with another input, got answers",
        ),
        (
            lambda self, spec: (
                _answers(spec)
                if (spec.input, spec.num_classes) == (DIGITS, 10)
                else ResidualSpace.decisions(self, spec)
            ),
            "with another width, got answers",
        ),
        (
            lambda self, spec: (
                ResidualSpace.decisions(self, spec) if spec.stem_width == 4 else [*spec.skips][9]
            ),
            "with another width, got IndexError: list index out of range in test_own_space.py, l",
        ),
    ],
)
def test_what_decisions_does_wrong_is_told(decisions: Any, said: str) -> None:
    with pytest.raises(SpaceError, match=said):
        check_space(broken(decisions=decisions), DIGITS, 10)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"size": 0}, "size must be an int >= 1, got 0"),
        ({"size": 4.0}, "size must be an int >= 1, got 4.0"),
        ({"size": property(raising(NameError("n")))}, "size must be an int >= 1, got NameError"),
        ({"size": 2}, "size must count all networks, got 2 after drawing"),
        ({"deepest": [3, 3]}, "deepest must be a tuple of ints >= 1, .* got \\[3, 3\\]"),
        ({"deepest": (2, 2)}, "anchor_depths must be .* with deepest=\\(2, 2\\)"),
        ({"anchor_depths": ()}, "anchor_depths must be tuples .* got \\(\\) with"),
        ({"anchor_depths": ((3, 3), (1, 1))}, "in ascending order, of which deepest is the last"),
        ({"uniform": raising(ValueError("odd"))}, r"uniform\(\(1, 1\), none\) must .* ValueError"),
        (
            {"uniform": lambda self, depths, kind: ResidualSpace.uniform(self, (3, 3), kind)},
            r"uniform\(\(1, 1\), none\) must build .*, got depths=\(3, 3\)",
        ),
        (
            {"uniform": lambda self, d, kind: ResidualSpace.uniform(self, d, Kind.NONE)},
            r"uniform\(\(1, 1\), identity\) must build .* one kind everywhere, got the network 1-1",
        ),
        ({"uniform": lambda *_: None}, "must return an ArchitectureSpec, got None"),
        ({"fixed_in_design": lambda *_: 7}, "fixed_in_design must return one .*, or None, got 7"),
        ({"fixed_in_design": raising(KeyError(1))}, "fixed_in_design must .* KeyError: 1"),
    ],
)
def test_what_the_space_as_a_whole_does_wrong_is_told(members: dict[str, Any], said: str) -> None:
    with pytest.raises(SpaceError, match=f"^space: my.Own.*{said}.*Mend the class"):
        check_space(broken(**members), DIGITS, 10)


def test_strangers_differ_from_the_network() -> None:
    spec = Own().uniform((2, 2), Kind.IDENTITY)
    others = dict(strangers(spec))
    assert {name for name, other in others.items() if other == spec} == {"identity everywhere"}
    assert others["a block more"].depths == (2, 3)
    assert [skip.start for skip in others["one long skip"].skips] == ["stage1.block1"]
    assert all(other.input == DIGITS for other in others.values())
    assert [name for name, _ in of_other_data(spec)] == ["another input", "another num_classes"]

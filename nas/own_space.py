"""A search space of the user's own, tried out before a study starts; no torch here.

Without this, a study would find out late what a space does wrong: at a rare answer, in its tables,
or never, where a decision says one thing and the network is another.
"""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from nas.decision_names import name_problem
from search_spaces.class_paths import in_words
from search_spaces.errors import SpaceError, SpecError
from search_spaces.space import Decision, SearchSpace, Value
from search_spaces.spec import ArchitectureSpec, InputShape, Kind, span_one_skips

_T = TypeVar("_T")
_NUM_SAMPLES = 20
_NUM_COMPARED = 5
"""Samples whose likes outside the space are tried too; that takes longest."""


def check_space(space: SearchSpace, input: InputShape, num_classes: int) -> None:
    """Draw a few networks and hold the space to what a study relies on.

    Args:
        space: The space.
        input: Shape of the data's images.
        num_classes: Classes of the data.

    Raises:
        SpaceError: It does something wrong; the message says what.
    """
    check = _Check(space, input, num_classes)
    check.check_size_and_depths()
    check.check_uniform()
    draws = np.random.default_rng(0)
    specs = [check.check_sample(draws) for _ in range(_NUM_SAMPLES)]
    different = len(set(specs))
    check.must(
        different <= space.size,
        ".size",
        "count all networks",
        f"{space.size} after drawing {different} different ones",
    )
    for spec in dict.fromkeys(specs[:_NUM_COMPARED]):
        check.check_strangers(spec)


def strangers(spec: ArchitectureSpec) -> list[tuple[str, ArchitectureSpec]]:
    """Return networks like `spec` that most spaces do not hold, and how they differ."""
    data = spec.to_dict()
    stages, last = data["stages"], data["stages"][-1]
    wider = [stage | {"width": 2 * stage["width"]} for stage in stages]
    deeper = [*stages[:-1], last | {"blocks": last["blocks"] + 1}]
    places = [str(place) for place in spec.places()]
    long = {"from": places[0], "to": places[-1], "kind": "projection"}
    fields: dict[str, dict[str, Any]] = {
        "another width": {"stem_width": 2 * spec.stem_width, "stages": wider},
        "another norm": {"norm": "none" if spec.norm == "batch" else "batch"},
        "a block more": {"stages": deeper},
        "a stage more": {"stages": [*stages, last | {"blocks": 1, "stride": 2}]},
        "no skips": {"skips": []},
        "one long skip": {"skips": [long]},
    }
    for kind in (Kind.IDENTITY, Kind.PROJECTION):
        skips = span_one_skips(dict.fromkeys(spec.places(), kind))
        fields[f"{kind} everywhere"] = {"skips": skips}
    return _changed(spec, fields)


def of_other_data(spec: ArchitectureSpec) -> list[tuple[str, ArchitectureSpec]]:
    """Return networks like `spec` for other images and classes, and how they differ."""
    shape = spec.input.model_dump()
    fields: dict[str, dict[str, Any]] = {
        "another input": {"input": shape | {"height": shape["height"] + 1}},
        "another num_classes": {"num_classes": spec.num_classes + 1},
    }
    return _changed(spec, fields)


def _changed(
    spec: ArchitectureSpec, fields: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, ArchitectureSpec]]:
    found: list[tuple[str, ArchitectureSpec]] = []
    for difference, values in fields.items():
        # At the limits of what a spec may be there is no such network.
        with contextlib.suppress(SpecError):
            found.append((difference, spec.changed(**values)))
    return found


class _BrokenRuleError(SpaceError):
    """What a space does wrong, to be told apart from what it raises itself."""


class _Check:
    """Holds a space to its rules, one after the other.

    Args:
        space: The space.
        input: Shape of the data's images.
        num_classes: Classes of the data.
    """

    def __init__(self, space: SearchSpace, input: InputShape, num_classes: int) -> None:
        self.space = space
        self.input = input
        self.num_classes = num_classes
        self.name = f"{type(space).__module__}.{type(space).__qualname__}"
        self.seen: dict[str, Decision] = {}
        """What every decision was when it was first asked."""

    def must(self, holds: bool, member: str, rule: str, got: object) -> None:
        """Raise what the user reads, unless a rule holds."""
        if not holds:
            self.fail(member, f"{rule}, got {got}")

    def fail(self, member: str, problem: str) -> None:
        """Raise what the user reads."""
        raise _BrokenRuleError(f"space: {self.name}{member} must {problem}. Mend the class.")

    def attempt(self, member: str, rule: str, work: Callable[[], _T]) -> _T:
        """Call what the user wrote, which can fail in any way."""
        try:
            return work()
        except _BrokenRuleError:
            raise
        except Exception as problem:
            said = in_words(problem, type(self.space).__module__)
            raise _BrokenRuleError(
                f"space: {self.name}{member} must {rule}, got {said}. Mend the class."
            ) from problem

    def check_size_and_depths(self) -> None:
        """Check what a study asks of the space as a whole."""
        size: Any = self.attempt(".size", "be an int >= 1", lambda: self.space.size)
        self.must(_is_count(size), ".size", "be an int >= 1", repr(size))
        rule = "be a tuple of ints >= 1, the most blocks of each stage"
        deepest: Any = self.attempt(".deepest", rule, lambda: self.space.deepest)
        self.must(_are_depths(deepest), ".deepest", rule, repr(deepest))
        rule = "be tuples of blocks per stage in ascending order, of which deepest is the last"
        anchors: Any = self.attempt(".anchor_depths", rule, lambda: self.space.anchor_depths)
        fine = isinstance(anchors, tuple) and all(map(_are_depths, anchors))
        fine = fine and [*anchors][-1:] == [deepest] and [*anchors] == sorted(set(anchors))
        self.must(fine, ".anchor_depths", rule, f"{anchors!r} with deepest={deepest!r}")

    def check_uniform(self) -> None:
        """Build the specs of all networks that are trained for comparison."""
        for depths in self.space.anchor_depths:
            for kind in Kind:
                call = f".uniform({depths}, {kind.value})"
                rule = "build the network of these depths and one kind everywhere"
                spec = self.attempt(call, rule, lambda d=depths, k=kind: self.space.uniform(d, k))
                self._check_network(call, spec)
                self.must(spec.depths == depths, call, rule, f"depths={spec.depths}")
                same = {*spec.kinds, *spec.ending_kinds} == {kind}
                self.must(same, call, rule, f"the network {spec.code}")

    def check_sample(self, draws: np.random.Generator) -> ArchitectureSpec:
        """Draw one network, and check it, its answers and their names."""
        answers: dict[str, Value] = {}

        def choose(decision: Decision) -> Value:
            self._check_decision(decision)
            once = decision.name not in answers
            self.must(once, ".decide", "ask every decision once", f"{decision.name!r} twice")
            drawn = decision.choices[int(draws.integers(len(decision.choices)))]
            answers[decision.name] = drawn
            return drawn

        rule = "build a network from any answers"
        spec = self.attempt(".decide", rule, lambda: self.space.decide(choose))
        self._check_network(".decide", spec)
        deepest = self.space.deepest
        fits = len(spec.depths) == len(deepest) and all(map(int.__le__, spec.depths, deepest))
        self.must(fits, ".decide", f"build nothing beyond deepest={deepest}", f"{spec.depths}")
        problem = name_problem(spec, answers)
        if problem is not None:
            self.fail("", problem)
        self._check_inverse(spec, answers)
        return spec

    def check_strangers(self, spec: ArchitectureSpec) -> None:
        """Ask for the answers of networks that are not, or need not be, in the space."""
        rule = "raise SpaceError for a network that the space does not hold"
        for difference, stranger in (*of_other_data(spec), *strangers(spec)):
            what = f"{rule}, such as {spec.code} with {difference}"
            with_it = lambda s=stranger: self._lead_to(s)  # noqa: E731
            self.must(self.attempt(".decisions", what, with_it), ".decisions", what, "answers")

    def _lead_to(self, spec: ArchitectureSpec) -> bool:
        """Say whether a network is outside, or its answers lead to it."""
        try:
            answers = self.space.decisions(spec)
        except SpaceError:
            return True
        try:
            return self.space.from_decisions(answers).spec_id == spec.spec_id
        except SpaceError:
            return False

    def _check_network(self, member: str, spec: Any) -> None:
        is_spec = isinstance(spec, ArchitectureSpec)
        self.must(is_spec, member, "return an ArchitectureSpec", repr(spec)[:80])
        rule = f"build networks for the data, input=({self.input})"
        self.must(spec.input == self.input, member, rule, f"input=({spec.input})")
        rule = f"build networks for the data, num_classes={self.num_classes}"
        self.must(spec.num_classes == self.num_classes, member, rule, f"{spec.num_classes}")

    def _check_decision(self, decision: Any) -> None:
        is_one = isinstance(decision, Decision)
        self.must(is_one, ".decide", "call choose with a Decision", repr(decision)[:80])
        name, choices = decision.name, decision.choices
        is_word = isinstance(name, str) and name != ""
        self.must(is_word, ".decide", "name every decision with a str", repr(name))
        fine = isinstance(choices, tuple) and all(
            type(v) is int or isinstance(v, str) for v in choices
        )
        got = f"choices={choices!r}"
        self.must(fine, ".decide", f"give {name!r} a tuple of ints and strs as choices", got)
        self.must(len(choices) > 0, ".decide", f"give {name!r} at least one choice", got)
        unique = len(set(choices)) == len(choices)
        self.must(unique, ".decide", f"give {name!r} every choice once", got)
        first = self.seen.setdefault(name, decision)
        same = first.choices == choices or (first.is_integer and decision.is_integer)
        rule = f"give {name!r} the same choices in the same order whatever was answered before"
        self.must(same, ".decide", rule, f"{choices} after {first.choices}")
        rule = f"return one of the choices of {name!r}, or None"
        fixed = self.attempt(
            ".fixed_in_design", rule, lambda: self.space.fixed_in_design(decision)
        )
        self.must(fixed is None or fixed in choices, ".fixed_in_design", rule, repr(fixed))

    def _check_inverse(self, spec: ArchitectureSpec, answers: dict[str, Value]) -> None:
        rule = f"return the answers that lead to a network of the space, such as {spec.code}"
        found = self.attempt(".decisions", rule, lambda: dict(self.space.decisions(spec)))
        for name in {**answers, **found}:
            difference = f"{name}={found.get(name)!r} where decide was given {answers.get(name)!r}"
            same = found.get(name) == answers.get(name)
            self.must(same, ".decisions", f"{rule}; no two sets of answers may", difference)
        ordered = list(found) == list(answers)
        self.must(ordered, ".decisions", f"{rule}, in the order of decide", f"{list(found)}")
        rule = "build the same network from the same answers"
        again = self.attempt(".decide", rule, lambda: self.space.from_decisions(answers))
        self.must(again == spec, ".decide", rule, f"{again.code} after {spec.code}")


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 1


def _are_depths(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) > 0 and all(map(_is_count, value))

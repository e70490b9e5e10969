from itertools import combinations, product
from math import prod
from typing import Any

import numpy as np
import optuna
import pytest
from pydantic import ValidationError

from search_spaces import ArchitectureSpec, InputShape, Kind, SpaceError
from search_spaces.longskip import LongSkipSpace, LongSkipSpaceConfig
from search_spaces.space import Decision

DIGITS = InputShape(channels=1, height=8, width=8)


def make(**fields: Any) -> LongSkipSpace:
    return LongSkipSpace(LongSkipSpaceConfig.model_validate(fields), DIGITS, num_classes=10)


def with_skips(space: LongSkipSpace, *skips: tuple[str, str]) -> ArchitectureSpec:
    """The deepest plain network of the space with identities between these places."""
    edges = [{"from": start, "to": end, "kind": "identity"} for start, end in skips]
    return space.uniform(space.deepest, Kind.NONE).with_skips(edges)


def by_brute_force(space: LongSkipSpace) -> int:
    """Count networks by listing, for every depth and block, all sets of skips that may end there."""
    config = space.config
    kinds = [kind for kind in config.kinds if kind is not Kind.NONE]
    total = 0
    ranges = [range(low, high + 1) for low, high in config.depth_ranges]
    for depths in product(*ranges):
        ends = [(stage, block) for stage, n in enumerate(depths) for block in range(n)]
        ways: list[int] = []
        for end in range(len(ends)):
            starts = [
                start
                for start in range(end + 1)
                if end - start < config.max_span
                and (config.across_stages or ends[start][0] == ends[end][0])
            ]
            sets = [
                len(kinds) ** number
                for number in range(config.max_fan_in + 1)
                for _ in combinations(starts, number)
                if number > 0 or Kind.NONE in config.kinds
            ]
            ways.append(sum(sets))
        total += prod(ways)
    return total * len(config.widths) * len(config.blocks)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"max_blocks": [2, 3, 1], "max_span": 9, "max_fan_in": 4},
        {"max_blocks": 3, "across_stages": False, "max_fan_in": 2},
        {"max_blocks": 3, "max_span": 2, "kinds": ["identity"], "width": [4, 8, 12]},
        {"max_blocks": 2, "kinds": ["none"]},
        {"max_blocks": 2, "min_blocks": 2, "block": ["basic", "bottleneck"], "max_fan_in": 3},
    ],
)
def test_size_is_the_number_of_networks(fields: dict[str, Any]) -> None:
    space = make(**fields)
    assert space.size == by_brute_force(space)


def test_span_one_alone_is_the_residual_space() -> None:
    assert make(max_span=1).size == 363**3


def test_size_of_a_huge_space_is_exact() -> None:
    space = make(stages=1, min_blocks=100, max_blocks=100, max_span=1, kinds=["none", "identity"])
    assert space.size == 2**100


def test_span_of_a_skip_is_asked_where_there_is_one() -> None:
    space = make(stages=2, max_blocks=2)
    spec = with_skips(
        space, ("stage1.block1", "stage2.block1"), ("stage2.block2", "stage2.block2")
    )
    assert list(space.decisions(spec).items()) == [
        ("depth.stage1", 2),
        ("depth.stage2", 2),
        ("skip.stage1.block1", "none"),
        ("skip.stage1.block2", "none"),
        ("skip.stage2.block1", "identity"),
        ("span.stage2.block1", 3),
        ("skip.stage2.block2", "identity"),
        ("span.stage2.block2", 1),
    ]


def test_further_skips_are_longer_than_those_before() -> None:
    space = make(stages=1, max_blocks=3, min_blocks=3, max_fan_in=3)
    place = "stage1.block3"
    spec = with_skips(space, ("stage1.block2", place), ("stage1.block1", place))
    answers = space.decisions(spec)
    # A third one would have to be longer than the network, so that nothing asks for it.
    assert {name: answer for name, answer in answers.items() if place in name} == {
        f"skip.{place}": "identity",
        f"span.{place}": 2,
        f"skip2.{place}": "identity",
        f"span2.{place}": 3,
    }
    with pytest.raises(SpaceError, match=r"span2.stage1.block3 must be one of \[3\], got 2"):
        space.from_decisions(answers | {f"span2.{place}": 2})


@pytest.mark.parametrize(
    ("fields", "spans"),
    [({}, (1, 2, 3, 4)), ({"max_span": 2}, (1, 2)), ({"across_stages": False}, (1, 2))],
)
def test_spans_reach_no_further_than_the_network_the_limit_and_the_stage(
    fields: dict[str, Any], spans: tuple[int, ...]
) -> None:
    space = make(stages=2, min_blocks=2, max_blocks=2, kinds=["identity"], **fields)
    asked: list[Decision] = []

    def choose(decision: Decision) -> int | str:
        asked.append(decision)
        return decision.choices[0]

    space.decide(choose)
    assert asked[-1] == Decision(name="span.stage2.block2", choices=spans)


def test_neighbours_leave_out_changes_that_force_another() -> None:
    space = make(stages=1, min_blocks=3, max_blocks=3, max_fan_in=2, kinds=["none", "identity"])
    place = "stage1.block3"
    spec = with_skips(space, (place, place), ("stage1.block2", place))
    # Span 1 may become 3 (nothing longer is possible then), but not 2, the span of the second.
    changed = [space.decisions(neighbour) for neighbour in space.neighbours(spec)]
    spans = [a[f"span.{place}"] for a in changed if a.get(f"skip.{place}") == "identity"]
    assert sorted(span for span in spans if span != 1) == [3]


def test_design_has_random_skips_and_spans_and_at_most_one_skip_per_addition() -> None:
    space = make(max_fan_in=3, width=[8, 16])
    kinds = ("none", "identity", "projection")
    decisions = {
        "width": ((8, 16), 8),
        "depth.stage2": ((1, 2, 3, 4, 5), 5),
        "skip.stage1.block1": (kinds, None),
        "span.stage1.block1": ((1,), None),
        "skip2.stage1.block2": (kinds, "none"),
        "skip3.stage1.block3": (kinds, "none"),
    }
    for name, (choices, fixed) in decisions.items():
        assert space.fixed_in_design(Decision(name=name, choices=choices)) == fixed


def test_optuna_learns_spans_whose_range_depends_on_the_place() -> None:
    space = make(stages=2, max_blocks=3, max_fan_in=2, kinds=["none", "identity"])
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(
            multivariate=True, group=True, constant_liar=True, n_startup_trials=5, seed=0
        )
    )
    for _ in range(15):
        trial = study.ask()
        spec = space.suggest(trial)
        assert trial.params == space.decisions(spec)
        study.tell(trial, -sum(spec.spans))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_span": 0}, "max_span\n.*greater than or equal to 1"),
        ({"max_span": True}, "max_span\n.*valid integer"),
        ({"max_fan_in": 5}, "max_fan_in\n.*less than or equal to 4"),
        ({"across_stages": "yes"}, "across_stages\n.*valid boolean"),
    ],
)
def test_wrong_limit_is_an_error(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make(**fields)


WIDE: dict[str, Any] = {"stages": 2, "min_blocks": 2, "max_blocks": 2}
FIRST, SECOND, THIRD, LAST = "stage1.block1", "stage1.block2", "stage2.block1", "stage2.block2"


def test_spec_with_too_long_a_skip_is_outside() -> None:
    spec = with_skips(make(**WIDE), (FIRST, THIRD))
    with pytest.raises(
        SpaceError, match=r"at most 2 blocks, got span=3 from stage1.block1 to stage2.block1"
    ):
        make(max_span=2, **WIDE).decisions(spec)


def test_spec_with_a_skip_across_stages_is_outside_where_they_are_not_searched() -> None:
    spec = with_skips(make(**WIDE), (SECOND, THIRD))
    with pytest.raises(
        SpaceError, match=r"within its stage, got one from stage1.block2 to stage2.block1"
    ):
        make(across_stages=False, **WIDE).decisions(spec)


def test_spec_with_too_many_skips_at_one_addition_is_outside() -> None:
    spec = with_skips(make(**WIDE), (FIRST, LAST), (SECOND, LAST), (THIRD, LAST))
    with pytest.raises(
        SpaceError, match=r"At most 2 skips may end at one addition, got 3 at stage2.block2"
    ):
        make(max_fan_in=2, **WIDE).decisions(spec)


def test_spec_of_a_kind_that_is_not_searched_is_outside() -> None:
    spec = with_skips(make(**WIDE), (FIRST, FIRST))
    with pytest.raises(
        SpaceError, match=r"stage1.block1 must be one of none, projection, got 'id"
    ):
        make(kinds=["none", "projection"], **WIDE).decisions(spec)


def test_plain_block_is_outside_where_every_block_has_a_skip() -> None:
    spec = with_skips(make(**WIDE), (FIRST, FIRST))
    with pytest.raises(SpaceError, match=r"stage1.block2 must be one of identity, got 'none'"):
        make(kinds=["identity"], **WIDE).decisions(spec)


def test_second_skip_may_be_absent_where_every_block_has_a_first_one() -> None:
    space = make(kinds=["identity"], max_fan_in=2, **WIDE)
    spec = space.uniform((2, 2), Kind.IDENTITY)
    assert space.decisions(spec)[f"skip2.{LAST}"] == "none"


def test_samples_use_the_whole_range_of_spans() -> None:
    space = make(stages=1, min_blocks=4, max_blocks=4, kinds=["identity"])
    rng = np.random.default_rng(0)
    assert {space.sample(rng).spans[3] for _ in range(50)} == {1, 2, 3, 4}

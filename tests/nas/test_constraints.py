from dataclasses import replace

import pytest

from nas.config import make_config
from nas.constraints import (
    TURN_SECONDS,
    Constraints,
    Limits,
    OutOfTimeError,
    broken,
    count_refused,
    describe_refused,
)
from nas.errors import ConfigError
from nas.trials import Source, State, TrialRecord
from search_spaces.complexity import complexity
from search_spaces.registry import make_space
from search_spaces.spec import ArchitectureSpec, InputShape, Kind

SPACE = make_space({"max_blocks": 2}, InputShape(channels=1, height=8, width=8), num_classes=10)
SMALL, LARGE = SPACE.uniform((1, 1, 1), Kind.NONE), SPACE.uniform((2, 2, 2), Kind.PROJECTION)
RECORD = TrialRecord(number=0, state=State.COMPLETE, source=Source.ADAPTIVE, decisions={})


def test_excess_is_in_units_of_the_limit() -> None:
    cost = complexity(LARGE)
    limits = Limits(Constraints(max_params=cost.params, max_macs=cost.macs // 2, max_layers=28))
    excess = limits.excess(LARGE)
    assert excess["max_params"] == 0
    assert excess["max_macs"] == pytest.approx(1.0, rel=1e-3)
    assert excess["max_layers"] == -0.5
    assert broken(excess) == "max_macs"


def test_network_at_its_limits_is_allowed_and_one_above_is_not() -> None:
    cost = complexity(SMALL)
    limits = Limits(Constraints(max_params=cost.params, max_macs=cost.macs, max_layers=8))
    assert limits.allows(SMALL)
    assert limits.explain(SMALL) is None
    assert not limits.allows(LARGE)


def test_without_limits_everything_is_allowed() -> None:
    limits = Limits(Constraints())
    assert not limits
    assert limits.excess(LARGE) == {}
    assert limits.allows(LARGE)
    assert broken({}) is None


def test_latency_is_measured_only_where_the_other_limits_hold() -> None:
    measured: list[str] = []

    def latency(spec: object) -> float:
        measured.append(str(spec))
        return 3.0

    limits = Limits(Constraints(max_layers=10, max_latency_ms=2.0), latency)
    assert limits.excess(LARGE) == {"max_layers": pytest.approx(0.4)}
    assert measured == []
    assert limits.excess(SMALL)["max_latency_ms"] == 0.5
    assert limits.excess(SMALL)["max_latency_ms"] == 0.5
    assert len(measured) == 1


def test_explanation_names_the_limit_that_is_exceeded_most() -> None:
    limits = Limits(Constraints(max_params=20_000, max_layers=13))
    size = f"{complexity(LARGE).params:,}"
    assert limits.explain(LARGE) == (
        f"constraints.max_params must hold, got {size} for a limit of 20,000"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "max_param",
            5,
            "Unknown key 'constraints.max_param'. Did you mean 'constraints.max_params",
        ),
        ("max_params", 0, "constraints.max_params must be >= 1, got max_params=0"),
        ("max_params", True, "constraints.max_params must be a number, got max_params=true"),
        ("max_latency_ms", True, "constraints.max_latency_ms must be a number, got .*=true"),
        ("max_latency_ms", float("inf"), "max_latency_ms must be a finite number, got .*=inf"),
        ("max_latency_ms", float("nan"), "max_latency_ms must be a finite number, got .*=nan"),
        ("max_latency_ms", 0, "constraints.max_latency_ms must be > 0"),
        ("max_macs", "many", "constraints.max_macs must be an int, got max_macs='many'"),
        ("latency_batch", 0, "constraints.latency_batch must be >= 1"),
    ],
)
def test_limits_that_make_no_sense_are_refused(key: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_config({"constraints": {key: value}})


def test_section_without_keys_limits_nothing() -> None:
    assert make_config({"constraints": None}).constraints.limits == {}


def test_refused_proposals_are_counted_over_trials() -> None:
    records = [
        replace(RECORD, refused={"max_params": 2}),
        replace(RECORD, refused={"max_params": 1, "max_layers": 4}),
        RECORD,
    ]
    refused = count_refused(records)
    assert refused == {"max_params": 3, "max_layers": 4}
    assert describe_refused(refused, 1) == [
        "7 proposals exceeded max_layers, max_params and cost no training",
        "1 design row left out for the constraints: the skip map is about allowed networks only",
    ]
    assert describe_refused({}) == []


def test_rows_before_a_design_was_given_up_are_said_as_such() -> None:
    assert describe_refused({}, 307, is_given_up=True) == [
        "307 design rows left out for the constraints: the design was given up, and a skip map is "
        "about the rows trained before"
    ]


def test_batch_of_a_latency_that_nobody_limits_is_refused() -> None:
    message = (
        r"constraints.latency_batch must come with constraints.max_latency_ms, got "
        r"latency_batch=8 without. Set the limit too"
    )
    with pytest.raises(ConfigError, match=message):
        make_config({"constraints": {"latency_batch": 8, "max_layers": 20}})
    with_limit = make_config({"constraints": {"latency_batch": 8, "max_latency_ms": 2}})
    assert with_limit.constraints.latency_batch == 8
    # As the configuration is written with all its defaults.
    assert make_config({"constraints": {"latency_batch": 1, "max_latency_ms": None}})


def test_turn_ends_when_its_time_is_measured_away_and_the_next_goes_on() -> None:
    now = [0.0]
    measured: list[str] = []

    def latency(spec: ArchitectureSpec) -> float:
        measured.append(spec.spec_id)
        now[0] += TURN_SECONDS / 2
        return 3.0

    limits = Limits(Constraints(max_latency_ms=2.0), latency, clock=lambda: now[0])
    specs = [SPACE.uniform((1, 1, depth), kind) for depth in (1, 2) for kind in Kind]
    limits.start_turn()
    assert not limits.allows_in_turn(specs[0])
    limits.check_turn()
    assert not limits.allows_in_turn(specs[1])
    with pytest.raises(OutOfTimeError):
        limits.allows_in_turn(specs[2])
    with pytest.raises(OutOfTimeError):
        limits.check_turn()
    # What is known costs nothing.
    assert not limits.allows_in_turn(specs[0])
    limits.start_turn()
    assert not limits.allows_in_turn(specs[2])
    assert measured == [spec.spec_id for spec in specs[:3]]

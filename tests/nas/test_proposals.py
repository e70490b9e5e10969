"""What is proposed; whole searches on it are in test_search_feed."""

import pytest

from nas.constraints import TURN_SECONDS, Constraints, Limits, OutOfTimeError
from nas.errors import TrainingError
from nas.known_specs import KnownSpecs
from nas.proposals import MAX_REFUSED_ASKS, Proposals
from nas.sampling import Ask, SamplerMirror
from search_spaces.spec import ArchitectureSpec
from tests.nas.fake_pool import tiny_config

CONFIG = tiny_config(sampler="random")
SPACE = CONFIG.make_space()
BOUNDS = Constraints(max_latency_ms=2.0)


def proposals_within(limits: Limits) -> Proposals:
    mirror = SamplerMirror(SPACE, CONFIG.search, limits=limits)
    return Proposals(CONFIG, SPACE, mirror, KnownSpecs(SPACE, limits), limits, set)


def test_sampler_is_asked_in_vain_only_so_often_for_one_trial() -> None:
    proposals = proposals_within(Limits(BOUNDS, lambda spec: 3.0))
    with pytest.raises(TrainingError, match="must be found to go on"):
        proposals.new(0, set())
    assert proposals.refused == {"max_latency_ms": MAX_REFUSED_ASKS}


def test_refused_proposals_are_counted_over_turns() -> None:
    now = [0.0]

    def slow(spec: ArchitectureSpec) -> float:
        now[0] += TURN_SECONDS
        return 1.0 if spec.layers == 8 else 3.0

    limits = Limits(BOUNDS, slow, clock=lambda: now[0])
    proposals = proposals_within(limits)
    found: Ask | None = None
    seen: list[int] = []
    while found is None:
        limits.start_turn()
        try:
            found = proposals.new(0, set())
        except OutOfTimeError:
            seen.append(proposals.refused.total())
    assert limits.allows(found.spec)
    assert seen == sorted(seen)
    assert 1 < seen[-1] <= MAX_REFUSED_ASKS


def test_limits_that_nothing_keeps_end_with_a_reason() -> None:
    proposals = proposals_within(Limits(BOUNDS, lambda spec: 3.0))
    with pytest.raises(TrainingError, match="A network within the constraints must be found"):
        proposals.at_random(0, set())

import random
from collections import Counter

import pytest

from nas.ended import EndedTrials
from nas.records import best_record
from nas.trials import Source, State, TrialRecord


def drawn(number: int, rng: random.Random) -> TrialRecord:
    state = rng.choice([State.COMPLETE, State.COMPLETE, State.PRUNED, State.FAILED])
    return TrialRecord(
        number=number,
        state=state,
        source=rng.choice(list(Source)),
        decisions={},
        value=rng.choice([0.25, 0.5, rng.random()]) if state is State.COMPLETE else None,
        spec_id=rng.choice(["a", None]),
        seconds=rng.choice([1.5, None]),
    )


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_those_of_a_look_at_all_trials(seed: int) -> None:
    rng = random.Random(seed)
    ended = EndedTrials(drawn(number, rng) for number in range(20))
    ended.append(drawn(20, rng))
    ended.extend([drawn(22, rng), drawn(21, rng)])
    search = [r for r in ended if r.source in (Source.RANDOMISED, Source.ADAPTIVE)]
    live = [r for r in search if r.state is not State.FAILED]
    assert len(ended) == 23
    assert ended.num_counted == len(live)
    assert ended.num_failed == len(search) - len(live)
    assert ended.num_rows == sum(r.source is Source.RANDOMISED for r in live)
    built = [r for r in ended if r.source is Source.ADAPTIVE and r.spec_id]
    assert ended.num_built == len(built)
    assert ended.num_repeats == len(ended) - len(search)
    timed = [r for r in ended if r.seconds is not None]
    assert ended.num_timed == Counter(r.source for r in timed)
    assert sum(ended.seconds.values()) == 1.5 * len(timed)
    for direction in ("minimize", "maximize"):
        assert ended.best(direction) == best_record(search, direction)


def test_there_is_no_best_before_the_first_complete_trial() -> None:
    failed = TrialRecord(number=0, state=State.FAILED, source=Source.ADAPTIVE, decisions={})
    assert EndedTrials([failed]).best("minimize") is None
    assert EndedTrials().num_counted == 0

import dataclasses

import pytest

from nas.report.curves import thinned
from nas.report.data import ReportData
from nas.report.trained import MOST, CodeReader, Trained, distance, near, trained_networks
from nas.trials import State
from tests.nas.report.long_sample import long_sample
from tests.nas.report.whole import PLACES, whole


def test_a_network_is_a_letter_per_block_from_decisions_or_from_its_spec() -> None:
    reader = CodeReader(PLACES)
    for trial in whole().trials[:20]:
        bare = dataclasses.replace(trial, decisions={})
        assert trial.spec is not None
        code = "".join(kind.value[0].upper() for kind in trial.spec.ending_kinds)
        assert reader.code_of(trial) == reader.code_of(bare) == code
        alone = dataclasses.replace(trial, spec=None)
        assert reader.code_of(alone) == code


def test_other_depths_and_long_skips_have_no_code() -> None:
    reader = CodeReader(PLACES)
    shallow = [t for t in whole().trials if t.spec and t.spec.depths != (2, 2, 2)]
    assert shallow
    assert {reader.code_of(trial) for trial in shallow} == {None}
    data = long_sample()
    first = next(t for t in data.trials if t.spec and any(s > 1 for s in t.spec.spans))
    assert first.spec is not None
    assert CodeReader(list(first.spec.places())).code_of(first) is None


def test_trainings_of_one_network_are_one_entry_per_learning_rate() -> None:
    found = trained_networks(whole(), PLACES)
    full = [one for one in found if one.code == "I" * 6 and one.lr == 0.1]
    assert len(full) == 1
    assert len(full[0].values) >= 11
    assert full[0].name == "identity-14, lr 0.1"
    total = sum(len(one.values) for one in found)
    ended = [
        t
        for t in (*whole().trials, *whole().repeats)
        if t.state is State.COMPLETE and len(t.decisions) == 9
    ]
    assert total == len(ended)


def test_only_the_nearest_networks_go_into_a_page() -> None:
    networks = [
        Trained(code=f"{index:010b}".replace("0", "N").replace("1", "I"), name="a")
        for index in range(1000)
    ]
    chosen = near(networks, ["N" * 10, "I" * 10])
    assert len(chosen) == MOST
    kept = {one.code for one in chosen}
    left = [one.code for one in networks if one.code not in kept]
    assert all(distance(code, "N" * 10) > 3 and distance(code, "I" * 10) > 3 for code in left)
    assert near(networks[:20], ["N" * 10]) == networks[:20]


@pytest.mark.parametrize(("count", "shown"), [(3, 3), (10, 10), (11, 6), (1000, 10)])
def test_the_course_of_a_long_search_is_drawn_evenly(count: int, shown: int) -> None:
    trial = whole().trials[0]
    trials = [dataclasses.replace(trial, number=number) for number in range(count)]
    drawn = thinned(trials, 10)
    assert len(drawn) == shown
    assert drawn[0].number == 0


def test_long_skips_are_seen_without_reading_every_spec() -> None:
    assert not whole().has_long_skips
    assert long_sample().has_long_skips
    assert not ReportData(study="a").has_long_skips

import dataclasses

from nas.report.effects import Direction
from nas.report.numbers import metric_of, typographic
from nas.report.paired import paired_section
from nas.report.pairs import read_pairs
from tests.nas.report.reading import words
from tests.nas.report.sample import sample
from tests.nas.report.whole import whole


def test_bases_come_best_network_first_and_flips_in_network_order() -> None:
    data = whole()
    number = data.benefit["search"]["incumbent"]["trial"]
    found = read_pairs(data.benefit)
    assert list(found) == [f"trial {number}", "identity-14", "plain-14"]
    places = [one.place for one in found["identity-14"]]
    assert places == sorted(places, key=lambda place: place or (0, 0))
    assert {one.estimand for one in found["plain-14"]} == {"ADD"}


def test_every_flip_stands_there_with_interval_pairs_and_grade() -> None:
    data = whole()
    text, metric = words(paired_section(data)), metric_of(data.benefit)
    for flips in read_pairs(data.benefit).values():
        for one in flips:
            assert one.estimate is not None
            value, interval = metric.effect(one.estimate), metric.effects(one.low, one.high)
            assert typographic(f"{one.flip}: {one.words}, {value} ({interval}), n 6") in text
    assert "paired, validation" in text
    assert "6 pairs each, measured on the validation split" in text
    assert "your best network" in text


def test_what_is_decided_is_counted_by_question() -> None:
    data = whole()
    flips = read_pairs(data.benefit)["plain-14"]
    helps = sum(one.direction is Direction.HELPS for one in flips)
    assert helps > 0
    assert f"A skip where it has none: helps {helps}" in words(paired_section(data))


def test_several_blocks_changed_at_once_are_compared_with_the_network() -> None:
    row = {
        "base": "trial 3",
        "estimand": "JOINT",
        "flip": "stage1.block1=none,stage2.block1=none",
        "d_mean": -0.2,
        "ci_sim": [-0.3, -0.1],
        "n_pairs": 5,
        "decision": "harm",
        "size": "large",
        "split": "test",
    }
    text = words(paired_section(dataclasses.replace(sample(), benefit={"confirm": [row]})))
    assert "Several blocks changed at once, against the network itself: hurts 1." in text
    assert "stage1.block1=none, stage2.block1=none" in text
    assert "measured on the test split" in text
    assert "worse" in text


def test_without_pairs_there_is_no_section() -> None:
    assert paired_section(sample()) == ""
    rubbish = [{"confirm": "x"}, {"confirm": [3]}, {"confirm": [{}]}]
    for benefit in rubbish:
        text = paired_section(dataclasses.replace(sample(), benefit=benefit))
        assert "nan" not in text

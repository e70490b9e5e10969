from typing import Any

import pytest

from nas.benefit.sight_words import sentence


def row(level: str, where: str, share: float | None) -> dict[str, Any]:
    return {"multiple": 1.0, "level": level, "planted_at": where, "found_share": share}


FOUND: dict[str, Any] = {
    "num_rows": 96,
    "planted": 0.02,
    "unit": "nats",
    "false_alarm_share": 0.034,
    "by_size": [
        row("network", "everywhere", 1.0),
        row("stage", "one_stage", 0.83),
        row("block", "one_stage", 0.412),
        row("block", "one_block", 0.12),
    ],
    "found_80": [
        {"level": "network", "size": 0.0114},
        {"level": "stage", "size": 0.019},
        {"level": "block", "size": None},
    ],
}


def test_it_is_said_in_words_how_often_what_is_found() -> None:
    assert sentence(FOUND) == (
        "Of 100 studies with these 96 rows and their noise, over 99 would find skips that are worth "
        "0.02 nats at all blocks, 83 those of one stage alone, and 41 a single block of such a "
        "stage. A block that helps alone is found by 12: single blocks are looked at only in stages "
        "that show an effect themselves. To be found by 80 of 100, an effect has to be 0.011 nats "
        "over all blocks and 0.019 nats in a stage. Where no skip does anything, 3 of 100 claim an "
        "effect."
    )


@pytest.mark.parametrize(
    ("unit", "words"), [("fraction", "worth 2 points at"), (None, "worth 0.02 at")]
)
def test_sizes_have_the_unit_of_the_metric(unit: str | None, words: str) -> None:
    assert words in sentence({**FOUND, "unit": unit})


def test_what_is_not_found_is_said_too() -> None:
    silent = {**FOUND, "found_80": [], "false_alarm_share": 0.001}
    silent["by_size"] = [row("network", "everywhere", None)]
    words = sentence(silent)
    assert "0 would find skips" in words
    assert "No effect within reach is found by 80 of 100." in words
    assert "under 1 of 100 claim" in words
    assert "alone is found" not in words

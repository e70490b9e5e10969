import dataclasses
from typing import Any

import pytest

from nas.report.data import ReportData
from nas.report.effects import Direction
from nas.report.keep import (
    Keep,
    answer,
    average_verdicts,
    in_network,
    listed,
    paired_verdicts,
    verdict_of,
)
from nas.report.keep_card import keep_card
from nas.report.pairs import read_pairs
from tests.nas.report.reading import words
from tests.nas.report.sample import effect_row, sample
from tests.nas.report.whole import whole


def benefit_of(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"effects": list(rows)}


def block(stage: int, number: int, estimate: float, half: float = 0.01, **more: Any) -> Any:
    kind = more.pop("kind", "identity")
    return effect_row("AMCE", kind, estimate, half, stage=stage, block=number, **more)


def stage_row(stage: int, estimate: float, half: float = 0.01, kind: str = "identity") -> Any:
    return effect_row("AMCE_STAGE", kind, estimate, half, stage=stage)


@pytest.mark.parametrize(
    ("directions", "verdict"),
    [
        ([Direction.HELPS, Direction.HURTS], Keep.KEEP),
        ([Direction.HURTS, Direction.HURTS], Keep.WITHOUT),
        ([Direction.NEGLIGIBLE, Direction.HURTS], Keep.MAY_GO),
        ([Direction.NEGLIGIBLE, Direction.UNKNOWN], Keep.UNKNOWN),
        ([Direction.HURTS, Direction.UNKNOWN], Keep.UNKNOWN),
    ],
)
def test_a_skip_may_go_only_where_every_kind_is_known_to_be_of_no_use(
    directions: list[Direction], verdict: Keep
) -> None:
    assert verdict_of(directions) is verdict


def test_verdicts_rest_on_decided_effects_whose_level_was_opened() -> None:
    rows = [block(1, 1, 0.2), block(1, 2, 0.2, gate_passed=False), block(1, 3, 0.2, 0.3)]
    [stage] = average_verdicts(benefit_of(*rows))
    assert stage.blocks == {1: Keep.KEEP, 2: Keep.UNKNOWN, 3: Keep.UNKNOWN}
    assert stage.whole is Keep.UNKNOWN


def test_the_answer_names_stages_then_blocks_and_says_what_it_cannot_tell() -> None:
    rows = [stage_row(1, 0.2), block(1, 1, 0.2), block(1, 2, 0.1, 0.5)]
    rows += [stage_row(2, 0.1, 0.5), block(2, 1, 0.2), block(2, 2, 0.0), block(2, 3, -0.3)]
    rows += [stage_row(3, 0.1, 0.5), block(3, 1, 0.1, 0.5)]
    found = benefit_of(*rows)
    assert answer(average_verdicts(found), found) == (
        "Keep those of stage 1, as a whole; stage 2 block 1. Better without: stage 2 block 3. "
        "May go, one at a time: stage 2 block 2. Cannot tell for stage 3."
    )


def test_without_a_decision_it_says_that_skips_help_on_average_if_they_do() -> None:
    rows = [stage_row(1, 0.1, 0.5), effect_row("AMCE_ALL", "skip", 0.2, 0.1)]
    found = benefit_of(*rows)
    assert "skips help on average" in answer(average_verdicts(found), found)
    assert answer([], {}) == "Cannot tell yet: no stage and no block is decided."


def test_the_second_column_is_the_best_network_then_any_finalist_then_full_identity() -> None:
    data = whole()
    number = data.benefit["search"]["incumbent"]["trial"]
    best = in_network(data.benefit)
    assert best is not None
    assert best.title == f"In your best network (trial {number})"
    others = dict(data.benefit) | {"search": {"incumbent": {"trial": 10_000}}}
    finalist = in_network(others)
    assert finalist is not None
    assert finalist.title == f"In a finalist (trial {number})"
    anchors = [row for row in data.benefit["confirm"] if row["base"] == "identity-14"]
    full = in_network({"confirm": anchors})
    assert full is not None
    assert full.title == "In the network with every skip (identity-14)"
    plain = [row for row in data.benefit["confirm"] if row["base"] == "plain-14"]
    assert in_network({"confirm": plain}) is None


def test_paired_verdicts_are_those_of_the_flips() -> None:
    data = whole()
    for flips in read_pairs(data.benefit).values():
        for one in flips:
            assert one.place is not None
            verdict = paired_verdicts([one])[one.place.stage][one.place.block]
            assert (verdict is Keep.KEEP) == (one.decision == "benefit")


def test_the_card_shows_both_columns_with_their_grade_and_the_fixed_sentence() -> None:
    text = words(keep_card(whole()))
    assert "On average over networks" in text
    assert "randomised, 160 networks" in text
    assert "In your best network" in text
    assert "paired, 6 pairs each" in text
    assert "The second can be near zero although the first is large, because skips" in text


def test_the_card_counts_what_was_compared_on_the_test_split() -> None:
    data = whole()
    assert "test split" not in words(keep_card(data))
    rows = [row | {"split": "test"} for row in data.benefit["confirm"]]
    tested = dataclasses.replace(data, benefit=dict(data.benefit) | {"confirm": rows})
    text = words(keep_card(tested))
    assert (
        f"The second column is of the test split, on which {len(rows)} flips were compared" in text
    )
    assert "has chosen by that split" in text


def test_without_pairs_the_card_has_one_column_and_the_command_that_fills_the_other() -> None:
    data = dataclasses.replace(sample(), run="runs/digits")
    text = words(keep_card(data))
    assert "In your best network" not in text
    assert "nas ablate runs/digits" in text
    assert "nas ablate" not in words(keep_card(sample()))


def test_in_a_space_whose_blocks_all_have_a_skip_nothing_can_be_taken_away() -> None:
    rows = [effect_row("KIND", "projection", 0.1, 0.01, stage=1, block=1)]
    assert "Every block of this space has one" in keep_card(
        ReportData(study="a", benefit=benefit_of(*rows))
    )


def test_runs_of_numbers_are_written_as_ranges() -> None:
    assert listed([1, 2, 3, 5, 7, 8]) == "1 to 3, 5, 7 and 8"
    assert listed([]) == ""


def flip_row(estimand: str, block_: int, decision: str, kind: str = "identity") -> dict[str, Any]:
    half = 0.01 if decision in ("benefit", "harm", "negligible") else 1.0
    mean = {"benefit": 0.1, "harm": -0.1}.get(decision, 0.0)
    return {
        "base": "trial 3",
        "of_trial": 3,
        "estimand": estimand,
        "flip": f"stage1.block{block_}={kind}",
        "stage": 1,
        "block": block_,
        "kind": kind,
        "reference_kind": "none",
        "d_mean": mean,
        "ci_sim": [mean - half, mean + half],
        "n_pairs": 5,
        "split": "validation",
        "decision": decision,
    }


def card_of(*flips: dict[str, Any]) -> str:
    effects = [stage_row(1, 0.2), *(block(1, number, 0.2, 0.5) for number in range(1, 6))]
    found = benefit_of(*effects) | {"confirm": list(flips)}
    return words(keep_card(ReportData(study="a", benefit=found)))


def test_a_flip_that_adds_a_skip_is_said_to_be_one() -> None:
    text = card_of(
        flip_row("ABL", 1, "benefit"),
        flip_row("ADD", 2, "benefit"),
        flip_row("ADD", 2, "inconclusive", "projection"),
        flip_row("ADD", 3, "harm"),
        flip_row("ADD", 4, "negligible"),
        flip_row("ADD", 5, "inconclusive"),
    )
    assert "keep block 1; no skip at block 2: adding one helps; no skip at block 4: adding" in text
    assert "no skip at block 4: adding one does too little to matter" in text
    assert "no skip at block 3: adding one hurts" in text
    assert "no skip at block 5: cannot tell whether one would help" in text
    assert "paired, 5 pairs each" in text
    assert "flipped" not in text
    assert "not compared" not in text


def test_a_block_of_which_only_the_kind_was_changed_is_not_called_unflipped() -> None:
    text = card_of(flip_row("ABL", 1, "benefit"), flip_row("KIND", 2, "benefit", "projection"))
    assert "keep block 1; not compared with none by itself: blocks 2 to 5" in text


def test_the_card_says_that_a_block_waits_for_the_mean_of_its_stage() -> None:
    assert "opposite effects within a stage stay grey, however clear" in words(keep_card(whole()))

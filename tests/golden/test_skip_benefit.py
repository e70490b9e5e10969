"""A study without long skips keeps its map: `skip_benefit_residual.json` is of before spans."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from nas.benefit import BenefitContext, skip_benefit
from nas.design import design_rows
from nas.space_kinds import choices_of
from nas.trials import Source, State, TrialRecord
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig
from search_spaces.spec import InputShape, Kind

GOLDEN = json.loads(Path(__file__).with_name("skip_benefit_residual.json").read_text("utf-8"))
SPACE = ResidualSpace(
    ResidualSpaceConfig(stages=2, max_blocks=2),
    InputShape(channels=1, height=8, width=8),
    num_classes=10,
)
PLAIN = SPACE.uniform((2, 2), Kind.NONE)


def trials() -> list[TrialRecord]:
    rows = islice(design_rows(list(PLAIN.places()), list(Kind), 0), 40)
    specs = [PLAIN.with_kinds(kinds) for kinds in rows]
    return [
        TrialRecord(
            number=number,
            state=State.COMPLETE,
            source=Source.RANDOMISED,
            decisions=SPACE.decisions(spec),
            value=value,
            spec=spec,
            spec_id=spec.spec_id,
            seed=number,
            lr=0.1,
            metrics={"val_log_loss": value, "val_accuracy": 1 - value / 10},
            seconds=2.0,
        )
        for number, (spec, value) in enumerate(zip(specs, GOLDEN["values"], strict=True))
    ]


def assert_same(found: Any, expected: Any, where: str = "") -> None:
    if isinstance(expected, dict):
        # Later versions may say more; what was there keeps its place and value.
        assert [key for key in found if key in expected] == list(expected), where
        for key, value in expected.items():
            assert_same(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for index, value in enumerate(expected):
            assert_same(found[index], value, f"{where}[{index}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-7, abs=1e-12), where
    else:
        assert found == expected, where


@pytest.mark.parametrize("declared", [True, False])
def test_the_map_of_a_study_without_long_skips_keeps_what_it_said(
    declared: bool,
) -> None:
    context = BenefitContext(
        direction="minimize",
        metric="val/log_loss",
        num_classes=10,
        kinds=tuple(Kind),
        choices=choices_of(SPACE) if declared else None,
        reference_depths=(2, 2),
        reference_spec=PLAIN,
        recipe={"lr": 0.1},
        run_folder="runs/made",
        study_name="made",
        sesoi=0.1,
    )
    found = skip_benefit(trials(), [], context)
    for row in found["effects"]:
        assert (row.pop("span"), row.pop("reference_span")) == (None, None)
    assert_same({key: found[key] for key in GOLDEN["result"]}, GOLDEN["result"])

from search_spaces.drawing.runs import runs
from search_spaces.presets import preset
from search_spaces.spec import Kind, Place


def test_equal_blocks_of_a_stage_are_one_run_and_transitions_stand_alone() -> None:
    found = runs(preset("resnet-110"), fold=True)
    assert [(run.first.place.stage, run.numbers) for run in found] == [
        (1, "1\N{EN DASH}18"),
        (2, "1"),
        (2, "2\N{EN DASH}18"),
        (3, "1"),
        (3, "2\N{EN DASH}18"),
    ]


def test_another_kind_and_the_ends_of_long_skips_break_a_run() -> None:
    spec = preset("resnet-110").with_kinds({Place(1, 5): Kind.NONE})
    skips = [
        *spec.to_dict()["skips"],
        {"from": "stage1.block9", "to": "stage1.block13", "kind": "identity"},
    ]
    found = runs(spec.with_skips(skips), fold=True)
    numbers = [run.numbers for run in found if run.first.place.stage == 1]
    assert numbers == [
        "1\N{EN DASH}4", "5", "6\N{EN DASH}8", "9", "10\N{EN DASH}12", "13", "14\N{EN DASH}18"
    ]  # fmt: skip


def test_pairs_stay_single_and_without_folding_all_do() -> None:
    assert len(runs(preset("resnet-14"), fold=True)) == 6
    assert len(runs(preset("resnet-110"), fold=False)) == 54

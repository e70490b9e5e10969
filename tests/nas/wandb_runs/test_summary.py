from typing import Any

from nas.trials import Source, State
from nas.wandb_runs.content import StudyInfo
from nas.wandb_runs.summary import answer_rows, study_summary, summary_id, table, trial_rows
from tests.nas.wandb_studies import STUDY, make_record


def effect(position: Any, kind: str, estimate: float | None, **more: Any) -> dict[str, Any]:
    low, high = (None, None) if estimate is None else (estimate - 1, estimate + 1)
    known = {"estimand": "AMCE", "reference_kind": "none", "depth": 16, "position": position}
    bounds = {"estimate": estimate, "ci_sim_low": low, "ci_sim_high": high}
    return known | {"kind": kind} | bounds | more


def test_answers_have_a_row_per_position_with_simultaneous_bounds() -> None:
    benefit = {
        "effects": [
            effect(2, "identity", 3.0),
            effect(1, "identity", 1.0),
            effect(1, "projection", 2.0),
        ]
    }
    assert list(answer_rows(benefit)) == [
        {
            "answer/position": 1,
            "answer/identity": 1.0,
            "answer/identity_low": 0.0,
            "answer/identity_high": 2.0,
            "answer/projection": 2.0,
            "answer/projection_low": 1.0,
            "answer/projection_high": 3.0,
        },
        {
            "answer/position": 2,
            "answer/identity": 3.0,
            "answer/identity_low": 2.0,
            "answer/identity_high": 4.0,
        },
    ]


def test_answers_leave_out_other_estimands_and_what_is_not_identified() -> None:
    benefit = {
        "effects": [
            effect(1, "identity", None),
            effect(1, "identity", 9.0, estimand="AMCE_STAGE"),
            effect(1, "projection", 9.0, reference_kind="identity"),
        ]
    }
    assert list(answer_rows(benefit)) == [{"answer/position": 1}]


def test_positions_with_names_are_counted_through_the_network() -> None:
    benefit = {
        "effects": [
            effect("stage2.block1", "identity", 2.0, stage=2, block=1),
            effect("stage1.block2", "identity", 1.0, stage=1, block=2),
        ]
    }
    assert [row["answer/position"] for row in answer_rows(benefit)] == [1, 2]


def test_several_depths_do_not_share_a_line() -> None:
    benefit = {
        "effects": [effect(1, "identity", 1.0)],
        # As many layers as the reference: the plan tells them apart.
        "other_depths": [{"depth_plan": [2, 5], "effects": [effect(1, "identity", 2.0)]}],
    }
    rows = list(answer_rows(benefit))
    assert [row.get("answer/identity") for row in rows] == [1.0, None]
    assert [row.get("answer_2-5/identity") for row in rows] == [None, 2.0]


def test_no_effects_are_no_rows() -> None:
    assert list(answer_rows({})) == []


def test_summary_counts_states_and_answers_and_names_the_best() -> None:
    trials = [
        make_record(0, value=0.5),
        make_record(1, value=0.25),
        make_record(2, value=0.1, state=State.PRUNED),
        make_record(3, value=None, state=State.FAILED),
    ]
    benefit = {
        # A precise answer is settled, decided or not.
        "settled": {"num_answers": 3, "num_settled": 2},
        "effects": [effect(1, "identity", 1.0, decision="inconclusive")],
    }
    assert study_summary("Skips help.", benefit, trials, STUDY) == {
        "headline": "Skips help.",
        "n_complete": 2,
        "n_pruned": 1,
        "n_failed": 1,
        "n_answers": 3,
        "n_settled": 2,
        "best_trial": 1,
        "best_value": 0.25,
    }


def test_best_is_the_largest_where_larger_is_better() -> None:
    study = StudyInfo(name="s", uid="u", dataset="d", epochs=1, deepest=(1,), direction="maximize")
    trials = [make_record(0, value=0.5), make_record(1, value=0.25)]
    assert study_summary("", {}, trials, study)["best_trial"] == 0


def test_summary_of_no_trials_names_no_best() -> None:
    assert "best_trial" not in study_summary("", {}, [], STUDY)


def test_table_fills_missing_cells_and_writes_lists_as_text() -> None:
    columns, cells = table([{"a": 1, "b": [1, 2]}, {"a": None, "c": "x"}])
    assert columns == ["a", "b", "c"]
    assert cells == [[1, "[1, 2]", None], [None, None, "x"]]


def test_trial_rows_say_the_job_type() -> None:
    (row,) = trial_rows([make_record(source=Source.ANCHOR, name="plain-32")])
    assert (row["job_type"], row["name"], row["skip.stage2.block1"]) == (
        "anchor",
        "plain-32",
        "projection",
    )


def test_summary_id_starts_with_the_study() -> None:
    assert summary_id("uid") == "uid-summary"


def test_effects_of_spans_are_in_the_table_and_not_among_the_answers_about_kinds() -> None:
    kinds = [effect(1, "identity", 0.5, span=None, reference_span=None)]
    spans = [
        effect(1, "skip", 9.0, estimand="SPAN", reference_kind="skip", span=2, reference_span=1)
    ]
    columns, cells = table(kinds + spans)
    assert [row[columns.index("span")] for row in cells] == [None, 2]
    assert [row[columns.index("estimate")] for row in cells] == [0.5, 9.0]
    assert list(answer_rows({"effects": kinds + spans})) == list(answer_rows({"effects": kinds}))

import pytest

from nas.errors import TableError
from nas.table_problems import Problems, RowError, far_values, name_rows, unused_rows
from nas.tables import read_trials_csv, records_from_rows
from tests.nas.table_files import GOOD, table


def lines(*middles: str) -> list[str]:
    return [f"{number},{middle}" for number, middle in enumerate(middles)]


def test_all_rows_with_the_same_fault_are_named_and_every_sort_of_fault(tmp_path) -> None:
    good = GOOD.split(",", 1)[1]
    path = table(
        tmp_path,
        *lines(
            "complete,randomised,0.5,2,identiy,none",
            good,
            "complete,randomised,nan,2,none,none",
            "complete,randomised,0.5,2,none,ident",
            "complete,randomised,0.5,2,skip,none",
            "complete,randomised,nan,2,none,none",
        ),
    )
    with pytest.raises(TableError) as caught:
        read_trials_csv(path)
    kinds, values = str(caught.value).splitlines()
    assert "line 2: column 'skip.stage1.block1': Unknown kind of shortcut 'identiy'" in kinds
    assert kinds.endswith("kinds: {identiy: identity}. The same in lines 5 and 6.")
    assert "line 4: column 'value' must be a finite number, got value='nan'. A trial" in values
    assert values.endswith("The same in line 7.")


def test_faults_that_show_between_rows_are_all_named_too(tmp_path) -> None:
    path = table(tmp_path, *lines(*["complete,randomised,0.5,1,none,identity"] * 3))
    with pytest.raises(TableError, match=r"with depth.stage1=1\. Clear .* in lines 3 and 4\."):
        read_trials_csv(path)


def test_a_value_that_is_missing_has_a_remedy() -> None:
    rows = [{"trial": 0, "state": "complete", "source": "randomised", "value": None}]
    rows[0]["skip.stage1.block1"] = "none"
    match = r"got value=''\. Fill it in; a training without a result is state=failed\."
    with pytest.raises(TableError, match=match):
        records_from_rows(rows)


def test_of_very_many_faults_the_first_are_told() -> None:
    problems = Problems("trial")
    for number in range(40):
        problems.add(number, RowError(f"trial {number} is wrong", "same"))
    for number in range(8):
        problems.add(number, RowError(f"trial {number} has no {number}", f"sort {number}"))
    with pytest.raises(TableError) as caught:
        problems.check()
    first, *others = str(caught.value).splitlines()
    assert first.endswith("The same in trials 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 27 more.")
    assert others[-1] == "There is more wrong (4 more sorts)."
    Problems().check()


def test_unused_rows_are_grouped_by_reason() -> None:
    first, second = unused_rows([(1, "not finished"), (2, "a sweep"), (3, "not finished")], "line")
    assert first.to_dict() == {
        "reason": "not finished",
        "n": 2,
        "rows": [1, 3],
        "words": "2 not used, not finished: lines 1 and 3",
    }
    assert second.describe() == "1 not used, a sweep: line 2"
    assert name_rows("line", [7, 9, 12]) == "lines 7, 9 and 12"


def test_far_values_are_counted_in_quartile_ranges_of_those_with_a_result() -> None:
    rows = [
        {
            "trial": number,
            "state": "complete",
            "source": "randomised",
            "value": value,
            "skip.stage1.block1": "none",
        }
        for number, value in enumerate([1.0, 2.0, 3.0, 4.0, 80.0, -900.0])
    ]
    assert far_values(records_from_rows(rows)) == (
        "1 with a value far from all others: trial 5. Check it; a training that went astray is "
        "state=failed"
    )
    failed = [{**row, "state": "failed"} for row in rows]
    assert far_values(records_from_rows(failed)) is None
    # Where most values are equal, nothing says how far is far.
    equal = [{**row, "value": 1.0} for row in rows[:-1]]
    assert far_values(records_from_rows([*equal, rows[-1]])) is None

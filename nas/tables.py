"""Trials as CSV: what `nas report --csv` reads, and what a study writes for other tools."""

import contextlib
import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.benefit.context import BenefitContext, Direction
from nas.benefit.sample import kinds_of, places_of_depths
from nas.errors import TableError
from nas.trials import Source, State, TrialRecord
from search_spaces.errors import SpecError, did_you_mean
from search_spaces.space import Value
from search_spaces.spec import Kind, Place

_REQUIRED = ("trial", "state", "source", "value")
_STATES = (State.COMPLETE, State.PRUNED, State.FAILED)
_METRICS = ("val_log_loss", "val_accuracy", "train_loss", "test_log_loss", "test_accuracy")
_OWN_METRIC = re.compile(r"(?:val|test)_[A-Za-z0-9_]+")
_INTEGERS = ("seed", "of_trial", "params", "macs", "epochs_done")
_LARGEST = 1e50
"""Values beyond it overflow when variances are compared."""
_NUMBERS = ("lr", "weight_decay", "seconds")
_WORDS = ("name", "reason", "spec_id")
_WHOLE_NETWORK = ("width", "block")
"""Decisions about the network as a whole, a number and a word."""
_DECISION = re.compile(
    r"^(?:depth\.stage[1-9]\d*|(?:skip|span)\d*\.stage[1-9]\d*\.block[1-9]\d*|width|block)$"
)
_LOOKS_LIKE_DECISION = re.compile(r"^(?:depth|(?:skip|span)\d*)\.")
_IS_KIND = re.compile(r"^skip\d*\.")


def read_trials_csv(path: Path) -> list[TrialRecord]:
    """Read trials from a CSV file.

    Columns: `trial`, `state` (complete, pruned, failed), `source` (randomised, adaptive, anchor,
    finalist, paired), `value`, and one per decision (`depth.stage1`, `skip.stage1.block1`, ...),
    empty where the block does not exist. Depth columns may be missing when every stage keeps its
    depth. Optional: `width` (a number) and `block` (a word) where these were decided, `seed`, `lr`,
    `weight_decay`, `val_accuracy` and what else `write_trials_csv` writes; columns of other names are
    ignored.

    Raises:
        TableError: A column or a value is missing or wrong; the message names the line.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            lines = [(reader.line_num, line) for line in reader]
    except FileNotFoundError:
        raise TableError(f"The table of trials must exist, got {str(path)!r}.") from None
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path}: must be readable CSV in UTF-8, got {error}. Save it again as CSV UTF-8."
        ) from error
    except (OSError, csv.Error) as error:
        raise TableError(f"{path}: must be readable CSV in UTF-8, got {error}.") from error
    return _records(str(path), columns, lines)


def records_from_rows(rows: Iterable[Mapping[str, Any]]) -> list[TrialRecord]:
    """Read trials from rows in memory, such as `frame.to_dict("records")` of a pandas table.

    Columns as in `read_trials_csv`; None and NaN are empty cells. Rows count from 1 in messages.

    Raises:
        TableError: A column or a value is missing or wrong; the message names the row.
    """
    listed = [dict(row) for row in rows]
    columns = list(dict.fromkeys(name for row in listed for name in row))
    lines = [
        (number, {name: _cell(row.get(name)) for name in columns})
        for number, row in enumerate(listed, start=1)
    ]
    return _records("table", columns, lines)


def _cell(value: Any) -> str:
    is_missing = value is None or value != value
    return "" if is_missing else str(value)


def _records(
    where: str, columns: Sequence[str], lines: Sequence[tuple[int, Mapping[Any, Any]]]
) -> list[TrialRecord]:
    _check_columns(where, columns)
    if not lines:
        raise TableError(
            f"{where}: must hold at least one trial, got only the header. Add one line per trial."
        )
    records = [_Line(f"{where}, line {number}", line).record() for number, line in lines]
    _check_together(where, [number for number, _ in lines], records, columns)
    return records


def _check_columns(path: str, columns: Sequence[str]) -> None:
    if not columns:
        raise TableError(
            f"{path}: must hold a header and trials, got an empty file. Columns: "
            f"{', '.join(_REQUIRED)}, and one per decision such as skip.stage1.block1."
        )
    _check_separator(path, columns)
    for name in columns:
        if name and columns.count(name) > 1:
            raise TableError(
                f"{path}, line 1: every column must occur once, got {name!r} twice. Remove one."
            )
        if _LOOKS_LIKE_DECISION.match(name) and not _DECISION.match(name):
            raise TableError(
                f"{path}, line 1: decisions are named like 'depth.stage1' or 'skip.stage1.block1' "
                f"(from 1), got column {name!r}. Rename it."
            )
    for name in _REQUIRED:
        if name not in columns:
            raise TableError(
                f"{path}, line 1: column {name!r} must be there, got {', '.join(columns)}. Add "
                f"it; needed are {', '.join(_REQUIRED)}."
            )
    if not any(name.startswith("skip.") for name in columns):
        raise TableError(
            f"{path}, line 1: at least one decision about a skip must be there, got "
            f"{', '.join(columns)}. Add columns such as skip.stage1.block1."
        )


def _check_separator(path: str, columns: Sequence[str]) -> None:
    for mark, words in ((";", "';'"), ("\t", "tabs")):
        if len(columns) == 1 and mark in columns[0]:
            raise TableError(
                f"{path}, line 1: commas are needed between columns, got columns separated by "
                f"{words}. Save it again as comma-separated CSV."
            )


class _Line:
    """One line of the file, read cell by cell."""

    def __init__(self, where: str, cells: Mapping[str | None, Any]) -> None:
        self.where = where
        if None in cells:
            raise TableError(
                f"{where}: must have as many cells as the header, got {len(cells[None])} more. "
                "Quote cells that hold a comma."
            )
        self.cells = {str(name): (text or "").strip() for name, text in cells.items()}

    def record(self) -> TrialRecord:
        """Return the trial, its blocks checked against its depths."""
        number = self._integer("trial")
        if number is None:
            raise self._wrong("trial", "must be an integer >= 0", "Number the trials.")
        state = State(self._word("state", [state.value for state in _STATES]))
        source = Source(self._word("source", [source.value for source in Source]))
        value = self._number("value")
        if state is State.COMPLETE and value is None:
            raise self._wrong(
                "value", "must be a finite number where state=complete", "Fill it in."
            )
        metrics = {name: self._number(name) for name in _METRICS}
        fields: dict[str, Any] = {name: self._integer(name) for name in _INTEGERS}
        fields |= {name: self._number(name) for name in _NUMBERS}
        fields |= {name: self.cells.get(name) or None for name in _WORDS}
        fields["epochs_done"] = fields["epochs_done"] or 0
        return TrialRecord(
            number=number,
            state=state,
            source=source,
            decisions=self._decisions(),
            value=value,
            metrics={name: found for name, found in metrics.items() if found is not None}
            | self._own_metrics(),
            **fields,
        )

    def _own_metrics(self) -> dict[str, float]:
        """Return what a task of the user's measured; cells that are no numbers mean nothing."""
        found: dict[str, float] = {}
        for name, text in self.cells.items():
            if _OWN_METRIC.fullmatch(name) and name not in _METRICS:
                with contextlib.suppress(ValueError):
                    found[name] = float(text)
        return {name: value for name, value in found.items() if abs(value) <= _LARGEST}

    def _wrong(self, column: str, rule: str, remedy: str) -> TableError:
        return TableError(
            f"{self.where}: column {column!r} {rule}, got {column}="
            f"{self.cells.get(column, '')!r}. {remedy}"
        )

    def _word(self, column: str, known: Sequence[str]) -> str:
        word = self.cells[column]
        if word not in known:
            raise self._wrong(column, "must be a known word", did_you_mean(word, known))
        return word

    def _number(self, column: str) -> float | None:
        text = self.cells.get(column, "")
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self._wrong(
                column, "must be a finite number", "A trial without a result is state=failed."
            )
        if abs(number) > _LARGEST:
            raise self._wrong(
                column,
                f"must be a finite number below {_LARGEST:g}",
                "A training that went astray is state=failed.",
            )
        return number

    def _integer(self, column: str) -> int | None:
        text = self.cells.get(column, "")
        if not text:
            return None
        # Tools that keep missing cells as NaN write whole numbers as 3.0.
        text = text.removesuffix(".0")
        if not text.isascii() or not text.isdigit():
            raise self._wrong(column, "must be an integer >= 0", "Write it without a fraction.")
        return int(text)

    def _decisions(self) -> dict[str, Value]:
        decisions: dict[str, Value] = {}
        for name, text in self.cells.items():
            if not _DECISION.match(name) or not text:
                continue
            if name == "block":
                decisions[name] = text
            elif _IS_KIND.match(name):
                try:
                    decisions[name] = Kind.parse(text).value
                except SpecError as error:
                    raise TableError(f"{self.where}: column {name!r}: {error}") from None
            else:
                number = self._integer(name)
                if not number:
                    raise self._wrong(
                        name, "must be an integer >= 1", "Leave it empty where it does not exist."
                    )
                decisions[name] = number
        return decisions


def _check_together(
    path: str, numbers: Sequence[int], records: Sequence[TrialRecord], columns: Sequence[str]
) -> None:
    """Check what one line cannot tell: trial numbers, and which blocks have to exist."""
    first: dict[tuple[int, bool], int] = {}
    named: dict[str, tuple[int, Mapping[str, Value]]] = {}
    plan = _common_plan(columns)
    for number, record in zip(numbers, records, strict=True):
        where = f"{path}, line {number}"
        # Search trials and repeats are two studies, each numbered on its own.
        repeats = record.source in (Source.ANCHOR, Source.FINALIST, Source.PAIRED)
        key = (record.number, repeats)
        if key in first:
            raise TableError(
                f"{where}: column 'trial' must not repeat, got trial={record.number} as in line "
                f"{first[key]}. Number every training on its own, equal networks too."
            )
        first[key] = number
        _check_blocks(where, record, plan)
        if record.spec_id is not None:
            line, decisions = named.setdefault(record.spec_id, (number, record.decisions))
            if decisions != record.decisions:
                raise TableError(
                    f"{where}: one spec_id must stand for one network, got spec_id="
                    f"{record.spec_id!r} in lines {line} and {number} with other decisions. "
                    "Remove the column or correct it."
                )


def _common_plan(columns: Sequence[str]) -> dict[int, int]:
    """Return the depth of each stage without a depth column: its last block's number."""
    plan: dict[int, int] = {}
    for name in columns:
        if name.startswith("skip."):
            place = Place.parse(name.removeprefix("skip."))
            if f"depth.stage{place.stage}" not in columns:
                plan[place.stage] = max(plan.get(place.stage, 0), place.block)
    return plan


def _check_blocks(where: str, record: TrialRecord, plan: Mapping[int, int]) -> None:
    given = {
        int(name.removeprefix("depth.stage")): int(value)
        for name, value in record.decisions.items()
        if name.startswith("depth.")
    }
    depths = dict(plan) | given
    found = kinds_of(record)
    for place, kind in found.items():
        if place.block > depths.get(place.stage, 0):
            depth = depths.get(place.stage)
            stated = "empty" if depth is None else depth
            raise TableError(
                f"{where}: column 'skip.{place}' must be empty where the block does not exist, "
                f"got skip.{place}={kind.value!r} with depth.stage{place.stage}={stated}. Clear "
                "the cell or correct the depth."
            )
    every = range(1, max(depths, default=0) + 1)
    for place in places_of_depths(depths.get(stage, 0) for stage in every):
        if place not in found:
            raise TableError(
                f"{where}: column 'skip.{place}' must name a kind where the block exists, got an "
                f"empty cell or no such column with depth.stage{place.stage}="
                f"{depths[place.stage]}. Write none, identity or projection."
            )
    _check_spans(where, record)


def _check_spans(where: str, record: TrialRecord) -> None:
    """Check that spans belong to skips, and that skips begin inside the network."""
    for index, (place, kind) in enumerate(kinds_of(record).items()):
        span = record.decisions.get(f"span.{place}")
        if span is not None and kind is Kind.NONE:
            raise TableError(
                f"{where}: column 'span.{place}' must be empty where no skip ends, got "
                f"span.{place}={span} with skip.{place}=none. Clear the cell."
            )
        if span is not None and int(span) > index + 1:
            raise TableError(
                f"{where}: column 'span.{place}' must be at most {index + 1}, the blocks up to "
                f"there, got span.{place}={span}. A span counts blocks; 1 is the classic block."
            )


def write_trials_csv(path: Path, records: Iterable[TrialRecord]) -> None:
    """Write trials so that `read_trials_csv` reads them back; decisions in network order.

    Trials that wait or train are left out: they are no results, and tables hold none.
    """
    rows = [record.to_row() for record in records if record.state.is_finished]
    decisions = sorted({name for row in rows for name in row if _DECISION.match(name)}, key=_order)
    rest = dict.fromkeys(name for row in rows for name in row if name not in decisions)
    head = [*_REQUIRED, "seed", "lr", "weight_decay"]
    columns = [*head, *decisions, *(name for name in rest if name not in head)]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _order(name: str) -> tuple[int, int, str, int]:
    """The whole network first, then depths, then the blocks in network order."""
    if name in _WHOLE_NETWORK:
        return (0, _WHOLE_NETWORK.index(name), name, 0)
    word, place = name.split(".", 1)
    stage, _, block = place.removeprefix("stage").partition(".block")
    return (1 if word == "depth" else 2, int(stage), word, int(block or 0))


def context_from_rows(
    rows: Sequence[TrialRecord],
    *,
    direction: Direction,
    metric: str = "value",
    name: str = "table",
    sesoi: float | None = None,
) -> BenefitContext:
    """Return the context of trials that nothing else is known about.

    Kinds are those that occur; the reference depth is left to the map, which takes the most
    frequent among the design rows.

    Args:
        rows: The trials.
        direction: Which way the value is better.
        metric: Name of the value; `val/log_loss` and `val/accuracy` have a known unit and a
            smallest effect that can be worth having.
        name: Shown as the study's name.
        sesoi: Smallest effect of interest, in the value's unit.
    """
    kinds = {kind for row in rows for kind in kinds_of(row).values()}
    specs = [row.spec for row in rows if row.spec is not None]
    deepest = max(specs, key=lambda spec: (spec.num_blocks, spec.depths), default=None)
    if deepest is not None:
        deepest = deepest.with_skips([])
    return BenefitContext(
        direction=direction,
        metric=metric,
        study_name=name,
        num_classes=deepest.num_classes if deepest is not None else None,
        kinds=tuple(kind for kind in Kind if kind in kinds) or None,
        reference_spec=deepest,
        sesoi=sesoi,
    )


def split_repeats(
    records: Iterable[TrialRecord],
) -> tuple[list[TrialRecord], list[TrialRecord]]:
    """Part a mixed table into search trials and repeats (anchors, finalists, paired)."""
    search, repeats = [], []
    for record in records:
        is_search = record.source in (Source.RANDOMISED, Source.ADAPTIVE)
        (search if is_search else repeats).append(record)
    return search, repeats

"""What the lines of a table must be together: trials that differ, blocks that exist."""

from collections.abc import Mapping, Sequence

from nas.benefit.sample import kinds_of, places_of_depths
from nas.table_problems import Problems, RowError
from nas.trials import Source, TrialRecord
from search_spaces.places import Kind, Place
from search_spaces.space import Value

_SEARCHED = (Source.RANDOMISED, Source.ADAPTIVE)
_SPANNED = ("span", "skip2")
"""Beginnings of decisions that only networks with longer skips have."""
_REPEATS = (Source.ANCHOR, Source.FINALIST, Source.PAIRED)


def check_together(
    path: str, numbers: Sequence[int], records: Sequence[TrialRecord], columns: Sequence[str]
) -> None:
    """Check what one line cannot tell: trial numbers, and which blocks have to exist.

    Args:
        path: The table, for messages.
        numbers: Line of each trial.
        records: The trials.
        columns: All columns.

    Raises:
        TableError: A number or an id comes twice, or a block, span or number of layers cannot be.
    """
    problems, together = Problems(), Together(path, records, columns)
    for number, record in zip(numbers, records, strict=True):
        try:
            together.check(number, record)
        except RowError as error:
            problems.add(number, error)
    problems.check()


class Together:
    """The rows of one table, taken in one after the other.

    Args:
        path: The table, for messages.
        records: All its trials.
        columns: All its columns.
        word: What a row is called.
    """

    def __init__(
        self,
        path: str,
        records: Sequence[TrialRecord],
        columns: Sequence[str],
        word: str = "line",
    ) -> None:
        self._path, self._word = path, word
        self._plan = _common_plan(columns)
        self._decided = _decided_places(records)
        self._first: dict[tuple[int, bool], int] = {}
        self._named: dict[str, tuple[int, Mapping[str, Value]]] = {}

    def check(self, number: int, record: TrialRecord) -> None:
        """Check one row against those before it, and its blocks against those of all rows.

        Raises:
            RowError: A number or an id comes twice, or a block, span or number of layers cannot be.
        """
        where = f"{self._path}, {self._word} {number}"
        # Search trials and repeats are two studies, each numbered on its own.
        key = (record.number, record.source in _REPEATS)
        if key in self._first:
            raise RowError(
                f"{where}: column 'trial' must not repeat, got trial={record.number} as in "
                f"{self._word} {self._first[key]}. Number every training on its own, equal "
                "networks too.",
                "trial",
            )
        self._first[key] = number
        _check_blocks(where, record, self._plan, self._decided)
        if record.spec_id is not None:
            line, decisions = self._named.setdefault(record.spec_id, (number, record.decisions))
            if decisions != record.decisions:
                raise RowError(
                    f"{where}: one spec_id must stand for one network, got spec_id="
                    f"{record.spec_id!r} in {self._word}s {line} and {number} with other "
                    "decisions. Remove the column or correct it.",
                    "spec_id",
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


def _decided_places(records: Sequence[TrialRecord]) -> set[Place]:
    """Return the blocks whose kind any design row names.

    A space of the user's may fix the kind at others, such as at transitions.
    """
    rows = (record for record in records if record.source is Source.RANDOMISED)
    return {place for row in rows for place in kinds_of(row)}


def _check_blocks(
    where: str, record: TrialRecord, plan: Mapping[int, int], decided: set[Place]
) -> None:
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
            raise RowError(
                f"{where}: column 'skip.{place}' must be empty where the block does not exist, "
                f"got skip.{place}={kind.value!r} with depth.stage{place.stage}={stated}. Clear "
                "the cell or correct the depth.",
                "absent block",
            )
    every = range(1, max(depths, default=0) + 1)
    places = places_of_depths(depths.get(stage, 0) for stage in every)
    for place in places:
        if place not in found and place in decided and record.source in _SEARCHED:
            raise RowError(
                f"{where}: column 'skip.{place}' must name a kind where the block exists, got an "
                f"empty cell or no such column with depth.stage{place.stage}="
                f"{depths[place.stage]}. Write none, identity or projection.",
                "empty block",
            )
    _check_layers(where, record, sum(depths.values()))
    if any(name.startswith(_SPANNED) for name in record.decisions):
        for index, place in enumerate(places):
            _check_spans(where, record, place, index + 1)


def _check_layers(where: str, record: TrialRecord, num_blocks: int) -> None:
    layers = record.layers
    if layers is None or not num_blocks:
        return
    if layers <= 2 or (layers - 2) % num_blocks:
        raise RowError(
            f"{where}: column 'layers' must be 2 (stem and classifier) and as many for each of the "
            f"{num_blocks} blocks, got layers={layers}. Correct it, or leave the column out.",
            "layers",
        )


def _check_spans(where: str, record: TrialRecord, place: Place, available: int) -> None:
    """Check that spans belong to skips that begin inside the network, each longer than the last."""
    before, number = 0, 1
    while (kind := record.decisions.get(f"skip{_ordinal(number)}.{place}")) is not None:
        name = f"span{_ordinal(number)}.{place}"
        span = record.decisions.get(name, 1 if number == 1 and kind != Kind.NONE else None)
        if kind == Kind.NONE and span is not None:
            raise RowError(
                f"{where}: column {name!r} must be empty where no skip ends, got {name}={span} "
                f"with skip{_ordinal(number)}.{place}=none. Clear the cell.",
                "span without skip",
            )
        if kind != Kind.NONE and (span is None or int(span) <= before):
            raise RowError(
                f"{where}: column {name!r} must be above {before}, the span of the skip before, "
                f"got {name}={'empty' if span is None else span}. Of several skips that end at a "
                "block the shortest comes first.",
                "spans in order",
            )
        before = int(span or 0)
        if before > available:
            raise RowError(
                f"{where}: column {name!r} must be at most {available}, the blocks up to there, "
                f"got {name}={span}. A span counts blocks; 1 is the classic block.",
                "span too long",
            )
        number += 1


def _ordinal(number: int) -> str:
    return "" if number == 1 else str(number)

"""Rows of a balanced design beside those that are there, for trainings that others make."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from nas.benefit.context import BenefitContext
from nas.benefit.frame import Frame, make_frame
from nas.benefit.sample import kinds_of, sort_rows
from nas.design import design_rows
from nas.plan_rows import PlanRow
from nas.plan_writing import write_plan_csv
from nas.space_kinds import BlockChoices
from nas.trials import Source, TrialRecord
from search_spaces.places import Kind, Place
from search_spaces.space import Value
from trainer.seeding import child_seed

FILE = "rows_to_add.csv"
_SEED = 0
_FEWEST, _MOST_FILES = 24, 100
_SETS = 4
_SPARE = 3
"""Different networks beyond its columns that the coarsest model needs, one column per kind."""
_MOST_SEARCHED = 512
"""Design rows that are looked through, and so the most that are written. Each costs a
millisecond, and who trains so many comes back for more with better estimates."""


@dataclass(frozen=True, kw_only=True)
class RowsToAdd:
    """Design rows that have not been trained."""

    rows: tuple[PlanRow, ...]
    settles: str
    """What they are good for, in words that follow "for"."""
    file: str = FILE

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data for the page."""
        return {"num_rows": len(self.rows), "path": self.file, "settles": self.settles}

    def describe(self, folder: Path) -> str:
        """Return the line that the command prints."""
        return f"rows     {folder / self.file}: {len(self.rows)} to train for {self.settles}"

    def write(self, folder: Path) -> None:
        """Write them as `nas plan` does; column `value` is left for the user."""
        write_plan_csv(folder / self.file, self.rows)


def rows_to_add(
    trials: Sequence[TrialRecord],
    benefit: Mapping[str, Any],
    context: BenefitContext,
    folder: Path,
) -> RowsToAdd | None:
    """Return the rows that would let the data answer more.

    None where everything is answered, where a command trains them by itself, and where nothing is
    known of the blocks.

    Args:
        trials: Trials of the search, as the map was made from.
        benefit: Content of `skip_benefit.json`.
        context: What the map was made with.
        folder: Where they will be written; a file there that somebody has filled in is kept.
    """
    if context.run_folder is not None or context.recipe:
        return None
    frame = make_frame(sort_rows(trials), context)
    kinds = [kinds_of(trial) for trial in trials]
    choices = _choices(kinds, frame)
    number, settles = _asked(benefit, frame, choices)
    patterns = math.prod(len(own.kinds) for own in choices.values())
    if not number or patterns < max(len(own.kinds) for own in choices.values()) + _SPARE:
        # So small a space holds no rows that would tell its noise, however many are trained.
        return None
    first = max((trial.number for trial in trials), default=-1) + 1
    there = {
        tuple(own.items())
        for own, trial in zip(kinds, trials, strict=True)
        if trial.source is Source.RANDOMISED
    }
    fresh = islice(_fresh(there, choices, number), number)
    with_depths = any(name.startswith("depth.") for trial in trials for name in trial.decisions)
    rates = {row.lr for row in frame.rows}
    rate = rates.pop() if len(rates) == 1 else None
    rows = tuple(
        PlanRow(
            number=first + index,
            decisions=_decisions(frame, pattern, with_depths=with_depths),
            # Spreadsheets keep 15 digits, and some generators take 32 bits.
            seed=child_seed(_SEED, "row to add", first + index) % 2**31,
            lr=rate,
        )
        for index, pattern in enumerate(fresh)
    )
    return RowsToAdd(rows=rows, settles=settles, file=_free_name(folder)) if rows else None


def remove_rows_to_add(folder: Path) -> None:
    """Remove rows of a former report, unless somebody has filled them in."""
    if not _is_filled(folder / FILE):
        (folder / FILE).unlink(missing_ok=True)


def _free_name(folder: Path) -> str:
    stem, end = FILE.split(".")
    names = [FILE, *(f"{stem}-{number}.{end}" for number in range(2, _MOST_FILES))]
    return next((name for name in names if not _is_filled(folder / name)), FILE)


def _is_filled(path: Path) -> bool:
    """Say whether a file has a value, or cannot be read as what was written here."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return any(row["value"] for row in csv.DictReader(file))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError, KeyError, csv.Error):
        return True


def _choices(of_trials: Sequence[Mapping[Place, Kind]], frame: Frame) -> dict[Place, BlockChoices]:
    """Return the kinds that every block has had in any trial; where it was one alone, all."""
    seen: dict[Place, set[Kind]] = defaultdict(set)
    for kinds in of_trials:
        for place, kind in kinds.items():
            seen[place].add(kind)
    found = {}
    for place in frame.places:
        own = tuple(kind for kind in Kind if kind in seen[place])
        found[place] = BlockChoices(kinds=own if len(own) > 1 else frame.kinds or tuple(Kind))
    return found


def _asked(
    benefit: Mapping[str, Any], frame: Frame, choices: Mapping[Place, BlockChoices]
) -> tuple[int, str]:
    """Return how many rows, rounded up to whole sets of the design, and what they settle."""
    if not frame.places:
        return 0, ""
    kinds = [len(own.kinds) for own in choices.values()]
    columns = 1 + sum(kinds) - len(kinds)
    if not frame.rows:
        words = f"what the skips of {len(kinds)} blocks are worth"
        return _whole_sets(max(2 * columns, _FEWEST), kinds), words
    settled = benefit.get("settled") or {}
    step = settled.get("next")
    if not step:
        return 0, ""
    left = settled["num_answers"] - settled["num_settled"]
    answers = f"the other {left} answers" if left > 1 else "the last answer"
    asked = step["design_rows"]
    number = _whole_sets(asked, kinds)
    if len(frame.reference_rows) + number < 2 * columns:
        verb = "need" if left > 1 else "needs"
        return number, f"a first step: {answers} {verb} at least {2 * columns} rows in all"
    if step["is_first_step"]:
        return number, f"a first step towards {answers}"
    first = "" if number >= asked else f"the first of about {asked:,} "
    return number, f"{answers}, {first}if effects are what they seem"


def _whole_sets(number: int, kinds: Sequence[int]) -> int:
    """In whole sets every block has each of its kinds equally often, see `design_rows`."""
    size = _SETS * math.lcm(*kinds)
    return min(math.ceil(number / size), _MOST_SEARCHED // size) * size


def _fresh(
    there: Set[tuple[tuple[Place, Kind], ...]],
    choices: Mapping[Place, BlockChoices],
    number: int,
) -> Iterator[dict[Place, Kind]]:
    """Yield rows of the design that no design trial has; any, where a small space is used up."""
    kinds = {place: own.kinds for place, own in choices.items()}
    # Beyond that, those that are there may be all that the design of this seed begins with.
    goes_on = len(there) + number <= _MOST_SEARCHED
    seed = _SEED if goes_on else child_seed(_SEED, "rows beyond", len(there))
    seen, others = [], []
    for row in islice(design_rows(list(kinds), kinds, seed), _MOST_SEARCHED):
        (others if tuple(row.items()) in there else seen).append(row)
        if len(seen) == number:
            break
    yield from seen
    yield from others


def _decisions(
    frame: Frame, kinds: Mapping[Place, Kind], *, with_depths: bool
) -> dict[str, Value]:
    depths: dict[int, int] = {}
    for place in frame.places:
        depths[place.stage] = max(depths.get(place.stage, 0), place.block)
    found: dict[str, Value] = (
        {f"depth.stage{stage}": depth for stage, depth in depths.items()} if with_depths else {}
    )
    return found | {f"skip.{place}": kind.value for place, kind in kinds.items()}

"""Which rows of the table a study would have met: designs, and searches in the loop."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import optuna

from nas.design import design_rows
from nas.design_mirrored import fold_overs
from nas.sampling import make_sampler
from search_spaces.spec import Kind, Place
from trainer.recorded.table import PatternTable

KINDS = (Kind.NONE, Kind.IDENTITY)
PLACES = tuple(Place(stage, block) for stage in (1, 2, 3) for block in (1, 2))
NAMES = tuple(f"skip.{place}" for place in PLACES)
Sampler = Literal["random", "tpe", "mutation"]

STARTUP = 10
"""Trials of a search that are drawn at random before its sampler decides."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Trainings that a study has met."""

    patterns: np.ndarray
    """Numbers of patterns, (rows,)."""
    seeds: np.ndarray
    """Numbers of recorded seeds, (rows,)."""
    is_random: np.ndarray
    """Whether each row was chosen by lot, (rows,)."""
    study: optuna.Study | None = None
    """What an importance evaluator sees; None where no search ran."""


def random_rows(number: int, rng: np.random.Generator) -> np.ndarray:
    """Draw every skip by itself."""
    return rng.integers(0, 2 ** len(PLACES), number)


def balanced_rows(number: int, rng: np.random.Generator) -> np.ndarray:
    """Take the first rows of the balanced random design, with a seed of its own."""
    design = design_rows(PLACES, KINDS, int(rng.integers(2**31)))
    return np.array([_number_of(row) for row in islice(design, number)])


def folded_rows(number: int, rng: np.random.Generator) -> np.ndarray:
    """Take the first rows of the mirrored design: a Hadamard matrix and its mirror, 16 rows each."""
    return np.array(list(islice(_folded(rng), number)))


DESIGNS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "random": random_rows,
    "balanced": balanced_rows,
    "fold-over": folded_rows,
}


def draw_design(table: PatternTable, design: str, number: int, rng: np.random.Generator) -> Rows:
    """Draw a design and a recorded seed for each of its rows."""
    patterns = DESIGNS[design](number, rng)
    return Rows(
        patterns=patterns,
        seeds=rng.integers(table.num_seeds, size=number),
        is_random=np.ones(number, dtype=bool),
    )


def run_search(
    table: PatternTable,
    number: int,
    rng: np.random.Generator,
    *,
    sampler: Sampler = "tpe",
    design_share: float = 0.0,
) -> Rows:
    """Let a sampler search on log-loss, one trial after the other, with rows of the design mixed in.

    Args:
        table: What trainings give.
        number: Trials in all.
        rng: Source of randomness.
        sampler: `tpe`, `mutation` or `random`.
        design_share: Share of trials that are rows of the mirrored design, as studies of two kinds
            have it; the sampler learns from them.
    """
    seed = int(rng.integers(2**31))
    study = optuna.create_study(direction="minimize", sampler=make_sampler(sampler, seed))
    distributions = ranges()
    design, num_adaptive, num_random = _folded(rng), 0, 0
    patterns, seeds = np.zeros(number, dtype=int), rng.integers(table.num_seeds, size=number)
    is_random = np.zeros(number, dtype=bool)
    for trial_number in range(number):
        is_row = num_random < design_share * (trial_number + 1)
        is_start = not is_row and num_adaptive < STARTUP
        if is_row or is_start:
            pattern = next(design) if is_row else int(random_rows(1, rng)[0])
            value = _log_loss(table, pattern, int(seeds[trial_number]))
            study.add_trial(
                optuna.trial.create_trial(
                    params=params_of(table, pattern), distributions=distributions, value=value
                )
            )
        else:
            trial = study.ask(distributions)
            pattern = _number(np.array([trial.params[n] != Kind.NONE.value for n in NAMES]))
            study.tell(trial, _log_loss(table, pattern, int(seeds[trial_number])))
        num_random += is_row
        num_adaptive += not is_row
        patterns[trial_number], is_random[trial_number] = pattern, is_row
    return Rows(patterns=patterns, seeds=seeds, is_random=is_random, study=study)


def ranges() -> dict[str, optuna.distributions.BaseDistribution]:
    """Return Optuna's ranges of all decisions."""
    kinds = [kind.value for kind in KINDS]
    return {name: optuna.distributions.CategoricalDistribution(kinds) for name in NAMES}


def params_of(table: PatternTable, pattern: int) -> dict[str, str]:
    """Return a pattern as Optuna's parameters."""
    on = table.patterns[pattern].tolist()
    return {name: KINDS[has].value for name, has in zip(NAMES, on, strict=True)}


def _folded(rng: np.random.Generator) -> Iterator[int]:
    for rows in fold_overs(PLACES, KINDS, int(rng.integers(2**31))):
        yield from (_number_of(row) for row in rows)


def _number_of(row: Mapping[Place, Kind]) -> int:
    return _number(np.array([row[place] is not Kind.NONE for place in PLACES]))


def _number(has_skip: np.ndarray) -> int:
    """Return the number of the pattern with these skips."""
    return int(has_skip @ (1 << np.arange(len(has_skip))[::-1]))


def _log_loss(table: PatternTable, pattern: int, seed: int) -> float:
    return float(table.log_loss[pattern, seed, -1])

"""What a design can see, said before it is trained; no torch here."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nas.benefit.context import unit_of
from nas.benefit.power import POWER, detectable, resolution_floor, runs_needed
from nas.benefit.reading import kinds_of
from nas.config import StudyConfig, make_config
from nas.design_plan import DesignPlan
from nas.plan_rows import num_terms
from nas.price import training_seconds
from nas.trials import Source, State, TrialRecord
from search_spaces.space import SearchSpace
from search_spaces.spec import Kind, Place

_EXCESS = 2.4
"""What a design that is not orthogonal adds to the variance, times the square of terms per row;
fitted to balanced designs of 9 to 24 blocks with two to five rows per term."""
_TYPICAL = {("digits", "val/log_loss"): (0.075, 0.05), ("digits", "val/accuracy"): (0.024, 0.02)}
"""Data and metric -> residual standard deviation of design rows, measured over 96 rows of the
default space (32 layers) by the default recipe (8 epochs), and an effect that may be worth having.
"""
_FEW_TERMS = 5
"""Former rows tell their deviation once there are so many more than terms."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The standard deviation that a statement rests on."""

    sd: float | None
    """None: not known, and effects are told in its units."""
    why: str
    """Where it comes from."""


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What a design of some rows sees, 80 times in 100.

    The map looks at a single block only where it has found all skips together, and those of the
    block's stage. Numbers of a block are therefore those of one whose whole stage has the effect.
    """

    num_rows: int
    floor: int
    """Rows below which a design only screens."""
    effect: float
    """The effect that is asked for."""
    needed: int
    """Rows that see it at a block whose whole stage has it."""
    alone: int
    """Rows that see it at a block where no other block has any effect."""
    at_block: float
    """Smallest effect that the rows see at a block whose whole stage has it; infinity where they
    are too few."""
    at_all: float
    """The same for the mean over all blocks."""
    num_blocks: int
    """Blocks of which the design draws the kind."""
    num_effects: int
    """Effects at blocks that hold together."""
    spread: Spread
    unit: str | None
    seconds_per_row: float | None

    def describe(self) -> list[str]:
        """Return the statement in lines without a label."""
        say = self._say
        minutes = ""
        if self.seconds_per_row is not None:
            minutes = f", {max(self.needed * self.seconds_per_row / 60, 0.1):.1f} min"
        first = (
            f"to see {say(self.effect)} at a single block takes about {self.needed} design rows"
            f"{minutes}{', if its whole stage has it' if self.num_blocks > 1 else ''}; "
        )
        if math.isinf(self.at_block):
            seen = f"{self.num_rows} are too few to tell single blocks apart"
        else:
            seen = f"{self.num_rows} see {say(self.at_block)}"
            seen += f", and {say(self.at_all)} as the mean of all blocks"
        lines = [first + seen]
        lines.append(
            f"({round(100 * POWER)} times in 100, {self.num_effects} block effects together at 5%; "
            f"{self.spread.why})"
        )
        if self.alone > self.needed:
            lines.append(
                "a single block is looked at only where all skips, and those of its stage, are "
                f"found first: one that alone has it takes about {self.alone} rows"
            )
        if self.num_rows < self.floor:
            lines.append(f"fewer than {self.floor} rows, two for each term, only screen")
        return lines

    def _say(self, value: float) -> str:
        if self.spread.sd is None:
            return f"{value:.2g} residual sd"
        if self.unit == "fraction":
            return f"{100 * value:.2g} points"
        return f"{value:.2g}" + (f" {self.unit}" if self.unit else "")


def state_power(
    design: DesignPlan,
    num_rows: int,
    spread: Spread,
    *,
    metric: str,
    effect: float | None = None,
    seconds_per_row: float | None = None,
) -> Stated:
    """Say what a design can see.

    Args:
        design: The design; it has something to balance.
        num_rows: Rows that are planned.
        spread: What is known of the noise.
        metric: What is measured, for its unit.
        effect: The effect to see, in its unit; None: half a residual standard deviation.
        seconds_per_row: Wall time of a row, where it is known.
    """
    sd = 1.0 if spread.sd is None else spread.sd
    # What is asked for in another unit than the noise's cannot be compared with it.
    wanted = 0.5 * sd if effect is None or spread.sd is None else effect
    counts = [len(choices.kinds) for choices in design.choices.values() if len(choices.kinds) > 1]
    terms, family = num_terms(design), sum(count - 1 for count in counts)
    most = max(counts, default=2)
    common = {"num_terms": terms, "family_size": max(family, 1)}
    floor = resolution_floor(terms)

    def inflation(rows: int) -> float:
        return _inflation(design, terms, rows)

    first = runs_needed(wanted, sd, most, **common)
    needed = runs_needed(wanted, sd, most, inflation=inflation(first), **common)
    return Stated(
        num_rows=num_rows,
        floor=floor,
        effect=wanted,
        needed=needed,
        alone=max(needed, _rows_of_gates(design, wanted, sd)),
        at_block=detectable(num_rows, sd, most, inflation=inflation(num_rows), **common),
        at_all=detectable(num_rows, sd, most, num_terms=2, num_blocks=max(len(counts), 1)),
        num_blocks=len(counts),
        num_effects=family,
        spread=spread,
        unit=unit_of(metric),
        seconds_per_row=seconds_per_row,
    )


def _rows_of_gates(design: DesignPlan, effect: float, sd: float) -> int:
    """Return the rows that find the whole network and a stage where one block alone has an effect.

    A mean over B blocks is 1/B of the effect and has 1/B of a block's variance, so that it takes B
    times the rows.
    """
    counts = {p: len(own.kinds) for p, own in design.choices.items() if len(own.kinds) > 1}
    if not counts:
        return 0
    most, stages = max(counts.values()), Counter(place.stage for place in counts)
    family = len(stages) * (most - 1)
    network = runs_needed(effect, sd, most, inflation=len(counts))
    stage = runs_needed(effect, sd, most, family_size=family, inflation=max(stages.values()))
    return max(network, stage)


def spread_of(
    design: DesignPlan, config: StudyConfig, trials: Iterable[TrialRecord] = ()
) -> Spread:
    """Return what is known of the noise: of former trials, or else of the default study.

    Args:
        design: The design.
        config: The study's configuration.
        trials: Former trials of the study.
    """
    rows = [
        trial
        for trial in trials
        if trial.source is Source.RANDOMISED and trial.state is State.COMPLETE
    ]
    found = _residual_sd(design, rows)
    if found is not None:
        return Spread(sd=found, why=f"residual sd {found:.2g}, of {len(rows)} rows trained so far")
    typical = _TYPICAL.get((config.data, config.search.metric))
    if typical is None or not _is_default(config):
        return Spread(sd=None, why="the residual sd is known once rows are trained")
    where = f"{design.reference.layers} layers, {config.recipe.epochs} epochs"
    return Spread(
        sd=typical[0], why=f"residual sd {typical[0]:g}, measured on {config.data}, {where}"
    )


def _is_default(config: StudyConfig) -> bool:
    """Whether networks and recipe are those of which the deviation was measured."""
    usual = make_config({})
    return config.task is None and (config.space, config.recipe) == (usual.space, usual.recipe)


def effect_of(data: str, metric: str, sesoi: float | None) -> float | None:
    """Return the effect to state: the study's smallest of interest, or one typical of the data."""
    typical = _TYPICAL.get((data, metric))
    return typical[1] if sesoi is None and typical is not None else sesoi


def _inflation(design: DesignPlan, terms: int, num_rows: int) -> float:
    """Return the variance of the kinds' differences, in units of an orthogonal design's."""
    if design.design == "mirrored" and num_rows >= design.whole:
        return 1.0
    return 1 + _EXCESS * (terms / num_rows) ** 2


def _residual_sd(design: DesignPlan, rows: Sequence[TrialRecord]) -> float | None:
    """Return what the model of single blocks leaves of former rows; None where they are too few."""
    kinds = {place: own.kinds for place, own in design.choices.items() if len(own.kinds) > 1}
    rows = [row for row in rows if row.value is not None and kinds.keys() <= kinds_of(row).keys()]
    if len(rows) < num_terms(design) + _FEW_TERMS:
        return None
    matrix = _matrix(kinds, [kinds_of(row) for row in rows], [row.lr or 0.0 for row in rows])
    values = np.array([row.value for row in rows], dtype=float)
    coefficients, _, rank, _ = np.linalg.lstsq(matrix, values, rcond=None)
    rest = values - matrix @ coefficients
    sd = float(np.sqrt(rest @ rest / (len(rows) - rank)))
    return sd if sd > 0 else None


def _matrix(
    kinds: dict[Place, tuple[Kind, ...]],
    rows: Sequence[dict[Place, Kind]],
    rates: Sequence[float],
) -> np.ndarray:
    """Return the model matrix: a one, sum-to-zero codes of the kinds, and the rates."""
    columns = [np.ones(len(rows))]
    for place, own in kinds.items():
        found = np.array([own.index(row[place]) if row[place] in own else 0 for row in rows])
        columns += [(found == level).astype(float) - (found == 0) for level in range(1, len(own))]
    every = np.array(rates)
    columns += [(every == rate).astype(float) for rate in sorted(set(rates))[1:]]
    return np.column_stack(columns)


def describe_search_power(
    config: StudyConfig, space: SearchSpace, ended: Sequence[TrialRecord], num_workers: int
) -> list[str]:
    """Say what the design rows of a search can see, as lines of its plan; none without rows to come.

    Args:
        config: The study's configuration.
        space: Its search space.
        ended: Its trials so far.
        num_workers: Workers that share the trainings.
    """
    search = config.search
    rows = [trial for trial in ended if trial.source is Source.RANDOMISED]
    num_rows = round(search.design_share * search.trials)
    if num_rows <= len(rows):
        return []
    factors = search.lr_factors
    design = DesignPlan(space, search.seed, design=config.design, lr_factors=factors)
    if search.design_share < 1:
        num_rows = min(num_rows, design.num_rows)
    spent = [row.seconds for row in rows if row.seconds is not None]
    deepest = space.uniform(space.deepest, Kind.IDENTITY)
    seconds = training_seconds(deepest, config.recipe, config.facts())
    stated = state_power(
        design,
        num_rows,
        spread_of(design, config, rows),
        metric=search.metric,
        effect=effect_of(config.data, search.metric, search.sesoi),
        seconds_per_row=(sum(spent) / len(spent) if spent else seconds) / num_workers,
    )
    first, *others = stated.describe()
    return [f"power    {first}", *(f"         {line}" for line in others)]

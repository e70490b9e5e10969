"""The rows of a design for trainings made elsewhere; neither Optuna nor torch here."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas.allowed_rows import MAX_ROWS_LEFT_OUT
from nas.config import StudyConfig
from nas.constraints import Limits
from nas.design_plan import DesignPlan
from nas.errors import ConfigError
from search_spaces.space import SearchSpace, Value
from trainer.seeding import child_seed

PLAN_ROW = "plan_row"
"""User attribute of an enqueued trial: its number in the plan."""


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """One training of a plan."""

    number: int
    """Counted from 0."""
    decisions: Mapping[str, Value]
    """Answers by name, such as `skip.stage1.block1`."""
    seed: int | None = None
    lr: float | None = None
    spec_id: str | None = None
    """Of our network of these decisions."""
    rows_left_out: int = 0
    """Rows beyond a constraint before this one."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Rows of one design, from some row on."""

    config: StudyConfig
    space: SearchSpace
    design: DesignPlan
    rows: tuple[PlanRow, ...]
    num_asked: int
    """Rows that were asked for; constraints may leave fewer."""

    @property
    def num_left_out(self) -> int:
        """Rows beyond a constraint among them."""
        return sum(row.rows_left_out for row in self.rows)

    @property
    def facts(self) -> dict[str, Any]:
        """What the rows follow from, as JSON data."""
        search = self.config.search
        facts = {
            "space": self.config.space,
            "seed": search.seed,
            "design": self.design.design,
            "lr_factors": list(search.lr_factors),
            "limits": self.config.constraints.limits,
        }
        # Through JSON, so that it equals what a storage gives back.
        return json.loads(json.dumps(facts))


def num_terms(design: DesignPlan) -> int:
    """Count the terms of the model of single blocks: a mean, rates, and the kinds of each block."""
    own = (len(choices.kinds) - 1 for choices in design.choices.values())
    return len(design.lr_factors) + sum(own)


def enough_rows(design: DesignPlan) -> int:
    """Return the rows of whole designs with at least two for each term."""
    return -(-2 * num_terms(design) // design.whole) * design.whole


def make_plan(config: StudyConfig, num_rows: int | None = None, first: int = 0) -> Plan:
    """Choose the rows of a balanced design.

    Args:
        config: The space, the recipe, constraints and the seed; a latency is not looked at.
        num_rows: How many; None: whole designs with at least two rows for each term of the model.
        first: Number of the first one; those before are left out, as in a plan of former rows.

    Raises:
        ConfigError: There is to be no row, the space has nothing to balance, or no row of the
            design is within the constraints.
    """
    if num_rows is not None and num_rows < 1:
        raise ConfigError(
            f"nas plan: --rows must be >= 1, got rows={num_rows}. Leave it "
            "out for as many as the blocks need."
        )
    space = config.make_space()
    factors = config.search.lr_factors
    design = DesignPlan(space, config.search.seed, design=config.design, lr_factors=factors)
    design.check("nas plan")
    end = first + (enough_rows(design) if num_rows is None else num_rows)
    rows = _allowed(config, design, end)
    if len(rows) <= first:
        limits = ", ".join(f"{k}={v:.6g}" for k, v in config.constraints.limits.items())
        raise ConfigError(
            f"nas plan: a row of the design must be within the constraints, got none among "
            f"{MAX_ROWS_LEFT_OUT} in a row for {limits}. Raise the limit, or make the deepest "
            "networks smaller (space.max_blocks)."
        )
    return Plan(
        config=config,
        space=space,
        design=design,
        rows=tuple(rows[first:]),
        num_asked=end - first,
    )


def _allowed(config: StudyConfig, design: DesignPlan, end: int) -> list[PlanRow]:
    """Return the first allowed rows."""
    limits = Limits(
        config.constraints.model_copy(update={"max_latency_ms": None, "latency_batch": 1})
    )
    rate = config.recipe.reference().lr
    replicates: Counter[str] = Counter()
    rows: list[PlanRow] = []
    num_left_out = 0
    for row in design.rows():
        if not limits.allows(row.spec):
            num_left_out += 1
            if num_left_out >= MAX_ROWS_LEFT_OUT:
                break
            continue
        spec_id = row.spec.spec_id
        name = f"trial {spec_id}"
        rows.append(
            PlanRow(
                number=len(rows),
                decisions=row.answers,
                # Spreadsheets keep 15 digits, and some generators take 32 bits.
                seed=child_seed(config.search.seed, name, replicates[spec_id]) % 2**31,
                lr=rate * row.lr_factor,
                spec_id=spec_id,
                rows_left_out=num_left_out,
            )
        )
        num_left_out = 0
        replicates[spec_id] += 1
        if len(rows) >= end:
            break
    return rows

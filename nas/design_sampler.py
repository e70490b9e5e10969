"""A sampler that mixes rows of the balanced design into any other sampler's trials."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.allowed_rows import MAX_ROWS_LEFT_OUT
from nas.config import make_config
from nas.constraints import Constraints, Limits
from nas.design_plan import DesignPlan, DesignRow, DesignWord
from nas.errors import ConfigError
from search_spaces.space import SearchSpace, Value


class _Drawn(NamedTuple):
    """The first rows of the design within the constraints."""

    rows: list[DesignRow]
    left_out: list[int]
    """How many rows were left out before each of them, and before the design was given up."""

    @property
    def is_given_up(self) -> bool:
        return len(self.left_out) > len(self.rows)


def as_constraints(given: Constraints | Mapping[str, Any] | None) -> Constraints:
    """Check constraints as a study's would be, with the same messages.

    Raises:
        ConfigError: One is unknown or wrong.
    """
    if isinstance(given, Constraints):
        return given
    return make_config({"constraints": given or {}}).constraints


class DesignSampler(BaseSampler):
    """Takes a share of the trials from the design, and leaves the others to another sampler.

    Which trials are rows follows from their numbers alone, so that many processes on one storage
    together draw one balanced design. A trial at a row's number whose parameters were fixed by
    `enqueue_trial` is no row.

    Args:
        base: The sampler of the other trials.
        space: The search space; rows are at its deepest networks.
        share: Share of rows, in [0, 1].
        seed: Seed of the design; the same in every process.
        constraints: Those of the objective. Rows beyond them are left out and the next row is
            taken, so that the share holds; after 300 in a row the design is given up. A latency is
            not looked at: processes would measure it differently.
        design: `random`, `mirrored`, or `auto`: mirrored where it is possible and nothing is
            constrained.
        lr_factors: Factors of the learning rate that rows are crossed with; `nas.Objective` trains
            each row at its own.

    Raises:
        ConfigError: The share is out of range, no decision of the space can be balanced, or a
            constraint, the design or a factor is wrong.
    """

    def __init__(
        self,
        base: BaseSampler,
        space: SearchSpace,
        *,
        share: float = 0.5,
        seed: int = 0,
        constraints: Constraints | Mapping[str, Any] | None = None,
        design: DesignWord = "auto",
        lr_factors: Sequence[float] = (1.0,),
    ) -> None:
        if not 0 <= share <= 1:
            raise ConfigError(f"DesignSampler: share must be in [0, 1], got share={share}.")
        self._base = base
        self._share = share
        self.constraints = as_constraints(constraints)
        # Checked as a study's would be, with the same messages.
        checked = make_config(
            {
                "constraints": self.constraints.model_dump(),
                "search": {"design": design, "lr_factors": lr_factors, "duplicates": "reseed"},
            }
        )
        factors = checked.search.lr_factors
        self._plan = DesignPlan(space, seed, design=checked.design, lr_factors=factors)
        if share:
            self._plan.check("DesignSampler: share")
        self._limits = Limits(self.constraints)
        self._drawn = _Drawn([], [])

    def is_design_row(self, number: int) -> bool:
        """Say whether the trial of this number is a row, as long as the design has any."""
        return self._num_rows_before(number + 1) > self._num_rows_before(number)

    def _num_rows_before(self, number: int) -> int:
        return math.ceil(number * self._share - 1e-9)

    def row(self, number: int) -> dict[str, Value] | None:
        """Return the answers of the row at this trial's number; None where it is no row."""
        row = self._row(number)
        return None if row is None else row.answers

    def lr_factor(self, number: int) -> float:
        """Return the learning rate of this trial's row, in units of the recipe's; 1 for no row."""
        row = self._row(number)
        return 1.0 if row is None else row.lr_factor

    def _row(self, number: int) -> DesignRow | None:
        if not self.is_design_row(number):
            return None
        index = self._num_rows_before(number)
        rows = self._rows(index).rows
        return rows[index] if index < len(rows) else None

    def rows_left_out(self, number: int) -> int:
        """Count the rows beyond the constraints that were left out just before this trial's row.

        Where the design was given up, its last ones count for the trial that is no row for it.
        """
        if not self.is_design_row(number):
            return 0
        index = self._num_rows_before(number)
        left_out = self._rows(index).left_out
        return left_out[index] if index < len(left_out) else 0

    def _rows(self, index: int) -> "_Drawn":
        """Return the allowed rows up to this one and some more."""
        drawn = self._drawn
        if len(drawn.left_out) <= index and not drawn.is_given_up:
            # Drawn anew, so that threads of one study never share a generator.
            self._drawn = drawn = self._draw(2 * index + 16)
        return drawn

    def _draw(self, number: int) -> "_Drawn":
        drawn, beyond = _Drawn([], []), 0
        for row in self._plan.rows():
            if self._limits.allows(row.spec):
                drawn.rows.append(row)
                drawn.left_out.append(beyond)
                beyond = 0
            else:
                beyond += 1
            if beyond >= MAX_ROWS_LEFT_OUT:
                drawn.left_out.append(beyond)
            if len(drawn.left_out) >= number or drawn.is_given_up:
                break
        return drawn

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing for a row; else what the base says."""
        if self.row(trial.number) is not None:
            return {}
        return self._base.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing for a row; else what the base says."""
        if self.row(trial.number) is not None:
            return {}
        return self._base.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The row's answer, or the base's; parameters that are not the space's are the base's."""
        row = self.row(trial.number)
        if row is not None and param_name in row:
            return row[param_name]
        return self._base.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Reseed the base; the design keeps its seed."""
        self._base.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Tell the base."""
        self._base.before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Tell the base."""
        self._base.after_trial(study, trial, state, values)

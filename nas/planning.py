"""`nas plan`: a balanced design for trainings made elsewhere, and how to bring them back."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.config import StudyConfig
from nas.errors import ConfigError
from nas.plan_power import effect_of, spread_of, state_power
from nas.plan_rows import Plan, make_plan
from nas.plan_writing import write_plan_csv
from nas.storage import without_password
from search_spaces.spec import Kind


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """What `nas plan` is asked for."""

    num_rows: int | None = None
    """Rows; None: whole designs with at least two rows for each term of the model."""
    to: str = "plan.csv"
    """A new CSV file, or an Optuna storage."""
    name: str | None = None
    """Name of the study in that storage."""

    @property
    def is_storage(self) -> bool:
        """Whether the rows are enqueued, not written."""
        return "://" in self.to or self.to.endswith(".log")

    def check(self) -> None:
        """Refuse what says nothing together, before anything is planned.

        Raises:
            ConfigError: A name is missing or too much, or the file is there or is no CSV.
        """
        if self.is_storage:
            if self.name is None:
                raise ConfigError(
                    "nas plan: a storage needs --name, got none. Give the name of a study in it, "
                    "which is made where there is none."
                )
            return
        if self.name is not None:
            raise ConfigError(
                f"nas plan: --name belongs to a storage, got name={self.name!r} with --to "
                f"{self.to}. Leave it out."
            )
        if not self.to.endswith(".csv"):
            raise ConfigError(
                f"nas plan: --to must be a *.csv file, a *.log journal or a storage URL, got "
                f"to={self.to!r}. Write --to plan.csv."
            )
        if Path(self.to).exists():
            raise ConfigError(
                f"nas plan: --to must be a new file, got {self.to!r}, which is there. Give another "
                "name, so that no results are lost."
            )


def plan_design(config: StudyConfig, options: PlanOptions) -> list[str]:
    """Write or enqueue a design, and say what it can see and what to do with it.

    Args:
        config: The space, the recipe, the metric and the seed.
        options: How many rows, and where to.

    Returns:
        Lines for the terminal.

    Raises:
        ConfigError: The flags, the space or the constraints leave no rows.
        StorageError: The storage cannot be reached, or its study cannot take the rows.
        OSError: The file cannot be written.
    """
    options.check()
    if not options.is_storage:
        plan = make_plan(config, options.num_rows)
        write_plan_csv(Path(options.to), plan.rows)
        where = f"in {options.to}"
        return [*_describe(plan, where), *_describe_table(plan, options.to)]
    # Imported here: Optuna takes a while.
    from nas.plan_enqueue import enqueue_plan

    enqueued = enqueue_plan(
        options.to,
        str(options.name),
        config.search.direction,
        lambda first: make_plan(config, options.num_rows, first),
    )
    word = "new " if enqueued.is_new_study else ""
    where = f"enqueued in {word}study {options.name!r}"
    if enqueued.num_before:
        where += f", after {enqueued.num_before} of the same design"
    return [*_describe(enqueued.plan, where), *_describe_study(options)]


def _describe(plan: Plan, where: str) -> list[str]:
    """Say what the rows are and what they can see."""
    config, design = plan.config, plan.design
    spec = design.reference
    kinds = {kind for own in design.choices.values() for kind in own.kinds}
    words = ", ".join(kind.value for kind in Kind if kind in kinds)
    number = "1 row" if len(plan.rows) == 1 else f"{len(plan.rows)} rows"
    how = "each row with its mirror" if design.design == "mirrored" else "balanced at random"
    lines = [
        f"plan     {number} {where}: networks of {spec.layers} layers, {len(design.choices)} "
        f"blocks of {words}; {how}"
    ]
    rates = sorted({row.lr for row in plan.rows if row.lr is not None})
    lines.append(f"rates    {' and '.join(f'{rate:.3g}' for rate in rates)}{_halves(rates)}")
    if plan.num_left_out:
        lines.append(f"limits   {plan.num_left_out} rows beyond them were left out")
    if len(plan.rows) < plan.num_asked:
        lines.append(f"limits   {plan.num_asked} rows were asked for; no further one was found")
    if config.constraints.max_latency_ms is not None:
        lines.append("limits   max_latency_ms is not looked at here")
    data, metric = config.data, config.search.metric
    end = plan.rows[-1].number + 1
    stated = state_power(
        design,
        end,
        spread_of(design, config),
        metric=metric,
        effect=effect_of(data, metric, config.search.sesoi),
    )
    label = "power    "
    for line in stated.describe():
        lines.append(label + line)
        label = " " * len(label)
    if end % design.unit and not plan.num_left_out:
        more = design.unit - end % design.unit
        lines.append(f"{label}{more} more would complete the last balanced set of {design.unit}")
    return lines


def _halves(rates: Sequence[float]) -> str:
    return ", crossed with the kinds" if len(rates) > 1 else ""


def _describe_table(plan: Plan, to: str) -> list[str]:
    direction = plan.config.search.direction
    return [
        "train    one network per row, by its skip.* columns, at its lr; fill in value with your "
        "metric,",
        "         and state=failed where a training diverged; rows without a value are left out",
        f"report   nas report --csv {shlex.quote(to)} --direction {direction}",
    ]


def _describe_study(options: PlanOptions) -> list[str]:
    url = shlex.quote(without_password(options.to))
    name = shlex.quote(str(options.name))
    return [
        "train    study.optimize(objective, n_trials=...), which takes these first; nas.Objective, "
        "or one of",
        '         yours that reads trial.user_attrs["decisions"] (or suggests by those names) and '
        '["lr"]',
        f"report   nas report --storage {url} --name {name}",
    ]

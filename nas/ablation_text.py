"""What `nas ablate` says: the price before it trains, and afterwards what each flip costs."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.ablation_plan import AblationPlan
from nas.config import StudyConfig
from nas.price import training_seconds
from nas.repeats_feed import Repeat
from nas.trials import State, TrialRecord

STAND_IN = (
    "Each line changes one skip alone. Every one can be near zero although all together matter "
    "much, because skips stand in for each other."
)
"""Said below every table of single flips."""
TEST_USE = (
    "Flips that are chosen by these differences are chosen by the test split, and it judges them no "
    "more; skip_benefit.json has those of the validation split to choose by."
)
"""Said below a table whose differences are those of the test split."""
_LONG_SECONDS = 3600.0
_MANY_TRAININGS = 2000
_LATEST = 200
"""So many of the last trainings say how long one takes here."""
_WORDS = {
    "benefit": "helps",
    "harm": "hurts",
    "negligible": "too small to matter",
    "inconclusive": "cannot tell",
}


def estimate_seconds(
    left: Sequence[Repeat],
    config: StudyConfig,
    ended: Sequence[TrialRecord],
    num_workers: int,
) -> float:
    """Estimate the wall time of trainings, s.

    Args:
        left: What is to be trained.
        config: The study's configuration.
        ended: Trainings of the study, which say how far the estimate by arithmetic is off here.
        num_workers: Workers that share them.
    """
    recipe, facts = config.recipe.reference(), config.facts()
    measured = [
        (record.seconds, training_seconds(record.spec, recipe, facts))
        for record in list(ended)[-_LATEST:]
        if record.state is State.COMPLETE and record.seconds and record.spec is not None
    ]
    factor = 1.0
    if measured:
        factor = sum(seconds for seconds, _ in measured) / sum(by for _, by in measured)
    # Flips of one network take about as long as it does.
    by_depths = {repeat.spec.depths: repeat.spec for repeat in left}
    each = {d: training_seconds(spec, recipe, facts) for d, spec in by_depths.items()}
    return factor * sum(each[repeat.spec.depths] for repeat in left) / num_workers


def describe_ablation(
    plan: AblationPlan, left: Sequence[Repeat], seconds: float, num_epochs: int
) -> list[str]:
    """Return lines that say what is trained and what that costs.

    Args:
        plan: The ablation.
        left: Its trainings that are not done.
        seconds: Their estimated wall time, s.
        num_epochs: Epochs of one training.
    """
    width = max((len(base.name) for base in plan.bases), default=0)
    lines = [
        f"{'ablate' if number == 0 else '':<8} {base.name:<{width}}  {_count(base.flips)}"
        f"{'' if base.of_trial is None or base.name.startswith('trial') else _is_trial(base)}"
        for number, base in enumerate(plan.bases)
    ]
    total = sum(1 + len(base.flips) for base in plan.bases) * plan.seeds
    done = total - len(left)
    before = f"{done} of {total} are done, " if done else ""
    epochs = "1 epoch" if num_epochs == 1 else f"{num_epochs} epochs"
    cost = f"{len(left)} trainings on {plan.seeds} fresh seeds; {epochs} each, about "
    cost += f"{max(seconds / 60, 0.1):.1f} min."
    lines.append(f"price    {before}{cost if left else 'nothing is left to train.'}")
    if seconds > _LONG_SECONDS or len(left) > _MANY_TRAININGS:
        lines.append(
            "warning  this is much: fewer --seeds, a lower --top, or --flip for single blocks take "
            "less. What is trained until Ctrl-C is kept."
        )
    return lines


def _count(flips: Mapping[Any, Any]) -> str:
    return "1 flip" if len(flips) == 1 else f"{len(flips)} flips"


def _is_trial(base: Any) -> str:
    return f"; it is the network of trial {base.of_trial}"


def describe_rows(rows: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Return the table of what each flip costs, base by base in network order.

    Args:
        rows: What `confirm_rows` has estimated.
        metric: What the study optimises, such as `val/log_loss`.
    """
    lines: list[str] = []
    for base in dict.fromkeys(row["base"] for row in rows):
        own = [row for row in rows if row["base"] == base]
        table = [_cells(row) for row in own]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        pairs = sorted({row["n_pairs"] for row in own})
        of = f"{pairs[0]}" if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
        name = f"{own[0]['split']} {metric.removeprefix('val/')}"
        mean = own[0]["base_mean"]
        itself = "" if mean is None else f" {mean:.4f}"
        head = f"{base}, {name}{itself}: mean of {of} pairs, positive = better, simultaneous 95%"
        lines += ["", head]
        lines += ["  " + _line(cells, widths) for cells in table]
    if not lines:
        return "No pair of trainings is complete."
    below = [STAND_IN, TEST_USE] if any(row["split"] == "test" for row in rows) else [STAND_IN]
    return "\n".join([*lines, "", *below])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        text.rjust(width) if number == 2 else text.ljust(width)
        for number, (text, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _cells(row: Mapping[str, Any]) -> list[str]:
    """Return place, what is compared, the mean difference, its interval and what follows."""
    if row["stage"] is None:
        place, what = row["flip"].replace(",", ", "), "changed together"
    else:
        place = f"stage{row['stage']}.block{row['block']}"
        what = f"{row['kind']}, not {row['reference_kind']}"
    mean, interval = row["d_mean"], row["ci_sim"]
    shown = "" if mean is None else f"{mean:+.4f}"
    between = "no interval" if interval is None else f"[{interval[0]:+.4f}, {interval[1]:+.4f}]"
    failed = f", {row['n_failed']} failed" if row["n_failed"] else ""
    return [place, what, shown, between, _WORDS[row["decision"]] + failed]

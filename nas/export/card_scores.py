"""The scores on the model card: this model, its seeds, the full-identity ResNet, the finalists."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nas.export.markdown import (
    Bounds,
    counted,
    duration,
    interval,
    mean_sd,
    number,
    spread_cells,
    table,
)
from nas.export.request import ExportRequest
from nas.finalists import (
    Difference,
    Direction,
    Outcome,
    Ranking,
    Spread,
    Standing,
    metric_values,
    summarise,
    welch,
)


@dataclass(frozen=True)
class _Metric:
    """One row of the card's tables."""

    key: str
    """In `TrialRecord.metrics`."""
    title: str
    direction: Direction

    @property
    def bounds(self) -> Bounds:
        """Least and largest value; an interval of a mean may leave them."""
        return _bounds(self.key)

    @property
    def is_validation(self) -> bool:
        """Whether it is measured on the split on which finalists were chosen."""
        return self.key.startswith("val_")


def _bounds(name: str) -> Bounds:
    """Return the bounds of accuracies and log-losses; others have none."""
    if name.endswith("accuracy"):
        return (0.0, 1.0)
    return (0.0 if name.endswith("log_loss") else -math.inf, math.inf)


_METRICS = (
    _Metric("test_accuracy", "test accuracy", "maximize"),
    _Metric("test_log_loss", "test log-loss (nats)", "minimize"),
    _Metric("val_accuracy", "validation accuracy", "maximize"),
    _Metric("val_log_loss", "validation log-loss (nats)", "minimize"),
)


def score(request: ExportRequest, standing: Standing | None, test_accuracy: float | None) -> str:
    """Return the section on this very model and on its architecture over fresh seeds.

    Args:
        request: The network and its records.
        standing: The exported architecture among the finalists; None where it is not.
        test_accuracy: As measured with the exported files; None where it was not measured.
    """
    own = dict(request.chosen.metrics)
    if test_accuracy is not None:
        own["test_accuracy"] = test_accuracy
    runs = standing.runs if standing else ()
    rows = []
    for metric in _METRICS:
        values = metric_values(runs, metric.key)
        cells = (
            spread_cells(summarise(values), metric.bounds)
            if values
            else ["not measured", "", "", "0"]
        )
        rows.append([metric.title, number(own.get(metric.key)), *cells])
    heads = ["", f"this model (seed {request.seed})", "mean", "sd", "95% of the mean", "n"]
    proof = (
        "The test accuracy of this model was measured with the exported files in a fresh process."
        if test_accuracy is not None
        else "The test scores of this model were measured at the end of its training."
    )
    text = f"{_origin(request, standing)} {proof} Nothing was chosen on the test split."
    return "\n".join(["## Score", "", table(heads, rows), "", text])


def _origin(request: ExportRequest, standing: Standing | None) -> str:
    """Say which run the weights come from, and what the other columns are."""
    if standing is None:
        return (
            f"This model is one run, with seed {request.seed}. Its architecture was not retrained "
            "on fresh seeds, so how much of its score is luck is not known."
        )
    n = standing.spread.n
    pick = f"the best `{request.metric}` on the validation split among {n} runs"
    if standing.runs[0].number != request.chosen.number:
        pick = "not the best on the validation split, but asked for"
    seeds = ", ".join(str(run.seed) for run in sorted(standing.runs, key=lambda r: r.seed or 0))
    failed = f" {standing.num_failed} more runs failed." if standing.num_failed else ""
    return (
        f"This model is the run with seed {request.seed}, {pick}. The other columns are this "
        f"architecture on fresh seeds ({seeds}); intervals are Student's t.{failed}"
    )


def against_identity(request: ExportRequest, standing: Standing | None) -> str:
    """Return the section that compares with an identity in every block at equal depth.

    The finalists were ranked on the validation split, so there the intervals hold for all of them
    at once (Bonferroni), as in the report. Nothing was chosen on the test split.
    """
    title = "## Against the plain full-identity ResNet of equal depth"
    anchors = request.identity_anchor
    if request.spec.is_full_identity:
        return f"{title}\n\nThis architecture is the full-identity ResNet itself."
    runs = standing.runs if standing else ()
    num_finalists = _num_finalists(request)
    compared = []
    for metric in _METRICS:
        ours = metric_values(runs, metric.key)
        theirs = metric_values(anchors, metric.key)
        if ours and theirs:
            level = 1 - 0.05 / (num_finalists if metric.is_validation else 1)
            difference = welch(ours, theirs, level=level)
            compared.append((metric, summarise(ours), summarise(theirs), difference))
    if not compared:
        return f"{title}\n\nNot both were trained on fresh seeds, so they cannot be compared."
    rows = [
        [
            metric.title,
            f"{mean_sd(ours)} (n {ours.n})",
            f"{mean_sd(theirs)} (n {theirs.n})",
            number(difference.difference, "+"),
            interval(difference.low, difference.high, "+"),
            str(difference.outcome(metric.direction)),
        ]
        for metric, ours, theirs, difference in compared
    ]
    heads = ["", "this architecture", "full identity", "difference", "95% interval", "verdict"]
    return "\n".join([title, "", table(heads, rows), "", _verdict(request, compared)])


def _verdict(
    request: ExportRequest, compared: Sequence[tuple[_Metric, Spread, Spread, Difference]]
) -> str:
    """Say in words what the study's metric says, on the test split where it was measured."""
    name = request.metric.split("/")[-1]
    by_key = {metric.key: (metric, difference) for metric, _, _, difference in compared}
    on_test, on_val = by_key.get(f"test_{name}"), by_key.get(f"val_{name}")
    metric, difference = on_test or on_val or (compared[0][0], compared[0][3])
    outcome = difference.outcome(metric.direction)
    words = {
        Outcome.BETTER: "better than",
        Outcome.WORSE: "worse than",
        Outcome.NOT_DISTINGUISHABLE: "not distinguishable from",
    }[outcome]
    text = (
        f"By {metric.title} this architecture is **{words}** the full-identity ResNet of "
        f"{request.spec.layers} layers, over {difference.n_ours} and {difference.n_theirs} seeds. "
        f"Intervals are Welch's, one metric at a time{_joint_words(request, compared)}."
    )
    if metric.is_validation:
        text += (
            " The architecture was chosen by its validation scores, which flatters it a little; "
            "the test split was not measured for both."
        )
    return text


def _num_finalists(request: ExportRequest) -> int:
    """Count the retrained architectures, each with its recipe; failed ones were tried too."""
    finished = (record for record in request.finalists if record.state.is_finished)
    return max(len({record.training for record in finished}), 1)


def _joint_words(
    request: ExportRequest, compared: Sequence[tuple[_Metric, Spread, Spread, Difference]]
) -> str:
    """Say for whom the intervals on the validation split hold, where they are other ones."""
    num_finalists = _num_finalists(request)
    if num_finalists == 1 or not any(metric.is_validation for metric, *_ in compared):
        return ""
    level = 100 * (1 - 0.05 / num_finalists)
    return (
        f"; on the validation split, where the {num_finalists} finalists were ranked, each has the "
        f"level {level:.4g}%, so that 95% holds for all of them at once"
    )


def finalists(request: ExportRequest, ranking: Ranking, standing: Standing | None) -> str:
    """Return the section on the search and on all re-evaluated architectures.

    Args:
        request: The network and its records.
        ranking: All re-evaluated architectures.
        standing: The exported one among them; None where it is not.
    """
    cost = request.cost
    found = (
        f"{counted(cost.trials, 'trial')} by {counted(cost.workers, 'worker')} in "
        f"{duration(cost.seconds)}."
    )
    if not ranking.standings:
        return f"## How it was found\n\n{found} No architecture was retrained on fresh seeds."
    rows = [
        [
            f"`{s.spec.code if s.spec else s.spec_id}`{_recipe_words(s, ranking)}"
            + (" (exported)" if s is standing else ""),
            "" if s.of_trial is None else str(s.of_trial),
            *spread_cells(s.spread, _bounds(request.metric)),
            str(s.num_failed),
        ]
        for s in ranking.standings
    ]
    heads = ["architecture", "trial", "mean", "sd", "95% of the mean", "n", "failed"]
    best = f"The best {len(rows)} architectures were" if len(rows) > 1 else "The best one was"
    text = (
        f"{found} {best} retrained on fresh seeds and ranked by mean `{request.metric}` "
        f"({request.direction}):"
    )
    return "\n".join(["## How it was found", "", text, "", table(heads, rows)])


def _recipe_words(standing: Standing, ranking: Ranking) -> str:
    """Name what of the recipe was searched beside the architectures, so differs among them."""
    found = [(s.runs[0].lr, s.runs[0].weight_decay) for s in ranking.standings]
    own = (standing.runs[0].lr, standing.runs[0].weight_decay)
    columns = zip(("learning rate", "weight decay"), own, zip(*found, strict=True), strict=True)
    return "".join(
        f", {name} {value:.3g}"
        for name, value, values in columns
        if value is not None and len(set(values)) > 1
    )

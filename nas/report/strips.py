"""Strips of dots, one dot per seed: how much of a score is the network, and how much is luck."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from nas.report.curves import shown_metric
from nas.report.data import ReportData
from nas.report.effects import Spread, read_anchors
from nas.report.numbers import Metric, metric_of
from nas.report.svg import (
    NARROW,
    figure,
    is_log_better,
    line,
    mark,
    scale_over,
    text,
    tick_text,
    titled,
)
from nas.trials import Source, State, TrialRecord

MAX_FINALISTS = 8


@dataclass(frozen=True, kw_only=True)
class _Strip:
    label: str
    css: str
    values: list[float]
    """One per seed."""
    spread: Spread | None = None
    search_score: float | None = None
    """What the search had measured before, on one seed."""

    @property
    def mean(self) -> float | None:
        """Mean as the data gives it, else that of the dots."""
        if self.spread is not None and self.spread.mean is not None:
            return self.spread.mean
        return statistics.fmean(self.values) if self.values else None


def anchors_svg(data: ReportData, width: float) -> str:
    """Draw every seed of every anchor, with mean and interval; empty without anchors."""
    metric = shown_metric(data)
    strips = [
        _Strip(
            label=anchor.name,
            css="plain" if anchor.family == "plain" else "identity",
            values=_values([t for t in data.repeats if t.name == anchor.name], data, metric),
            spread=anchor.spreads.get(metric.name),
        )
        for anchor in read_anchors(data.benefit, metric_of(data.benefit))
    ]
    return _strips_svg(strips, metric, width, f"{metric.label} of the anchors, a dot per seed")


def finalists_svg(data: ReportData, width: float) -> str:
    """Draw every seed of the finalists beside the score they had in the search."""
    metric = metric_of(data.benefit)
    by_trial: dict[int, list[TrialRecord]] = {}
    for record in data.repeats:
        if record.source is Source.FINALIST and record.of_trial is not None:
            by_trial.setdefault(record.of_trial, []).append(record)
    scores = {trial.number: trial.value for trial in data.trials}
    strips = [
        _Strip(
            label=f"trial {number}",
            css="identity",
            values=_values(records, data, metric),
            search_score=scores.get(number),
        )
        for number, records in by_trial.items()
    ]
    strips = [strip for strip in strips if strip.values]
    strips.sort(key=lambda s: (s.mean or 0.0) * (1 if metric.lower_is_better else -1))
    title = f"{metric.label} of the finalists, a dot per fresh seed"
    return _strips_svg(strips[:MAX_FINALISTS], metric, width, title)


def _values(records: Sequence[TrialRecord], data: ReportData, metric: Metric) -> list[float]:
    """Return the records' values of `metric`; a record's own value is the study's metric."""
    is_study_metric = metric.name == metric_of(data.benefit).name
    values = [
        record.metrics.get(metric.name, record.value if is_study_metric else None)
        for record in records
        if record.state is State.COMPLETE
    ]
    return [value for value in values if value is not None]


def _strips_svg(strips: list[_Strip], metric: Metric, width: float, title: str) -> str:
    strips = [strip for strip in strips if strip.mean is not None]
    if not strips:
        return ""
    narrow = width <= NARROW
    left, right, row = (80, 54, 26) if narrow else (120, 160, 26)
    shown = [v for s in strips for v in (*s.values, s.mean, s.search_score) if v is not None]
    scale = scale_over(
        shown, left, width - right, log=is_log_better(shown) and not metric.is_share
    )
    bottom = row * len(strips) + 6
    body: list[str] = []
    for tick in scale.ticks(3 if narrow else 5):
        body.append(line(scale(tick), 2, scale(tick), bottom, "grid"))
        label = f"{100 * tick:g}%" if metric.is_share else tick_text(tick)
        body.append(text(scale(tick), bottom + 15, label, "quiet", "middle"))
    for index, strip in enumerate(strips):
        y = row * index + row / 2 + 2
        mean = strip.mean
        assert mean is not None, "strips without a mean were left out"
        body.append(text(0, y + 4, strip.label, "strong"))
        spread = strip.spread
        if spread is not None and spread.low is not None and spread.high is not None:
            body.append(line(scale(spread.low), y, scale(spread.high), y, f"whisker {strip.css}"))
        body += [mark(scale(v), y, f"seed {strip.css}", "circle", 3.5) for v in strip.values]
        if strip.search_score is not None:
            score = strip.search_score
            what = f"{strip.label} in the search: {metric.value(score)}"
            body.append(titled(what, mark(scale(score), y, "hollow", "diamond", 4)))
        body.append(line(scale(mean), y - 8, scale(mean), y + 8, f"meanline {strip.css}"))
        body.append(_result(strip, metric, width, y, narrow=narrow))
    return figure(width, bottom + 22, title, body)


def _result(strip: _Strip, metric: Metric, width: float, y: float, *, narrow: bool) -> str:
    n = strip.spread.n if strip.spread is not None else len(strip.values)
    value = metric.value(strip.mean)
    if narrow:
        return text(width, y + 4, value, "", "end")
    spread = strip.spread
    sd = spread.sd if spread is not None else None
    if sd is None and len(strip.values) > 1:
        sd = statistics.stdev(strip.values)
    parts = [
        text(width - 96, y + 4, value, "strong", "end"),
        text(width, y + 4, f"n = {n}", "quiet", "end"),
    ]
    if sd is not None:
        words = metric.size(sd) if metric.is_share else metric.value(sd)
        parts.append(text(width - 46, y + 4, f"\N{PLUS-MINUS SIGN}{words}", "quiet", "end"))
    return "".join(parts)

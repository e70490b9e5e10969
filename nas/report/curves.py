"""Figures over depth and over time: anchors by number of layers, and the course of the search."""

from collections.abc import Sequence

from nas.report.data import ReportData
from nas.report.effects import Anchor, Spread, read_anchors
from nas.report.headline import ACCURACY
from nas.report.numbers import Metric, is_number, metric_of
from nas.report.svg import (
    Scale,
    figure,
    is_log_better,
    line,
    mark,
    path,
    scale_over,
    text,
    tick_text,
    titled,
)
from nas.trials import Source, State, TrialRecord

MOST_MARKS = 600
"""So many trials are drawn in the course of the search."""
_FAMILIES = {"plain": "plain", "identity": "identity", "projection": "projection"}


def shown_metric(data: ReportData) -> Metric:
    """Return accuracy where the anchors measured it, else the study's metric."""
    metric = metric_of(data.benefit)
    has_accuracy = any(
        anchor.best_known(ACCURACY.name) for anchor in read_anchors(data.benefit, metric)
    )
    return ACCURACY if has_accuracy else metric


def depth_points(data: ReportData, metric: Metric) -> dict[str, list[tuple[int, Spread, Anchor]]]:
    """Return layers and means of the anchors by family, plain first.

    Networks with names of their own, such as the winner's rival, are on no line.
    """
    found: dict[str, list[tuple[int, Spread, Anchor]]] = {}
    for anchor in read_anchors(data.benefit, metric_of(data.benefit)):
        spread = anchor.spreads.get(metric.name)
        if anchor.family not in _FAMILIES or anchor.layers is None:
            continue
        if spread is not None and spread.mean is not None:
            found.setdefault(anchor.family, []).append((anchor.layers, spread, anchor))
    return found


def depth_svg(data: ReportData, width: float = 380, height: float = 146) -> str:
    """Draw the anchors' means against depth, with intervals; empty without anchors."""
    metric = shown_metric(data)
    families = depth_points(data, metric)
    points = [point for group in families.values() for point in group]
    if not points:
        return ""
    values = [v for _, s, _ in points for v in (s.mean, s.low, s.high) if v is not None]
    if metric.is_share:
        # An interval may leave [0, 1]; the axis does not.
        values = [min(1.0, max(0.0, v)) for v in values]
    depths = sorted({layers for layers, _, _ in points})
    x = Scale(
        low=depths[0] - 0.5, high=max(depths[-1], depths[0] + 1) + 0.5, start=46, end=width - 76
    )
    y = scale_over(values, height - 24, 10)
    body: list[str] = []
    for tick in y.ticks(3):
        body.append(line(40, y(tick), width - 70, y(tick), "grid"))
        label = f"{100 * tick:g}%" if metric.is_share else tick_text(tick)
        body.append(text(34, y(tick) + 4, label, "quiet", "end"))
    body += [text(x(depth), height - 6, str(depth), "quiet", "middle") for depth in depths]
    body.append(text(width - 66, height - 6, "layers", "quiet"))
    ends: list[tuple[float, str, str]] = []
    for family, group in families.items():
        css = _FAMILIES.get(family, "identity")
        body.append(path([(x(n), y(s.mean or 0.0)) for n, s, _ in group], f"curve {css}"))
        body += [
            _point(layers, spread, anchor, metric, x, y, css) for layers, spread, anchor in group
        ]
        last = group[-1]
        ends.append((y(last[1].mean or 0.0), family, css))
    body += _end_labels(ends, width - 66)
    return figure(width, height, f"{metric.label} of plain and identity networks by depth", body)


def _point(
    layers: int, spread: Spread, anchor: Anchor, metric: Metric, x: Scale, y: Scale, css: str
) -> str:
    assert spread.mean is not None, "callers leave anchors without a mean out"
    parts: list[str] = []
    if spread.low is not None and spread.high is not None:
        parts.append(line(x(layers), y(spread.low), x(layers), y(spread.high), f"whisker {css}"))
    shape = "square" if css == "plain" else "circle"
    parts.append(mark(x(layers), y(spread.mean), f"mark {css}", shape))
    title = (
        f"{anchor.name}: {metric.value(spread.mean)}, 95% interval "
        f"{metric.values(spread.low, spread.high)}, n = {spread.n}"
    )
    return titled(title, *parts)


def _end_labels(ends: list[tuple[float, str, str]], x: float) -> list[str]:
    """Name the lines at their ends, pushed apart where they are close."""
    parts: list[str] = []
    last = -99.0
    for y, family, css in sorted(ends):
        last = max(y, last + 14)
        parts.append(text(x, last + 4, family, f"strong {css}"))
    return parts


def history_svg(data: ReportData, width: float, height: float = 250) -> str:
    """Draw the value of every search trial and the best so far; empty without values."""
    done = [t for t in data.trials if is_number(t.value) and t.state is State.COMPLETE]
    if not done:
        return ""
    metric = metric_of(data.benefit)
    values = [t.value for t in done if t.value is not None]
    numbers = [t.number for t in data.trials]
    x = Scale(low=min(numbers) - 0.5, high=max(numbers) + 0.5, start=46, end=width - 10)
    y = scale_over(values, height - 26, 12, log=is_log_better(values))
    body: list[str] = []
    for tick in y.ticks(4):
        body.append(line(42, y(tick), width - 6, y(tick), "grid"))
        label = f"{100 * tick:g}%" if metric.is_share else tick_text(tick)
        body.append(text(36, y(tick) + 4, label, "quiet", "end"))
    whole = [tick for tick in x.ticks(5) if tick == int(tick)]
    body += [text(x(tick), height - 8, f"{tick:g}", "quiet", "middle") for tick in whole]
    body += [_trial_mark(trial, metric, x, y) for trial in thinned(done)]
    body += [
        titled(
            f"trial {t.number}: failed ({t.reason or 'unknown reason'})",
            mark(x(t.number), 8, "cross", "cross", 3),
        )
        for t in thinned([t for t in data.trials if t.state is State.FAILED])
    ]
    body.append(path(_best_so_far(done, metric, x, y), "curve best"))
    return figure(width, height, f"{metric.label} of every trial, and the best so far", body)


def thinned(trials: Sequence[TrialRecord], most: int = MOST_MARKS) -> list[TrialRecord]:
    """Return at most so many trials, evenly over the search: a page of more is slow to open."""
    step = -(-len(trials) // most)
    return list(trials[:: max(1, step)])


def _trial_mark(trial: TrialRecord, metric: Metric, x: Scale, y: Scale) -> str:
    assert trial.value is not None, "callers leave trials without a value out"
    css = "randomised" if trial.source is Source.RANDOMISED else "adaptive"
    code = trial.spec.code if trial.spec else ""
    title = f"trial {trial.number}, {trial.source}: {metric.value(trial.value)} {code}".rstrip()
    return titled(title, mark(x(trial.number), y(trial.value), f"trial {css}", "circle", 3))


def _best_so_far(
    done: list[TrialRecord], metric: Metric, x: Scale, y: Scale
) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    best: float | None = None
    for trial in sorted(done, key=lambda t: t.number):
        value = trial.value
        if value is None:
            continue
        if best is None or (value < best if metric.lower_is_better else value > best):
            if best is not None:
                points.append((x(trial.number), y(best)))
            best = value
            points.append((x(trial.number), y(best)))
    if best is not None:
        points.append((x.end, y(best)))
    return points

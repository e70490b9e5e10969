"""Other outcomes than the study's metric: those measured beside it, and whether networks train."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.report.data import ReportData
from nas.report.effects import Effect, read_effects
from nas.report.forest import effect_interval
from nas.report.html import both, esc, paragraph, section
from nas.report.intervals import Frame, Interval, intervals_svg
from nas.report.numbers import (
    FAILED_SHARE,
    Metric,
    count,
    is_number,
    mapping,
    metric_of,
    other_metrics,
    rows,
)
from nas.report.svg import NARROW, WIDE

_FAILED = Metric(name=FAILED_SHARE, lower_is_better=True)
_ORDER = {"skip": 0, "identity": 1, "projection": 2}


def outcomes_section(data: ReportData) -> str:
    """Draw the coarse effects on every other outcome; nothing where none was measured."""
    found = other_metrics(data.benefit)
    contents = {
        str(name).replace("/", "_"): mapping(content)
        for name, content in mapping(data.benefit.get("metrics")).items()
    }
    bodies: list[str] = []
    for name, (metric, effects) in found.items():
        lines = _coarse(read_effects(effects), ("AMCE_ALL", "AMCE_STAGE"))
        if not any(line.estimate is not None for line in lines):
            continue
        title = f"Effect on {metric.label} of a skip"
        limit = contents[name].get("sesoi")
        plot = _plot(lines, metric, title, float(limit) if is_number(limit) else None)
        bodies.append(f"<h3>{esc(metric.label.capitalize())}</h3>{_target(contents[name])}{plot}")
    if not bodies:
        return ""
    intro = paragraph(
        "The same random networks, judged by what else was measured; right of zero is better "
        "throughout."
    )
    return section("outcomes", "Other outcomes", intro, *bodies)


def _target(content: Mapping[str, Any]) -> str:
    """Say what the target is where an outcome is the time to it."""
    target = mapping(content.get("target"))
    if not is_number(target.get("value")):
        return ""
    missed, n = target.get("n_not_reached"), target.get("n_rows")
    words = f"Epochs until {target.get('metric')} is {target['value']:.4g}"
    words += f" ({target.get('source')})" if target.get("source") else ""
    if is_number(missed) and is_number(n):
        words += f"; {int(missed)} of {int(n)} networks never get there and count as one more"
    return paragraph(f"{words}.")


def failures_section(data: ReportData) -> str:
    """Draw what skips do to the share of networks that do not train; nothing if all did."""
    effects = [
        effect
        for effect in read_effects(rows(data.benefit.get("effects")))
        if effect.estimand.startswith("FAIL")
    ]
    lines = _coarse(effects, ("FAIL_ALL", "FAIL_STAGE"))
    blocks = _coarse(effects, ("FAIL",))
    if not any(line.estimate is not None for line in (*lines, *blocks)):
        return ""
    intro = paragraph(
        "A network that diverged, or ended no better than guessing, did not train: that is an "
        "outcome, and no missing number. Right of zero fewer networks fail with the skip; in "
        "points of the share that fails, with simultaneous 95% intervals."
    )
    title = "Effect of a skip on the share of networks that train"
    plot = _plot(lines, _FAILED, title) if lines else ""
    if blocks:
        listing = _plot(blocks, _FAILED, title)
        plot += f"<details><summary>Every block</summary>{listing}</details>"
    shares, without = _shares(data), _without(data)
    return section("failures", "Networks that did not train", shares, intro, plot, without)


def _shares(data: ReportData) -> str:
    """Say how many networks fail with a skip at a block and without one."""
    for row in rows(data.benefit.get("effects")):
        with_it, without = row.get("p_failed"), row.get("p_failed_reference")
        is_any = (row.get("estimand"), row.get("kind")) == ("FAIL_ALL", "skip")
        if is_any and is_number(with_it) and is_number(without):
            return paragraph(
                f"Of random networks with a skip at a block *{100 * with_it:.0f}%* do not train, "
                f"of those without one *{100 * without:.0f}%*, on average over blocks.",
                "plain",
            )
    return ""


def _without(data: ReportData) -> str:
    """Say what the effect is without the failed trainings, and where they cannot dominate."""
    metric, texts = metric_of(data.benefit), []
    without = mapping(data.benefit.get("without_failed"))
    head = mapping(without.get("headline"))
    if is_number(head.get("estimate")):
        n = without.get("n_left_out")
        left = (
            f"{count(int(n), 'failed network')} left out" if is_number(n) else "failures left out"
        )
        texts.append(f"With {left} {_effect_words(head, metric)}.")
    capped = mapping(data.benefit.get("sensitivity"))
    head = mapping(capped.get("headline"))
    if is_number(head.get("estimate")):
        own = (
            metric
            if capped.get("outcome") != "ranks"
            else Metric(name="rank", lower_is_better=False)
        )
        texts.append(f"Counted as {capped.get('outcome')} {_effect_words(head, own)}.")
    return paragraph(" ".join(texts)) if texts else ""


def _effect_words(row: Mapping[str, Any], metric: Metric) -> str:
    interval = metric.effects(row.get("ci_sim_low"), row.get("ci_sim_high"))
    return f"a skip is worth *{metric.effect(row.get('estimate'))}* on average ({interval})"


def _coarse(effects: Sequence[Effect], estimands: Sequence[str]) -> list[Interval]:
    """Return lines by place, kinds side by side."""
    chosen = [e for e in effects if e.estimand in estimands and e.kind in _ORDER]
    chosen.sort(key=lambda e: (e.stage or 0, e.block or 0, _ORDER[e.kind]))
    lines: list[Interval] = []
    last: tuple[int | None, int | None] | None = None
    for effect in chosen:
        place = (effect.stage, effect.block)
        label = "All blocks" if effect.stage is None else f"Stage {effect.stage}"
        label = f"S{effect.stage} block {effect.block}" if effect.block else label
        note = "" if effect.n_runs is None else f"{effect.n_runs} rows"
        lines.append(
            effect_interval(
                effect,
                label="" if place == last else label,
                is_heavy=effect.block is None,
                note=note,
            )
        )
        last = place
    return lines


def _plot(lines: list[Interval], metric: Metric, title: str, band: float | None = None) -> str:
    frame = Frame(title=title, band=band)
    if metric is _FAILED:
        frame = Frame(title=title, head="points", left_words="more fail", right_words="fewer fail")
    return both(*(intervals_svg(lines, metric, width, frame) for width in (WIDE, NARROW)))

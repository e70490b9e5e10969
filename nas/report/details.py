"""What follows the first screen: effects, best networks, search, anchors, noise."""

from collections.abc import Sequence

from nas.report.curves import history_svg, shown_metric, thinned
from nas.report.data import ReportData
from nas.report.effects import Effect, effects_of, read_effects, reference_kind
from nas.report.forest import forest_svg
from nas.report.headline import ACCURACY
from nas.report.html import both, esc, key, paragraph, section, table, word
from nas.report.long_skips import has_long_skips
from nas.report.numbers import (
    Metric,
    count,
    duration,
    is_number,
    mapping,
    metric_of,
    other_metrics,
    rows,
)
from nas.report.over_depth import trend_words
from nas.report.strips import anchors_svg, finalists_svg
from nas.report.svg import NARROW, WIDE
from nas.trials import Source, State, TrialRecord
from search_spaces.complexity import complexity
from search_spaces.drawing import draw_svg

MAX_BEST = 10
LOG_LOSS = "val_log_loss"
_LEVELS = ("AMCE_ALL", "AMCE_STAGE", "AMCE", "KIND_ALL", "KIND_STAGE", "KIND")


def effects_section(data: ReportData) -> str:
    """Write the forest plot and the table of effects."""
    plot = both(forest_svg(data, WIDE), forest_svg(data, NARROW))
    if not plot:
        words = "No effect has been measured: that takes trials of the random design."
        return section("effects", "Every effect", paragraph(words))
    metric = metric_of(data.benefit)
    sesoi = data.benefit.get("sesoi")
    band = ""
    if is_number(sesoi):
        source = data.benefit.get("sesoi_source")
        source = f" ({source})" if source else ""
        band = (
            f" The grey band holds effects below {metric.size(sesoi)}{metric.unit}"
            f"{source}: too small to matter, and the border between small and large."
        )
    has_none = reference_kind(data.benefit) == "none"
    what = "a block gets a skip" if has_none else "a projection takes the place of an identity"
    intro = paragraph(
        f"How much {metric.label} improves when {what}, on average over random "
        "networks. Bars are simultaneous 95% intervals: all of a level hold together."
        f"{band}"
    )
    marks = key(
        ("var(--helps)", "", "identity"),
        ("var(--helps)", "square", "projection"),
        ("var(--helps)", "diamond", "any skip"),
        ("var(--helps)", "bar-mark", "helps"),
        ("var(--hurts)", "bar-mark", "hurts"),
        ("var(--unknown)", "bar-mark", "cannot tell"),
    )
    numbers = f"<details><summary>All numbers as a table</summary>{effects_table(data)}</details>"
    trend = paragraph(trend_words(data), "plain") if trend_words(data) else ""
    return section("effects", "Every effect", intro, trend, marks, plot, numbers)


def effects_table(data: ReportData) -> str:
    """Write every effect with its interval, its accuracy beside it, counts and grade."""
    metric = metric_of(data.benefit)
    effects = sorted(
        (e for name in _LEVELS for e in effects_of(data.benefit, name)),
        key=lambda e: (_LEVELS.index(e.estimand), e.stage or 0, e.block or 0, e.kind),
    )
    _, in_accuracy = other_metrics(data.benefit).get(ACCURACY.name, (ACCURACY, []))
    beside = {_identity(e): e for e in read_effects(in_accuracy)}
    heads = [("Where", "w"), ("Skip", ""), ("Verdict", ""), (f"{metric.short.capitalize()}", "n")]
    heads += [("95% interval", "n")]
    if beside:
        heads += [("Accuracy, points", "n"), ("95% interval", "n")]
    heads += [("With", "n"), ("Without", "n"), ("Runs", "n"), ("Evidence", "")]
    lines: list[tuple[str, Sequence[str]]] = []
    for effect in effects:
        cells = [_where(effect), _kind(effect), word(effect.direction, effect.words)]
        cells += [metric.effect(effect.estimate), metric.effects(effect.low, effect.high)]
        if beside:
            other = beside.get(_identity(effect))
            cells += [ACCURACY.effect(other.estimate) if other else ""]
            cells += [ACCURACY.effects(other.low, other.high) if other else ""]
        cells += [*_counts(data, effect), effect.grade or ""]
        shown = [cell if index == 2 else esc(cell) for index, cell in enumerate(cells)]
        lines.append(("" if effect.place is not None else "heavy", shown))
    return table(heads, lines, "Effects")


def _identity(effect: Effect) -> tuple[str, str, int | None, int | None]:
    return effect.estimand, effect.kind, effect.stage, effect.block


def _where(effect: Effect) -> str:
    if effect.stage is None:
        return "all blocks"
    return f"stage {effect.stage}" + (f", block {effect.block}" if effect.block else "")


def _kind(effect: Effect) -> str:
    if effect.estimand.startswith("KIND"):
        return "projection against identity"
    return "any" if effect.kind == "skip" else effect.kind


def _counts(data: ReportData, effect: Effect) -> list[str]:
    runs = "" if effect.n_runs is None else str(effect.n_runs)
    if effect.place is None or effect.estimand != "AMCE":
        return ["", "", runs]
    arms = [data.arm(*effect.place, effect.kind), data.arm(*effect.place, "none")]
    return ["" if n is None else str(n) for n in arms] + [runs]


def best_section(data: ReportData) -> str:
    """Draw the best found and list the best trials."""
    metric = metric_of(data.benefit)
    done = data.ranked(lower_is_better=metric.lower_is_better)
    if not done:
        words = "No trial has finished with a value."
        return section("best", "Best networks", paragraph(words))
    incumbent = mapping(mapping(data.benefit.get("search")).get("incumbent"))
    number = incumbent.get("trial")
    spec = data.spec_of(number)
    if spec is None:
        number, spec = done[0].number, done[0].spec
    drawing = ""
    if spec is not None:
        wide = draw_svg(spec, width=WIDE, standalone=False, element_id="best-wide")
        narrow = draw_svg(spec, width=NARROW, standalone=False, element_id="best-narrow")
        drawing = f"<h3>Trial {number}, {esc(spec.code)}</h3>{both(wide, narrow)}"
    beside = _beside(done, metric)
    heads = [("Trial", "n"), (metric.short.capitalize(), "n"), ("Accuracy", "n")]
    heads += [*((other.short.capitalize(), "n") for other in beside), ("Layers", "n")]
    code = "N, I, P and spans" if has_long_skips(data) else "N, I, P"
    heads += [("Params", "n"), ("Chosen by", ""), (f"Blocks and skips ({code})", "code")]
    lines = [("", _trial_cells(trial, metric, beside)) for trial in done[:MAX_BEST]]
    intro = paragraph(
        "Scores of the search, one seed each: the best of many noisy scores is partly luck, so "
        "the finalists below are trained again on fresh seeds."
    )
    head = "<h3>Best scores in the search</h3>"
    listing = table(heads, lines, "Best trials")
    return section("best", "Best networks", drawing, head, intro, listing)


def _beside(trials: Sequence[TrialRecord], metric: Metric) -> list[Metric]:
    """Return what a task of the user's measured beside the study's metric and accuracy."""
    names = {name for t in trials for name in t.metrics if name.startswith("val_")}
    is_own = metric.name in names - {ACCURACY.name, LOG_LOSS}
    shown = {metric.name, ACCURACY.name, *(() if is_own else (LOG_LOSS,))}
    return [
        Metric(name=name, lower_is_better="loss" in name, digits=metric.digits)
        for name in sorted(names - shown)
    ]


def _trial_cells(trial: TrialRecord, metric: Metric, beside: Sequence[Metric]) -> list[str]:
    params = trial.params
    if params is None and trial.spec is not None:
        params = complexity(trial.spec).params
    accuracy = trial.metrics.get(ACCURACY.name)
    return [
        str(trial.number),
        esc(metric.value(trial.value)),
        "" if accuracy is None else esc(ACCURACY.value(accuracy)),
        *(
            esc(other.value(trial.metrics[other.name])) if other.name in trial.metrics else ""
            for other in beside
        ),
        "" if trial.layers is None else str(trial.layers),
        "" if params is None else f"{params:,}",
        esc(trial.source.value),
        esc(trial.spec.code) if trial.spec else "",
    ]


def search_section(data: ReportData) -> str:
    """Draw the course of the search."""
    plot = both(history_svg(data, WIDE), history_svg(data, NARROW))
    if not plot:
        return ""
    counts = data.counts()
    failed = sum(trial.state is State.FAILED for trial in data.trials)
    words = ", ".join(f"{n} {source.value}" for source, n in counts.items())
    words += f", {failed} failed" if failed else ""
    took = f" in {duration(data.seconds)}" if data.seconds is not None else ""
    intro = paragraph(
        f"{count(len(data.trials), 'trial')}{took}: {words}. Only the randomised ones are "
        f"evidence for effects; the adaptive ones look for the best network.{_drawn(data)}"
    )
    marks = key(
        ("var(--random)", "", "randomised"),
        ("var(--adaptive)", "", "adaptive"),
        ("var(--helps)", "bar-mark", "best so far"),
    )
    return section("search", "The search", intro, _unused(data), marks, plot)


def _unused(data: ReportData) -> str:
    """List the rows that could not be used, each sort with its reason."""
    found = [str(row.get("words") or "") for row in rows(data.benefit.get("unused_rows"))]
    lines = "".join(f"<li>{esc(words)}</li>" for words in found if words)
    return f"<p>Rows that could not be used:</p><ul>{lines}</ul>" if lines else ""


def _drawn(data: ReportData) -> str:
    """Say so where not every trial is drawn."""
    done = [trial for trial in data.trials if trial.state is State.COMPLETE]
    shown = len(thinned(done))
    if shown == len(done):
        return ""
    return f" Drawn are {shown:,} of them, evenly, and the best so far of all."


def anchors_section(data: ReportData) -> str:
    """Draw the anchors, a dot for every seed."""
    plot = both(anchors_svg(data, WIDE), anchors_svg(data, NARROW))
    if not plot:
        return ""
    intro = paragraph(
        f"Plain networks (no skip) and full-identity networks (a skip around every block), "
        f"trained alike at each depth. {shown_metric(data).label.capitalize()}; a dot is a seed, "
        "the tick their mean, the bar its 95% interval; after \N{PLUS-MINUS SIGN} the standard "
        "deviation over seeds."
    )
    return section("anchors", "Anchors", intro, plot)


def noise_section(data: ReportData) -> str:
    """Show how much scores vary over seeds, and the finalists on fresh seeds."""
    metric = metric_of(data.benefit)
    noise = mapping(data.benefit.get("noise"))
    gap = mapping(data.benefit.get("search")).get("winner_curse_gap")
    tiles = [
        (noise.get("sd_within_arch"), "standard deviation of one network over seeds"),
        (noise.get("sd_between_arch"), "standard deviation between random networks"),
        (gap, "by which the winner's search score was too good"),
    ]
    shown = [
        f'<div class="tile"><b>{esc(metric.size(value))}{esc(metric.unit)}</b>{esc(words)}</div>'
        for value, words in tiles
        if is_number(value)
    ]
    ratio = noise.get("ratio")
    if is_number(ratio):
        words = "networks differ by this many times the noise of a seed"
        shown.append(f'<div class="tile"><b>{ratio:.1f}</b>{esc(words)}</div>')
    body = f'<div class="tiles">{"".join(shown)}</div>' if shown else ""
    plot = both(finalists_svg(data, WIDE), finalists_svg(data, NARROW))
    if plot:
        seeds = sum(t.source is Source.FINALIST for t in data.repeats)
        body += "<h3>Finalists on fresh seeds</h3>" + paragraph(
            f"{count(seeds, 'training')} of the best trials, ranked by their mean {metric.short}. "
            "The hollow diamond is the score that the search had seen."
        )
        body += plot
    return section("noise", "Noise over seeds", body)

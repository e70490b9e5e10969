"""Skips that bypass several blocks: where they landed, and what a longer span does."""

import math

from nas.report.data import ReportData
from nas.report.effects import Direction, Effect, effects_of
from nas.report.forest import span_forest_svg
from nas.report.html import both, esc, key, paragraph, section, table, word
from nas.report.landings import Landings, landings_of, landings_svg
from nas.report.numbers import Metric, count, metric_of
from nas.report.svg import NARROW, WIDE

LEAST_BEST = 5
"""So many best trials are looked at, or a tenth of all where that is more."""


def has_long_skips(data: ReportData) -> bool:
    """Say whether a skip of any trial bypasses more than one block."""
    return bool(effects_of(data.benefit, "SPAN_ALL")) or data.has_long_skips


def long_skips_section(data: ReportData) -> str:
    """Write where long skips landed and what they do; empty where no skip is long."""
    if not has_long_skips(data):
        return ""
    intro = paragraph(
        "The span of a skip counts the blocks that it bypasses: 1 is the classic block, and a skip "
        "of span 3 that ends at a block begins two blocks earlier."
    )
    return section("spans", "Long skips", intro, _landed(data), _effects(data))


def _landed(data: ReportData) -> str:
    metric = metric_of(data.benefit)
    ranked = data.ranked(lower_is_better=metric.lower_is_better)
    if not ranked:
        return ""
    best = ranked[: max(LEAST_BEST, math.ceil(len(ranked) / 10))]
    landings = landings_of(data, best)
    title = f"Where the skips of the best {count(len(best), 'trial')} end"
    wide = landings_svg(landings, title, WIDE)
    narrow = landings_svg(landings, title, NARROW)
    words = paragraph(
        f"Of the blocks of the best {count(len(best), 'trial')}, out of {len(ranked)}, "
        f"{_totals(landings)}. {_expected_words(landings)}This is where the search went; what a "
        "span does is told below, from the randomised trials."
    )
    marks = key(
        ("var(--random)", "square", "share of the trials, the darker the more"),
        ("var(--ink)", "", "the best network has such a skip, or none, here"),
    )
    return f"<h3>Where they landed</h3>{words}{marks}{both(wide, narrow)}"


def _expected_words(landings: Landings) -> str:
    several = "More than one skip may end at a block, which then counts for each. "
    words = several if landings.has_several else ""
    if not landings.has_expected:
        return words
    drawn = "under uniform drawing" if landings.is_uniform else "in the randomised trials"
    is_less = landings.has_several and landings.one_each_drawn
    alone = ", where at most one skip ends at a block" if is_less else ""
    return f"{words}Under each share stands the one {drawn}{alone}. "


def _totals(landings: Landings) -> str:
    """Say for each span at how many of the blocks it ends, and how many are expected."""
    texts: list[str] = []
    for span in landings.spans:
        cell = landings.total(span)
        name = f"a skip of span {span}" if span == 1 else f"of span {span}"
        name = name if span else "have no skip"
        expected = "" if cell.expected is None else f" ({100 * cell.expected:.0f}% expected)"
        texts.append(f"*{100 * cell.share:.0f}%* {name}{expected}")
    return ", ".join(texts)


def _effects(data: ReportData) -> str:
    overall, blocks = effects_of(data.benefit, "SPAN_ALL"), effects_of(data.benefit, "SPAN")
    if not overall:
        return ""
    metric = metric_of(data.benefit)
    intro = paragraph(
        "Given that a skip ends at a block: what a longer span does instead of span 1, on average "
        "over kinds, over the rest of the network, and over the blocks that may have both. Only "
        "the randomised trials count; bars are simultaneous 95% intervals."
    )
    words = paragraph(_words(overall, metric), "plain")
    plot = both(span_forest_svg(data, WIDE), span_forest_svg(data, NARROW))
    if any(effect.estimate is not None for effect in blocks):
        rows = _block_table(blocks, metric)
        more = f"<details><summary>Every block</summary>{rows}</details>"
    else:
        more = paragraph("Spans at single blocks take more trials of the random design.")
    return f"<h3>What a longer span does</h3>{intro}{words}{plot}{more}"


def _words(effects: list[Effect], metric: Metric) -> str:
    """Say what is decided, one sentence per span, then what is not and what is not measured."""
    decided = [e for e in effects if e.direction is not Direction.UNKNOWN]
    missing = [e for e in effects if e.estimate is None]
    left = [e for e in effects if e not in decided and e not in missing]
    texts = [_sentence(effect, metric) for effect in decided]
    if left:
        texts.append(f"Whether {_spans(left)} is better or worse than 1 cannot be told yet.")
    if missing:
        texts.append(
            f"{_spans(missing).capitalize()} against 1 is not measured: that takes more trials of "
            "the random design."
        )
    return " ".join(texts)


def _spans(effects: list[Effect]) -> str:
    names = [str(effect.span) for effect in effects]
    return "span " + (" or ".join([", ".join(names[:-1]), names[-1]]) if names[1:] else names[0])


def _sentence(effect: Effect, metric: Metric) -> str:
    estimate = effect.estimate or 0.0
    fine = metric.fine(effect.low, effect.high)
    if effect.direction is Direction.NEGLIGIBLE:
        interval = fine.effects(effect.low, effect.high)
        return (
            f"Span {effect.span} is as good as 1: any difference is too small to matter "
            f"({interval})."
        )
    verb = "lowers" if metric.lower_is_better == (estimate > 0) else "raises"
    size = f"*{fine.size(estimate)}*{fine.unit}"
    sizes = fine.sizes(effect.low, effect.high, estimate)
    return f"Span {effect.span} *{effect.words}*: it {verb} {metric.label} by {size} ({sizes})."


def _block_table(blocks: list[Effect], metric: Metric) -> str:
    heads = [("Where", "w"), ("Span", ""), ("Verdict", ""), (metric.short.capitalize(), "n")]
    heads += [("95% interval", "n"), ("Runs", "n")]
    lines = [
        (
            "",
            [
                f"stage {effect.stage}, block {effect.block}",
                f"{effect.span} against {effect.reference_span}",
                word(effect.direction, effect.words),
                esc(metric.effect(effect.estimate)),
                esc(metric.effects(effect.low, effect.high)),
                "" if effect.n_runs is None else str(effect.n_runs),
            ],
        )
        for effect in blocks
    ]
    return table(heads, lines, "Effects of spans")

"""Paired evidence: what single skips are worth in one network, retrained with each one flipped."""

from collections.abc import Sequence

from nas.report.data import ReportData
from nas.report.effects import Direction
from nas.report.html import both, esc, paragraph, section, table, word
from nas.report.intervals import Frame, Interval, intervals_svg
from nas.report.method import STAND_IN
from nas.report.numbers import Metric, is_number, metric_of
from nas.report.pairs import Pair, is_best, read_pairs
from nas.report.svg import NARROW, WIDE

_QUESTIONS = {
    "ABL": "Its skips against none there",
    "KIND": "A projection against an identity there",
    "ADD": "A skip where it has none",
    "JOINT": "Several blocks changed at once, against the network itself",
}


def paired_section(data: ReportData) -> str:
    """Write what each flip does, network by network; nothing without paired trainings."""
    found = read_pairs(data.benefit)
    if not found:
        return ""
    every = [one for flips in found.values() for one in flips]
    split = "test" if all(one.split == "test" for one in every) else "validation"
    pairs = sorted({one.n_pairs for one in every})
    each = f"{pairs[0]} to {pairs[-1]}" if len(pairs) > 1 else str(pairs[0])
    intro = paragraph(
        "A network, and the same network with a skip flipped, trained on the same fresh seeds: "
        f"{each} pairs each, measured on the {split} split{_correlation(every)}. Bars are "
        "simultaneous 95% intervals of the mean difference; right of zero the skip, or the "
        "projection, is better."
    )
    why = paragraph(
        f"*On average over networks* is one question, *in one network* another. {STAND_IN}"
    )
    bodies = [_of_base(data, base, flips) for base, flips in found.items()]
    return section("paired", "In single networks", intro, why, *bodies)


def _correlation(every: Sequence[Pair]) -> str:
    """Say what common seeds gained."""
    known = sorted(one.rho for one in every if one.rho is not None)
    if not known:
        return ""
    return f", correlation of a pair over seeds {known[len(known) // 2]:.2f}"


def _of_base(data: ReportData, base: str, flips: list[Pair]) -> str:
    metric = metric_of(data.benefit)
    name = f"{base}, your best network" if is_best(data.benefit, flips[0]) else base
    asked = [
        _question(data, question, [one for one in flips if one.estimand == estimand])
        for estimand, question in _QUESTIONS.items()
    ]
    numbers = (
        f"<details><summary>All numbers as a table</summary>{_table(flips, metric)}</details>"
    )
    return f"<h3>{esc(name[:1].upper() + name[1:])}</h3>{''.join(asked)}{numbers}"


def _question(data: ReportData, question: str, flips: list[Pair]) -> str:
    """Draw the flips that ask the same, and count what is decided among them."""
    if not flips:
        return ""
    metric, band = metric_of(data.benefit), data.benefit.get("sesoi")
    frame = Frame(
        title=f"{question} in {flips[0].base}: effect on {metric.label}",
        note_head="pairs",
        left_words="hurts" if flips[0].estimand != "JOINT" else "worse",
        right_words="helps" if flips[0].estimand != "JOINT" else "better",
        band=float(band) if is_number(band) else None,
    )
    directions = [one.direction for one in flips]
    counts = [(directions.count(direction), direction) for direction in Direction]
    said = ", ".join(f"{direction} *{n}*" for n, direction in counts if n)
    lines = [_line(question, one) for one in flips]
    plot = both(*(intervals_svg(lines, metric, width, frame) for width in (WIDE, NARROW)))
    return paragraph(f"{question}: {said}.", "plain") + plot


def _line(question: str, one: Pair) -> Interval:
    return Interval(
        estimate=one.estimate,
        low=one.low,
        high=one.high,
        direction=one.direction,
        label=_label(one),
        name="" if one.estimand == "JOINT" else one.kind,
        short=one.kind[:1].upper(),
        kind=one.kind,
        note=str(one.n_pairs),
        where=f"{question}, {one.flip}",
        words=one.words,
    )


def _label(one: Pair) -> str:
    if one.place is None:
        return one.flip if len(one.flip) < 14 else f"{one.flip.count('=')} blocks"
    return f"S{one.place.stage} block {one.place.block}"


def _table(flips: Sequence[Pair], metric: Metric) -> str:
    heads = [("Question", ""), ("Flip", ""), ("Verdict", ""), (metric.short.capitalize(), "n")]
    heads += [("95% interval", "n"), ("p", "n"), ("Pairs", "n"), ("Failed", "n")]
    heads += [("Correlation", "n"), ("Evidence", "")]
    lines = [
        (
            "",
            [
                esc(_QUESTIONS.get(one.estimand, one.estimand)),
                esc(one.flip.replace(",", ", ")),
                word(one.direction, one.words),
                esc(metric.effect(one.estimate)),
                esc(metric.effects(one.low, one.high)),
                "" if one.p is None else f"{one.p:.3f}",
                str(one.n_pairs),
                str(one.n_failed),
                "" if one.rho is None else esc(f"{one.rho:.2f}"),
                f"paired, {esc(one.split)}",
            ],
        )
        for one in flips
    ]
    return table(heads, lines, "Flips")

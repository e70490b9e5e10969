"""The first screen: six answers, each with its interval, and which layers to keep them at."""

from nas.report.best_found import best_found
from nas.report.changes import changes_box
from nas.report.curves import depth_points, depth_svg, shown_metric
from nas.report.data import NextStep, ReportData
from nas.report.effects import (
    Direction,
    Effect,
    all_skips,
    block_effects,
    effects_of,
    kind_contrast,
    reference_kind,
)
from nas.report.headline import ACCURACY, headline_parts
from nas.report.html import both, esc, paragraph, stress
from nas.report.keep_card import TITLE, keep_card
from nas.report.long_skips import has_long_skips
from nas.report.numbers import (
    Metric,
    count,
    is_number,
    mapping,
    metric_of,
    other_metrics,
    typographic,
)
from nas.report.sight import TITLE as SIGHT_TITLE
from nas.report.sight import sight_words
from nas.report.skip_map import skip_map_svg
from nas.report.svg import Scale, figure, line, mark, scale_over, text, titled

_MOST_NAMED = 3


def first_screen(data: ReportData) -> str:
    """Write the six answers."""
    parts = headline_parts(data.benefit)
    evidence = "; ".join(parts.evidence)
    head = (
        f'<h1><span class="claim">{esc(parts.claim)}{":" if evidence else "."}</span> '
        f'<span class="evidence">{stress(evidence)}{"." if evidence else ""}</span></h1>'
    )
    side = _card("Identity or projection", _kinds(data)) + _card("With depth", _depth(data))
    side += _card("Best found against full identity of equal depth", best_found(data))
    side += _card("What would settle the rest", _settle(data))
    left = _card(TITLE, keep_card(data), "keeps") + _card(_map_title(data), _map(data), "map")
    if seen := sight_words(data):
        left += _card(SIGHT_TITLE, paragraph(seen), "sight")
    return f'{head}<div class="first">{left}<div class="side">{side}</div></div>'


def _card(title: str, body: str, css: str = "") -> str:
    return f'<section class="card {css}"><h2>{esc(title)}</h2>{body}</section>'


def _map_title(data: ReportData) -> str:
    metric = metric_of(data.benefit)
    what = "skip" if reference_kind(data.benefit) == "none" else "projection in place of identity"
    return f"What a {what} does at each block: effect on {metric.label}{_in(metric)}, + is better"


def _in(metric: Metric) -> str:
    return f" in{metric.unit}" if metric.unit else ""


def _map(data: ReportData) -> str:
    box = changes_box(data)
    marked = bool(box)
    wide = skip_map_svg(data, width=624, standalone=False, element_id="map-wide", is_marked=marked)
    if not wide:
        return paragraph("No network is known to draw.")
    narrow = skip_map_svg(
        data, width=340, standalone=False, element_id="map-narrow", is_marked=marked
    )
    return both(wide, narrow) + paragraph(_map_words(data), "small") + box


def _map_words(data: ReportData) -> str:
    """Count what is decided at each level."""
    blocks = [e for e in block_effects(data.benefit).values() if e.estimate is not None]
    if not blocks:
        return "Nothing is coloured: no effect of a single block has been measured."
    stages = [
        e
        for e in effects_of(data.benefit, "AMCE_STAGE")
        if e.kind in ("identity", "projection") and e.estimate is not None
    ]
    counts = [
        f"*{sum(e.direction is not Direction.UNKNOWN for e in found)} of {len(found)}* {name}"
        for name, found in (("stage effects", stages), ("block effects", blocks))
        if found
    ]
    left = "; the chips beside a stage are its mean per block" if stages else ""
    over = " Effects are means over the spans of a skip." if has_long_skips(data) else ""
    return f"Decided: {' and '.join(counts)}. Grey means cannot tell{left}.{over}"


def _kinds(data: ReportData) -> str:
    metric = metric_of(data.benefit)
    found = [all_skips(data.benefit, kind) for kind in ("identity", "projection")]
    both_kinds = [effect for effect in found if effect is not None and effect.estimate is not None]
    contrast = kind_contrast(data.benefit)
    words = _contrast_words(contrast, metric) if contrast is not None else ""
    if not words:
        words = "Cannot tell." if both_kinds else "Not measured yet."
        kinds = {effect.kind for effect in block_effects(data.benefit).values()}
        if both_kinds and len(kinds) == 1:
            words = f"Only {kinds.pop()} skips are offered here."
    body = paragraph(words, "answer")
    if both_kinds:
        body += _kinds_svg(both_kinds, metric)
    accuracy = _accuracy_words(data)
    return body + (paragraph(accuracy, "small") if accuracy else "")


def _contrast_words(contrast: Effect, metric: Metric) -> str:
    if contrast.estimate is None:
        return ""
    metric = metric.fine(contrast.low, contrast.high)
    interval = f"({metric.effects(contrast.low, contrast.high)})"
    sizes = f"({metric.sizes(contrast.low, contrast.high, contrast.estimate)})"
    size = f"{metric.size(contrast.estimate)}{metric.unit}"
    if contrast.direction is Direction.HELPS:
        return f"Projection is better, by {size} {sizes}."
    if contrast.direction is Direction.HURTS:
        return f"Identity is better, by {size} {sizes}."
    if contrast.direction is Direction.NEGLIGIBLE:
        return f"Equally good: any difference is too small to matter {interval}."
    return (
        f"Cannot tell which is better: difference {metric.effect(contrast.estimate)} {interval}."
    )


def _kinds_svg(effects: list[Effect], metric: Metric) -> str:
    known = [v for e in effects for v in (e.estimate, e.low, e.high) if v is not None]
    scale: Scale = scale_over(known, 76, 208, zero=True)
    height = 24 * len(effects) + 4
    body = [line(scale(0), 0, scale(0), height, "axis")]
    for index, effect in enumerate(effects):
        y = 14 + 24 * index
        tone = {Direction.HELPS: "helps", Direction.HURTS: "hurts"}.get(
            effect.direction, "unknown"
        )
        shape = "square" if effect.kind == "projection" else "circle"
        parts = [text(0, y + 4, effect.kind)]
        if effect.low is not None and effect.high is not None:
            parts.append(line(scale(effect.low), y, scale(effect.high), y, f"whisker {tone}"))
        parts.append(mark(scale(effect.estimate or 0.0), y, f"mark {tone}", shape, 5))
        fine = metric.fine(effect.low, effect.high)
        value = typographic(fine.effect(effect.estimate))
        interval = typographic(fine.effects(effect.low, effect.high))
        parts.append(text(252, y + 4, value, f"strong {tone}", "end"))
        parts.append(text(258, y + 4, interval, "quiet"))
        body.append(titled(f"{effect.kind} on average: {effect.words}", *parts))
    name = "Average effect of an identity and of a projection, with 95% intervals"
    return figure(380, height, name, body, "kinds")


def _accuracy_words(data: ReportData) -> str:
    """Say the same in points of accuracy, where the study's metric is another one."""
    if metric_of(data.benefit).is_share:
        return ""
    _, rows = other_metrics(data.benefit).get(ACCURACY.name, (ACCURACY, []))
    found = {
        row.get("kind"): row.get("estimate") for row in rows if row.get("estimand") == "AMCE_ALL"
    }
    texts = [
        f"{kind} {ACCURACY.effect(found[kind])}"
        for kind in ("identity", "projection")
        if is_number(found.get(kind))
    ]
    return f"In points of accuracy: {', '.join(texts)}." if texts else ""


def _depth(data: ReportData) -> str:
    chart = depth_svg(data)
    if not chart:
        return paragraph("Not measured: no anchor networks have been trained.", "answer")
    metric = shown_metric(data)
    families = depth_points(data, metric)
    plain = {layers: spread.mean for layers, spread, _ in families.get("plain", [])}
    full = {layers: spread.mean for layers, spread, _ in families.get("identity", [])}
    depths = sorted(set(plain) & set(full))
    gains: list[str] = []
    for layers in depths:
        ours, theirs = full[layers], plain[layers]
        if ours is not None and theirs is not None:
            gains.append(
                metric.effect((theirs - ours) if metric.lower_is_better else ours - theirs)
            )
    words = ""
    if gains:
        at = _listed([str(layers) for layers in depths])
        words = f"Gain by skips everywhere: *{_listed(gains)}*{metric.unit} at {at} layers."
    return (paragraph(words) if words else "") + chart


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _settle(data: ReportData) -> str:
    settled = mapping(data.benefit.get("settled"))
    done, total = settled.get("num_settled"), settled.get("num_answers")
    body = paragraph("Nothing is settled yet", "answer")
    is_all = False
    if is_number(done) and is_number(total) and total > 0:
        is_all = done >= total
        body = paragraph(f"{int(done)} of {int(total)} answers settled", "answer")
        body += f'<div class="meter"><i style="width:{100 * min(1, done / total):.0f}%"></i></div>'
    lines = "".join(f"<li>{_step(step)}</li>" for step in data.next_steps[:3])
    if not lines and is_all:
        lines = "<li>Nothing is open: more trials would only narrow the intervals.</li>"
    elif not lines and total == 0 and mapping(data.benefit.get("rows")).get("used"):
        lines = "<li>The space leaves nothing to compare: every block has one kind of skip.</li>"
    elif not lines and settled.get("can_decide") is False and _failed(data):
        lines = "<li>Trials that do not fail: see the warnings.</li>"
    elif not lines:
        lines = "<li>More trials of the random design, which alone are evidence for effects.</li>"
    return f"{body}<ul>{lines}{_rows_to_add(data)}{_shut(data)}</ul>"


def _shut(data: ReportData) -> str:
    """Name blocks that are clear by themselves and undecided all the same: rows may not help them."""
    found = [
        effect.place
        for effect in block_effects(data.benefit).values()
        if not effect.gate_passed and effect.low is not None and effect.high is not None
        if (effect.low > 0 or effect.high < 0) and effect.place is not None
    ]
    if not found:
        return ""
    places = sorted(set(found))
    few = ", ".join(map(str, places))
    names = few if len(places) <= _MOST_NAMED else count(len(places), "block")
    return (
        f"<li>{esc(names)}: the interval leaves out zero, but the mean that has to be decided "
        "before single blocks is not. More rows need not change that.</li>"
    )


def _rows_to_add(data: ReportData) -> str:
    """Link the rows that would let the data answer, where they have been written."""
    found = mapping(data.rows_to_add)
    path, number = found.get("path"), found.get("num_rows")
    if not path or not is_number(number):
        return ""
    settles = f" for {esc(found['settles'])}" if found.get("settles") else ""
    words = f"<b>{count(int(number), 'row')}</b> to train{settles}"
    return f'<li>{words}: <a href="{esc(path)}">{esc(path)}</a></li>'


def _failed(data: ReportData) -> bool:
    return bool(mapping(data.benefit.get("rows")).get("failed"))


def _step(step: NextStep) -> str:
    if step.words:
        return stress(step.words)
    price: list[str] = []
    if step.trials is not None:
        price.append(f"about *{count(step.trials, 'more trial')}*")
    if step.minutes is not None:
        price.append(_minutes(step.minutes))
    words = ", ".join(price)
    words += f"{' for ' if words else 'for '}{step.settles}" if step.settles else ""
    command = f"<code>{esc(step.command)}</code>" if step.command else ""
    return f"{stress(words[:1].upper() + words[1:])}{'<br>' if words and command else ''}{command}"


def _minutes(minutes: float) -> str:
    if minutes < 1:
        return "under a minute"
    return count(round(minutes), "minute") if minutes < 90 else f"{minutes / 60:.1f} hours"

"""The answer in one sentence: do skips help on this data at this depth?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas.report.effects import (
    Anchor,
    Direction,
    Effect,
    Spread,
    all_skips,
    effects_of,
    kind_contrast,
    read_anchors,
    reference_kind,
    reference_layers,
    reference_pair,
)
from nas.report.numbers import NO_INTERVAL, Metric, count, is_number, mapping, metric_of

ACCURACY = Metric(name="val_accuracy", lower_is_better=False)
"""Shown beside the study's metric, because everybody can read it."""


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The sentence in two parts; numbers to stress stand between asterisks."""

    claim: str
    evidence: tuple[str, ...]
    direction: Direction


def headline(benefit: Mapping[str, Any]) -> str:
    """Return the answer in one sentence of plain text, with intervals and seeds.

    The claim rests on the plain against the full-identity network (all skips against none) and on
    the average effect of a skip over the random design; where only one of them can tell, that one
    decides, and where they contradict each other the sentence says so. Where every block of the
    space has a skip, it compares projection with identity, or else a longer span with span 1.

    Args:
        benefit: Content of `skip_benefit.json`; whatever it lacks is left out.
    """
    parts = headline_parts(benefit)
    text = "; ".join(parts.evidence)
    return (f"{parts.claim}: {text}." if text else f"{parts.claim}.").replace("*", "")


def headline_parts(benefit: Mapping[str, Any]) -> Headline:
    """Return claim and evidence of the headline."""
    metric = metric_of(benefit)
    anchors = reference_pair(read_anchors(benefit, metric), reference_layers(benefit))
    if reference_kind(benefit) != "none":
        return _kinds_parts(benefit, anchors, metric)
    known = [all_skips(benefit, kind) for kind in ("skip", "identity", "projection")]
    effect = next((one for one in known if one and one.estimate is not None), None)
    evidence: list[str] = []
    verdicts: list[Direction] = []
    if anchors is not None:
        text, verdict = _anchor_evidence(*anchors, metric, benefit)
        evidence.append(text)
        verdicts.append(verdict)
    if effect is not None and _can_decide(benefit):
        evidence.append(_effect_evidence(effect, metric))
        verdicts.append(effect.direction)
    where = _where(benefit, anchors)
    reason = _why_no_answer(benefit, effect is not None)
    if reason and not set(verdicts) - {Direction.UNKNOWN}:
        return Headline(
            claim=f"No answer{where}", evidence=(reason, *evidence), direction=Direction.UNKNOWN
        )
    evidence += [reason] if reason else []
    if not evidence:
        return Headline(
            claim=f"No answer yet{where}",
            evidence=(_what_there_is(benefit),),
            direction=Direction.UNKNOWN,
        )
    claim, direction = _claim(verdicts, where)
    return Headline(claim=claim, evidence=tuple(evidence), direction=direction)


def _kinds_parts(
    benefit: Mapping[str, Any], anchors: tuple[Anchor, Anchor] | None, metric: Metric
) -> Headline:
    """Return the headline of a space whose blocks all have a skip."""
    where = _where(benefit, anchors)
    asked = [kind_contrast(benefit), *effects_of(benefit, "SPAN_ALL")]
    effect = next((one for one in asked if one and one.estimate is not None), None)
    beside = () if anchors is None else (_anchor_evidence(*anchors, metric, benefit)[0],)
    reason = _why_no_answer(benefit, effect is not None)
    if effect is None or reason:
        few = "too few random networks to compare one kind of skip with another"
        claim = f"No answer{where}" if reason else f"No answer yet{where}"
        return Headline(
            claim=claim, evidence=(reason or few, *beside), direction=Direction.UNKNOWN
        )
    names, what = ("projection skips", "identity skips"), "a projection in place of an identity"
    if effect.span is not None:
        spans = effect.span, effect.reference_span
        names = (f"skips of span {spans[0]}", f"skips of span {spans[1]}")
        what = f"span {spans[0]} in place of span {spans[1]}"
    better, worse = names if effect.estimate is not None and effect.estimate > 0 else names[::-1]
    claim = {
        Direction.NEGLIGIBLE: f"{names[0].capitalize()} are as good as {names[1]}",
        Direction.UNKNOWN: f"The data cannot tell yet whether {names[0]} or {names[1]} are better",
    }.get(effect.direction, f"{better.capitalize()} are better than {worse}")
    return Headline(
        claim=claim + where,
        evidence=(_effect_evidence(effect, metric, what), *beside),
        direction=effect.direction,
    )


def _claim(verdicts: list[Direction], where: str) -> tuple[str, Direction]:
    decided = {verdict for verdict in verdicts if verdict is not Direction.UNKNOWN}
    if {Direction.HELPS, Direction.HURTS} <= decided:
        return f"The evidence on skips is mixed{where}", Direction.UNKNOWN
    if Direction.HELPS in decided:
        return f"Skips help{where}", Direction.HELPS
    if Direction.HURTS in decided:
        return f"Skips hurt{where}", Direction.HURTS
    if Direction.NEGLIGIBLE in decided:
        return f"Skips make no worthwhile difference{where}", Direction.NEGLIGIBLE
    return f"The data cannot tell yet whether skips help{where}", Direction.UNKNOWN


def _can_decide(benefit: Mapping[str, Any]) -> bool:
    return mapping(benefit.get("settled")).get("can_decide") is not False


def _why_no_answer(benefit: Mapping[str, Any], has_effect: bool) -> str:
    """Say why the random design cannot tell, whatever its size; empty where it can, or may."""
    study, rows = mapping(benefit.get("study")), mapping(benefit.get("rows"))
    if study.get("n_trials") and not mapping(study.get("by_source")).get("randomised"):
        limits = mapping(mapping(benefit.get("constraints")).get("limits"))
        if limits and mapping(benefit.get("constraints")).get("rows_left_out"):
            named = ", ".join(f"{name}={limit:.6g}" for name, limit in limits.items())
            words = f"limit {named} leaves" if len(limits) == 1 else f"limits {named} leave"
            return f"the {words} no network of the design, hence no map"
        return "no trial has source=randomised"
    if _can_decide(benefit):
        return ""
    reasons, total = mapping(rows.get("failed")), rows.get("randomised") or 0
    failed, complete = sum(reasons.values()), rows.get("complete") or 0
    if failed and 3 * complete < total:
        named = sorted((reason for reason in reasons if reason != "unknown"), key=str)
        why = f" ({', '.join(reason.replace('_', ' ') for reason in named)})" if named else ""
        return f"{failed:,} of {count(total, 'random network')} failed{why}"
    left_out = sum(mapping(rows.get("left_out")).values())
    if 10 * left_out > total:
        return f"{left_out:,} of {count(total, 'random network')} are left out, too many to decide"
    used = count(rows.get("used") or total, "random network")
    return f"{used} have one and the same value" if has_effect else ""


def _where(benefit: Mapping[str, Any], anchors: tuple[Anchor, Anchor] | None) -> str:
    dataset = mapping(benefit.get("data")).get("dataset")
    layers = anchors[0].layers if anchors else reference_layers(benefit)
    on = f" on {dataset}" if dataset else ""
    return on + (f" at {layers} layers" if layers else "")


def _anchor_evidence(
    plain: Anchor, full: Anchor, metric: Metric, benefit: Mapping[str, Any]
) -> tuple[str, Direction]:
    names = (ACCURACY.name, metric.name)
    ways = {ACCURACY.name: ACCURACY, metric.name: metric}
    both = [plain.best_known(*names), full.best_known(*names)]
    known = next((found for found in both if found is not None), None)
    if known is None:
        return "no anchor network finished a training", Direction.UNKNOWN
    way = ways[known[0]]
    named = "95% interval "
    texts = [_anchor_text(full, way, named)]
    texts.append(_anchor_text(plain, way, "" if named in texts[0] else named))
    text = (
        f"with an identity skip around every block {way.label} is {texts[0]}, with none {texts[1]}"
    )
    chance = _chance(benefit, way)
    sides = [anchor.spreads.get(way.name) for anchor in (plain, full)]
    if chance is not None and all(_is_guess(side, chance, way) for side in sides):
        return f"{text}, both no better than guessing", Direction.UNKNOWN
    ends = [_ends(side, chance, way) for side in sides]
    if ends[0] is None or ends[1] is None:
        return text, Direction.UNKNOWN
    return text, _compare(*ends[0], *ends[1], way)


def _chance(benefit: Mapping[str, Any], metric: Metric) -> tuple[float, float] | None:
    """Return the value of a network that guesses, and how far luck may take it from there."""
    data = mapping(benefit.get("data"))
    num_classes, num_images = data.get("num_classes"), data.get("n_val")
    if not is_number(num_classes) or num_classes < 2:
        return None
    if metric.is_share:
        share = 1 / num_classes
        luck = 2 * math.sqrt(share * (1 - share) / num_images) if is_number(num_images) else 0.0
        return share, luck
    return (math.log(num_classes), 0.0) if metric.name.endswith("log_loss") else None


def _is_guess(spread: Spread | None, chance: tuple[float, float], metric: Metric) -> bool:
    if spread is None or spread.mean is None:
        return False
    value, luck = chance
    if metric.lower_is_better:
        return max(spread.mean, spread.high or spread.mean) >= value - luck
    return min(spread.mean, spread.mean if spread.low is None else spread.low) <= value + luck


def _ends(
    spread: Spread | None, chance: tuple[float, float] | None, metric: Metric
) -> tuple[float, float] | None:
    """Return the interval of an anchor.

    Seeds that all guess alike show no noise of their own; that of guessing is known.
    """
    if spread is None:
        return None
    if spread.low is not None and spread.high is not None:
        return spread.low, spread.high
    if chance is None or spread.n < 2 or not _is_guess(spread, chance, metric):
        return None
    return chance[0] - chance[1], chance[0] + chance[1]


def _compare(
    plain_low: float, plain_high: float, full_low: float, full_high: float, metric: Metric
) -> Direction:
    """Compare intervals; those that overlap cannot tell, which is the cautious reading."""
    if full_low > plain_high:
        return Direction.HURTS if metric.lower_is_better else Direction.HELPS
    if full_high < plain_low:
        return Direction.HELPS if metric.lower_is_better else Direction.HURTS
    return Direction.UNKNOWN


def _anchor_text(anchor: Anchor, metric: Metric, name: str) -> str:
    spread = anchor.spreads.get(metric.name)
    if spread is None or spread.mean is None:
        failed = f" ({count(anchor.failed, 'seed')} failed)" if anchor.failed else ""
        return f"*unknown*{failed}"
    seeds = count(spread.n, "seed") + (f", {anchor.failed} failed" if anchor.failed else "")
    if spread.low is None:
        missing = f"{NO_INTERVAL}, " if spread.n > 1 else ""
        return f"*{metric.value(spread.mean)}* ({missing}{seeds})"
    interval = metric.values(spread.low, spread.high)
    return f"*{metric.value(spread.mean)}* ({name}{interval}, {seeds})"


def _effect_evidence(effect: Effect, metric: Metric, what: str = "") -> str:
    assert effect.estimate is not None, "callers leave effects without an estimate out"
    metric = metric.fine(effect.low, effect.high)
    better = effect.estimate > 0
    verb = "lowers" if metric.lower_is_better == better else "raises"
    size = f"*{metric.size(effect.estimate)}*{metric.unit}"
    n = f", {count(effect.n_runs, 'random network')}" if effect.n_runs else ""
    interval = metric.sizes(effect.low, effect.high, effect.estimate)
    named = interval if interval.startswith("no ") else f"95% interval {interval}"
    what = what or ("one skip" if effect.kind == "skip" else f"one {effect.kind} skip")
    return f"{what} {verb} {metric.label} by {size} on average ({named}{n})"


def _what_there_is(benefit: Mapping[str, Any]) -> str:
    study = mapping(benefit.get("study"))
    n_trials = study.get("n_trials")
    randomised = mapping(study.get("by_source")).get("randomised", 0)
    if not isinstance(n_trials, int):
        return "nothing that compares skips with none has been measured"
    return (
        f"{count(n_trials, 'trial')}, {randomised} from the random design, and no plain network "
        "beside one with skips: too little to compare skips with none"
    )

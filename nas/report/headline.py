"""The answer in one sentence: do skips help on this data at this depth?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas.report.effects import (
    Anchor,
    Direction,
    Effect,
    all_skips,
    read_anchors,
    reference_layers,
    reference_pair,
)
from nas.report.numbers import Metric, count, mapping, metric_of

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
    decides, and where they contradict each other the sentence says so.

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
    known = [all_skips(benefit, kind) for kind in ("skip", "identity", "projection")]
    effect = next((one for one in known if one and one.estimate is not None), None)
    evidence: list[str] = []
    verdicts: list[Direction] = []
    if anchors is not None:
        text, verdict = _anchor_evidence(*anchors, metric)
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
        return "no trial has source=randomised"
    if _can_decide(benefit):
        return ""
    reasons, total = mapping(rows.get("failed")), rows.get("randomised") or 0
    failed, complete = sum(reasons.values()), rows.get("complete") or 0
    if failed and 3 * complete < total:
        named = sorted((reason for reason in reasons if reason != "unknown"), key=str)
        why = f" ({', '.join(reason.replace('_', ' ') for reason in named)})" if named else ""
        return f"{failed:,} of {count(total, 'random network')} failed{why}"
    used = count(rows.get("used") or total, "random network")
    return f"{used} have one and the same value" if has_effect else ""


def _where(benefit: Mapping[str, Any], anchors: tuple[Anchor, Anchor] | None) -> str:
    dataset = mapping(benefit.get("data")).get("dataset")
    layers = anchors[0].layers if anchors else reference_layers(benefit)
    on = f" on {dataset}" if dataset else ""
    return on + (f" at {layers} layers" if layers else "")


def _anchor_evidence(plain: Anchor, full: Anchor, metric: Metric) -> tuple[str, Direction]:
    names = (ACCURACY.name, metric.name)
    ways = {ACCURACY.name: ACCURACY, metric.name: metric}
    both = [plain.best_known(*names), full.best_known(*names)]
    known = next((found for found in both if found is not None), None)
    if known is None:
        return "no anchor network finished a training", Direction.UNKNOWN
    way = ways[known[0]]
    texts = [_anchor_text(full, way, "95% interval "), _anchor_text(plain, way, "")]
    text = (
        f"with an identity skip around every block {way.label} is {texts[0]}, with none {texts[1]}"
    )
    low, high = plain.spreads.get(way.name), full.spreads.get(way.name)
    if low is None or high is None or None in (low.low, low.high, high.low, high.high):
        return text, Direction.UNKNOWN
    return text, _compare(low.low, low.high, high.low, high.high, way)


def _compare(
    plain_low: Any, plain_high: Any, full_low: Any, full_high: Any, metric: Metric
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
        return f"*{metric.value(spread.mean)}* ({seeds})"
    interval = metric.values(spread.low, spread.high)
    return f"*{metric.value(spread.mean)}* ({name}{interval}, {seeds})"


def _effect_evidence(effect: Effect, metric: Metric) -> str:
    assert effect.estimate is not None, "callers leave effects without an estimate out"
    metric = metric.fine(effect.low, effect.high)
    better = effect.estimate > 0
    verb = "lowers" if metric.lower_is_better == better else "raises"
    size = f"*{metric.size(effect.estimate)}*{metric.unit}"
    n = f", {count(effect.n_runs, 'random network')}" if effect.n_runs else ""
    interval = metric.sizes(effect.low, effect.high, effect.estimate)
    named = interval if interval.startswith("no ") else f"95% interval {interval}"
    name = "skip" if effect.kind == "skip" else f"{effect.kind} skip"
    return f"one {name} {verb} {metric.label} by {size} on average ({named}{n})"


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

"""The best network found, on fresh seeds, beside the full-identity ResNet of equal depth."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nas.report.data import ReportData
from nas.report.effects import Direction, Spread
from nas.report.headline import ACCURACY
from nas.report.html import paragraph, word
from nas.report.numbers import Metric, count, is_number, mapping, metric_of, pair
from nas.trials import Source, State
from search_spaces.complexity import complexity
from search_spaces.spec import Kind, span_one_skips


def best_found(data: ReportData) -> str:
    """Write the card of the best found: verdict, scores on fresh seeds, parameters."""
    metric = metric_of(data.benefit)
    search = mapping(data.benefit.get("search"))
    incumbent = incumbent_of(data)
    if not incumbent:
        return paragraph("No finished trial yet.", "answer")
    retrained = Spread.read(mapping(search.get("retrained")))
    versus = mapping(search.get("versus_identity"))
    verdict = str(versus.get("verdict") or "").replace("_", " ")
    body = [_verdict(verdict)]
    name = f"Trial {incumbent.get('trial', '?')}"
    if retrained.mean is not None:
        sentence = (
            f"{name}: *{metric.value(retrained.mean)}* {metric.short}{_accuracy_of(data)} over "
            f"{count(retrained.n, 'fresh seed')}{_interval(retrained, metric)}, "
            f"{_params(data, incumbent)}."
        )
    else:
        known = search.get("val_score")
        score = metric.value(known if known is not None else incumbent.get("value"))
        sentence = (
            f"{name}: *{score}* {metric.short} in the search, {_params(data, incumbent)}; not "
            "retrained, so partly luck."
        )
    body.append(paragraph(sentence))
    rival = f"{_rival(data, metric)} {_difference(versus, metric)}".strip()
    return "".join(body) + (paragraph(rival, "small") if rival else "")


def incumbent_of(data: ReportData) -> Mapping[str, Any]:
    """Return the best found as the data names it, else the best trial of the search."""
    named = mapping(mapping(data.benefit.get("search")).get("incumbent"))
    trials = data.ranked(lower_is_better=metric_of(data.benefit).lower_is_better)
    if named or not trials:
        return named
    return {"trial": trials[0].number, "value": trials[0].value, "params": trials[0].params}


def _verdict(verdict: str) -> str:
    if not verdict:
        return paragraph("Not compared yet.", "answer")
    directions = {"better": Direction.HELPS, "worse": Direction.HURTS}
    text = word(directions.get(verdict, Direction.UNKNOWN), verdict.capitalize())
    return f'<p class="answer">{text}</p>'


def _difference(versus: Mapping[str, Any], metric: Metric) -> str:
    if not is_number(versus.get("difference")):
        return ""
    low, high = pair(versus.get("ci_sim") or [versus.get("ci_low"), versus.get("ci_high")])
    # Good networks are close together, so that their difference needs more digits.
    fine = replace(metric, digits=max(3, metric.digits)).fine(low, high)
    interval = fine.effects(low, high)
    return f"Difference {fine.effect(versus['difference'])}{fine.unit} ({interval})."


def _interval(spread: Spread, metric: Metric) -> str:
    known = spread.low is not None and spread.high is not None
    return f" ({metric.values(spread.low, spread.high)})" if known else ""


def _accuracy_of(data: ReportData) -> str:
    """Return the accuracy of the best found over its fresh seeds, beside another metric."""
    if metric_of(data.benefit).is_share:
        return ""
    known = mapping(mapping(data.benefit.get("search")).get("metrics")).get(ACCURACY.name)
    mean = mapping(known).get("mean")
    if is_number(mean):
        return f" and *{ACCURACY.value(mean)}* accuracy"
    number = incumbent_of(data).get("trial")
    values = [
        record.metrics[ACCURACY.name]
        for record in data.repeats
        if record.source is Source.FINALIST
        and record.of_trial == number
        and record.state is State.COMPLETE
        and ACCURACY.name in record.metrics
    ]
    if not values:
        return ""
    return f" and *{ACCURACY.value(sum(values) / len(values))}* accuracy"


def _params(data: ReportData, incumbent: Mapping[str, Any]) -> str:
    spec = data.spec_of(incumbent.get("trial"))
    params = incumbent.get("params")
    if not is_number(params) and spec is not None:
        params = complexity(spec).params
    layers = f"{spec.layers} layers, " if spec is not None else ""
    return layers + (f"{int(params):,} params" if is_number(params) else "params unknown")


def _rival(data: ReportData, metric: Metric) -> str:
    """Describe the full-identity network of the depth plan of the best found.

    Several depth plans can have the same number of layers, so it is the network that the
    difference is with, and no anchor of that number of layers.
    """
    spec = data.spec_of(incumbent_of(data).get("trial"))
    if spec is None:
        return ""
    full = spec.with_skips(span_one_skips(dict.fromkeys(spec.places(), Kind.IDENTITY)))
    if full == spec:
        return "The best found is that network."
    versus = mapping(mapping(data.benefit.get("search")).get("versus_identity"))
    known = versus.get("params")
    # The network compared with may place its blocks otherwise, with other parameters.
    params = f"{int(known) if is_number(known) else complexity(full).params:,} params"
    name = f"Identity everywhere, {full.layers} layers"
    spread = Spread.read(versus)
    if spread.mean is None:
        return f"{name}: {params}."
    scores = f"{metric.value(spread.mean)} {metric.short}{_beside(versus, metric)}"
    seeds = count(spread.n, "seed")
    return f"{name}: {scores} over {seeds}{_interval(spread, metric)}, {params}."


def _beside(versus: Mapping[str, Any], metric: Metric) -> str:
    """Return the accuracy of the network compared with, beside another metric."""
    mean = mapping(mapping(versus.get("metrics")).get(ACCURACY.name)).get("mean")
    return (
        "" if metric.is_share or not is_number(mean) else f" and {ACCURACY.value(mean)} accuracy"
    )

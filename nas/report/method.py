"""The end of the page: warnings, method in plain words, how to cite, settings."""

from nas.report.data import ReportData
from nas.report.effects import effects_of, is_within_constraints
from nas.report.html import definitions, esc, paragraph, section
from nas.report.numbers import count, duration, mapping, metric_of, rows
from nas.trials import Source

MAX_WARNINGS = 3

STAND_IN = (
    "The second can be near zero although the first is large, because skips stand in for each "
    "other: a network that has many hardly misses one."
)
"""Why a skip that helps on average may not be missed in a good network: the fixed sentence."""

REDUNDANCY = (
    "Two questions are kept apart. *On average over networks*: what a skip at this block does "
    "when all other blocks have a skip or none at random. *In your best network*: what taking "
    f"this one skip away does there. {STAND_IN}"
)
"""The fixed sentences on redundancy."""


def warnings_section(data: ReportData) -> str:
    """Write at most three warnings that a command mends; words only where none has a command."""
    found = rows(data.benefit.get("warning_details"))
    known = [
        (str(w.get("text") or w.get("code") or ""), str(w.get("remedy") or "")) for w in found
    ]
    mended = [(text, remedy) for text, remedy in known if _command(remedy)[1]]
    shown = (mended or known)[:MAX_WARNINGS]
    lines = [
        f'<div class="warning">{esc(text)} {_remedy(remedy)}</div>'
        for text, remedy in shown
        if text
    ]
    rest = len(known) - len(shown)
    if rest > 0:
        lines.append(paragraph(f"{count(rest, 'more warning')} in skip_benefit.json."))
    return section("warnings", "Before you rely on it", *lines)


def _remedy(remedy: str) -> str:
    """Set the command in which a remedy ends as code."""
    words, command = _command(remedy)
    return esc(words) + (f"<code>{esc(command)}</code>" if command else "")


def _command(remedy: str) -> tuple[str, str]:
    """Return the words of a remedy and the command in which it ends, empty without one."""
    words, found, command = remedy.partition("nas ")
    if not found or (words and not words[-1].isspace()):
        return remedy, ""
    return words, found + command


def method_section(data: ReportData) -> str:
    """Say in plain words what was done and what the numbers mean."""
    n = data.counts().get(Source.RANDOMISED, 0)
    layers = data.reference_spec.layers if data.reference_spec else None
    depth = f" of {layers} layers" if layers else ""
    drawn = (
        f"{count(n, 'network')}{depth} had the skip of every block drawn at random "
        f"({_kinds(data)}{_spans(data)}), independently of how well anything did. {_meaning(data)}"
    )
    missing = (
        "No network of the random design has finished, so nothing on this page is evidence for "
        "what a skip does: a search tries most what it likes best."
    )
    design = drawn if n else missing
    decision = (
        "*Helps* and *hurts* mean that the whole 95% interval lies on one side of zero; *large* "
        "and *small* compare the effect with what is worthwhile. *Too small to matter* means that "
        "the interval lies within what is worthwhile; *cannot tell* is everything else, and is "
        "not the same as no effect. Stages are tested after all skips together, blocks after "
        "their "
        "stage, so that looking at many blocks finds nothing by chance."
    )
    best = (
        "The best found is chosen on fresh seeds and compared there with the full-identity "
        "network of equal depth: validation decides."
    )
    if mapping(mapping(data.benefit.get("search")).get("test")):
        best += (
            " The test split is measured once, for the finalists and the network they are "
            "compared with."
        )
    parts = [paragraph(words, "plain") for words in (design, decision, REDUNDANCY, best)]
    return section("method", "How this was measured", *parts)


def _meaning(data: ReportData) -> str:
    """Say what the draw makes of a difference."""
    if not is_within_constraints(data.benefit):
        return (
            "The difference between those with and those without a skip at a block is therefore "
            "the effect of that skip, and not of a search that liked it."
        )
    return (
        "Networks beyond the study's constraints were left out, so that a block with a large skip "
        "is found beside others without one. Effects are those of a model in which what the "
        "blocks do adds up, and averages over the networks within the constraints; a kind that "
        "the constraints keep from a block has no effect there, and none on average."
    )


def _kinds(data: ReportData) -> str:
    """List the kinds that the design draws from."""
    asked = dict.fromkeys(effect.kind for effect in effects_of(data.benefit, "AMCE"))
    words = ["none", *asked]
    return " or ".join([", ".join(words[:-1]), words[-1]]) if asked else "by kind"


def _spans(data: ReportData) -> str:
    return "; where a skip ends, its span too" if effects_of(data.benefit, "SPAN_ALL") else ""


def cite_section(data: ReportData) -> str:
    """Write the sentence that belongs beside every quoted number, and all settings."""
    sentence = _citation(data)
    quote = paragraph("A number from this page means nothing without this beside it:")
    body = f'{quote}<p class="cite">{esc(sentence)}</p>' if sentence else ""
    settings = definitions(_settings(data))
    if settings:
        body += f"<details><summary>All settings</summary>{settings}</details>"
    return section("cite", "How to cite", body)


def _citation(data: ReportData) -> str:
    facts, recipe = data.facts, data.recipe
    training = mapping(data.benefit.get("training"))
    name = facts.name if facts else mapping(data.benefit.get("data")).get("dataset")
    parts: list[str] = []
    if name:
        parts.append(f"Data set {name}")
    if facts:
        parts.append(
            f"{facts.n_train:,} training and {facts.n_val:,} validation images (fixed split, seed "
            f"{facts.split_seed})"
        )
    if data.trials:
        parts.append(
            f"n = {data.counts().get(Source.RANDOMISED, 0)} randomised of "
            f"{count(len(data.trials), 'trial')}"
        )
    if data.repeats:
        seeds = len({t.seed for t in data.repeats if t.seed is not None})
        parts.append(f"{count(len(data.repeats), 'repeat')} on {count(seeds, 'seed')}")
    if epochs := recipe.get("epochs") or training.get("epochs"):
        parts.append(f"{epochs} epochs")
    if lr := recipe.get("lr"):
        parts.append(f"learning rate {lr:g}")
    if machine := data.versions.get("machine"):
        parts.append(str(machine))
    return "; ".join(parts) + "." if parts else ""


def _settings(data: ReportData) -> list[tuple[str, object]]:
    metric = metric_of(data.benefit)
    direction = "lower is better" if metric.lower_is_better else "higher is better"
    probabilities = mapping(data.benefit.get("reference_distribution")).get("name")
    items: list[tuple[str, object]] = [
        ("study", data.study),
        ("metric", f"{metric.label} at the last epoch, {direction}" if data.benefit else None),
        ("random design", str(probabilities).replace("_", " ") if probabilities else None),
        ("wall time", duration(data.seconds) if data.seconds is not None else None),
        ("last trial", data.benefit.get("last_trial_utc")),
    ]
    items += [(f"recipe: {name}", value) for name, value in data.recipe.items()]
    return items + [(name, value) for name, value in data.versions.items()]

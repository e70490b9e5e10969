"""Findings as they are written and shown, each with what it holds for; no torch here."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.claims.finding import Verdict, not_tested
from nas.claims.jobs import OWN_SEED, Measuring, Training
from nas.claims.results import ClaimTest, Results
from nas.claims.setup import ClaimsSetup
from nas.report.numbers import count


def describe_claim(
    claim: ClaimTest, setup: ClaimsSetup, results: Results, *, is_chosen: bool
) -> dict[str, Any]:
    """Decide a claim and return its record for `claims.json`.

    Args:
        claim: The claim.
        setup: What it is tested with.
        results: All that is known.
        is_chosen: Whether it was asked for; one that was not is decided where all it needs is
            known from earlier commands.
    """
    jobs = claim.plan(setup)
    if not is_chosen and not all(results.has(job) for job in jobs):
        finding = not_tested("not asked for")
    else:
        finding = claim.decide(setup, results)
    where = _where(setup, jobs, results)
    tested = finding.verdict is not Verdict.NOT_TESTED
    return {
        "id": claim.id,
        "statement": claim.statement,
        "verdict": finding.verdict.value,
        "evidence": f"{where['words']}: {finding.evidence}" if tested else finding.evidence,
        "test": claim.test,
        "rule": claim.rule,
        "data": where,
        "numbers": finding.numbers(),
    }


def _where(
    setup: ClaimsSetup, jobs: Sequence[Training | Measuring], results: Results
) -> dict[str, Any]:
    """Say on what data, networks and recipe a claim was tested, and on which seeds."""
    planned = [job for job in jobs if isinstance(job, Training)]
    trainings = [training for training in planned if results.has(training)]
    specs = [job.spec for job in jobs if job.spec is not None]
    layers = sorted({spec.layers for spec in specs})
    rates = sorted({training.recipe.lr for training in planned}, reverse=True)
    paired = [training for training in trainings if training.replicate < OWN_SEED]
    used = _complete_replicates(planned, results)
    measured = [job.num_seeds for job in jobs if isinstance(job, Measuring)]
    where = {
        "dataset": setup.facts.name,
        "n_train": setup.facts.n_train,
        "n_val": setup.facts.n_val,
        "layers": layers,
        "lr": rates,
        "epochs": setup.recipe.epochs if planned else 0,
        "trainings": len({training.key for training in trainings}),
        "planned_trainings": len({training.key for training in planned}),
        "paired_trainings": len({training.key for training in paired}),
        "seeds": len(used),
        "replicates": used,
        "study_seed": setup.scope.study_seed,
        "measuring_seeds": max(measured, default=0),
        "block": _block(setup),
        "activation": setup.template.activation,
        "norm": setup.template.norm,
        "width": setup.template.stem_width,
        "recipe": setup.recipe.model_dump(mode="json"),
    }
    return where | {"words": _words(where)}


def _complete_replicates(planned: Sequence[Training], results: Results) -> list[int]:
    """Return the replicates that networks are compared on: those of which nothing is missing."""
    shared = [training for training in planned if training.replicate < OWN_SEED]
    missing = {training.replicate for training in shared if not results.has(training)}
    return sorted({training.replicate for training in shared} - missing)


def _block(setup: ClaimsSetup) -> str:
    block = setup.template.block
    return block if isinstance(block, str) else block.class_path


def _words(where: Mapping[str, Any]) -> str:
    parts = [f"on {where['dataset']}"]
    if where["layers"]:
        parts.append(f"{_listed([str(number) for number in where['layers']])} layers")
    if where["planned_trainings"]:
        parts.append(f"lr {_listed([f'{lr:.3g}' for lr in where['lr']])}")
        parts.append(count(where["epochs"], "epoch"))
        parts.append(_seeds(where))
    else:
        parts.append(f"no training, {count(where['measuring_seeds'], 'seed')}")
    return ", ".join(parts)


def _seeds(where: Mapping[str, Any]) -> str:
    paired, number = where["paired_trainings"], where["trainings"]
    words = f"{count(paired, 'training')} on {count(where['seeds'], 'seed')}" if paired else ""
    if paired and paired == number:
        return words + _lost(where)
    alone = number - paired
    if not paired:
        return f"{count(alone, 'training')}, each on its own seed{_lost(where)}"
    return f"{words} and {alone:,} each on its own{_lost(where)}"


def _lost(where: Mapping[str, Any]) -> str:
    """Say how many trainings are missing."""
    missing = where["planned_trainings"] - where["trainings"]
    return f" ({missing:,} more are missing)" if missing else ""


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]

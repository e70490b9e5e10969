"""Ablations trained by the owner and the workers of a study, and what their values say.

- `identity`: one skip taken from the full-identity network, against that network;
- `plain`: one skip given to the plain network, against that network;
- `random`: one block with and without its skip, in networks drawn at random.
"""

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.ablation import Plan, plan_in_pairs, plan_with_control
from benchmarks.arms import read_trials, seconds_in_trials
from benchmarks.job import Job
from benchmarks.processes import STUDY, nas_search, run_timed
from search_spaces.places import Kind
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec

ABLATIONS = ("identity", "plain", "random")
QUIET = ("--no-report", "--no-export", "--wandb", "disabled")
"""Flags of a study that only trains."""
_CONTROL = -1


@dataclass(frozen=True, kw_only=True)
class Part:
    """An ablation, or a part of it, that was trained."""

    seconds: float
    """Of the whole command."""
    seconds_in_trials: float
    """From the start of the first training to the end of the last."""
    trainings: int
    values: Mapping[tuple[int, int], tuple[float, ...]]
    """By block (from 0; -1: the control) and arm (0 without its skip, 1 with it): one for each
    training, NaN where it failed; those of a pair have the same place."""

    def seconds_for(self, trainings: int) -> float:
        """Return how long so many trainings would take: start, end and the same pace."""
        pace = self.seconds_in_trials / self.trainings
        return self.seconds - self.seconds_in_trials + trainings * pace


def run_part(job: Job, ablation: str, plan: Plan, folder: Path) -> Part:
    """Train an ablation as a plan says.

    Args:
        job: Space, data and recipe; the space must have the kinds none and identity.
        ablation: One of `ABLATIONS`.
        plan: How often each network is trained.
        folder: Takes the study; is made.
    """
    folder.mkdir(parents=True)
    space = job.make_space()
    trainings = list_trainings(space, ablation, plan, job.seed)
    path = folder / "architectures.json"
    path.write_text(json.dumps([space.decisions(spec) for _, _, spec in trainings]))
    job = replace(job, trials=len(trainings), architectures=str(path.resolve()))
    assignments = {
        "search.goal": "best",
        "search.duplicates": "reseed",
        # An ablation asks no sampler, so it does not pay for one.
        "search.sampler.init_args.base": "none",
    }
    seconds = run_timed([nas_search(job, QUIET, assignments)], folder)
    done, failed = read_trials("nas", folder / "runs" / STUDY)
    trials = sorted([*done, *failed], key=lambda trial: trial.number)
    values: dict[tuple[int, int], list[float]] = defaultdict(list)
    for trial in trials:
        # One that failed is followed by another at the end, from the start of the list.
        block, arm, spec = trainings[trial.number % len(trainings)]
        if trial.user_attrs["spec_id"] != spec.spec_id:
            raise RuntimeError(f"Trial {trial.number} must train {spec.code}, got another.")
        value = trial.value
        values[block, arm].append(math.nan if value is None else value)
    return Part(
        seconds=seconds,
        seconds_in_trials=seconds_in_trials(trials),
        trainings=len(trials),
        values={key: tuple(found) for key, found in values.items()},
    )


def list_trainings(
    space: SearchSpace, ablation: str, plan: Plan, seed: int
) -> list[tuple[int, int, ArchitectureSpec]]:
    """Return block, arm and network of every training, those of a pair one after the other."""
    depths = space.deepest
    places = list(space.uniform(depths, Kind.NONE).places())
    if ablation == "random":
        rng = np.random.default_rng(seed)
        return [
            (block, arm, spec.with_kinds({place: kind}))
            for block, place in enumerate(places)
            for spec in (space.sample(rng) for _ in range(plan.per_block[block] // 2))
            for arm, kind in enumerate((Kind.NONE, Kind.IDENTITY))
        ]
    has_skips = ablation == "identity"
    base = space.uniform(depths, Kind.IDENTITY if has_skips else Kind.NONE)
    other = Kind.NONE if has_skips else Kind.IDENTITY
    changed = [
        (block, int(not has_skips), base.with_kinds({place: other}))
        for block, place in enumerate(places)
        for _ in range(plan.per_block[block])
    ]
    return [(_CONTROL, int(has_skips), base)] * plan.control + changed


def plan_part(ablation: str, num_blocks: int, seeds: int) -> Plan:
    """Return the plan of a part: so many seeds of each network, or so many pairs of each block."""
    each = 2 * seeds if ablation == "random" else seeds
    return Plan(
        control=0 if ablation == "random" else seeds,
        per_block=(each,) * num_blocks,
        quantile=math.nan,
    )


def plan_whole(parts: Sequence[Part], ablation: str, half_width: float) -> Plan:
    """Return the plan that a precision takes, by the variances of all parts together."""
    changed = zip(*(_changed(part, ablation) for part in parts), strict=True)
    variances = [_variance([v for values in own for v in values]) for own in changed]
    if ablation == "random":
        return plan_in_pairs(variances, half_width)
    control = _variance([value for part in parts for value in _control(part)])
    return plan_with_control(variances, control, half_width)


def half_widths(part: Part, ablation: str, quantile: float) -> list[float]:
    """Return the half-widths of all blocks that a trained ablation has come to."""
    shared = 0.0
    if ablation != "random":
        control = _control(part)
        shared = _variance(control) / len(control)
    return [
        quantile * math.sqrt(_variance(own) / len(own) + shared)
        for own in _changed(part, ablation)
    ]


def _changed(part: Part, ablation: str) -> list[list[float]]:
    """Return for every block the values of its changed network, or the differences in pairs."""
    num_blocks = 1 + max(block for block, _ in part.values)
    if ablation == "random":
        return [
            [
                changed - plain
                for plain, changed in zip(
                    part.values[block, 0], part.values[block, 1], strict=False
                )
            ]
            for block in range(num_blocks)
        ]
    arm = int(ablation == "plain")
    return [list(part.values[block, arm]) for block in range(num_blocks)]


def _control(part: Part) -> list[float]:
    return [value for (block, _), own in part.values.items() if block == _CONTROL for value in own]


def _variance(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        raise RuntimeError(
            f"At least two trainings of each network must end well, got {len(finite)} of "
            f"{len(values)}. Train a larger part."
        )
    return statistics.variance(finite)

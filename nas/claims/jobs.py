"""What the claims need: trainings, and measurements without training; no torch here."""

import hashlib
import json
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from search_spaces.spec import ArchitectureSpec
from trainer.measurement import Candidate
from trainer.population.fusing import fuse_key
from trainer.recipe import Recipe
from trainer.seeding import child_seed

OWN_SEED = 100
"""Replicates from here on are of runs whose seed no other run of their design has; below it networks
are compared seed by seed."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What all jobs of a study share, and what makes them other jobs in another study."""

    data: str
    study_seed: int
    task: dict[str, Any] | None = field(default=None, hash=False)
    """The user's own module."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """One network trained on one seed. Equal trainings have equal keys, whoever needs them."""

    scope: Scope
    spec: ArchitectureSpec
    replicate: int
    """Number of the seed; networks of one replicate share initial seed and order of the images."""
    recipe: Recipe
    looks_inside: bool = False
    """Whether the trained weights are looked at: branches against shortcuts, and linear probes."""

    @cached_property
    def key(self) -> str:
        """Name of the training, a hash of all that its outcome hangs on."""
        return _key(
            "training",
            self.scope,
            self.spec.spec_id,
            self.replicate,
            self.recipe.model_dump(mode="json"),
            self.looks_inside,
        )

    @property
    def seed(self) -> int:
        """Master of all its randomness."""
        return child_seed(self.scope.study_seed, "claims", self.replicate)

    @property
    def shared_recipe(self) -> Recipe:
        """The recipe but for the learning rate, in which candidates of one group may differ."""
        return self.recipe.model_copy(update={"lr": 1.0})

    @property
    def group(self) -> Hashable | None:
        """Equal for trainings that can be one fused network; None for one that trains alone."""
        shape = fuse_key(self.spec)
        if shape is None or self.scope.task is not None:
            return None
        return shape, self.shared_recipe.model_dump_json(), self.looks_inside

    def candidate(self) -> Candidate:
        """Return what a worker is told of it."""
        return Candidate(
            key=self.key,
            spec=self.spec,
            seed=self.seed,
            recipe_values={"lr": self.recipe.lr},
        )


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """Something measured without training, over several seeds."""

    scope: Scope
    what: Literal["gradients", "cosines", "toy"]
    num_seeds: int
    spec: ArchitectureSpec | None = None
    """The network; the toy has none."""
    batch_size: int = 64

    @cached_property
    def key(self) -> str:
        """Name of the measurement, a hash of all that it hangs on."""
        spec_id = None if self.spec is None else self.spec.spec_id
        scope = Scope(data=self.scope.data, study_seed=self.scope.study_seed)
        return _key(self.what, scope, spec_id, self.num_seeds, self.batch_size)


Job = Training | Measuring


def _key(kind: str, scope: Scope, *parts: Any) -> str:
    text = json.dumps([kind, scope.data, scope.study_seed, scope.task, *parts], sort_keys=True)
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

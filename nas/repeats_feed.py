"""Trainings beside the search, in the study `<name>.repeats`: anchors, finalists and ablations.

They never count towards the search's trials and never reach its sampler.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nas.config import StudyConfig
from nas.groups import take_group
from nas.messages import Work
from nas.records import start_attributes
from nas.running import Running, TrialsInTraining
from nas.sampling import parameters_of
from nas.searched_recipe import SearchedRecipe
from nas.trials import Source, TrialRecord
from search_spaces.backbone_fields import block_word
from search_spaces.errors import SpaceError
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec, Kind
from trainer.measurement import EpochMetrics, Failure, Measurement
from trainer.population.fusing import fuse_key
from trainer.progress import Verdict
from trainer.seeding import child_seed

_OF_SKIPS = ("skips", "zero_init", "projection")
"""Fields of a spec that say nothing without skips."""

Identity = tuple[str, tuple[str | None, float | None, float | None], int, str | None, str | None]
"""Source, training, replicate, and of paired ones base and flip."""


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """One training of a fixed architecture on a fresh seed."""

    spec: ArchitectureSpec
    source: Source
    replicate: int
    """Counted from 0; decides the seed."""
    name: str | None = None
    """Anchors: such as `plain-32`."""
    of_trial: int | None = None
    """Finalists, and what is ablated of them: number of the search trial."""
    base: str | None = None
    """Paired: name of the network that is ablated; it decides the seeds, which its flips share."""
    flip: str | None = None
    """Paired: what differs from the base; None for the base itself."""
    recipe: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """Its values of the fields of which the recipe has ranges; the reference where empty."""


class RepeatsFeed:
    """Work that is planned as a whole: as soon as `plan` returns a list, its trainings are done.

    The test split is measured for finalists, for full-identity anchors, one of which is the winner's
    rival, and for paired trainings: nothing else needs it. The search chooses nothing by it. Flips
    that are chosen by earlier paired trainings are chosen by it; see docs/ablation.md.

    Args:
        config: The study's configuration.
        space: Its search space.
        trials: Trials of the `.repeats` study, shared by all feeds of repeats.
        source: What they are for; trials of this source that were lost, or that a former owner
            left, are taken up again even where they are planned no more.
        plan: Returns what is to be trained, or None while that is not known yet.
    """

    def __init__(
        self,
        config: StudyConfig,
        space: SearchSpace,
        trials: TrialsInTraining,
        source: Source,
        plan: Callable[[], Sequence[Repeat] | None],
    ) -> None:
        self._config = config
        self._space = space
        self._trials = trials
        self._source = source
        self._plan = plan
        self._left: list[Repeat] | None = None

    @property
    def num_left(self) -> int | None:
        """Trainings not yet begun; None while the plan is not known."""
        self._make_plan()
        return None if self._left is None else len(self._left)

    @property
    def num_ready(self) -> int:
        """Trainings that no worker has yet, as far as they are known."""
        return len(self._waiting) + (self.num_left or 0)

    @property
    def _waiting(self) -> list[Running]:
        """Lost trainings, and those that a former owner left."""
        return [r for r in self._trials.retries if r.record.source is self._source]

    @property
    def is_finished(self) -> bool:
        """Whether everything that was planned has ended, lost trials included."""
        self._make_plan()
        return self._left == [] and not any(
            running.record.source is self._source for running in self._trials.begun
        )

    def next(self, most: int = 1) -> Work | None:
        """Return lost trainings, or the next planned ones, which can be trained together."""
        self._make_plan()
        if self._left is None:
            return None
        group = take_group(self._waiting, most, self._key_of_waiting)
        if not group:
            planned = take_group(self._left, most, lambda repeat: self._group_key(repeat.spec))
            with self._trials.store.batch():
                group = [self._begin(repeat) for repeat in planned]
        if not group:
            return None
        self._trials.submit(group)
        return Work(
            candidates=[running.candidate(self._config.own_recipe_fields) for running in group],
            recipe=self._config.recipe.reference().model_dump(mode="json"),
            test=self._is_tested(group[0].spec),
            keep_weights=self._source is Source.FINALIST,
            # What blocks do is told of one network alone, with a skip at every block.
            evidence=self._source is Source.ANCHOR and group[0].spec.is_full_identity,
        )

    def epoch(self, key: str, metrics: EpochMetrics) -> Verdict:
        """Keep the epoch; repeats are never stopped."""
        self._trials.epoch(key, metrics)
        return Verdict.CONTINUE

    def done(self, outcomes: Sequence[Measurement | Failure]) -> None:
        """Persist the ends."""
        self._trials.done(outcomes)

    def lost(self, keys: Sequence[str], message: str) -> None:
        """Try again from the checkpoints, or fail for good."""
        self._trials.lost(keys, message)

    def _is_tested(self, spec: ArchitectureSpec) -> bool:
        is_always = self._source in (Source.FINALIST, Source.PAIRED)
        return is_always or spec.is_full_identity

    def _group_key(self, spec: ArchitectureSpec) -> Hashable | None:
        """Return what trainings that are done together have in common; None: alone."""
        key = fuse_key(spec)
        return None if key is None else (key, self._is_tested(spec))

    def _key_of_waiting(self, running: Running) -> Hashable | None:
        is_last = self._trials.is_last_attempt(running)
        return None if is_last else self._group_key(running.spec)

    def _make_plan(self) -> None:
        """Take the plan once it is known, less what was done or is to be taken up again."""
        if self._left is not None:
            return
        planned = self._plan()
        if planned is None:
            return
        begun = [*self._trials.ended, *(running.record for running in self._trials.begun)]
        self._left = not_begun(planned, begun, self._config.recipe)

    def _begin(self, repeat: Repeat) -> Running:
        try:
            params, distributions = parameters_of(self._space, repeat.spec)
        except SpaceError:
            # Anchors need not be in the space: one without `none` still has a plain network.
            params, distributions = {}, {}
        attributes = self._attributes(repeat, params or _decisions(repeat.spec))
        started = self._trials.store.start(params, distributions, attributes)
        return self._trials.begin(started, attributes)

    def _attributes(self, repeat: Repeat, decisions: Mapping[str, Any]) -> dict[str, Any]:
        # Named by the source: a finalist and an anchor of the same network are compared, and two
        # equal trainings would count as independent ones. Pairs share the seed of their base.
        name = f"{repeat.source.value} {repeat.base or repeat.spec.spec_id}"
        seed = child_seed(self._config.search.seed, name, repeat.replicate)
        recipe = self._config.recipe.resolve(repeat.recipe)
        more: dict[str, Any] = {
            "weight_decay": recipe.weight_decay,
            "replicate": repeat.replicate,
            "wandb_id": self._trials.next_wandb_id(),
            "decisions": dict(decisions),
        }
        if repeat.name is not None:
            more["name"] = repeat.name
        if repeat.of_trial is not None:
            more["of_trial"] = repeat.of_trial
        more |= {k: v for k, v in (("base", repeat.base), ("flip", repeat.flip)) if v is not None}
        return start_attributes(repeat.spec, repeat.source, seed, recipe.lr, **more)


def not_begun(
    planned: Sequence[Repeat], begun: Iterable[TrialRecord], recipe: SearchedRecipe
) -> list[Repeat]:
    """Return the planned trainings that are not among those that have begun or ended.

    Args:
        planned: What is to be trained.
        begun: Repeats of the study.
        recipe: Its recipe.
    """
    known = {_identity(record) for record in begun}
    return [repeat for repeat in planned if _planned_identity(repeat, recipe) not in known]


def anchor_name(kind: Kind, spec: ArchitectureSpec) -> str:
    """Return the name of a hand-designed network, such as `plain-32` or `identity-20`."""
    word = "plain" if kind is Kind.NONE else kind.value
    return f"{word}-{spec.layers}"


def plan_anchors(space: SearchSpace, num_seeds: int) -> list[Repeat]:
    """Plan the plain and the full-identity network at each anchor depth."""
    return [
        Repeat(spec=spec, source=Source.ANCHOR, replicate=replicate, name=anchor_name(kind, spec))
        for depths in space.anchor_depths
        for kind in (Kind.NONE, Kind.IDENTITY)
        for spec in [space.uniform(depths, kind)]
        for replicate in range(num_seeds)
    ]


def plan_finalists(records: Sequence[TrialRecord], num_seeds: int) -> list[Repeat]:
    """Plan fresh trainings of the chosen search trials, each by its own recipe."""
    return [
        Repeat(
            spec=record.spec,
            source=Source.FINALIST,
            replicate=replicate,
            of_trial=record.number,
            recipe=record.recipe,
        )
        for record in records
        if record.spec is not None
        for replicate in range(num_seeds)
    ]


def plan_equal_depth(
    space: SearchSpace,
    winner: ArchitectureSpec,
    num_seeds: int,
    recipe: SearchedRecipe | None = None,
    values: Mapping[str, float | None] | None = None,
) -> list[Repeat]:
    """Plan the winner with an identity in every block instead, to compare the winner with.

    All else is the winner's, its recipe too, so that the two differ in their skips alone; what a
    network has only with its skips (`zero_init`, `projection`) is the space's. None is needed where
    it is the winner itself.

    Args:
        space: The search space.
        winner: The winner.
        num_seeds: How many trainings.
        recipe: The study's recipe; needed where trials have values of their own.
        values: The winner's values.
    """
    usual = space.uniform(winner.depths, Kind.IDENTITY)
    fields = winner.to_dict()
    spec = usual.changed(**{key: fields[key] for key in fields if key not in _OF_SKIPS})
    if spec == winner:
        return []
    name = anchor_name(Kind.IDENTITY, spec)
    if winner.depths not in space.anchor_depths:
        name += f" ({'-'.join(map(str, winner.depths))})"
    name += _differences(spec, usual)
    reference = recipe.reference() if recipe else None
    own = {
        key: value
        for key, value in (values or {}).items()
        if reference is not None and value not in (None, getattr(reference, key))
    }
    # A name of its own: the anchors of this depth are trained by the reference.
    name += "".join(f" {key}={value:.3g}" for key, value in own.items())
    return [
        Repeat(spec=spec, source=Source.ANCHOR, replicate=replicate, name=name, recipe=own)
        for replicate in range(num_seeds)
    ]


def _differences(spec: ArchitectureSpec, usual: ArchitectureSpec) -> str:
    """Name what makes a network another one than the space's own of these depths and skips."""
    if spec == usual:
        return ""
    block = "" if spec.block == usual.block else f" {block_word(spec.block)}"
    ours, theirs = spec.to_dict(), usual.to_dict()
    words = ("stem", "activation", "norm", "bottleneck_stride")
    others = "".join(f" {key}={ours[key]}" for key in words if ours[key] != theirs[key])
    return f"{block}{others} width={spec.stem_width}"


def _planned_identity(repeat: Repeat, recipe: SearchedRecipe) -> Identity:
    """Return what makes a training one of its kind, so that it is not done twice."""
    values = recipe.resolve(repeat.recipe)
    training = (repeat.spec.spec_id, values.lr, values.weight_decay)
    return (repeat.source.value, training, repeat.replicate, repeat.base, repeat.flip)


def _identity(record: TrialRecord) -> Identity:
    return (record.source.value, record.training, record.replicate, record.base, record.flip)


def _decisions(spec: ArchitectureSpec) -> dict[str, Any]:
    """Return what would lead to a network that is not in the space, named as in shipped spaces.

    A span of 1 is not named, as in the space of classic blocks.
    """
    found: dict[str, Any] = {f"depth.stage{i}": d for i, d in enumerate(spec.depths, start=1)}
    for place, skips in zip(spec.places(), spec.incoming, strict=True):
        if not skips:
            found[f"skip.{place}"] = Kind.NONE.value
        for number, skip in enumerate(skips, start=1):
            ordinal = "" if number == 1 else str(number)
            found[f"skip{ordinal}.{place}"] = skip.kind.value
            if spec.span(skip) != 1:
                found[f"span{ordinal}.{place}"] = spec.span(skip)
    return found

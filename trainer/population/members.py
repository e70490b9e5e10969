"""One candidate in a group: its network, its record, its end."""

from dataclasses import asdict, dataclass, field

from search_spaces.complexity import complexity
from search_spaces.resnet import CandidateResNet, build_candidate
from trainer.compact import CandidateState, read_state
from trainer.measurement import Candidate, EpochMetrics, Failure, Measurement, Reason
from trainer.recipe import Recipe
from trainer.resume import is_usable, training_identity
from trainer.seeding import generator
from trainer.setting import Setting, peak_memory_bytes


@dataclass(kw_only=True)
class Member:
    """A candidate and what has become of it so far."""

    candidate: Candidate
    recipe: Recipe
    identity: dict[str, object]
    network: CandidateResNet
    state: CandidateState | None
    """What it goes on from; None at the very start."""
    history: list[EpochMetrics] = field(default_factory=list[EpochMetrics])
    gradient_norms: tuple[float, ...] = ()
    resumed_from_epoch: int = 0
    setup_seconds: float = 0.0
    last_saved: float = float("-inf")
    """Clock when its checkpoint was written last, s."""
    told: int = 0
    """Epochs that `Progress` was told of; more than it has after a group was given up."""
    stops_after: int | None = None
    """Epoch after which `Progress` said to stop."""
    tested: dict[str, float] = field(default_factory=dict[str, float])
    evidence: dict[str, tuple[float | None, ...]] = field(
        default_factory=dict[str, tuple[float | None, ...]]
    )
    stopped: bool = False
    outcome: Measurement | Failure | None = None

    @property
    def key(self) -> str:
        """The candidate's key."""
        return self.candidate.key

    @property
    def seconds(self) -> float:
        """Its share of the wall time of the epochs of this attempt."""
        return sum((epoch.seconds for epoch in self.history[self.resumed_from_epoch :]), 0.0)

    def measure(self, setting: Setting, path: str) -> None:
        """End it as a measurement."""
        spec = self.candidate.spec
        size = complexity(spec)
        self.outcome = Measurement(
            key=self.key,
            spec_id=spec.spec_id,
            seed=self.candidate.seed,
            stopped=self.stopped,
            history=tuple(self.history),
            resumed_from_epoch=self.resumed_from_epoch,
            seconds=self.seconds,
            setup_seconds=self.setup_seconds,
            peak_memory_bytes=peak_memory_bytes(setting.device),
            params=size.params,
            macs=size.macs,
            gradient_norms=self.gradient_norms,
            device=str(setting.device),
            path=path,
            test_log_loss=self.tested.get("log_loss"),
            test_accuracy=self.tested.get("accuracy"),
            evidence=self.evidence,
        )

    def fail(self, reason: Reason, message: str, traceback: str = "") -> None:
        """End it as a failure."""
        self.outcome = Failure(
            key=self.key,
            spec_id=self.candidate.spec.spec_id,
            seed=self.candidate.seed,
            reason=reason,
            message=message,
            traceback=traceback,
            history=tuple(self.history),
            seconds=self.seconds + self.setup_seconds,
        )


def new_member(candidate: Candidate, setting: Setting) -> Member:
    """Build the candidate's network, and take up its checkpoint where there is one.

    One that is damaged or of another training is logged; the training then starts afresh and
    overwrites it.
    """
    recipe = setting.recipe_of(candidate)
    identity = training_identity(
        candidate, recipe, setting.data, setting.module_class, setting.module_args
    )
    network = build_candidate(candidate.spec, generator(candidate.seed, "init"))
    member = Member(
        candidate=candidate,
        recipe=recipe,
        identity=identity,
        network=network,
        state=_stored_state(candidate, identity, network, setting),
    )
    if member.state is not None:
        member.state.apply(network)
        member.history = [EpochMetrics(**epoch) for epoch in member.state.history]
        member.gradient_norms = tuple(member.state.gradient_norms)
        member.resumed_from_epoch = len(member.history)
    return member


def plain_history(history: list[EpochMetrics]) -> list[dict[str, object]]:
    """Return epochs as plain data for a checkpoint."""
    return [asdict(epoch) for epoch in history]


def _stored_state(
    candidate: Candidate, identity: dict[str, object], network: CandidateResNet, setting: Setting
) -> CandidateState | None:
    if setting.checkpoints is None:
        return None
    data = setting.checkpoints.load(candidate.key)
    if data is None:
        return None
    states: list[CandidateState] = []

    def read() -> dict[str, object]:
        states.append(read_state(data, network))
        return states[0].identity

    return states[0] if is_usable(candidate.key, identity, read) else None

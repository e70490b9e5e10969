"""What the owner and its workers say to each other: JSON, so that any pool can carry it.

    owner -> worker   Setup, then Work and Answer
    worker -> owner   Ready, then EpochDone and WorkDone

Lost is the pool's own word: a worker ended without saying that its work was done.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from search_spaces.spec import ArchitectureSpec
from trainer.measurement import Candidate, EpochMetrics, Failure, Measurement
from trainer.progress import Verdict


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a worker is told once."""

    checkpoint_folder: str
    data: str
    """Name of the data set."""
    device: str
    """torch's name of the device as the worker sees it, such as `cpu` or `cuda:0`."""
    num_threads: int
    import_paths: list[str]
    """Where the owner finds modules, so that class paths mean the same in the worker."""
    task: dict[str, Any] | None = None
    """The user's own module: `class_path` and `init_args`."""
    group_size: int | None = 1
    """How many candidates it is to train at once; None: it measures that, and says it in Ready."""
    group_specs: list[ArchitectureSpec] = field(default_factory=list[ArchitectureSpec])
    """Networks to measure with, which can be one fused network."""
    group_recipe: dict[str, Any] = field(default_factory=dict[str, Any])
    """Recipe to measure with."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Candidates to train together, as one fused network where they can be fused."""

    candidates: list[Candidate]
    recipe: dict[str, Any]
    """What they share; a candidate may have values of its own."""
    test: bool = False
    """Whether the test split is measured at the end."""
    keep_weights: bool = False
    """Whether the trained weights are kept in the checkpoint store under `<key>-weights`."""
    evidence: bool = False
    """Whether the blocks of the trained networks are looked at."""
    supervised: list[str] = field(default_factory=list[str])
    """Keys of the candidates for which the worker waits for an Answer after each epoch."""
    pause_after: int | None = None
    """Epochs in all after which candidates pause, each with its checkpoint; None: the last."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the candidates."""
        return tuple(candidate.key for candidate in self.candidates)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The owner's verdict on a finished epoch of a supervised candidate."""

    key: str
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A worker has imported everything and loaded the data."""

    pid: int
    device: str
    setup_seconds: float
    """Wall time until it was ready, without the measuring of groups."""
    group_size: int = 1
    """How many candidates at once it trains best."""
    group_seconds: dict[int, float] = field(default_factory=dict[int, float])
    """Seconds per candidate and step by size of the group, as it has measured them."""
    group_why: str = ""
    """One line for people about that size."""


@dataclass(frozen=True, kw_only=True)
class EpochDone:
    """A candidate has finished an epoch.

    Small networks are not saved after each: what was told after the last checkpoint is told again
    when the training is taken up.
    """

    key: str
    metrics: EpochMetrics


@dataclass(frozen=True, kw_only=True)
class WorkDone:
    """Candidates of a Work have ended; a worker is idle when all of them have."""

    outcomes: list[Measurement | Failure]


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A worker died with these candidates unfinished; the pool starts another."""

    keys: tuple[str, ...]
    message: str


Message = Setup | Work | Answer | Ready | EpochDone | WorkDone


def encode(message: Message) -> bytes:
    """Return the message as UTF-8 JSON with its type's name."""
    data = dataclasses.asdict(message)
    if isinstance(message, Setup):
        data["group_specs"] = [spec.to_dict() for spec in message.group_specs]
    elif isinstance(message, Work):
        data["candidates"] = [_plain(candidate) for candidate in message.candidates]
    elif isinstance(message, WorkDone):
        data["outcomes"] = [
            {"type": type(outcome).__name__, **outcome.to_dict()} for outcome in message.outcomes
        ]
    return json.dumps({"type": type(message).__name__, **data}).encode()


def decode(data: bytes) -> Message:
    """Read what `encode` wrote."""
    fields = json.loads(data)
    kind = fields.pop("type")
    if kind == "Setup":
        fields["group_specs"] = [ArchitectureSpec.from_dict(s) for s in fields["group_specs"]]
    elif kind == "Work":
        fields["candidates"] = [_candidate(data) for data in fields["candidates"]]
    elif kind == "Ready":
        # JSON has no numbers as keys.
        fields["group_seconds"] = {int(k): s for k, s in fields["group_seconds"].items()}
    elif kind == "Answer":
        fields["verdict"] = Verdict(fields["verdict"])
    elif kind == "EpochDone":
        fields["metrics"] = EpochMetrics(**fields["metrics"])
    elif kind == "WorkDone":
        fields["outcomes"] = [_outcome(outcome) for outcome in fields["outcomes"]]
    return _MESSAGES[kind](**fields)


def _plain(candidate: Candidate) -> dict[str, Any]:
    return {
        "key": candidate.key,
        "spec": candidate.spec.to_dict(),
        "seed": candidate.seed,
        "recipe_values": dict(candidate.recipe_values),
    }


def _candidate(data: dict[str, Any]) -> Candidate:
    return Candidate(**{**data, "spec": ArchitectureSpec.from_dict(data["spec"])})


def _outcome(data: dict[str, Any]) -> Measurement | Failure:
    kind = data.pop("type")
    return Measurement.from_dict(data) if kind == "Measurement" else Failure.from_dict(data)


_MESSAGES: dict[str, Any] = {
    message.__name__: message for message in (Setup, Work, Answer, Ready, EpochDone, WorkDone)
}

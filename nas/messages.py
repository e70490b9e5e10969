"""What the owner and its workers say to each other: JSON, so that any pool can carry it.

    owner -> worker   Setup, then Work and Answer
    worker -> owner   Ready, then EpochDone and WorkDone

Lost is the pool's own word: a worker ended without saying that its work was done.
"""

import dataclasses
import json
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class Work:
    """Candidates to train together; one by one until population training comes."""

    candidates: list[Candidate]
    recipe: dict[str, Any]
    test: bool = False
    """Whether the test split is measured at the end."""
    keep_weights: bool = False
    """Whether the trained weights are kept in the checkpoint store under `<key>-weights`."""
    supervised: bool = False
    """Whether the worker waits for an Answer after each epoch."""

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


@dataclass(frozen=True, kw_only=True)
class EpochDone:
    """A candidate has finished an epoch; its checkpoint is safe."""

    key: str
    metrics: EpochMetrics


@dataclass(frozen=True, kw_only=True)
class WorkDone:
    """All candidates of a Work have ended, in the order in which they were given."""

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
    if isinstance(message, Work):
        data["candidates"] = [
            {"key": c.key, "spec": c.spec.to_dict(), "seed": c.seed} for c in message.candidates
        ]
    elif isinstance(message, WorkDone):
        data["outcomes"] = [
            {"type": type(outcome).__name__, **outcome.to_dict()} for outcome in message.outcomes
        ]
    return json.dumps({"type": type(message).__name__, **data}).encode()


def decode(data: bytes) -> Message:
    """Read what `encode` wrote."""
    fields = json.loads(data)
    kind = fields.pop("type")
    if kind == "Work":
        fields["candidates"] = [
            Candidate(key=c["key"], spec=ArchitectureSpec.from_dict(c["spec"]), seed=c["seed"])
            for c in fields["candidates"]
        ]
    elif kind == "Answer":
        fields["verdict"] = Verdict(fields["verdict"])
    elif kind == "EpochDone":
        fields["metrics"] = EpochMetrics(**fields["metrics"])
    elif kind == "WorkDone":
        fields["outcomes"] = [_outcome(outcome) for outcome in fields["outcomes"]]
    return _MESSAGES[kind](**fields)


def _outcome(data: dict[str, Any]) -> Measurement | Failure:
    kind = data.pop("type")
    return Measurement.from_dict(data) if kind == "Measurement" else Failure.from_dict(data)


_MESSAGES: dict[str, Any] = {
    message.__name__: message for message in (Setup, Work, Answer, Ready, EpochDone, WorkDone)
}

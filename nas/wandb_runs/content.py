"""What W&B is told about a study: ids, names, config, history and summary; imports no wandb."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nas.spans import all_spans_of
from nas.trials import Source, TrialRecord
from nas.wandb_keys import to_key
from search_spaces.backbone_fields import block_word
from search_spaces.places import Kind, Place

ABSENT = "absent"
"""Kind of a block that the network is too shallow to have."""

JOB_TYPES = {
    Source.RANDOMISED: "trial",
    Source.ADAPTIVE: "trial",
    Source.ANCHOR: "anchor",
    Source.FINALIST: "finalist",
    Source.PAIRED: "ablation",
}
"""W&B's job type by who chose the architecture."""


@dataclass(frozen=True, kw_only=True)
class StudyInfo:
    """What every run of a study shares."""

    name: str
    uid: str
    """Random id of the study, the first part of every run's id."""
    dataset: str
    epochs: int
    deepest: tuple[int, ...]
    """Blocks per stage of the deepest networks of the space."""
    metric: str = "val/log_loss"
    direction: str = "minimize"
    tags: tuple[str, ...] = ()
    """Further tags of every run."""
    has_spans: bool = False
    """Whether skips of the space may bypass more than one block."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "StudyInfo":
        """Read what `to_json` wrote."""
        return cls(**{**data, "deepest": tuple(data["deepest"]), "tags": tuple(data["tags"])})


def run_id(uid: str, number: int, *, repeat: bool = False) -> str:
    """Return the id of a trial's run; `repeat` for trials of the `.repeats` study."""
    return f"{uid}-r{number:04d}" if repeat else f"{uid}-{number:04d}"


def record_run_id(record: TrialRecord, study: StudyInfo) -> str:
    """Return the id that the trial carries, or else the one that follows from its number."""
    is_repeat = JOB_TYPES[record.source] != "trial"
    return record.wandb_id or run_id(study.uid, record.number, repeat=is_repeat)


def run_name(record: TrialRecord) -> str:
    """Return the name that people read, such as `0042 5-5-4 IIPNI INNPI IIII`."""
    parts = [f"{record.number:04d}"]
    job_type = JOB_TYPES[record.source]
    if job_type != "trial":
        parts.insert(0, job_type)
    if record.name:
        parts.append(record.name)
    if record.base is not None:
        parts.append(f"{record.base} {record.flip or 'as it is'}")
    elif record.of_trial is not None:
        parts.append(f"of {record.of_trial:04d}")
    if record.spec is not None and not record.name and record.base is None:
        parts.append(record.spec.code)
    return " ".join(parts)


def run_tags(record: TrialRecord, study: StudyInfo) -> tuple[str, ...]:
    """Return the tags by which runs are filtered: data set, source, state and the study's own."""
    return (study.dataset, record.source.value, record.state.value, *study.tags)


def trial_config(record: TrialRecord, study: StudyInfo) -> dict[str, Any]:
    """Return the config of a trial's run: flat, in network order, without dots."""
    decisions = _decisions(record)
    known: dict[str, Any] = {
        "study": study.name,
        "trial": record.number,
        "source": record.source.value,
        "anchor": record.name,
        "of_trial": record.of_trial,
        "base": record.base,
        "flip": record.flip,
        "replicate": None if record.base is None else record.replicate,
        "dataset": study.dataset,
        "seed": record.seed,
        "lr": record.lr,
        "weight_decay": record.weight_decay,
        "epochs": study.epochs,
        "spec_id": record.spec_id,
        "layers": record.layers,
        "params": record.params,
        "macs": record.macs,
    }
    config = {key: value for key, value in known.items() if value is not None}
    spans = {str(place): ends for place, ends in all_spans_of(record).items()}
    decisions = {name: value for name, value in decisions.items() if name[:5] != "span."}
    kinds = {
        str(place): decisions.pop(f"skip.{place}", ABSENT) for place in _places(study.deepest)
    }
    config |= {to_key(name): value for name, value in decisions.items()}
    if record.spec is not None:
        # What spaces decide as the width is that of the stem.
        config |= {"width": record.spec.stem_width, "block": block_word(record.spec.block)}
    config |= {to_key(f"skip.{place}"): kind for place, kind in kinds.items()}
    if study.has_spans:
        # Of the shortest and the longest skip that end there, 0 where none does.
        config |= {to_key(f"span.{p}"): min(spans.get(p, ()), default=0) for p in kinds}
        config |= {to_key(f"longest_span.{p}"): max(spans.get(p, ()), default=0) for p in kinds}
    config["n_skips"] = sum(map(len, spans.values()))
    # Numbers for W&B's parallel coordinates and correlations, which cannot use words.
    config |= {to_key(f"has_skip.{p}"): int(_is_skip(kind)) for p, kind in kinds.items()}
    config |= {to_key(f"is_projection.{p}"): int(k == "projection") for p, k in kinds.items()}
    return config


def trial_history(record: TrialRecord) -> Iterator[dict[str, float]]:
    """Yield one row per epoch."""
    for epoch in record.history:
        yield {
            "epoch": epoch.epoch,
            "train/loss": epoch.train_loss,
            "val/log_loss": epoch.val_log_loss,
            "val/accuracy": epoch.val_accuracy,
            **{f"val/{name}": value for name, value in epoch.more.items()},
        }


def trial_evidence(record: TrialRecord) -> Iterator[dict[str, float]]:
    """Yield one row per block, counted through the network from 1."""
    for block, norm in enumerate(record.gradient_norms, start=1):
        yield {"evidence/block": block, "evidence/gradient_norm": norm}


def trial_summary(record: TrialRecord) -> dict[str, Any]:
    """Return the summary of a trial's run: where it ended, and why."""
    memory = record.peak_memory_bytes
    summary = {
        "state": record.state.value,
        "reason": record.reason,
        "message": record.message,
        "value": record.value,
        **record.metrics,
        "epochs_done": record.epochs_done,
        "seconds": record.seconds,
        "peak_memory_mb": None if memory is None else memory / 1e6,
        "attempts": record.attempts,
    }
    return {key: value for key, value in summary.items() if value is not None}


def _is_skip(kind: str) -> bool:
    return kind not in (ABSENT, Kind.NONE)


def _places(depths: Sequence[int]) -> Iterator[Place]:
    for stage, depth in enumerate(depths, start=1):
        for block in range(1, depth + 1):
            yield Place(stage, block)


def _decisions(record: TrialRecord) -> dict[str, Any]:
    """Return what was decided; from the spec where it is known, which is complete.

    A block's kind is that of the shortest skip that ends there; further ones are numbered from 2.
    """
    decisions: dict[str, Any] = dict(record.decisions)
    spec = record.spec
    if spec is None:
        return decisions
    for stage, depth in enumerate(spec.depths, start=1):
        decisions[f"depth.stage{stage}"] = depth
    for place, skips in zip(spec.places(), spec.incoming, strict=True):
        decisions[f"skip.{place}"] = skips[0].kind.value if skips else Kind.NONE.value
        for number, skip in enumerate(skips[1:], start=2):
            decisions[f"skip{number}.{place}"] = skip.kind.value
            decisions[f"span{number}.{place}"] = spec.span(skip)
    return decisions

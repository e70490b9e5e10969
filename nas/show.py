"""Find an architecture by file, preset or run, and say what it is; no torch here."""

from pathlib import Path
from typing import Any, TextIO

from nas.errors import ConfigError, RunFolderError
from search_spaces.complexity import complexity
from search_spaces.errors import SpecError
from search_spaces.presets import preset
from search_spaces.spec import ArchitectureSpec
from trainer.data import data_facts

_DRAWN = "╭┬╰┴│─▸█"
"""Characters that drawings in text use, beside those of ASCII."""
_MOST_WIDTH = 10_000
"""Channels of the first stage; the last one of a preset has up to 32 times as many."""


def find_spec(
    what: str, runs: Path, *, data: str | None = None, width: int | None = None
) -> ArchitectureSpec:
    """Return the spec in a file, of a preset, or of a run's best trial.

    Args:
        what: Which.
        runs: Folder of all runs.
        data: Shipped data set whose images and classes a preset is built for.
        width: Channels of a preset's first stage.

    Raises:
        SpecError: It is none of these.
        RunFolderError: The run has no complete trial yet.
        ConfigError: `data` or `width` is given for something else than a preset.
        DataError: There is no such data set.
    """
    path = Path(what)
    folder = path if (path / "config.yaml").is_file() else runs / what
    is_run = (folder / "config.yaml").is_file()
    if (data or width is not None) and (path.is_file() or is_run):
        kind = "spec file" if path.is_file() else "run"
        raise ConfigError(
            f"--data and --width are for presets, got the {kind} {what!r}, which has its own "
            "input and widths. Leave them out."
        )
    if width is not None and not 1 <= width <= _MOST_WIDTH:
        raise ConfigError(f"--width must be from 1 to {_MOST_WIDTH}, got width={width}.")
    if path.is_file():
        return _read_spec(path)
    return _best_of(folder) if is_run else _preset(what, runs, data, width)


def _preset(what: str, runs: Path, data: str | None, width: int | None) -> ArchitectureSpec:
    facts = data_facts(data) if data is not None else None
    try:
        if facts is None:
            return preset(what, width=width)
        return preset(what, input=facts.input, num_classes=facts.num_classes, width=width)
    except SpecError as error:
        runs_known = sorted(found.parent.name for found in runs.glob("*/config.yaml"))
        names = ", ".join(runs_known) or "none"
        raise SpecError(
            f"A spec file, a run or a preset is needed, got {what!r}. No such file; runs in "
            f"{runs}/: {names}. {error}"
        ) from None


def check_show_flags(*, gradients: bool, seeds: int | None) -> None:
    """Refuse flags of `nas show` that do not go together.

    Raises:
        ConfigError: `--seeds` without `--gradients`, or below 1.
    """
    if seeds is not None and not gradients:
        raise ConfigError("--seeds is for --gradients, got it alone. Add --gradients.")
    if seeds is not None and seeds < 1:
        raise ConfigError(f"--seeds must be at least 1, got seeds={seeds}. Five are usual.")


def can_show_boxes(stream: TextIO) -> bool:
    """Say whether a stream can carry the characters of drawings in text."""
    try:
        _DRAWN.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def describe_spec(spec: ArchitectureSpec) -> dict[str, Any]:
    """Return layers, size, cost and identity as JSON data."""
    cost = complexity(spec)
    return {
        "layers": spec.layers,
        "params": cost.params,
        "macs": cost.macs,
        "spec_id": spec.spec_id,
        "code": spec.code,
        "blocks_per_stage": list(spec.depths),
        "num_skips": len(spec.skips),
        "spec": spec.to_dict(),
    }


def _read_spec(path: Path) -> ArchitectureSpec:
    try:
        return ArchitectureSpec.from_json(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise SpecError(f"{path}: an architecture spec must be JSON, got other data.") from None
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error


def _best_of(folder: Path) -> ArchitectureSpec:
    exported = folder / "export" / "architecture.json"
    if exported.is_file():
        return _read_spec(exported)
    from nas.run import open_run

    best = open_run(folder).best
    if best is None or best.spec is None:
        raise RunFolderError(
            f"A run must have a complete trial to be drawn, got none in {str(folder)!r}. Wait for "
            "the first one."
        )
    return best.spec

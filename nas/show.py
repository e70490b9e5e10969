"""Find an architecture by file, preset or run, and say what it is; no torch here."""

from pathlib import Path
from typing import Any

from nas.errors import RunFolderError
from search_spaces.complexity import complexity
from search_spaces.errors import SpecError
from search_spaces.presets import preset
from search_spaces.spec import ArchitectureSpec


def find_spec(what: str, runs: Path) -> ArchitectureSpec:
    """Return the spec in a file, of a preset, or of a run's best trial.

    Raises:
        SpecError: It is none of these.
        RunFolderError: The run has no complete trial yet.
    """
    path = Path(what)
    if path.is_file():
        return _read_spec(path)
    folder = path if (path / "config.yaml").is_file() else runs / what
    if (folder / "config.yaml").is_file():
        return _best_of(folder)
    try:
        return preset(what)
    except SpecError as error:
        runs_known = sorted(found.parent.name for found in runs.glob("*/config.yaml"))
        names = ", ".join(runs_known) or "none"
        raise SpecError(
            f"A spec file, a run or a preset is needed, got {what!r}. No such file; runs in "
            f"{runs}/: {names}. {error}"
        ) from None


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
        return ArchitectureSpec.from_json(path.read_text(encoding="utf-8"))
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

"""The search, its schedule, the skip map, W&B, reports, export and the `nas` command.

Names are imported when they are first used, so that `nas --help` is quick.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.config import StudyConfig
    from nas.design_sampler import DesignSampler
    from nas.objective import Objective
    from nas.run import Run, open_run
    from nas.trials import TrialRecord

_LAZY = {
    "DesignSampler": "nas.design_sampler",
    "Objective": "nas.objective",
    "Run": "nas.run",
    "StudyConfig": "nas.config",
    "TrialRecord": "nas.trials",
    "open_run": "nas.run",
}

__all__ = [
    "DesignSampler",
    "Objective",
    "Run",
    "StudyConfig",
    "TrialRecord",
    "open_run",
    "search",
    "skip_benefit",
]


def search(
    config: "StudyConfig | dict[str, Any] | Path | str | None" = None,
    *,
    runs: Path | str = "runs",
    report: bool = True,
    export: bool = True,
) -> "Run":
    """Launch or resume a study, as `nas search` does.

    Args:
        config: A configuration, its keys, a YAML file, or None for the digits study.
        runs: Folder of all runs.
        report: Whether anchors are trained and the report is written.
        export: Whether finalists are trained and the best network is exported.

    Returns:
        The finished study, read back.

    Raises:
        UserError: The configuration, the folder or the storage cannot be used.
    """
    from nas.config import StudyConfig, make_config
    from nas.config_file import load_config
    from nas.launch import SearchOptions, run_search
    from nas.run import open_run

    if not isinstance(config, StudyConfig):
        if isinstance(config, str | Path):
            config = load_config(Path(config), {})
        else:
            config = make_config(config or {})
    options = SearchOptions(with_report=report, with_export=export)
    return open_run(run_search(config, Path(runs), options).path)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

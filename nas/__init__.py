"""The search, its schedule, the skip map, W&B, reports, export and the `nas` command.

Names are imported when they are first used, so that `nas --help` is quick.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

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
    from nas.errors import ConfigError
    from nas.launch import SearchOptions, run_search
    from nas.run import open_run

    if not isinstance(config, StudyConfig):
        if isinstance(config, str | Path):
            config = load_config(Path(config), {})
        elif config is None or isinstance(config, Mapping):
            config = make_config(config or {})
        else:
            raise ConfigError(
                f"nas.search: config must be a StudyConfig, its keys, a YAML file or None, got "
                f"{config!r}."
            )
    options = SearchOptions(with_report=report, with_export=export)
    return open_run(run_search(config, Path(runs), options).path)


def skip_benefit(
    trials: "optuna.Study | Path | str | Iterable[Mapping[str, Any]]",
    *,
    direction: str | None = None,
    sesoi: float | None = None,
    names: "Mapping[str, Any] | Path | str | None" = None,
    source: str | None = None,
) -> dict[str, Any]:
    """Estimate where skips help, from the randomised trials of a study or a table.

    Args:
        trials: An Optuna study; the path of a CSV file; or rows, such as a pandas table, with the
            columns of `nas report --csv`, or W&B runs that this toolkit logged.
        direction: `minimize` or `maximize`; a study knows its own.
        sesoi: Smallest effect worth having, in the metric's unit.
        names: What parameters or columns are called there, our name to yours, and under `kinds`
            what your values mean: `{"skip.stage1.block1": "use_skip_0", "kinds": {True:
            "identity", False: "none"}}`; or a YAML file of that.
        source: Who chose the trials that do not say: `randomised` where kinds were drawn by lot
            whatever did well before. A study's trials are `adaptive` otherwise.

    Returns:
        The content of `skip_benefit.json`.

    Raises:
        ConfigError: A table comes without its direction, or a name or word is none of ours.
        TableError: A column or a value is missing or wrong.
        StorageError: The study has several objectives.
    """
    from nas.benefit_of import skip_benefit_of

    return skip_benefit_of(trials, direction=direction, sesoi=sesoi, names=names, source=source)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

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
    source: "optuna.Study | Path | str | Iterable[Mapping[str, Any]]",
    *,
    direction: str | None = None,
    sesoi: float | None = None,
) -> dict[str, Any]:
    """Estimate where skips help, from the randomised trials of a study or a table.

    Args:
        source: An Optuna study; the path of a CSV file; or rows, such as a pandas table, with the
            columns of `nas report --csv`.
        direction: `minimize` or `maximize`; a study knows its own.
        sesoi: Smallest effect worth having, in the metric's unit.

    Returns:
        The content of `skip_benefit.json`.

    Raises:
        ConfigError: A table comes without its direction.
        TableError: A column or a value is missing or wrong.
        StorageError: The study has several objectives.
    """
    from nas.benefit_of import skip_benefit_of

    return skip_benefit_of(source, direction=direction, sesoi=sesoi)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

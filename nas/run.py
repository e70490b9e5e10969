"""A study read back: `nas.open_run`, for notebooks and for the commands; no torch here."""

from pathlib import Path
from typing import Any

import optuna

from nas.benefit import skip_benefit
from nas.errors import ExportError
from nas.export import ExportResult
from nas.finalists import Ranking
from nas.open_study import folder_of, read_repeats, read_trials
from nas.records import best_record
from nas.reporting import WrittenReport
from nas.results import Results
from nas.storage import open_storage
from nas.trials import TrialRecord


class Run:
    """A study in its run folder; reading it changes nothing and needs no owner.

    Args:
        path: The run folder.

    Raises:
        RunFolderError: The folder holds no study, or one of another version.
        StorageError: The storage cannot be reached or read.
    """

    def __init__(self, path: Path | str) -> None:
        self.folder = folder_of(Path(path))
        self.config = self.folder.read_config()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._results = Results(self.folder, self.config)
        self.refresh()

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    def set_sesoi(self, sesoi: float | None) -> None:
        """Set the smallest effect worth having, in the metric's unit; None keeps the study's."""
        self._results.set_sesoi(sesoi)

    def refresh(self) -> None:
        """Read the trials anew."""
        storage = open_storage(self.config.storage, self.folder.path, create=False)
        trials, _ = read_trials(storage, self.config.name)
        self._results.load(trials, read_repeats(storage, self.config.name))

    def records(self) -> list[TrialRecord]:
        """Return the search trials in order of number, with curves and evidence."""
        return list(self._results.trials)

    def repeats(self) -> list[TrialRecord]:
        """Return anchors and finalists in order of number."""
        return list(self._results.repeats)

    def trials(self) -> list[dict[str, Any]]:
        """Return the search trials as rows, ready for `pandas.DataFrame`."""
        return [record.to_row() for record in self._results.trials]

    @property
    def best(self) -> TrialRecord | None:
        """The complete search trial with the best value; None before the first."""
        return best_record(self._results.trials, self.config.search.direction)

    @property
    def ranking(self) -> Ranking | None:
        """Finalists by their mean over fresh seeds; None without a finished one."""
        return self._results.ranking(self._results.repeats)

    def skip_benefit(self) -> dict[str, Any]:
        """Estimate the skip map, as in `skip_benefit.json`."""
        return skip_benefit(self._results.trials, self._results.repeats, self._results.context)

    def report(self, folder: Path | str | None = None) -> WrittenReport:
        """Write the report; into the run folder unless another one is given."""
        return self._results.write_report(Path(folder) if folder is not None else None)

    def export(
        self, folder: Path | str | None = None, trial: int | None = None
    ) -> ExportResult | None:
        """Write and prove the export of the best finalist, or of the finalists of one trial.

        Nothing is trained here: `nas export RUN --trial N` first trains a trial on fresh seeds.

        Raises:
            ExportError: The proof failed, or there is no such finalist.
        """
        return self._results.write_export(Path(folder) if folder is not None else None, trial)


def export_best(path: Path, out: Path | None = None) -> ExportResult:
    """Write and prove the export of the best finalist of the study in a run folder.

    Raises:
        ExportError: There is no finalist, or the proof failed.
    """
    run = open_run(path)
    result = run.export(out)
    if result is None:
        raise ExportError(
            f"An export needs retrained finalists, got none in {str(run.path)!r}. Run nas search "
            f"--name {run.config.name} without --no-export, or choose one trial with --trial."
        )
    return result


def open_run(path: Path | str) -> Run:
    """Open the study in a run folder.

    Raises:
        RunFolderError: The folder holds no study.
        StorageError: The storage cannot be reached or read.
    """
    return Run(path)

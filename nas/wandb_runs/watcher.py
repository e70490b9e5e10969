"""Passes ended trials to the W&B writer, and at the end the summary; never slows the owner."""

import contextlib
import sys
from collections.abc import Iterator, Sequence

from nas.open_study import OpenStudy
from nas.results import Results
from nas.space_kinds import choices_of
from nas.timing import Timing
from nas.trials import TrialRecord
from nas.wandb_runs.content import StudyInfo
from nas.wandb_runs.run_log import RunLog
from trainer.measurement import EpochMetrics


class WandbWatcher:
    """A watcher that hands ended trials to W&B.

    Args:
        study: The study; its configuration says whether and where.
        timing: Where the owner's share of the cost is kept.
    """

    def __init__(self, study: OpenStudy, timing: Timing) -> None:
        config = study.config
        info = StudyInfo(
            name=config.name,
            uid=study.search.uid,
            dataset=config.data,
            epochs=config.recipe.epochs,
            deepest=study.space.deepest,
            metric=config.search.metric,
            direction=config.search.direction,
            has_spans=any(c.spans != (1,) for c in choices_of(study.space).values()),
        )
        self._log = RunLog(study.folder.path, config.wandb, info)
        self._timing = timing

    def catch_up(self, ended: Sequence[TrialRecord]) -> None:
        """Log trials that a killed owner ended without logging them."""
        with _harmless():
            for record in self._log.missing(ended):
                self._log.trial_done(record)

    def started(self, record: TrialRecord) -> None:
        """Runs are written when trials end."""

    def epoch(self, record: TrialRecord, metrics: EpochMetrics) -> None:
        """Runs are written when trials end."""

    def paused(self, record: TrialRecord, epoch: int) -> None:
        """Runs are written when trials end."""

    def ended(self, record: TrialRecord) -> None:
        """Log a trial."""
        with self._timing.measure("wandb.hand_over"), _harmless():
            self._log.trial_done(record)

    def summary(self, results: Results) -> None:
        """Log the summary run: the map, tables, pictures and artifacts."""
        if results.report is None:
            return
        report = results.report
        with _harmless():
            self._log.summary(
                headline=report.headline,
                benefit=report.benefit,
                trials=results.trials,
                repeats=results.repeats,
                pictures={
                    "skip_map": report.folder / "skip_map.svg",
                    "report": report.folder / "report.html",
                },
                best=results.export.folder if results.export is not None else None,
                benefit_file=report.folder / "skip_benefit.json",
            )

    def close(self, seconds: float) -> None:
        """Wait until all is written, at most so long; what failed is said and costs nothing else.

        What is not written by then is found by `catch_up` when the study is next opened.
        """
        with self._timing.measure("wandb.wait"), _harmless():
            result = self._log.close(seconds)
            for failure in result.failures[:3]:
                _warn(failure)


@contextlib.contextmanager
def _harmless() -> Iterator[None]:
    """Turn whatever goes wrong into a warning."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - no failure of W&B may end a study
        _warn(f"W&B: {type(error).__name__}: {' '.join(str(error).split())}")


def _warn(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")

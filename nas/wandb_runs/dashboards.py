"""W&B runs of a study: one per trial and one that sums up. The only module that imports wandb.

It runs in the writer's process (`nas.wandb_runs.writer`), whose environment keeps every file of W&B in
the run folder (`nas.wandb_runs.files`).
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import wandb

from nas.trials import State, TrialRecord
from nas.wandb_runs.content import (
    JOB_TYPES,
    StudyInfo,
    record_run_id,
    run_name,
    run_tags,
    trial_config,
    trial_evidence,
    trial_history,
    trial_summary,
)
from nas.wandb_runs.files import (
    finished_ids,
    mark_finished,
    remove_run,
    run_folders,
    staging_folder,
    wandb_root,
)
from nas.wandb_runs.summary import (
    StudySummary,
    answer_rows,
    study_summary,
    summary_id,
    summary_tables,
    table,
)
from nas.wandb_settings import Mode, WandbSettings

# Nothing that costs time or says more about the machine than a trial needs. The names that begin
# with x_ are private to W&B and may go: those that its release does not know are left out.
_CHEAP: dict[str, Any] = {
    "console": "off",
    "silent": True,
    "disable_git": True,
    "disable_code": True,
    "disable_job_creation": True,
    "save_code": False,
    "init_timeout": 30,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
    # A killed run keeps all but the last quarter of a second; W&B's own interval is 15 s.
    "x_transaction_log_flush_interval": 0.25,
}


class Dashboard:
    """Writes runs of one study, one after the other, through one W&B service.

    Args:
        folder: The run folder.
        settings: Resolved settings; not disabled.
        study: What all runs share.
    """

    def __init__(self, folder: Path, settings: WandbSettings, study: StudyInfo) -> None:
        self._folder = folder
        self._study = study
        self._wandb = settings
        self._mode: Mode = settings.mode
        self._settings = cheap_settings(_CHEAP)
        self._finished = finished_ids(folder)
        self._begun = set(run_folders(folder))
        """Runs that have a folder, finished or not."""
        self.notices: list[str] = []
        """What the user should know, such as that W&B was not reached."""

    def write_trial(self, record: TrialRecord, job_type: str | None = None) -> None:
        """Write the run of a finished trial; one that is there already is left alone."""
        run_id = record_run_id(record, self._study)
        if run_id in self._finished:
            return
        with self._run(
            run_id,
            is_failed=record.state is State.FAILED,
            name=run_name(record),
            job_type=job_type or JOB_TYPES[record.source],
            tags=run_tags(record, self._study),
            config=trial_config(record, self._study),
        ) as run:
            # Summaries have names of their own, with underscores.
            run.define_metric("epoch", hidden=True, summary="none")
            run.define_metric("train/*", step_metric="epoch", summary="none")
            run.define_metric("val/*", step_metric="epoch", summary="none")
            run.define_metric("evidence/block", hidden=True, summary="none")
            run.define_metric(
                "evidence/*", step_metric="evidence/block", hidden=True, summary="none"
            )
            _log_rows(run, trial_history(record))
            _log_rows(run, trial_evidence(record))
            run.summary.update(trial_summary(record))

    def write_summary(self, content: StudySummary) -> None:
        """Write the summary run, in place of an earlier one."""
        study = self._study
        if self._mode == "offline":
            # Only summary runs stage files, and the earlier one's go with it.
            shutil.rmtree(staging_folder(self._folder), ignore_errors=True)
        with self._run(
            summary_id(study.uid),
            name=f"summary of {study.name}",
            job_type="summary",
            notes=content.headline,
            tags=(study.dataset, "summary", *study.tags),
            config={
                "study": study.name,
                "dataset": study.dataset,
                "epochs": study.epochs,
                "metric": study.metric,
                "direction": study.direction,
                **{f"deepest_s{i}": depth for i, depth in enumerate(study.deepest, start=1)},
            },
        ) as run:
            run.define_metric("answer/position", hidden=True, summary="none")
            run.define_metric("answer*", step_metric="answer/position", summary="none")
            _log_rows(run, answer_rows(content.benefit))
            run.log(_tables(content) | _pictures(content.pictures))
            run.summary.update(
                study_summary(content.headline, content.benefit, content.trials, study)
            )
            self._log_artifacts(run, content)

    def close(self) -> None:
        """End the W&B service; nothing of it is left running."""
        wandb.teardown()

    @contextmanager
    def _run(self, run_id: str, *, is_failed: bool = False, **about: Any) -> Iterator["wandb.Run"]:
        """Open a run for the length of a `with`; one that breaks off counts as not written."""
        # To look through the folders of thousands of runs takes longer than to write one.
        if self._mode == "offline" and run_id in self._begun:
            remove_run(self._folder, run_id)
        self._begun.add(run_id)
        run = self._start(run_id, about)
        run_folder = Path(run.dir).parent
        try:
            yield run
        except BaseException:
            run.finish(exit_code=1)
            raise
        run.finish(exit_code=int(is_failed))
        if run_folder.is_dir():
            mark_finished(run_folder)
        self._finished.add(run_id)

    def _start(self, run_id: str, about: Mapping[str, Any]) -> "wandb.Run":
        """Open a run; one that cannot be sent is kept offline, and so are those after it."""
        try:
            return self._init(run_id, about)
        except (wandb.Error, TimeoutError) as error:
            if self._mode != "online":
                raise
            self._mode = "offline"
            problem = str(error) or type(error).__name__
            self.notices.append(
                f"W&B was not reached ({problem.splitlines()[0]}). Runs are kept in "
                f"{wandb_root(self._folder) / 'wandb'}; `wandb sync` sends them."
            )
            # The service still holds the id of the run that it could not open.
            wandb.teardown()
            remove_run(self._folder, run_id)
            return self._init(run_id, about)

    def _init(self, run_id: str, about: Mapping[str, Any]) -> "wandb.Run":
        return wandb.init(
            id=run_id,
            mode=self._mode,
            project=self._wandb.project,
            entity=self._wandb.entity,
            group=self._study.name,
            dir=str(wandb_root(self._folder)),
            reinit="create_new",
            settings=self._settings,
            **about,
        )

    def _log_artifacts(self, run: "wandb.Run", content: StudySummary) -> None:
        name = self._study.name
        if content.best is not None:
            artifact = wandb.Artifact(f"{name}-best", type="model", description=content.headline)
            artifact.add_dir(content.best)
            run.log_artifact(artifact)
        if content.benefit_file is not None:
            artifact = wandb.Artifact(f"{name}-skip-benefit", type="result")
            artifact.add_file(content.benefit_file, name="skip_benefit.json")
            run.log_artifact(artifact)


def cheap_settings(wanted: Mapping[str, Any]) -> wandb.Settings:
    """Return W&B settings with those of `wanted` that this release of W&B knows."""
    known = wandb.Settings.model_fields
    return wandb.Settings(**{name: value for name, value in wanted.items() if name in known})


def _log_rows(run: "wandb.Run", rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        run.log(dict(row))


def _tables(content: StudySummary) -> dict[str, Any]:
    tables = {}
    for name, rows in summary_tables(content).items():
        columns, cells = table(rows)
        # Typed loosely: W&B's own list types are invariant.
        content_of: dict[str, Any] = {"columns": columns, "data": cells}
        tables[name] = wandb.Table(**content_of, allow_mixed_types=True)
    return tables


def _pictures(pictures: Mapping[str, str]) -> dict[str, Any]:
    return {name: _picture(content) for name, content in pictures.items()}


def _picture(content: str) -> Any:
    """Return SVG or HTML, given as text or as the path of a file; W&B shows both as a page."""
    if not content.lstrip().startswith("<"):
        content = Path(content).read_text(encoding="utf-8")
    return wandb.Html(content, inject=False)

"""What came out of a study, and where it is written."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from nas.benefit import BenefitContext, settled
from nas.config import StudyConfig
from nas.display import Answers
from nas.errors import ExportError, TableError
from nas.export import ExportResult, SearchCost, check_exportable
from nas.exporting import export_winner, weights_key
from nas.finalists import Ranking, best_finalist
from nas.own_parts import networks_by_block
from nas.own_task import export_problem
from nas.reporting import ReportInputs, WrittenReport, study_context, write_report
from nas.run_folder import RunFolder
from nas.timing import read_timing
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import ArchitectureSpec, Kind
from trainer.checkpoints import FolderCheckpoints


class Results:
    """Trials of a study, read into a report, an export and a conclusion.

    Args:
        folder: The run folder.
        config: The study's configuration.
    """

    def __init__(self, folder: RunFolder, config: StudyConfig) -> None:
        self.folder = folder
        self.config = config
        self.space = config.make_space()
        self.trials: list[TrialRecord] = []
        self.repeats: list[TrialRecord] = []
        self.report: WrittenReport | None = None
        self.export: ExportResult | None = None
        self.no_export: str | None = None
        """Why this study has no export, where it can have none."""
        self.ended_early: str | None = None
        """Why the search has ended before its total, where it has."""
        self._environment = folder.read_environment()
        self._context = study_context(config, self.space, self._environment, folder.path)

    @property
    def context(self) -> BenefitContext:
        """What the estimator must know of the study."""
        return self._context

    def set_sesoi(self, sesoi: float | None) -> None:
        """Set the smallest effect worth having; None keeps the study's."""
        if sesoi is not None:
            self._context = dataclasses.replace(self._context, sesoi=sesoi)

    def load(self, trials: Sequence[TrialRecord], repeats: Sequence[TrialRecord]) -> None:
        """Take the trials as they are now."""
        self.trials = sorted(trials, key=lambda record: record.number)
        self.repeats = sorted(repeats, key=lambda record: record.number)

    def count_answers(self, ended: Sequence[TrialRecord]) -> Answers | None:
        """Count the settled answers of the map; None before there is anything to count."""
        rows = [record for record in ended if record.source is Source.RANDOMISED]
        anchors = [record for record in ended if record.source is Source.ANCHOR]
        if not rows:
            return None
        found = settled(rows, self._context, anchors)
        return Answers(
            settled=found.num_settled, precise=found.num_precise, total=found.num_answers
        )

    def ranking(self, repeats: Sequence[TrialRecord]) -> Ranking | None:
        """Rank the finalists by their mean over fresh seeds; None without a finished one."""
        finalists = [record for record in repeats if record.source is Source.FINALIST]
        try:
            return best_finalist(finalists, self.config.search.direction)
        except TableError:
            return None

    def winner(self, repeats: Sequence[TrialRecord]) -> TrialRecord | None:
        """Return the winner's run whose weights are exported."""
        ranking = self.ranking(repeats)
        return None if ranking is None else ranking.chosen

    def write_report(self, folder: Path | None = None) -> WrittenReport:
        """Write the report's files."""
        inputs = ReportInputs(
            study=self.config.name,
            trials=self.trials,
            repeats=self.repeats,
            context=self._context,
            facts=self.config.facts(),
            recipe=self.config.recipe.model_dump(mode="json"),
            seconds=self.wall_seconds,
            versions=self.versions,
            num_workers=self.num_workers,
        )
        self.report = write_report(folder or self.folder.report, inputs)
        return self.report

    def write_export(
        self, folder: Path | None = None, of_trial: int | None = None
    ) -> ExportResult | None:
        """Write and prove the export; None where no trial is complete.

        Raises:
            ExportError: The networks cannot be exported, the proof failed, or the weights are
                gone.
        """
        if self.ranking(self.repeats) is None:
            return None
        if of_trial is not None:
            of_trial = self._retrained_as(of_trial)
        problem = self.export_problem()
        if problem is not None:
            raise ExportError(problem)
        checkpoints = FolderCheckpoints(self.folder.checkpoints)
        self.export = export_winner(
            folder or self.folder.export,
            self.config,
            self.repeats,
            checkpoints,
            SearchCost(
                trials=sum(r.state in (State.COMPLETE, State.PRUNED) for r in self.trials),
                seconds=self.wall_seconds or 0.0,
                workers=self.num_workers,
            ),
            self._environment,
            of_trial,
        )
        return self.export

    def try_export(self) -> None:
        """Write and prove the export, or remember why this study can have none.

        Raises:
            ExportError: The proof failed, or the weights are gone.
        """
        winner = self.winner(self.repeats)
        self.no_export = self.export_problem(None if winner is None else winner.spec)
        if self.no_export is None:
            self.write_export()

    def export_problem(self, spec: ArchitectureSpec | None = None) -> str | None:
        """Say why networks of this study cannot be exported; None where they can.

        Args:
            spec: The network; None: small ones of the space, one for each of the user's blocks.
        """
        if self.config.facts().is_recorded:
            return (
                f"trainings of data={self.config.data!r} are looked up in a table, which holds no "
                "weights. Search with data=digits for a network to use."
            )
        task = self.config.task
        usual = spec or self.space.uniform(self.space.anchor_depths[0], Kind.IDENTITY)
        problem = task and export_problem(task.class_path, task.init_args, usual)
        if problem is not None:
            return problem
        others = [] if spec else [specs[0] for specs in networks_by_block(self.space)]
        try:
            for each in (usual, *others):
                check_exportable(each)
        except ExportError as error:
            return str(error)
        return None

    def _retrained_as(self, number: int) -> int:
        """Return the number under which a trial's architecture was retrained, which may differ."""
        trainings = {record.training for record in self.trials if record.number == number}
        for record in self.repeats:
            is_same = record.source is Source.FINALIST and record.training in trainings
            if is_same and record.of_trial is not None:
                return record.of_trial
        return number

    def drop_spare_weights(self) -> None:
        """Keep the weights of each finalist's best run alone, so that disk use stays bounded."""
        ranking = self.ranking(self.repeats)
        standings = ranking.standings if ranking is not None else ()
        kept = {weights_key(standing.runs[0]) for standing in standings}
        checkpoints = FolderCheckpoints(self.folder.checkpoints)
        for record in self.repeats:
            if weights_key(record) not in kept:
                checkpoints.delete(weights_key(record))

    def conclusion(self) -> str:
        """Say what was found and where to look."""
        lines: list[str] = []
        if self.report is not None:
            lines += [self.report.headline, ""]
        if self.ended_early is not None:
            done = sum(r.state in (State.COMPLETE, State.PRUNED) for r in self.trials)
            total = self.config.search.trials
            lines.append(f"search   ended after {done} of {total} trials: {self.ended_early}")
        ranking = self.ranking(self.repeats)
        if ranking is not None and ranking.winner.spec is not None:
            winner = ranking.winner
            spread = f" (sd {winner.spread.sd:.4f})" if winner.spread.sd is not None else ""
            lines.append(
                f"best     {winner.spec.code if winner.spec else ''}: {self.config.search.metric} "
                f"{winner.spread.mean:.4f}{spread} over {winner.spread.n} fresh seeds"
            )
        if self.report is not None:
            lines.append(f"report   {self.report.folder / 'report.html'}")
        if self.export is not None:
            lines.append(f"export   {self.export.folder} (proven in a fresh process)")
        if self.no_export is not None:
            lines.append(f"export   none: {self.no_export}")
        if not lines:
            lines.append(f"done     {self.folder.path}")
        return "\n".join(lines)

    @property
    def wall_seconds(self) -> float | None:
        """Wall time of all owners of this study so far, s; None where it was not measured."""
        return read_timing(self.folder.timing).get("wall")

    @property
    def num_workers(self) -> int:
        """Workers of the last owner."""
        return max(len(self._environment.get("devices") or ()), 1)

    @property
    def versions(self) -> dict[str, str]:
        """Versions and machine, for the report's last lines."""
        environment = self._environment
        cores = environment.get("cores")
        machine = f"{environment.get('system', '')}, {cores} cores" if cores else ""
        devices = ", ".join(sorted(set(environment.get("devices") or ())))
        packages = environment.get("packages") or {}
        found = {
            "skip-nas": environment.get("tool"),
            "python": environment.get("python"),
            **packages,
            "machine": machine,
            "devices": devices,
        }
        return {name: str(value) for name, value in found.items() if value}

import json
from pathlib import Path

import pytest

from nas.benefit import BenefitContext
from nas.config import make_config
from nas.errors import RunFolderError
from nas.open_study import OpenStudy
from nas.reporting import (
    ReportInputs,
    context_of_trials,
    estimate,
    next_steps,
    read_claims,
    study_context,
    write_report,
)
from nas.run import open_run
from nas.tables import read_trials_csv
from search_spaces.spec import Kind
from tests.nas.made_studies import make_study
from tests.nas.spaces import TransitionSpace
from tests.nas.wandb_studies import make_record

LOSSES = [0.3 + 0.01 * (7 * n % 24) for n in range(24)]
FILES = ["report.html", "skip_benefit.json", "skip_map.svg", "trials.csv"]


@pytest.fixture
def study(tmp_path: Path) -> OpenStudy:
    search = {"trials": 24, "anchor_seeds": 2, "finalist_seeds": 2}
    return make_study(tmp_path / "runs", LOSSES, search=search)


def inputs_of(study: OpenStudy, **changes: object) -> ReportInputs:
    run = open_run(study.folder.path)
    context = study_context(study.config, study.space, study.folder.read_environment())
    known: dict[str, object] = {
        "study": study.config.name,
        "trials": run.records(),
        "repeats": run.repeats(),
        "context": context,
    }
    return ReportInputs(**known | changes)  # type: ignore[arg-type]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_all_files_are_written_and_agree(study: OpenStudy, tmp_path: Path) -> None:
    written = write_report(tmp_path / "a" / "report", inputs_of(study))
    assert names(written.folder) == FILES
    benefit = json.loads((written.folder / "skip_benefit.json").read_text())
    assert benefit == written.benefit
    assert written.headline.split(":")[0] in (written.folder / "report.html").read_text()
    assert [row.value for row in read_trials_csv(written.folder / "trials.csv")] == LOSSES


def test_report_says_when_the_last_training_ended(study: OpenStudy, tmp_path: Path) -> None:
    inputs = inputs_of(study)
    ends = [trial.ended_utc for trial in [*inputs.trials, *inputs.repeats] if trial.ended_utc]
    assert len(ends) >= len(LOSSES)
    last = write_report(tmp_path / "report", inputs).benefit["last_trial_utc"]
    assert last == max(ends)
    assert last.endswith("+00:00")


def test_report_is_written_again_over_the_old_one(study: OpenStudy, tmp_path: Path) -> None:
    write_report(tmp_path / "report", inputs_of(study))
    write_report(tmp_path / "report", inputs_of(study))
    assert names(tmp_path / "report") == FILES


def test_report_of_nothing_is_a_report(tmp_path: Path) -> None:
    study = make_study(tmp_path / "runs")
    written = write_report(tmp_path / "report", inputs_of(study))
    assert names(written.folder) == FILES
    assert "Infinity" not in (written.folder / "skip_benefit.json").read_text()


def test_context_says_what_the_estimator_must_know(study: OpenStudy) -> None:
    context = study_context(study.config, study.space, {"devices": ["cpu"], "tool": "1"})
    assert (context.direction, context.metric, context.unit) == (
        "minimize",
        "val/log_loss",
        "nats",
    )
    assert (context.num_train, context.num_val, context.num_test) == (1077, 360, 360)
    assert (context.reference_depths, context.kinds) == ((2, 2), tuple(Kind))
    assert (context.device, context.tool_version) == ("cpu", "1")
    assert (context.trials_asked, context.space_size) == (24, study.space.size)


class TestContextOfTrials:
    def test_metric_is_known_where_the_values_are_one(self) -> None:
        trials = [make_record(n, value=0.25) for n in range(3)]
        context = context_of_trials(trials, direction="minimize", name="mine", sesoi=None)
        assert (context.metric, context.study_name) == ("val/log_loss", "mine")
        assert context.reference_spec is not None
        assert set(context.reference_spec.kinds) == {Kind.NONE}

    def test_accuracy_is_known_too(self) -> None:
        trials = [make_record(0, value=0.9375)]
        context = context_of_trials(trials, direction="maximize", name="mine", sesoi=0.01)
        assert (context.metric, context.sesoi) == ("val/accuracy", 0.01)

    def test_metric_of_a_task_is_known_by_its_values(self) -> None:
        trials = [make_record(0, value=0.5, metrics={"val_log_loss": 0.25, "val_f1": 0.5})]
        context = context_of_trials(trials, direction="maximize", name="mine", sesoi=None)
        assert (context.metric, context.unit) == ("val/f1", None)

    def test_values_of_another_metric_have_no_name(self) -> None:
        trials = [make_record(0, value=0.25), make_record(1, value=0.26)]
        context = context_of_trials(trials, direction="minimize", name="mine", sesoi=None)
        assert context.metric == "value"
        empty = context_of_trials([], direction="minimize", name="mine", sesoi=None)
        assert (empty.metric, empty.reference_spec) == ("value", None)


class TestNextSteps:
    NEXT = {"design_rows": 30, "trials": 60, "total": 80, "is_first_step": False}  # noqa: RUF012
    SETTLED = {"num_answers": 15, "num_settled": 11, "next": NEXT}  # noqa: RUF012

    def inputs(self) -> ReportInputs:
        trials = [make_record(n, seconds=2.0) for n in range(20)]
        return ReportInputs(
            study="mine",
            trials=trials,
            repeats=[],
            context=BenefitContext(direction="minimize"),
            num_workers=2,
        )

    def test_command_asks_for_the_total_and_names_its_price(self) -> None:
        [step] = next_steps({"settled": self.SETTLED}, self.inputs())
        assert step.command == "nas search --name mine --trials 80"
        assert step.settles == "the other 4 answers, if effects are what they seem"
        assert step.trials == 60
        assert step.minutes == pytest.approx(60 * 2.0 / 2 / 60)

    def test_bounded_step_is_called_a_first_one(self) -> None:
        settled = self.SETTLED | {"num_settled": 14, "next": self.NEXT | {"is_first_step": True}}
        [step] = next_steps({"settled": settled}, self.inputs())
        assert step.settles == "the last answer, as a first step"

    @pytest.mark.parametrize("change", [{"next": None}, {"num_settled": 15}])
    def test_nothing_left_to_settle_is_no_step(self, change: dict[str, int | None]) -> None:
        assert next_steps({"settled": self.SETTLED | change}, self.inputs()) == []
        assert next_steps({}, self.inputs()) == []

    def test_table_gets_words_and_no_command(self) -> None:
        settled = self.SETTLED | {"next": self.NEXT | {"total": None}}
        [step] = next_steps({"settled": settled}, self.inputs())
        assert (step.command, step.trials) == ("", None)
        assert step.words.startswith("Train about *30 more design rows* for the other 4 answers")


def test_commands_are_for_studies_that_their_name_finds(study: OpenStudy) -> None:
    def folder(path: Path | None) -> str | None:
        environment: dict[str, object] = {}
        return study_context(study.config, study.space, environment, path).run_folder

    assert folder(study.folder.path) == "runs/made"
    assert folder(Path("elsewhere/made")) is None
    assert folder(Path("runs/copied")) is None
    assert folder(None) is None


def test_pages_of_tables_hold_no_command_of_a_search(study: OpenStudy, tmp_path: Path) -> None:
    run = open_run(study.folder.path)
    own = run.report(tmp_path / "own")
    assert "nas search --name made --trials" in (own.folder / "report.html").read_text()
    context = context_of_trials(run.records(), direction="minimize", name="made", sesoi=None)
    table = ReportInputs(study="made", trials=run.records(), repeats=[], context=context)
    written = write_report(tmp_path / "table", table)
    for name in ("report.html", "skip_benefit.json"):
        assert "nas search" not in (written.folder / name).read_text()
        assert "runs/" not in (written.folder / name).read_text()


def test_without_a_network_no_empty_picture_is_written_and_a_former_one_goes(
    tmp_path: Path,
) -> None:
    table = tmp_path / "a.csv"
    table.write_text("trial,state,source,value,skip.stage1.block1\n0,complete,adaptive,1,none\n")
    rows = read_trials_csv(table)
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "skip_map.svg").write_text("<svg/>")
    context = BenefitContext(direction="minimize")
    write_report(folder, ReportInputs(study="a", trials=rows, repeats=[], context=context))
    assert names(folder) == [name for name in FILES if name != "skip_map.svg"]


def test_a_folder_that_cannot_be_written_is_told_with_a_remedy(
    study: OpenStudy, tmp_path: Path
) -> None:
    # A file in the folder's place; permissions would not stop an administrator.
    (tmp_path / "file").write_text("")
    match = r"file.report: the report's folder must be writable, got .* with --out DIR"
    with pytest.raises(RunFolderError, match=match):
        write_report(tmp_path / "file" / "report", inputs_of(study))


def test_the_context_of_a_space_knows_what_may_end_at_each_block() -> None:
    config = make_config({"space": {"name": "longskip", "max_blocks": 2, "max_span": 3}})
    space = config.make_space()
    context = study_context(config, space, {})
    assert context.reference_spec == space.uniform((2, 2, 2), Kind.NONE)
    assert context.reference_depths == (2, 2, 2)
    assert context.kinds == tuple(Kind)
    assert context.choices is not None
    assert [own.spans for own in context.choices.values()] == [(1,), (1, 2), *[(1, 2, 3)] * 4]


def test_a_space_of_a_users_own_needs_no_uniform_networks_for_its_context() -> None:
    context = study_context(make_config({}), TransitionSpace(), {})
    assert context.reference_spec is not None
    assert context.reference_spec.code == "2-2 NN NN"
    assert context.reference_depths == (2, 2)
    without = study_context(make_config({}), TransitionSpace(names="wiring"), {})
    assert (without.kinds, without.choices) == ((), {})


def test_the_context_knows_which_constraints_are_set() -> None:
    config = make_config({"constraints": {"max_macs": 10**6, "max_layers": 20}})
    space = TransitionSpace()
    assert study_context(config, space, {}).limits == {"max_macs": 10**6, "max_layers": 20}
    assert study_context(make_config({}), space, {}).limits == {}


def test_claims_of_the_run_folder_are_in_the_report_and_linked(
    study: OpenStudy, tmp_path: Path
) -> None:
    folder = study.folder.path
    assert read_claims(folder) == []
    claims = [{"id": "C7", "statement": "Deep networks need skips.", "verdict": "supported"}]
    (folder / "claims").mkdir()
    (folder / "claims" / "claims.json").write_text(json.dumps(claims))
    (folder / "claims" / "claims.html").write_text("<html></html>")
    run = open_run(folder)
    written = run.report()
    assert written.benefit["claims"] == claims
    page = (written.folder / "report.html").read_text()
    assert 'href="../claims/claims.html"' in page
    elsewhere = run.report(tmp_path / "elsewhere")
    assert "claims.html" not in (elsewhere.folder / "report.html").read_text()


@pytest.mark.parametrize("text", ["", "{", "3", '{"id": 1}', '["x"]'])
def test_claims_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "claims.json").write_text(text)
    assert read_claims(tmp_path) == []
    assert read_claims(None) == []


def test_importances_stand_beside_the_map_as_associations(study: OpenStudy) -> None:
    found = estimate(inputs_of(study))
    assert found["secondary"]["fanova"]["grade"] == "association"
    assert "truth" not in found

from dataclasses import replace
from pathlib import Path

import pytest

from nas.config import StudyConfig, make_config
from nas.display import Answers
from nas.errors import ExportError
from nas.exporting import weights_key
from nas.owner import Owner
from nas.repeats_feed import RepeatsFeed, plan_anchors, plan_finalists
from nas.results import Results
from nas.run_folder import RunFolder
from nas.timing import Timing
from nas.trials import Source
from search_spaces.spec import Kind
from tests.nas.fake_pool import FakePool, open_tiny, search, take_trials, tiny_config
from trainer.checkpoints import FolderCheckpoints

CONFIG = tiny_config(trials=8)


def made(folder: Path, config: StudyConfig = CONFIG, *, with_finalists: bool = True) -> Results:
    """Return the results of a study that nobody had to train."""
    feed = search(folder, config)
    study = open_tiny(folder, config)
    repeats = take_trials(study, repeats=True)
    repeats.take_over()
    finalists = plan_finalists(feed.trials.ended[:2], 2) if with_finalists else []
    plans = {Source.ANCHOR: plan_anchors(study.space, 2), Source.FINALIST: finalists}
    feeds = [
        RepeatsFeed(config, study.space, repeats, source, lambda plan=plan: plan)
        for source, plan in plans.items()
    ]
    Owner(FakePool(), feeds).run()
    RunFolder(folder).write_environment(["cpu", "cpu"])
    results = Results(RunFolder(folder), config)
    results.load(feed.trials.ended[::-1], repeats.ended)
    return results


def test_trials_are_in_order_of_number(tmp_path: Path) -> None:
    results = made(tmp_path)
    assert [record.number for record in results.trials] == list(range(8))
    assert [record.number for record in results.repeats] == list(range(12))


def test_answers_are_counted_once_there_are_rows(tmp_path: Path) -> None:
    results = made(tmp_path)
    assert results.count_answers([]) is None
    adaptive = [r for r in results.trials if r.source is Source.ADAPTIVE]
    assert results.count_answers(adaptive) is None
    # Six blocks, each with identity and projection.
    assert results.count_answers(results.trials + results.repeats) == Answers(
        settled=0, precise=0, total=12
    )


def test_the_winner_has_the_best_mean_over_fresh_seeds(tmp_path: Path) -> None:
    results = made(tmp_path)
    ranking = results.ranking(results.repeats)
    assert ranking is not None
    means = [standing.spread.mean for standing in ranking.standings]
    assert means == sorted(means)
    winner = results.winner(results.repeats)
    assert winner is not None
    assert winner.spec_id == ranking.winner.spec_id
    assert winner.source is Source.FINALIST


def test_without_finalists_there_is_no_winner_and_no_export(tmp_path: Path) -> None:
    results = made(tmp_path, with_finalists=False)
    assert results.winner(results.repeats) is None
    assert results.write_export() is None
    results.drop_spare_weights()
    assert not (tmp_path / "export").exists()
    assert results.conclusion() == f"done     {tmp_path}"


def test_a_trial_whose_network_was_retrained_for_another_is_exported_as_that_one(
    tmp_path: Path,
) -> None:
    results = made(tmp_path)
    [same] = [r for r in results.trials if r.number == results.repeats[-1].of_trial]
    results.trials.append(replace(same, number=99))
    with pytest.raises(ExportError, match=rf"weights of repeat \d+ \(of trial {same.number}\)"):
        results.write_export(of_trial=99)


def test_only_the_best_run_of_each_finalist_keeps_its_weights(tmp_path: Path) -> None:
    results = made(tmp_path)
    checkpoints = FolderCheckpoints(results.folder.checkpoints)
    finalists = [r for r in results.repeats if r.source is Source.FINALIST]
    for record in finalists:
        checkpoints.save(weights_key(record), b"weights")
    results.drop_spare_weights()
    kept = {r.number for r in finalists if checkpoints.load(weights_key(r)) is not None}
    ranking = results.ranking(results.repeats)
    assert ranking is not None
    assert kept == {standing.runs[0].number for standing in ranking.standings}
    assert len(kept) == 2


def test_the_report_goes_to_the_run_folder_or_where_it_is_asked_for(tmp_path: Path) -> None:
    results = made(tmp_path)
    Timing(results.folder.timing.parent / "timing.json").add("x", 1.0)
    assert results.wall_seconds is None
    written = results.write_report()
    assert written.folder == results.folder.report
    assert results.write_report(tmp_path / "elsewhere").folder == tmp_path / "elsewhere"
    assert written.benefit["sesoi"] != 0.25
    results.set_sesoi(0.25)
    results.set_sesoi(None)
    assert results.context.sesoi == 0.25
    assert results.write_report().benefit["sesoi"] == 0.25


def test_the_conclusion_names_the_best_and_where_to_look(tmp_path: Path) -> None:
    results = made(tmp_path)
    results.write_report()
    lines = results.conclusion().splitlines()
    assert results.report is not None
    assert lines[0] == results.report.headline
    assert lines[2].startswith("best     ")
    assert "over 2 fresh seeds" in lines[2]
    assert lines[3] == f"report   {results.folder.report / 'report.html'}"


def test_versions_and_machine_are_those_of_the_environment(tmp_path: Path) -> None:
    results = made(tmp_path)
    assert {"skip-nas", "python", "torch", "optuna", "machine"} <= results.versions.keys()
    assert results.versions["devices"] == "cpu"
    assert results.num_workers == 2


@pytest.mark.parametrize("text", [None, "{"])
def test_a_folder_without_an_environment_still_has_results(
    tmp_path: Path, text: str | None
) -> None:
    made(tmp_path)
    path = RunFolder(tmp_path).environment
    path.unlink()
    if text is not None:
        path.write_text(text)
    results = Results(RunFolder(tmp_path), CONFIG)
    assert results.versions == {}
    assert results.num_workers == 1


def test_networks_of_a_task_with_a_head_of_its_own_are_not_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results_task.py").write_text(
        "from trainer.module import CandidateModule\n"
        "class Loss(CandidateModule):\n"
        "    def training_loss(self, logits, labels):\n"
        "        return logits.square().mean()\n"
        "class Head(CandidateModule):\n"
        "    def forward(self, images):\n"
        "        return 2 * self.network(images)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    results = made(tmp_path / "study")
    results.config = make_config(CONFIG.to_dict() | {"task": {"class_path": "results_task.Loss"}})
    assert results.export_problem() is None
    results.config = make_config(CONFIG.to_dict() | {"task": {"class_path": "results_task.Head"}})
    results.try_export()
    assert "got the network of task='results_task.Head'" in str(results.no_export)
    assert results.conclusion().splitlines()[-1] == f"export   none: {results.no_export}"
    with pytest.raises(ExportError, match="An export needs the network that the architecture"):
        results.write_export()


def test_a_block_that_no_export_can_hold_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results_helper.py").write_text("")
    (tmp_path / "results_block.py").write_text(
        "import results_helper\n"
        "from search_spaces.blocks import BasicBranch\n"
        "class Block(BasicBranch):\n"
        "    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = {"class_path": "results_block.Block"}
    for block in (own, ["basic", own]):
        config = make_config(CONFIG.to_dict() | {"space": CONFIG.space | {"block": block}})
        results = Results(RunFolder(tmp_path / "study"), config)
        assert "got an import of 'results_helper'" in str(results.export_problem())
    # A winner of shipped blocks can be exported all the same.
    space = config.make_space()
    assert results.export_problem(space.uniform(space.deepest, Kind.IDENTITY)) is None


def test_search_that_ended_early_is_concluded_with_its_reason(tmp_path: Path) -> None:
    results = made(tmp_path)
    results.ended_early = "the rows ran out"
    assert "search   ended after 8 of 8 trials: the rows ran out" in results.conclusion()


def test_what_was_looked_up_has_no_weights_to_export(tmp_path: Path) -> None:
    results = Results(RunFolder(tmp_path), make_config({"data": "skipbench"}))
    assert "looked up in a table, which holds no weights" in str(results.export_problem())

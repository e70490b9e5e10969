"""Whole studies on a pool without processes: what is trained, in which order, and what is said."""

import contextlib
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nas.ablation_plan import AblateOptions, plan_ablation
from nas.config import StudyConfig, make_config
from nas.config_file import merge
from nas.design_queue import DesignQueue
from nas.devices import Slot
from nas.display import Answers
from nas.errors import ConfigError, ExportError
from nas.messages import Ready
from nas.pool import Event
from nas.repeats_feed import RepeatsFeed, plan_finalists
from nas.results import Results
from nas.run import open_run
from nas.run_folder import RunFolder
from nas.study_run import SearchOptions, StudyRun
from nas.trials import Source, State
from nas.worker_board import read_board
from search_spaces.spec import Kind
from tests.nas.fake_pool import FakePool, Fate, as_optuna, open_tiny, take_trials, tiny_config
from trainer.measurement import Candidate

SLOTS = [Slot(index=number, device="cpu", label="cpu") for number in (1, 2)]


def run_study(
    folder: Path,
    config: StudyConfig,
    *,
    fate: Fate = lambda candidate, attempt: "done",
    report: bool = True,
    export: bool = False,
) -> tuple[FakePool, str]:
    """Run a study as its owner does; return its pool and what it printed."""
    stream = io.StringIO()
    pool = FakePool(epochs=config.recipe.epochs, fate=fate)
    study = open_tiny(folder, config)
    RunFolder(folder).write_config(config)
    RunFolder(folder).write_environment(["cpu", "cpu"])
    options = SearchOptions(with_report=report, with_export=export, stream=stream)
    try:
        StudyRun(study, SLOTS, options, make_pool=lambda study, slots: pool).run()
    finally:
        assert not (folder / "workers.json").exists()
        assert pool.closed == bool(pool.works)
    return pool, stream.getvalue()


def sources(folder: Path) -> Counter[str]:
    run = open_run(folder)
    return Counter(record.source.value for record in [*run.records(), *run.repeats()])


def test_search_anchors_report_and_conclusion_come_in_order(tmp_path: Path) -> None:
    pool, said = run_study(tmp_path, tiny_config(trials=8))
    assert sources(tmp_path) == {"randomised": 4, "adaptive": 4, "anchor": 8}
    assert [work.keys[0][:6] for work in pool.works] == ["trial-"] * 8 + ["repeat"] * 8
    lines = said.splitlines()
    assert lines[0] == f"study    tiny in {tmp_path}"
    assert lines[1].startswith("devices  2 workers on cpu")
    assert lines[2].startswith("price    4 randomised trials at 14 layers")
    assert lines[4].startswith("power    to see 0.5 residual sd at a single block takes about ")
    assert lines[-1] == f"report   {tmp_path / 'report' / 'report.html'}"
    timing = json.loads((tmp_path / "logs" / "timing.json").read_text())
    assert timing["counts"]["search.tell"] == timing["counts"]["anchors.tell"] == 8
    assert timing["workers"] == 2


def test_without_report_and_export_only_the_search_is_done(tmp_path: Path) -> None:
    _, said = run_study(tmp_path, tiny_config(trials=4), report=False)
    assert sources(tmp_path) == {"randomised": 2, "adaptive": 2}
    assert not (tmp_path / "report").exists()
    assert said.splitlines()[-1] == f"done     {tmp_path}"


@pytest.mark.parametrize("report", [True, False])
def test_the_winner_is_compared_with_identity_at_its_own_depth(
    tmp_path: Path, report: bool
) -> None:
    config = tiny_config(trials=8, goal="best", finalists=2, finalist_seeds=2)
    # No weights were kept by the made-up trainings, so that the export cannot be made.
    with pytest.raises(ExportError, match=r"The weights of repeat \d+ \(of trial \d+\) must be"):
        run_study(tmp_path, config, report=report, export=True)
    run = open_run(tmp_path)
    finalists = [r for r in run.repeats() if r.source is Source.FINALIST]
    assert Counter(r.of_trial for r in finalists) == dict.fromkeys(
        {r.of_trial for r in finalists}, 2
    )
    assert len(finalists) == 4
    assert run.ranking is not None
    winner = run.ranking.winner.spec
    assert winner is not None
    rivals = [
        r
        for r in run.repeats()
        if r.source is Source.ANCHOR and r.spec and r.spec.depths == winner.depths
    ]
    identity = run.config.make_space().uniform(winner.depths, Kind.IDENTITY)
    assert Counter(r.spec_id for r in rivals)[identity.spec_id] == 2
    # The report was written before the export failed.
    assert (tmp_path / "report" / "report.html").is_file() is report


def test_a_study_none_of_whose_trials_is_complete_still_ends(tmp_path: Path) -> None:
    config = tiny_config(trials=3, goal="best", finalists=1)

    def fate(candidate: Candidate, attempt: int) -> str:
        return "lost" if candidate.key.startswith("repeat") else "done"

    _, said = run_study(tmp_path, config, fate=fate, export=True)
    repeats = open_run(tmp_path).repeats()
    assert {r.state for r in repeats} == {State.FAILED}
    assert {r.reason for r in repeats} == {"lost"}
    assert "export" not in said.splitlines()[-1]


def test_anchors_of_the_reference_depth_come_early_and_the_others_last(tmp_path: Path) -> None:
    pool, said = run_study(tmp_path, tiny_config(trials=24))
    keys = [work.keys[0] for work in pool.works]
    first = keys.index("repeat-0000")
    # Two workers: one search trial more may have begun.
    assert first in (16, 17)
    assert [key[:6] for key in keys[first : first + 4]] == ["repeat"] * 4
    repeats = open_run(tmp_path).repeats()
    assert [r.layers for r in repeats] == [14] * 4 + [8] * 4
    assert [key[:6] for key in keys[-4:]] == ["repeat"] * 4
    assert "24/24 trials; 8/8 repeats" in said


@pytest.mark.parametrize("trains", [True, False])
def test_owner_is_known_while_it_writes_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trains: bool
) -> None:
    if not trains:
        run_study(tmp_path, tiny_config(trials=2))
    seen: list[Any] = []
    write_report = Results.write_report

    def look(self: Results) -> object:
        seen.append(read_board(self.folder.workers))
        return write_report(self)

    monkeypatch.setattr(Results, "write_report", look)
    run_study(tmp_path, tiny_config(trials=2))
    assert [board["workers"] for board in seen] == [[]]


def test_begun_finalist_ends_even_where_no_finalists_are_asked_for(tmp_path: Path) -> None:
    config = tiny_config(trials=4, finalists=1, finalist_seeds=2)
    run_study(tmp_path, config, report=False)
    study = open_tiny(tmp_path, config)
    repeats = take_trials(study, repeats=True)
    planned = plan_finalists(open_run(tmp_path).records()[:1], 2)
    # Its owner was killed while it was in training.
    assert RepeatsFeed(config, study.space, repeats, Source.FINALIST, lambda: planned).next()
    pool, _ = run_study(tmp_path, config, report=False)
    assert [work.keys for work in pool.works] == [("repeat-0000",)]
    assert [r.state for r in open_run(tmp_path).repeats()] == [State.COMPLETE]


class TestAblation:
    CONFIG = tiny_config(trials=4, goal="best", finalists=1, finalist_seeds=2)
    FLIPS = ("stage1.block1=none", "stage3.block1=projection")

    def ablate(
        self, folder: Path, *flips: str, seeds: int = 2, fate: Fate = lambda c, attempt: "done"
    ) -> tuple[FakePool, str]:
        """Ablate the anchors of a study whose search has not begun; its pool and what it said."""
        stream, pool = io.StringIO(), FakePool(fate=fate, group_size=4)
        study = open_tiny(folder, self.CONFIG)
        RunFolder(folder).write_config(self.CONFIG)
        options = AblateOptions(top=0, seeds=seeds, flips=flips or self.FLIPS)
        plan = plan_ablation(study.space, self.CONFIG.recipe, None, options)
        made = StudyRun(
            study, SLOTS, SearchOptions(stream=stream), make_pool=lambda study, slots: pool
        )
        made.ablate(plan)
        return pool, stream.getvalue()

    def test_price_comes_first_then_the_pairs_then_report_and_table(self, tmp_path: Path) -> None:
        pool, said = self.ablate(tmp_path)
        assert all(work.test for work in pool.works)
        lines = said.splitlines()
        assert lines[0] == f"study    tiny in {tmp_path}"
        assert lines[1] == "ablate   identity-14  2 flips"
        assert lines[3].startswith("price    10 trainings on 2 fresh seeds; 2 epochs each, about ")
        assert "10/10 repeats" in said
        assert "identity-14, test log_loss 0.5000: mean of 2 pairs, positive = better" in said
        assert lines[-1] == f"report   {tmp_path / 'report' / 'report.html'}"
        assert (tmp_path / "report" / "repeats.csv").is_file()
        told = Counter((r.base, r.flip) for r in open_run(tmp_path).repeats())
        assert told == {
            ("identity-14", None): 2,
            ("identity-14", "stage1.block1=none"): 2,
            ("identity-14", "stage3.block1=projection"): 2,
            ("plain-14", None): 2,
            ("plain-14", "stage3.block1=projection"): 2,
        }
        assert not (tmp_path / "workers.json").exists()

    def test_second_call_trains_what_is_new_alone(self, tmp_path: Path) -> None:
        self.ablate(tmp_path)
        pool, said = self.ablate(tmp_path)
        assert pool.works == []
        assert "price    10 of 10 are done, nothing is left to train." in said
        pool, said = self.ablate(tmp_path, seeds=3)
        assert sum(len(work.candidates) for work in pool.works) == 5
        assert "10 of 15 are done, 5 trainings on 3 fresh seeds" in said
        # A flip more needs its own trainings only: the base has been trained on these seeds.
        pool, _ = self.ablate(tmp_path, *self.FLIPS, "stage2.block1=none", seeds=3)
        assert sum(len(work.candidates) for work in pool.works) == 3

    def test_lost_workers_and_failed_trainings_end_it_all_the_same(self, tmp_path: Path) -> None:
        def fate(candidate: Candidate, attempt: int) -> str:
            if candidate.key == "repeat-0001":
                return "diverged"
            return "lost" if attempt == 1 else "done"

        _, said = self.ablate(tmp_path, fate=fate)
        states = Counter(r.state for r in open_run(tmp_path).repeats())
        assert states == {State.COMPLETE: 9, State.FAILED: 1}
        assert "1 failed" in said


def test_repeats_are_counted_up_to_their_end(tmp_path: Path) -> None:
    config = tiny_config(trials=4, goal="best", finalists=2, finalist_seeds=2)
    run_study(tmp_path, config)
    with pytest.raises(ExportError, match="weights"):
        run_study(tmp_path, config, report=False, export=True)
    number = len(open_run(tmp_path).repeats())
    stream = io.StringIO()
    with contextlib.suppress(ExportError):
        study = open_tiny(
            tmp_path, tiny_config(trials=5, goal="best", finalists=2, finalist_seeds=2)
        )
        options = SearchOptions(with_report=False, with_export=True, stream=stream)
        StudyRun(study, SLOTS, options, make_pool=lambda study, slots: FakePool()).run()
    done = len(open_run(tmp_path).repeats())
    assert done >= number
    assert f"5/5 trials; {done}/{done} repeats" in stream.getvalue()


def test_a_settled_study_trains_nothing_more(tmp_path: Path) -> None:
    # With an effect worth having as large as this, eighteen rows settle everything.
    settings: dict[str, Any] = {"space": {"stages": 2}, "sesoi": 10.0, "goal": "map"}
    run_study(tmp_path, tiny_config(trials=18, **settings), report=False)
    more = tiny_config(trials=24, until="settled", **settings)
    pool, said = run_study(tmp_path, more, report=False)
    assert pool.works == []
    assert "until    every answer is precise; stopped after 1 look\n" in said
    counts = json.loads((tmp_path / "logs" / "timing.json").read_text())["counts"]
    assert counts["looks"] == 1
    assert "resume   18 trials are done, 0 go on from their checkpoints, 6 to go" in said


def test_a_space_without_none_settles_on_identity_against_projection(tmp_path: Path) -> None:
    space = {"stages": 2, "kinds": ["identity", "projection"]}
    settings: dict[str, Any] = {"space": space, "sesoi": 10.0, "goal": "map"}
    run_study(tmp_path, tiny_config(trials=20, **settings), report=False)
    _, said = run_study(tmp_path, tiny_config(trials=36, until="settled", **settings))
    assert "until    every answer is precise; stopped after 1 look" in said
    assert sources(tmp_path)["randomised"] == 20
    settled = open_run(tmp_path).skip_benefit()["settled"]
    assert settled["num_precise"] == settled["num_answers"] == 4
    assert "projection in place of an identity" in said


def test_a_study_stops_on_precision_and_never_because_all_is_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Answers(settled=8, precise=0, total=8)
    monkeypatch.setattr(Results, "count_answers", lambda self, ended: found)
    _, said = run_study(tmp_path / "a", tiny_config(trials=6, until="settled"), report=False)
    assert sum(sources(tmp_path / "a").values()) == 6
    assert re.search(r"until    some answers are not precise after \d+ looks? at them\n", said)
    found = Answers(settled=0, precise=8, total=8)
    _, said = run_study(tmp_path / "b", tiny_config(trials=6, until="settled"), report=False)
    assert sources(tmp_path / "b") == {}
    assert "stopped after 1 look\n" in said


def test_a_study_that_is_not_settled_goes_on_to_its_total(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"space": {"stages": 2}, "goal": "map", "until": "settled"}
    run_study(tmp_path, tiny_config(trials=2, **settings), report=False)
    run_study(tmp_path, tiny_config(trials=5, **settings), report=False)
    assert sum(sources(tmp_path).values()) == 5


@pytest.mark.parametrize(
    "space",
    [
        {"kinds": ["identity", "projection"]},
        {"kinds": ["none", "identity"]},
        {"stages": 1, "max_blocks": 1},
        {"min_blocks": 2, "max_blocks": 2},
    ],
)
@pytest.mark.parametrize("trials", [1, 3])
def test_every_space_and_every_total_ends_in_a_report(
    tmp_path: Path, space: dict[str, Any], trials: int
) -> None:
    config = tiny_config(trials=trials, space=space, until="settled")
    _, said = run_study(tmp_path, config)
    assert (tmp_path / "report" / "report.html").stat().st_size > 0
    assert said.splitlines()[-1].startswith("report   ")


def export_trial(folder: Path, config: StudyConfig, number: int) -> tuple[FakePool, str]:
    """Export one trial as `nas export --trial` does; the made-up trainings have no weights."""
    stream, pool = io.StringIO(), FakePool()
    options = SearchOptions(stream=stream)
    run = StudyRun(open_tiny(folder, config), SLOTS, options, make_pool=lambda s, slots: pool)
    with pytest.raises(ExportError, match=rf"weights of repeat \d+ \(of trial {number}\)"):
        run.export_trial(number)
    return pool, stream.getvalue()


class TestExportOfATrial:
    CONFIG = tiny_config(trials=4, goal="best", finalists=1, finalist_seeds=3)

    def test_it_is_trained_on_fresh_seeds_beside_its_rival(self, tmp_path: Path) -> None:
        run_study(tmp_path, self.CONFIG, report=False)
        pool, said = export_trial(tmp_path, self.CONFIG, 2)
        run = open_run(tmp_path)
        kinds = Counter((r.source.value, r.of_trial) for r in run.repeats())
        assert kinds == {("finalist", 2): 3, ("anchor", None): 2}
        assert {r.spec_id for r in run.repeats()[:3]} == {run.records()[2].spec_id}
        assert said.startswith("retrain  trial 2 on 3 fresh seeds")
        assert "4/4 trials; 5/5 repeats" in said
        assert not (tmp_path / "workers.json").exists()
        # The next time there is nothing more to train.
        pool, _ = export_trial(tmp_path, self.CONFIG, 2)
        assert pool.works == []

    @pytest.mark.parametrize("number", [1, 5, -1])
    def test_only_a_complete_trial_can_be_trained_again(self, tmp_path: Path, number: int) -> None:
        def fate(candidate: Candidate, attempt: int) -> str:
            return "diverged" if candidate.key == "trial-0001" else "done"

        run_study(tmp_path, self.CONFIG, fate=fate, report=False)
        pool = FakePool()
        study = open_tiny(tmp_path, self.CONFIG)
        stream = io.StringIO()
        run = StudyRun(study, SLOTS, SearchOptions(stream=stream), make_pool=lambda s, slots: pool)
        with pytest.raises(ConfigError, match=rf"got trial={number}\. Complete: 0, 2 to 4\."):
            run.export_trial(number)
        assert (pool.works, stream.getvalue()) == ([], "")

    def test_trainings_that_all_fail_are_said(self, tmp_path: Path) -> None:
        run_study(tmp_path, self.CONFIG, report=False)
        pool = FakePool(fate=lambda candidate, attempt: "diverged")
        options = SearchOptions(stream=io.StringIO())
        study = open_tiny(tmp_path, self.CONFIG)
        run = StudyRun(study, SLOTS, options, make_pool=lambda s, slots: pool)
        with pytest.raises(ExportError, match=r"complete fresh training, got none of trial=0"):
            run.export_trial(0)


def test_a_wandb_that_cannot_be_written_costs_warnings_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_config(trials=2)
    wandb = config.wandb.model_copy(update={"mode": "offline"})
    config = config.model_copy(update={"wandb": wandb})
    # Its folder cannot be made.
    (tmp_path / "wandb").write_text("")
    run_study(tmp_path, config)
    assert [r.state for r in open_run(tmp_path).records()] == [State.COMPLETE] * 2
    assert "warning: W&B" in capsys.readouterr().err


def test_an_enqueued_mistake_is_in_the_report_as_a_failure(tmp_path: Path) -> None:
    config = tiny_config(trials=2)
    as_optuna(open_tiny(tmp_path, config).search).enqueue_trial({"depth.stage1": 99})
    run_study(tmp_path, config)
    table = (tmp_path / "report" / "trials.csv").read_text().splitlines()
    assert sum("failed" in line for line in table) == 1
    assert len(table) == 4


def test_plan_says_what_is_limited_and_searched_and_the_end_what_was_refused(
    tmp_path: Path,
) -> None:
    changes = {
        "constraints": {"max_params": 1600, "max_layers": 20},
        "recipe": {"lr": {"low": 0.03, "high": 0.3}},
    }
    config = make_config(merge(tiny_config(trials=12).to_dict(), changes))
    _, said = run_study(tmp_path, config, report=False)
    lines = said.splitlines()
    assert (
        "recipe   lr from 0.03 to 0.3 in adaptive trials, 0.0949 in design rows and anch" in said
    )
    assert "limits   max_params 1,600, max_layers 20; no network of the design (2-2-2 bloc" in said
    assert "price    12 adaptive trials for the best network,\n         0 anchor" in said
    assert re.fullmatch(
        r"limits   \d+ proposals? exceeded max_params and cost no training", lines[-1]
    )
    # The plan has said that there is no map; no line tells of one.
    assert said.count("skip map") == 1
    assert sources(tmp_path) == {"adaptive": 12}


ROWS = 3
"""So many design rows of the studies below are quick enough."""


def give_few_rows(folder: Path, config: StudyConfig) -> StudyConfig:
    """Limit the latency, which the folder holds for every network: all but few rows are slow."""
    config = make_config(merge(config.to_dict(), {"constraints": {"max_latency_ms": 2.0}}))
    space = config.make_space()
    queue = DesignQueue(space, config.search)
    quick = {queue.next()[0].spec_id for _ in range(ROWS)}
    known = {
        spec.spec_id: 3.0 if spec.depths == space.deepest and spec.spec_id not in quick else 1.0
        for spec in space
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latency.json").write_text(json.dumps({"cpu batch 1": known}))
    return config


def warnings(folder: Path) -> dict[str, str]:
    benefit = json.loads((folder / "report" / "skip_benefit.json").read_text())
    return {entry["code"]: entry["text"] for entry in benefit["warning_details"]}


@pytest.mark.parametrize("settings", [{"goal": "map"}, {"mode": "effects"}])
def test_search_for_rows_only_ends_with_a_reason_where_they_run_out(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    config = give_few_rows(tmp_path, tiny_config(trials=8, **settings))
    _, said = run_study(tmp_path, config)
    assert sources(tmp_path) == {"randomised": ROWS, "anchor": 8}
    assert (
        f"The design is given up after {ROWS} of its rows: the next 300 are beyond the constraints; "
        "the search ends with what is trained." in said
    )
    reason = f"search   ended after {ROWS} of 8 trials: only design rows may be trained, and 300"
    assert reason in said
    assert "300 design rows left out for the constraints: the design was given up" in said
    assert warnings(tmp_path)["W_CONSTRAINED"].startswith("300 rows of the design exceeded")
    # The same command again has nothing more to train, and says the same.
    pool, again = run_study(tmp_path, config)
    assert pool.works == []
    assert reason in again
    assert warnings(tmp_path)["W_CONSTRAINED"].startswith("300 rows of the design exceeded")
    assert sum(trial.rows_left_out for trial in open_run(tmp_path).records()) == 300


def test_search_for_both_goes_on_with_adaptive_trials_where_rows_run_out(tmp_path: Path) -> None:
    config = give_few_rows(tmp_path, tiny_config(trials=10))
    _, said = run_study(tmp_path, config)
    assert sources(tmp_path) == {"randomised": ROWS, "adaptive": 10 - ROWS, "anchor": 8}
    assert "beyond the constraints; the rest is adaptive." in said
    assert "search   ended" not in said
    assert warnings(tmp_path)["W_CONSTRAINED"].startswith("300 rows of the design exceeded")
    more = make_config(merge(config.to_dict(), {"search": {"trials": 12}}))
    _, again = run_study(tmp_path, more)
    assert "limits   max_latency_ms 2; the design was given up" in again
    assert sources(tmp_path)["adaptive"] == 12 - ROWS
    assert sum(trial.rows_left_out for trial in open_run(tmp_path).records()) == 300


def test_limits_without_a_design_row_leave_one_plain_sentence_for_the_map(tmp_path: Path) -> None:
    limit = {"constraints": {"max_layers": 10}}
    config = make_config(merge(tiny_config(trials=4).to_dict(), limit))
    _, said = run_study(tmp_path, config)
    reason = "the limit max_layers=10 leaves no network of the design, hence no map"
    assert reason in said
    assert "design rows left out" not in said
    assert "no trial has source=randomised" not in said
    assert set(warnings(tmp_path)) & {"W_TPE_ONLY", "W_CONSTRAINED"} == {"W_TPE_ONLY"}
    assert "constraints leave no network of the design" in warnings(tmp_path)["W_TPE_ONLY"]


class Telling(FakePool):
    """Workers that say how many candidates at once they train."""

    def __init__(self, ready: Ready) -> None:
        super().__init__(group_size=ready.group_size)
        self.left: list[Event] = [ready, ready]

    def events(self, timeout_s: float) -> list[Event]:
        told, self.left = self.left, []
        return told or super().events(timeout_s)


class TestGroups:
    def run(self, folder: Path, **fields: Any) -> tuple[FakePool, str]:
        ready = Ready(pid=1, device="cpu", setup_seconds=1.0, **fields)
        stream, pool = io.StringIO(), Telling(ready)
        study = open_tiny(folder, tiny_config(trials=12))
        RunFolder(folder).write_config(study.config)
        RunFolder(folder).write_environment(["cpu", "cpu"])
        options = SearchOptions(with_export=False, stream=stream)
        StudyRun(study, SLOTS, options, make_pool=lambda study, slots: pool).run()
        return pool, stream.getvalue()

    def test_size_of_groups_is_said_once_and_kept(self, tmp_path: Path) -> None:
        seconds = {1: 0.02, 2: 0.015, 4: 0.01}
        pool, said = self.run(
            tmp_path, group_size=4, group_seconds=seconds, group_why="8 gain nothing more"
        )
        line = (
            "groups   up to 4 candidates per worker train as one network: together they take 0.50 of "
            "their time one by one\n"
        )
        assert said.count("groups   ") == said.count(line) == 1
        timing = json.loads((tmp_path / "logs" / "timing.json").read_text())
        assert timing["groups"] == {
            "size": 4,
            "seconds_per_step": {"1": 0.02, "2": 0.015, "4": 0.01},
            "why": "8 gain nothing more",
        }
        sizes = [len(work.candidates) for work in pool.works]
        assert sizes[:4] == [4, 4, 2, 2]
        assert max(sizes[4:]) == 2
        assert sources(tmp_path) == {"randomised": 6, "adaptive": 6, "anchor": 8}

    def test_why_candidates_train_alone_is_said(self, tmp_path: Path) -> None:
        _, said = self.run(tmp_path, group_why="candidates train one by one: 2 gain nothing more")
        assert "groups   none: candidates train one by one: 2 gain nothing more\n" in said


class TestResume:
    SEARCH: ClassVar[dict[str, Any]] = {"trials": 8, "finalists": 2, "finalist_seeds": 2}

    def run_again(self, folder: Path, **changes: Any) -> str:
        for search in (self.SEARCH, {**self.SEARCH, **changes}):
            stream = io.StringIO()
            study = open_tiny(folder, tiny_config(**search))
            RunFolder(folder).write_config(study.config)
            RunFolder(folder).write_environment(["cpu", "cpu"])
            options = SearchOptions(with_report=True, with_export=True, stream=stream)
            pool = FakePool(epochs=2)
            # No weights were kept by the made-up trainings, so that the export cannot be made.
            with contextlib.suppress(ExportError):
                StudyRun(study, SLOTS, options, make_pool=lambda study, slots: pool).run()  # noqa: B023
        return stream.getvalue()

    def test_a_finished_study_has_nothing_left_to_pay(self, tmp_path: Path) -> None:
        said = self.run_again(tmp_path)
        assert "price    nothing is left to train.\n" in said
        assert "power " not in said

    def test_more_trials_are_priced_alone_with_the_finalists_they_may_choose(
        self, tmp_path: Path
    ) -> None:
        said = self.run_again(tmp_path, trials=12)
        assert "price    2 randomised trials at 14 layers for the skip map, 2 adaptive" in said
        assert "0 anchor and 6 finalist trainings on fresh seeds" in said
        assert "8/12 trials; 12/18 repeats" in said

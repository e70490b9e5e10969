from pathlib import Path

import pytest

from nas.errors import RunFolderError, StorageError
from nas.run import Run, open_run
from nas.trials import Source, State
from search_spaces.spec import Kind
from tests.nas.made_studies import add_trial, make_study


def test_trials_are_a_table(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    study = make_study(tmp_path, [0.5, 0.25, None])
    run = open_run(study.folder.path)
    frame = pandas.DataFrame(run.trials())
    assert list(frame["value"][:2]) == [0.5, 0.25]
    assert list(frame["state"]) == ["complete", "complete", "running"]
    assert {"trial", "source", "depth.stage1", "skip.stage1.block1", "val_accuracy"} <= set(frame)
    assert run.path == study.folder.path
    assert run.config == study.config


def test_records_and_repeats_are_kept_apart(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5])
    add_trial(study, study.space.uniform((1, 1), Kind.NONE), Source.ANCHOR, 0.75)
    run = open_run(str(study.folder.path))
    assert [record.value for record in run.records()] == [0.5]
    assert [record.source for record in run.repeats()] == [Source.ANCHOR]


class TestBest:
    def test_smallest_is_best(self, tmp_path: Path) -> None:
        study = make_study(tmp_path, [0.5, 0.25, 0.3, None])
        best = open_run(study.folder.path).best
        assert best is not None
        assert (best.number, best.value) == (1, 0.25)

    def test_zero_is_a_value(self, tmp_path: Path) -> None:
        study = make_study(tmp_path, [0.5, 0.0])
        best = open_run(study.folder.path).best
        assert best is not None
        assert best.value == 0.0

    def test_largest_is_best_where_that_is_the_direction(self, tmp_path: Path) -> None:
        search = {"metric": "val/accuracy", "direction": "maximize", "trials": 6}
        study = make_study(tmp_path, [0.0, 0.5, 0.25], search=search)
        best = open_run(study.folder.path).best
        assert best is not None
        assert best.value == 0.5

    def test_before_the_first_there_is_none(self, tmp_path: Path) -> None:
        assert open_run(make_study(tmp_path, [None]).folder.path).best is None


def test_refresh_reads_what_came_since(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5])
    run = open_run(study.folder.path)
    add_trial(study, study.space.uniform((1, 1), Kind.NONE), Source.ADAPTIVE, 0.25)
    assert len(run.records()) == 1
    run.refresh()
    assert [record.state for record in run.records()] == [State.COMPLETE] * 2


def test_best_of_the_finalists_is_by_their_mean(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5, 0.25])
    run = open_run(study.folder.path)
    assert run.ranking is None
    assert run.export() is None
    one, other = (study.space.uniform((1, 2), kind) for kind in (Kind.NONE, Kind.IDENTITY))
    for spec, losses in ((one, (0.1, 0.9)), (other, (0.3, 0.4))):
        for replicate, loss in enumerate(losses):
            more = {"of_trial": 1, "replicate": replicate}
            add_trial(study, spec, Source.FINALIST, loss, **more)
    run.refresh()
    assert run.ranking is not None
    assert run.ranking.winner.spec == other


def test_skip_map_is_that_of_the_report(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.3 + 0.01 * (7 * n % 24) for n in range(24)])
    run = open_run(study.folder.path)
    run.set_sesoi(0.125)
    benefit = run.skip_benefit()
    assert run.report(tmp_path / "report").benefit["effects"] == benefit["effects"]
    assert (tmp_path / "report" / "report.html").is_file()
    run.set_sesoi(None)
    assert run.skip_benefit()["sesoi"] == benefit["sesoi"]


def test_reading_needs_no_owner_and_changes_nothing(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5])
    before = {path: path.read_bytes() for path in study.folder.path.iterdir()}
    Run(study.folder.path).trials()
    assert {path: path.read_bytes() for path in study.folder.path.iterdir()} == before


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"must hold config\.yaml, got "):
        open_run(tmp_path)
    study = make_study(tmp_path)
    (study.folder.path / "journal.log").write_text("{\n{}\n")
    with pytest.raises(StorageError, match=r"Line 1 of .* must be one JSON operation"):
        open_run(study.folder.path)

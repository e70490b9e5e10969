from pathlib import Path

from nas.given_up import keep_given_up, read_given_up, with_rows_left_out
from nas.open_study import read_trials
from nas.trials import Source
from search_spaces.spec import Kind
from tests.nas.made_studies import add_trial, make_study


def test_readers_of_a_study_count_the_rows_that_no_trial_counts(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    spec = study.space.uniform((2, 2), Kind.IDENTITY)
    add_trial(study, spec, Source.RANDOMISED, 0.5, rows_left_out=4)
    add_trial(study, spec, Source.ADAPTIVE, 0.5)
    storage, study_id = study.search.storage, study.search.study_id
    assert read_given_up(storage, study_id) is None
    keep_given_up(storage, study_id, 300)
    assert read_given_up(storage, study_id) == 300
    trials, _ = read_trials(storage, study.config.name)
    assert [trial.rows_left_out for trial in trials] == [4, 300]


def test_study_without_trials_or_without_such_rows_stays_as_it_is(tmp_path: Path) -> None:
    assert with_rows_left_out([], 300) == []
    study = make_study(tmp_path, [0.5])
    trials, _ = read_trials(study.search.storage, study.config.name)
    assert with_rows_left_out(trials, None) == trials

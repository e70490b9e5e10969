import json
from pathlib import Path

import optuna
import pytest

from benchmarks.job import Job
from benchmarks.shared_list import SharedList, draw_architectures, make_stock_sampler

SPACE = Job(trials=1, space={"max_blocks": 2}).make_space()


def test_drawn_architectures_are_different_and_the_same_for_a_seed() -> None:
    drawn = draw_architectures(SPACE, 40, seed=3)

    ids = {SPACE.from_decisions(answers).spec_id for answers in drawn}

    assert len(ids) == 40
    assert drawn == draw_architectures(SPACE, 40, seed=3)


def test_more_architectures_than_the_space_holds_are_refused() -> None:
    small = Job(trials=1, space={"stages": 1, "max_blocks": 1}).make_space()

    with pytest.raises(ValueError, match="at most the 3 architectures of the space, got count=4"):
        draw_architectures(small, 4)


@pytest.mark.parametrize("base", ["optuna", "nas"])
def test_trials_get_the_list_while_the_other_sampler_works(base: str, tmp_path: Path) -> None:
    drawn = draw_architectures(SPACE, 20)
    path = tmp_path / "list.json"
    path.write_text(json.dumps(drawn))
    sampler = SharedList(str(path), base=base, seed=1)  # pyright: ignore[reportArgumentType]
    study = optuna.create_study(sampler=sampler)

    # Beyond TPE's ten random trials, so that it chooses decisions together too.
    study.optimize(lambda trial: float(SPACE.suggest(trial).layers), n_trials=20)

    assert [trial.params for trial in study.trials] == drawn


def test_the_stock_sampler_is_the_one_that_optuna_makes() -> None:
    sampler = make_stock_sampler(None, seed=0)

    assert type(sampler) is type(optuna.create_study().sampler)

import numpy as np

from nas.benefit.plants import EVERYWHERE, ONE_BLOCK, ONE_STAGE, Plants
from nas.benefit.questions import block_questions, coarse_questions, kind_questions
from nas.benefit.sample import Sample
from search_spaces.spec import Kind, Place

CODES = np.array([[0, 1, 2], [2, 0, 0], [1, 1, -1]])
SAMPLE = Sample(
    places=(Place(1, 1), Place(1, 2), Place(2, 1)),
    codes=CODES,
    depths=np.array([[2, 1], [2, 1], [2, 0]]),
    value=np.zeros(3),
    cluster=np.arange(3),
    diverged=np.zeros(3, dtype=bool),
)
ASKED = [*coarse_questions(SAMPLE, tuple(Kind)), *block_questions(SAMPLE, tuple(Kind))]


def test_a_plant_adds_its_size_for_every_skip_at_its_blocks() -> None:
    plants = Plants(SAMPLE, ASKED)
    assert plants.stages == [1, 2]
    assert [list(plants.columns(where)) for where in (EVERYWHERE, ONE_STAGE, ONE_BLOCK)] == [
        [0],
        [1, 2],
        [3, 4, 5],
    ]
    assert plants.matrix[:, 0].tolist() == [2, 1, 2]
    assert plants.matrix[:, 1].tolist() == [1, 1, 2]
    assert plants.matrix[:, 3:].tolist() == [[0, 1, 1], [1, 0, 0], [1, 1, 0]]


def test_questions_are_about_a_plant_touched_by_it_or_idle() -> None:
    plants = Plants(SAMPLE, ASKED)
    names = np.array([f"{q.estimand} {q.stage} {q.position} {q.kind}" for q in ASKED])
    assert plants.is_about(0).all()
    assert not plants.is_idle(0).any()
    second_stage, first_block = 2, 3
    own = set(names[plants.is_about(second_stage)])
    assert own == {
        *(f"AMCE_STAGE 2 None {kind}" for kind in ("identity", "projection", "skip")),
        *(f"AMCE 2 2 {kind}" for kind in ("identity", "projection")),
    }
    assert set(names[plants.is_about(first_block)]) == {"AMCE 1 0 identity", "AMCE 1 0 projection"}
    # A block's effect is part of its stage's.
    idle = set(names[plants.is_idle(first_block)])
    assert "AMCE_STAGE 2 None skip" in idle
    assert not idle & {"AMCE_STAGE 1 None skip", "AMCE_ALL None None skip"}
    summary = set(names[plants.is_summary])
    assert "AMCE_ALL None None skip" in summary
    assert "AMCE_ALL None None identity" not in summary


def test_where_every_block_has_a_skip_projections_are_planted() -> None:
    plants = Plants(SAMPLE, kind_questions(SAMPLE, (Kind.IDENTITY, Kind.PROJECTION)))
    assert plants.matrix[:, 0].tolist() == [1, 1, 0]
    assert plants.is_summary.all()

import re
from typing import Any

import pytest

from nas.decision_names import name_problem
from search_spaces import InputShape, make_space
from search_spaces.space import Value
from search_spaces.spec import Kind

DIGITS = InputShape(channels=1, height=8, width=8)
SPACE = make_space({"name": "longskip", "stages": 1, "max_blocks": 2}, DIGITS, 10)
PLAIN = SPACE.uniform((2,), Kind.NONE)
SPEC = PLAIN.with_skips(
    [
        {"from": "stage1.block1", "to": "stage1.block2", "kind": "projection"},
        {"from": "stage1.block2", "to": "stage1.block2", "kind": "identity"},
    ]
)


@pytest.mark.parametrize(
    "name",
    [
        *("trial", "state", "source", "value", "seed", "lr", "weight_decay", "name", "of_trial"),
        *("reason", "spec_id", "layers", "params", "macs", "epochs_done", "seconds"),
        *("rows_left_out", "val_accuracy", "test_f1", "train_loss", "recipe.lr", "recipe.x"),
    ],
)
def test_name_of_a_column_is_reserved(name: str) -> None:
    problem = name_problem(SPEC, {name: 1})
    assert problem is not None
    assert problem.startswith("name no decision like a column of the tables")
    assert problem.endswith(f"got name={name!r}")


@pytest.mark.parametrize(
    "answers",
    [
        {"depth.stage1": 2, "width": 8, "block": "basic"},
        {"skip.stage1.block1": "none", "skip.stage1.block2": Kind.IDENTITY},
        {"span.stage1.block2": 1, "span2.stage1.block2": 2, "skip2.stage1.block2": "projection"},
        {"skip3.stage1.block2": "none", "skip2.stage1.block1": "none"},
        {"wiring.stage9": "x", "skipping": 0, "blocks": 3},
    ],
)
def test_names_that_are_true_are_fine(answers: dict[str, Value]) -> None:
    assert name_problem(SPEC, answers) is None


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        (
            "skip.stage1.block2",
            "projection",
            "with the kind of the shortest skip that ends there, 'identity' in the network .*, got"
            " 'projection'",
        ),
        ("skip.stage1.block1", "identity", "ends there, 'none' in .*, got 'identity'"),
        ("skip.stage1.block2", "yes", "'identity' in the network .*, got 'yes'"),
        ("skip2.stage1.block2", "none", "kind of the skip number 2, .*, 'projection' in"),
        ("span.stage1.block2", 2, "span in blocks of the shortest skip .*, 1 in the network"),
        ("span.stage1.block1", 1, "that ends there, 0 in the network"),
        ("skip.stage1.block3", "none", "blocks that exist, got 'skip.stage1.block3' for 2 blocks"),
        ("skip.encoder", "none", "or in words of its own, got name='skip.encoder'"),
        ("depth.all", 2, "name decisions like 'depth.stage1', .* got name='depth.all'"),
        ("depth.stage1", 0, "answer 'depth.stage1' with an int >= 1, got 0"),
        ("width", "narrow", "answer 'width' with an int >= 1, got 'narrow'"),
    ],
)
def test_name_that_is_not_true_is_told(name: str, answer: Any, said: str) -> None:
    problem = name_problem(SPEC, {name: answer})
    assert problem is not None
    assert re.search(said, problem)

from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial

from nas.callbacks import make_callbacks
from nas.errors import ConfigError
from tests.nas.fake_pool import tiny_config

HERE = "tests.nas.test_callbacks"
NUMBER = 3


def note(study: optuna.Study, trial: FrozenTrial) -> None:
    """A function may be a callback as it is."""


class Noting:
    """A class is instantiated with its arguments."""

    def __init__(self, word: str = "") -> None:
        self.word = word

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Do nothing."""


class Silent:
    """Cannot be called."""


def make(name: str, **init_args: Any) -> Any:
    callback = {"class_path": f"{HERE}.{name}", "init_args": init_args}
    return make_callbacks(tiny_config(callbacks=[callback]))


def test_functions_and_classes_become_callbacks() -> None:
    assert make("note") == (note,)
    [made] = make("Noting", word="x")
    assert isinstance(made, Noting)
    assert made.word == "x"
    assert make_callbacks(tiny_config()) == ()


@pytest.mark.parametrize(
    ("name", "init_args", "message"),
    [
        ("Noting", {"wrod": "x"}, r"test_callbacks\.Noting must take init_args=\{'wrod': 'x'\}"),
        ("Silent", {}, r"can be called with \(study, trial\), got '.*Silent'"),
        ("NUMBER", {}, r"can be called with \(study, trial\), got '.*NUMBER'"),
        ("Missing", {}, r"class_path must name an importable class, got '.*Missing'"),
    ],
)
def test_what_is_no_callback_is_refused(name: str, init_args: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(name, **init_args)

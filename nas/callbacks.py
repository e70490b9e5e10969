"""Optuna callbacks of a study, by class path."""

from collections.abc import Callable

import optuna
from optuna.trial import FrozenTrial

from nas.config import StudyConfig
from nas.errors import ConfigError
from nas.sampling import load_class

Callback = Callable[[optuna.Study, FrozenTrial], object]
"""Called after each ended trial of the search."""


def make_callbacks(config: StudyConfig) -> tuple[Callback, ...]:
    """Make the callbacks that the configuration names: instances of classes, or functions.

    Raises:
        ConfigError: One cannot be found or made.
    """
    made: list[Callback] = []
    for named in config.search.callbacks:
        found = load_class("search.callbacks", named.class_path)
        try:
            is_function = not isinstance(found, type) and not named.init_args
            callback = found if is_function else found(**named.init_args)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"search.callbacks: {named.class_path} must take init_args={named.init_args!r}, "
                f"got {error}."
            ) from error
        if not callable(callback):
            raise ConfigError(
                "search.callbacks must name what can be called with (study, trial), got "
                f"{named.class_path!r}."
            )
        made.append(callback)
    return tuple(made)

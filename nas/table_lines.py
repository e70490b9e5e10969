"""One line of a table of trials, read cell by cell."""

import contextlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from nas.table_columns import COUNTS, DECISION, INTEGERS, METRICS, NUMBERS, WORDS
from nas.table_problems import RowError
from nas.trials import Source, State, TrialRecord
from search_spaces.errors import SpecError, did_you_mean
from search_spaces.places import Kind
from search_spaces.space import Value

_STATES = (State.COMPLETE, State.PRUNED, State.FAILED)
_SPELLINGS = {"fail": State.FAILED.value}
"""Optuna's word, as its own tables of trials have it."""
_OWN_METRIC = re.compile(r"(?:val|test)_[A-Za-z0-9_]+")
_LARGEST = 1e50
"""Values beyond it overflow when variances are compared."""


@dataclass(frozen=True, kw_only=True)
class TableTrial(TrialRecord):
    """A trial of a table, whose network is not known but for its decisions."""

    stated_layers: int | None = None
    """Layers with weights, as the column `layers` has them."""

    @property
    def layers(self) -> int | None:
        """Layers with weights, where the table or a spec says them."""
        return self.stated_layers if self.spec is None else super().layers


class Line:
    """One line of a table.

    Args:
        where: Table and line, for messages.
        cells: Text by column.

    Raises:
        RowError: There are more cells than columns.
    """

    def __init__(self, where: str, cells: Mapping[str | None, Any]) -> None:
        self.where = where
        if None in cells:
            raise RowError(
                f"{where}: must have as many cells as the header, got {len(cells[None])} more. "
                "Quote cells that hold a comma.",
                "cells",
            )
        self.cells = {str(name): (text or "").strip() for name, text in cells.items()}

    def record(self) -> TrialRecord:
        """Return the trial.

        Raises:
            RowError: A cell is missing or wrong.
        """
        number = self._integer("trial")
        if number is None:
            raise self._wrong("trial", "must be an integer >= 0", "Number the trials.")
        state = State(self._state())
        source = Source(self._word("source", [source.value for source in Source]))
        value = self._number("value")
        if state is State.COMPLETE and value is None:
            raise self._wrong(
                "value",
                "must be a finite number where state=complete",
                "Fill it in; a training without a result is state=failed.",
            )
        metrics = {name: self._number(name) for name in METRICS}
        fields: dict[str, Any] = {name: self._integer(name) for name in INTEGERS}
        fields |= {name: self._number(name) for name in NUMBERS}
        if fields["lr"] is not None and not fields["lr"] > 0:
            raise self._wrong("lr", "must be > 0", "Leave it empty where it is not known.")
        fields |= {name: self.cells.get(name) or None for name in WORDS}
        fields |= {name: fields[name] or 0 for name in COUNTS}
        return TableTrial(
            number=number,
            state=state,
            source=source,
            decisions=self._decisions(),
            value=value,
            metrics={name: found for name, found in metrics.items() if found is not None}
            | self._own_metrics(),
            stated_layers=self._integer("layers"),
            **fields,
        )

    def _own_metrics(self) -> dict[str, float]:
        """Return what a task of the user's measured; cells that are no numbers mean nothing."""
        found: dict[str, float] = {}
        for name, text in self.cells.items():
            if text and _is_own_metric(name):
                with contextlib.suppress(ValueError):
                    found[name] = float(text)
        return {name: value for name, value in found.items() if abs(value) <= _LARGEST}

    def _wrong(self, column: str, rule: str, remedy: str) -> RowError:
        return RowError(
            f"{self.where}: column {column!r} {rule}, got {column}="
            f"{self.cells.get(column, '')!r}. {remedy}",
            f"{column} {rule}",
        )

    def _word(self, column: str, known: Sequence[str]) -> str:
        word = self.cells[column]
        if word not in known:
            raise self._wrong(column, "must be a known word", did_you_mean(word, known))
        return word

    def _state(self) -> str:
        word = self.cells["state"].lower()
        self.cells["state"] = _SPELLINGS.get(word, word)
        return self._word("state", [state.value for state in _STATES])

    def _number(self, column: str) -> float | None:
        text = self.cells.get(column, "")
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self._wrong(
                column, "must be a finite number", "A trial without a result is state=failed."
            )
        if abs(number) > _LARGEST:
            raise self._wrong(
                column,
                f"must be a finite number below {_LARGEST:g}",
                "A training that went astray is state=failed.",
            )
        return number

    def _integer(self, column: str) -> int | None:
        text = self.cells.get(column, "")
        if not text:
            return None
        # Tools that keep missing cells as NaN write whole numbers as 3.0.
        text = text.removesuffix(".0")
        if not text.isascii() or not text.isdigit():
            raise self._wrong(column, "must be an integer >= 0", "Write it without a fraction.")
        return int(text)

    def _decisions(self) -> dict[str, Value]:
        decisions: dict[str, Value] = {}
        for name, text in self.cells.items():
            if not text or not _is_decision(name):
                continue
            if name == "block":
                decisions[name] = text
            elif name.startswith("skip"):
                try:
                    decisions[name] = Kind.parse(text).value
                except SpecError as error:
                    raise RowError(
                        f"{self.where}: column {name!r}: {error}{_words_hint(text)}", "kind"
                    ) from None
            else:
                number = self._integer(name)
                if not number:
                    raise self._wrong(
                        name, "must be an integer >= 1", "Leave it empty where it does not exist."
                    )
                decisions[name] = number
        return decisions


@cache
def _is_decision(name: str) -> bool:
    return DECISION.match(name) is not None


@cache
def _is_own_metric(name: str) -> bool:
    return _OWN_METRIC.fullmatch(name) is not None and name not in METRICS


def _words_hint(text: str) -> str:
    """Words of the user's for kinds have to be explained."""
    return f" Say with --names what it means: kinds: {{{text}: identity}}."

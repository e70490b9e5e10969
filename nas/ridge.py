"""A ridge regression on architectures: one effect per answer, and one per kind of answer."""

from collections.abc import Mapping

import numpy as np

from nas.architecture_table import Column

_PENALTY = 1.0
_RULED_OUT = 3.0
"""So many rows must be expected to have two things together before none counts as never."""


class Ridge:
    """The value of an architecture as a sum of effects of its answers.

    An answer's effect has parts: its own; one that it shares with the same answer to the same
    kind of decision (`skip`, `depth`: what the name begins with), so that the first trials already
    say something about every block; and for numbers a parabola, so that what was not tried is
    expected to be like what lies beside it.

    Args:
        columns: The decisions.
        codes: Architectures, (rows, columns).
        values: Of each, finite.
    """

    def __init__(
        self, columns: Mapping[str, Column], codes: np.ndarray, values: np.ndarray
    ) -> None:
        self._columns = dict(columns)
        sizes = [len(column.answers) for column in columns.values()]
        first = np.cumsum([0, *sizes])
        rows, asked = np.nonzero(codes)
        one_hot = np.zeros((len(codes), first[-1]))
        one_hot[rows, first[asked] + codes[rows, asked] - 1] = 1
        parts = np.hstack([np.eye(first[-1]), self._shared(first), self._parabolas(first)])
        centre, mean = one_hot.mean(axis=0), float(values.mean())
        one_hot -= centre
        gram = parts.T @ (one_hot.T @ one_hot) @ parts
        gram[np.diag_indices_from(gram)] += _PENALTY
        # Of inverse(gram); what is not known well has much of it.
        self._spread = np.linalg.cholesky(np.linalg.inv(gram))
        found = self._spread @ (self._spread.T @ (parts.T @ (one_hot.T @ (values - mean))))
        effects = parts @ found
        self._noise = float(np.std(values - mean - one_hot @ effects))
        self._mean = mean - float(centre @ effects)
        self._parts = parts
        self._table = np.zeros((len(sizes), max(sizes) + 1))
        # Code 0, a decision that is not asked, is worth nothing.
        self._places = np.arange(self._table.shape[1]) <= np.array(sizes)[:, None]
        self._places[:, 0] = False
        self._table[self._places] = effects

    def predict(self, codes: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return the value of each architecture, (rows, columns).

        Args:
            codes: Answers that came up after the fit are worth nothing.
            rng: With it, effects are drawn that the values allow just as well: the fewer values
                are behind an effect, the further it moves.
        """
        table = self._table
        if rng is not None:
            table = table.copy()
            moved = self._noise * (self._spread @ rng.standard_normal(len(self._spread)))
            table[self._places] += self._parts @ moved
        codes = codes[:, : len(table)]
        known = codes * (codes < table.shape[1])
        return self._mean + table[np.arange(codes.shape[1]), known].sum(axis=1)

    def effects(self) -> dict[str, dict[object, float]]:
        """Return each answer's effect by decision and answer, in the unit of the values."""
        return {
            name: {
                answer: float(self._table[column.index, code])
                for code, answer in enumerate(column.answers, start=1)
                if code < self._table.shape[1]
            }
            for name, column in self._columns.items()
        }

    def _shared(self, first: np.ndarray) -> np.ndarray:
        """Say which answers share an effect, (answers of all columns, shared effects)."""
        found: dict[tuple[str, object], list[int]] = {}
        for name, column in self._columns.items():
            kind = name.split(".")[0]
            for nth, answer in enumerate(column.answers):
                found.setdefault((kind, answer), []).append(int(first[column.index]) + nth)
        groups = [places for places in found.values() if len(places) > 1]
        shared = np.zeros((first[-1], len(groups)))
        for nth, places in enumerate(groups):
            shared[places, nth] = 1
        return shared

    def _parabolas(self, first: np.ndarray) -> np.ndarray:
        """Return two columns for each decision about numbers, (answers of all columns, ...)."""
        numbers = [c for c in self._columns.values() if c.is_number and len(c.answers) > 1]
        parabolas = np.zeros((first[-1], 2 * len(numbers)))
        for nth, column in enumerate(numbers):
            answers = np.array(column.answers, dtype=np.float64)
            low, high = answers.min(), answers.max()
            x = 2 * (answers - low) / (high - low) - 1
            rows = slice(first[column.index], first[column.index + 1])
            parabolas[rows, 2 * nth : 2 * nth + 2] = np.stack([x, x**2], axis=1)
        return parabolas


def ruled_out(codes: np.ndarray) -> np.ndarray:
    """Find decisions that are never asked together with an answer.

    Args:
        codes: Architectures, (rows, columns).

    Returns:
        True at [column, code, other] where `other` was expected to be asked in some rows that
        have this code and was in none; never for code 0.
    """
    asked = (codes > 0).astype(np.float64)
    num_codes = int(codes.max(initial=0)) + 1
    one_hot = (codes[:, :, None] == np.arange(num_codes)).astype(np.float64)
    together = one_hot.reshape(len(codes), -1).T @ asked
    together = together.reshape(codes.shape[1], num_codes, -1)
    expected = one_hot.sum(axis=0)[:, :, None] * asked.mean(axis=0)
    never = (together == 0) & (expected >= _RULED_OUT)
    never[:, 0] = False
    return never

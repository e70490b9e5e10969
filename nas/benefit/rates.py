"""The learning rate beside the blocks: in the models, so that effects are averages over it."""

import numpy as np

MOST_LEVELS = 6
"""More rates than this are no design: they enter as one number, the logarithm."""


def rate_codes(rates: np.ndarray) -> tuple[list[float], np.ndarray]:
    """Return the learning rates that occur, ascending, and which of them each row has.

    Rates that differ by rounding alone, as after a product in another order, are one. A row whose
    rate is unknown has code -1.

    Args:
        rates: Rate of every row, NaN where it is unknown, shape (rows,).
    """
    values, inverse = np.unique(rates, return_inverse=True)
    levels: list[float] = []
    codes = np.full(len(values), -1)
    for index, rate in enumerate(values.tolist()):
        if not np.isfinite(rate):
            continue
        if not levels or rate - levels[-1] > 1e-9 * abs(rate):
            levels.append(rate)
        codes[index] = len(levels) - 1
    return levels, codes[inverse]


def rate_columns(rates: np.ndarray) -> np.ndarray | None:
    """Return the columns of the learning rates, shape (rows, columns); None where there is one.

    A few rates are a factor; many, as from a range, are their logarithm. Unknown rates are a level
    of their own.

    Args:
        rates: Rate of every row, NaN where it is unknown, shape (rows,).
    """
    levels, codes = rate_codes(rates)
    columns = []
    if 1 < len(levels) <= MOST_LEVELS:
        columns = [(codes == code).astype(float) for code in range(1, len(levels))]
    elif len(levels) > MOST_LEVELS:
        logs = np.log(np.maximum(np.where(codes < 0, 1.0, rates), 1e-300))
        columns = [np.where(codes < 0, 0.0, logs - logs[codes >= 0].mean())]
    if levels and (codes < 0).any():
        columns.append((codes < 0).astype(float))
    return np.column_stack(columns) if columns else None

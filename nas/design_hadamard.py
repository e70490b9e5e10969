"""Hadamard matrices: square, of -1 and 1, with orthogonal rows and columns."""

import numpy as np
from scipy.linalg import hadamard


def hadamard_order(columns: int) -> int:
    """Return the smallest order of a matrix that can be made and has so many columns.

    >>> [hadamard_order(number) for number in (1, 3, 9, 15, 30)]
    [1, 4, 12, 16, 32]
    """
    order = columns
    while not _is_known(order):
        order += 1
    return order


def hadamard_matrix(order: int) -> np.ndarray:
    """Make a Hadamard matrix.

    Paley's matrices come first, since the products of their columns are less often equal than
    those of Sylvester's.

    Sources:
        Paley 1933, "On orthogonal matrices"; Plackett and Burman 1946, "The design of optimum
        multifactorial experiments"; Sylvester 1867 by SciPy, and doubled matrices.

    Args:
        order: Rows and columns, such as `hadamard_order` returns.

    Returns:
        Integers, shape (order, order).

    Raises:
        ValueError: None of these constructions has this order.
    """
    if not _is_known(order):
        raise ValueError(
            f"hadamard_matrix: order must be 1, 2, or a multiple of 4 that Paley's, Sylvester's "
            f"or a doubled matrix has, got order={order}. Take hadamard_order(columns)."
        )
    if _is_paley_one(order):
        return _paley_one(order - 1)
    if _is_paley_two(order):
        return _paley_two(order // 2 - 1)
    if order.bit_count() == 1:
        return hadamard(order).astype(np.int64)
    return np.kron([[1, 1], [1, -1]], hadamard_matrix(order // 2))


def _is_known(order: int) -> bool:
    if order < 1:
        return False
    if order.bit_count() == 1 or _is_paley_one(order) or _is_paley_two(order):
        return True
    return order % 8 == 0 and _is_known(order // 2)


def _is_paley_one(order: int) -> bool:
    return order % 4 == 0 and _is_prime(order - 1)


def _is_paley_two(order: int) -> bool:
    half = order // 2
    return order % 4 == 0 and half % 4 == 2 and _is_prime(half - 1)


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % k for k in range(2, int(number**0.5) + 1))


def _residues(prime: int) -> np.ndarray:
    """Return whether the difference of two indices is a square modulo the prime: 1, -1, 0 for 0."""
    sign = np.full(prime, -1)
    sign[[k * k % prime for k in range(1, prime)]] = 1
    sign[0] = 0
    index = np.arange(prime)
    return sign[(index[:, None] - index) % prime]


def _paley_one(prime: int) -> np.ndarray:
    """Make the matrix of order prime + 1, for a prime of the form 4k + 3."""
    core = np.ones((prime + 1, prime + 1), dtype=np.int64)
    core[1:, 1:] = _residues(prime)
    core[1:, 0] = -1
    core[0, 0] = 0
    return core + np.eye(prime + 1, dtype=np.int64)


def _paley_two(prime: int) -> np.ndarray:
    """Make the matrix of order 2 (prime + 1), for a prime of the form 4k + 1."""
    core = np.ones((prime + 1, prime + 1), dtype=np.int64)
    core[1:, 1:] = _residues(prime)
    core[0, 0] = 0
    eye = np.eye(prime + 1, dtype=np.int64)
    return np.kron(core, [[1, 1], [1, -1]]) + np.kron(eye, [[1, -1], [-1, -1]])

import numpy as np
import pytest

from nas.design_hadamard import hadamard_matrix, hadamard_order


@pytest.mark.parametrize(
    "order", [1, 2, *(n for n in range(4, 133, 4) if n not in (52, 92, 100, 116))]
)
def test_rows_and_columns_are_orthogonal(order: int) -> None:
    if order in (76, 124, 132):
        # Paley's second matrix, Paley's first, and his first again.
        assert hadamard_order(order - 3) == order
    matrix = hadamard_matrix(order)
    assert set(np.unique(matrix)) <= {-1, 1}
    assert (matrix @ matrix.T == order * np.eye(order)).all()
    assert (matrix.T @ matrix == order * np.eye(order)).all()


def test_order_is_the_next_multiple_of_four_for_up_to_48_columns() -> None:
    assert [hadamard_order(number) for number in (1, 2, 3)] == [1, 2, 4]
    for columns in range(4, 49):
        assert hadamard_order(columns) == -(-columns // 4) * 4


def test_products_of_columns_of_order_32_are_not_columns() -> None:
    # In Sylvester's matrix each product of two columns is a third one.
    matrix = hadamard_matrix(32)
    products = matrix[:, 1] * matrix[:, 2]
    assert np.abs(products @ matrix).max() < 32


@pytest.mark.parametrize("order", [0, -4, 3, 6, 10, 92])
def test_order_without_a_known_matrix_is_refused(order: int) -> None:
    with pytest.raises(
        ValueError, match=rf"hadamard_matrix: order must be .*, got order={order}\."
    ):
        hadamard_matrix(order)

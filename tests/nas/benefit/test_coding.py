import numpy as np
import pytest

from nas.benefit.coding import (
    BlockDesign,
    ShareDesign,
    effect_coding,
    network_weights,
    stage_weights,
)
from nas.benefit.sample import Sample
from search_spaces.spec import Place


def sample_of(codes, depths=None, places=None):
    codes = np.array(codes)
    rows, blocks = codes.shape
    return Sample(
        places=places or tuple(Place(1, block + 1) for block in range(blocks)),
        codes=codes,
        depths=np.array(depths) if depths is not None else np.full((rows, 1), blocks),
        value=np.zeros(rows),
        cluster=np.arange(rows),
        diverged=np.zeros(rows, dtype=bool),
    )


def test_levels_sum_to_zero():
    assert effect_coding(3).sum(axis=0).tolist() == [0, 0]
    assert effect_coding(2).tolist() == [[-1], [1]]


def test_contrast_of_two_kinds_recovers_their_difference_exactly():
    codes = [[a, b] for a in range(3) for b in range(3)]
    design = BlockDesign(sample_of(codes))
    y = np.array([[0.0, 0.5, 2.0][a] + [0.0, -1.0, 0.25][b] for a, b in codes])
    beta = np.linalg.lstsq(design.matrix, y, rcond=None)[0]
    assert design.contrast(0, 2, 0) @ beta == pytest.approx(2.0)
    assert design.contrast(1, 1, 0) @ beta == pytest.approx(-1.0)
    assert design.contrast(1, 2, 1) @ beta == pytest.approx(1.25)


def test_a_kind_that_never_occurs_at_a_block_has_no_contrast():
    design = BlockDesign(sample_of([[0, 0], [1, 1], [0, 2], [1, 0]]))
    assert design.contrast(0, 2, 0) is None
    assert design.contrast(1, 2, 0) is not None


def test_an_absent_block_is_zero_and_depth_is_a_factor():
    design = BlockDesign(sample_of([[0, 0], [1, -1], [1, 1]], depths=[[2], [1], [2]]))
    assert design.matrix.tolist() == [[1, 1, -1, -1], [1, 0, 1, 0], [1, 1, 1, 1]]


def test_pairs_join_neighbouring_blocks_only():
    design = BlockDesign(sample_of([[0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1]]), with_pairs=True)
    assert len(design.pairs) == 2
    assert design.pairs[0][:, 0].tolist() == [-1, 1, 1, -1]


def test_a_share_coefficient_is_the_average_of_the_blocks():
    codes = np.array([[a, b, c] for a in range(3) for b in range(3) for c in range(3)])
    sample = sample_of(codes, places=(Place(1, 1), Place(1, 2), Place(2, 1)), depths=[[2, 1]] * 27)
    tau = np.array([[0, 1.0, 2.0], [0, 3.0, 0.0], [0, -1.0, 0.5]])
    y = tau[np.arange(3), codes].sum(axis=1)
    stages = [1, 1, 2]
    shares = ShareDesign(BlockDesign(sample), stage_weights(stages))
    beta = np.linalg.lstsq(shares.matrix, y, rcond=None)[0]
    assert shares.contrast(0, 1, 0) @ beta == pytest.approx(2.0)
    assert shares.contrast(1, 2, 0) @ beta == pytest.approx(0.5)
    network = ShareDesign(BlockDesign(sample), (network_weights(stages),))
    beta = np.linalg.lstsq(network.matrix, y, rcond=None)[0]
    # Stages count alike: the mean of 2.0 and -1.0, not of three blocks.
    assert network.contrast(0, 1, 0) @ beta == pytest.approx(0.5)


def test_network_weights_share_equally_among_stages():
    assert network_weights([1, 1, 1, 1, 2]) == pytest.approx((0.125,) * 4 + (0.5,))

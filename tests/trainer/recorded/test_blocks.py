import pytest
import torch

from search_spaces.blocks import BasicBranch
from trainer.recorded.blocks import BlockPair


@pytest.mark.parametrize("activation", ["post", "pre"])
def test_pair_is_two_blocks_without_shortcuts(activation) -> None:
    pair = BlockPair(4, 8, 2, activation=activation).eval()
    x = torch.randn(2, 4, 6, 6)
    between = pair.first(x).relu() if activation == "post" else pair.first(x)
    torch.testing.assert_close(pair(x), pair.second(between))
    assert pair(x).shape == (2, 8, 3, 3)
    assert pair.last is pair.second.last
    alone = [BasicBranch(4, 8, 2), BasicBranch(8, 8, 1)]
    count = sum(w.numel() for branch in alone for w in branch.parameters())
    assert activation == "pre" or count == sum(w.numel() for w in pair.parameters())

import pytest
import torch

from trainer import DeviceBatches
from trainer.datasets import Split
from trainer.population.batches import BATCHES_PER_BLOCK, EpochOrders, IndexBlocks

CPU = torch.device("cpu")


def numbered(count):
    return Split(torch.arange(count).view(-1, 1, 1, 1).float(), torch.arange(count))


@pytest.mark.parametrize("count", [16, 17, 18, 3, 1, 1000])
def test_mini_batches_are_those_that_the_candidate_gets_alone(count):
    blocks = IndexBlocks(count, 8, [5, 6], CPU)
    blocks.sampler.set_epoch(3)
    for member, seed in enumerate((5, 6)):
        alone = DeviceBatches(numbered(count), 8, seed=seed)
        assert alone.sampler is not None
        alone.sampler.set_epoch(3)
        own = [part[member] for block in blocks for part in block.split(8, dim=1)]
        wanted = [labels for _, labels in alone]
        assert len(own) == blocks.num_batches == len(wanted)
        assert all(torch.equal(part, labels) for part, labels in zip(own, wanted, strict=True))


def test_a_block_holds_so_many_mini_batches():
    count = 8 * BATCHES_PER_BLOCK + 9
    blocks = IndexBlocks(count, 8, [1], CPU)
    assert [block.shape[1] for block in blocks] == [8 * BATCHES_PER_BLOCK, 8]
    assert len(blocks) == 2
    assert blocks.num_images == count - 1


def test_every_epoch_has_an_order_of_its_own():
    orders = EpochOrders(100, [1, 2])
    first = orders.permutations()
    orders.set_epoch(1)
    assert first.shape == (2, 100)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, orders.permutations())
    orders.set_epoch(0)
    assert torch.equal(first, orders.permutations())

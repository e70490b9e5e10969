import pytest
import torch

from trainer.population.groups import add_at, by_member, fork, fused, take

CHANNELS = 3


def fused_tensor(members, *, images=2):
    draws = torch.Generator().manual_seed(members)
    shape = (images, members * CHANNELS, 2, 2)
    x = torch.randn(shape, generator=draws, dtype=torch.double)
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


def chosen(x, positions):
    """What `take` means, by plain indexing."""
    return torch.cat([x[:, p * CHANNELS : (p + 1) * CHANNELS] for p in positions], dim=1)


def test_members_lie_side_by_side():
    x = fused_tensor(4)
    members = by_member(x, CHANNELS)
    assert members.shape == (2, 2, 2, 4, CHANNELS)
    assert torch.equal(fused(members), x)


@pytest.mark.parametrize("positions", [[0], [2, 0], [3, 1, 2, 0]])
def test_taking_members_is_indexing_them(positions):
    x = fused_tensor(4)
    found, wanted = take(x, torch.tensor(positions), CHANNELS), chosen(x, positions)
    assert torch.equal(found, wanted)
    above = torch.randn_like(wanted)
    (ours,) = torch.autograd.grad(found, x, above)
    (reference,) = torch.autograd.grad(wanted, x, above)
    assert torch.equal(ours, reference)


def test_a_fork_carries_all_and_some():
    x = fused_tensor(4)
    first, (one, two) = fork(x, [torch.tensor([1, 3]), torch.tensor([0])], CHANNELS)
    assert torch.equal(first, x)
    assert torch.equal(one, chosen(x, [1, 3]))
    assert torch.equal(two, chosen(x, [0]))
    ((first * 2).sum() + (one * 3).sum() + (two * 5).sum()).backward()
    wanted = torch.tensor([7.0, 5.0, 2.0, 5.0]).repeat_interleave(CHANNELS)
    assert x.grad is not None
    assert torch.equal(x.grad[0, :, 0, 0], wanted.double())


def test_adding_reaches_the_chosen_members_alone():
    x, part = fused_tensor(3), fused_tensor(2)
    found = add_at(x * 1, part, torch.tensor([2, 0]), CHANNELS)
    wanted = x.detach().clone()
    wanted[:, 6:9] += part[:, :3].detach()
    wanted[:, 0:3] += part[:, 3:6].detach()
    assert torch.equal(found, wanted)
    above = torch.randn_like(found)
    found.backward(above)
    assert x.grad is not None
    assert part.grad is not None
    assert torch.equal(x.grad, above)
    assert torch.equal(part.grad, torch.cat([above[:, 6:9], above[:, :3]], dim=1))


def test_infinity_is_not_spread_by_choosing_and_adding():
    x, part = fused_tensor(3), fused_tensor(1)
    with torch.no_grad():
        x[:, 3:6] = float("inf")
    kept, (taken,) = fork(x, [torch.tensor([2])], CHANNELS)
    found = add_at(kept * 1, part + taken, torch.tensor([0]), CHANNELS)
    found[:, :3].sum().backward()
    assert found[:, [0, 1, 2, 6, 7, 8]].isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()

import pytest
import torch
from torch.nn import functional

from trainer.population.dense import dense_convolution, is_dense


def layers(members, channels, outs, *, images=3):
    draws = torch.Generator().manual_seed(0)
    shape = (images, members * channels, 2, 2)
    x = torch.randn(shape, generator=draws, dtype=torch.double)
    weight = torch.randn((members * outs, channels, 3, 3), generator=draws, dtype=torch.double)
    as_last = {"memory_format": torch.channels_last}
    return x.to(**as_last).requires_grad_(), weight.to(**as_last).requires_grad_()


@pytest.mark.parametrize(("members", "channels", "outs"), [(1, 2, 3), (3, 4, 4), (2, 5, 1)])
def test_a_product_of_matrices_is_the_grouped_convolution(members, channels, outs):
    x, weight = layers(members, channels, outs)
    wanted = functional.conv2d(x, weight, padding=1, groups=members)
    found = dense_convolution(x, weight, members)
    torch.testing.assert_close(found, wanted)
    above = torch.randn_like(wanted)
    references = torch.autograd.grad(wanted, (x, weight), above)
    gradients = torch.autograd.grad(found, (x, weight), above)
    for ours, reference in zip(gradients, references, strict=True):
        torch.testing.assert_close(ours, reference)


def test_a_first_layer_needs_no_gradient_of_its_images():
    x, weight = layers(2, 3, 3)
    dense_convolution(x.detach(), weight, 2).sum().backward()
    assert weight.grad is not None


def test_infinity_of_one_member_stays_its_own():
    x, weight = layers(3, 4, 4)
    clean = dense_convolution(x, weight, 3).detach()
    with torch.no_grad():
        x[:, 4:8] = float("inf")
    found = dense_convolution(x, weight, 3)
    found.sum().backward()
    others = [0, 1, 2, 3, 8, 9, 10, 11]
    assert torch.equal(found[:, others], clean[:, others])
    assert x.grad is not None
    assert x.grad[:, others].isfinite().all()
    assert weight.grad is not None
    assert weight.grad[others].isfinite().all()


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "members", "channels", "dense"),
    [
        (2, 3, 1, 4, 64, True),
        (4, 3, 1, 4, 64, False),
        (2, 1, 1, 4, 64, False),
        (2, 3, 2, 4, 64, False),
        (2, 3, 1, 1, 64, False),
        (2, 3, 1, 4, 2, False),
    ],
)
def test_only_where_it_pays(side, kernel, stride, members, channels, dense):
    x = torch.empty(1, members * channels, side, side)
    weight = torch.empty(members * channels, channels, kernel, kernel)
    assert is_dense(x, weight, (stride, stride), members) is dense


def test_what_follows_may_write_over_it():
    x, weight = layers(2, 3, 3)
    wanted = functional.conv2d(x, weight, padding=1, groups=2).relu()
    found = dense_convolution(x, weight, 2)
    assert found.is_contiguous(memory_format=torch.channels_last)
    found = functional.relu_(found)
    ours, references = (torch.autograd.grad(y.sum(), (x, weight)) for y in (found, wanted))
    for gradient, reference in zip(ours, references, strict=True):
        torch.testing.assert_close(gradient, reference)


def test_autocast_takes_its_number_format():
    x, weight = layers(2, 16, 16)
    x, weight = x.detach().float().requires_grad_(), weight.detach().float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = dense_convolution(x, weight, 2)
        wanted = functional.conv2d(x, weight, padding=1, groups=2)
    assert found.dtype == wanted.dtype == torch.bfloat16
    torch.testing.assert_close(found, wanted, rtol=0.02, atol=0.2)
    found.float().sum().backward()
    assert x.grad is not None
    assert weight.grad is not None
    assert x.grad.dtype == weight.grad.dtype == torch.float32

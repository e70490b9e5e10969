import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.seeding import child_seed, generator


def test_child_seeds_never_change():
    assert child_seed(0, "init") == 5178188355558464636
    assert child_seed(0, "order", 3) == 6782676000726402274
    assert child_seed(2**40, "order", 1, 2) == 617594691653901843


@given(seed=st.integers(), name=st.text(), index=st.integers())
def test_child_seeds_have_63_bits(seed, name, index):
    assert 0 <= child_seed(seed, name, index) < 2**63


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, "init"), (1, "init")),
        ((0, "init"), (0, "order")),
        ((0, "order"), (0, "order", 0)),
        ((0, "order", 1, 23), (0, "order", 12, 3)),
        ((0, "order", 1), (0, "order,1")),
    ],
)
def test_other_uses_get_other_seeds(one, other):
    assert child_seed(*one) != child_seed(*other)


def test_generators_of_equal_arguments_draw_the_same():
    draws = [torch.rand(5, generator=generator(7, "init")) for _ in range(2)]
    assert torch.equal(*draws)
    assert not torch.equal(draws[0], torch.rand(5, generator=generator(7, "init", 0)))


def test_a_generator_leaves_the_global_state_alone():
    before = torch.random.get_rng_state()
    torch.rand(5, generator=generator(7, "init"))
    assert torch.equal(before, torch.random.get_rng_state())


def test_child_seeds_need_no_torch():
    code = (
        "import sys, trainer.seeding as s; s.child_seed(0, 'a'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

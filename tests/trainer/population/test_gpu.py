"""What only a GPU can show: `pytest -m gpu tests/trainer/population/test_gpu.py`."""

from dataclasses import replace

import pytest
import torch

from search_spaces import Kind
from trainer import Candidate, Measurement, Recipe
from trainer.population.capture import CudaGraphs, StepCapture
from trainer.population.group_size import measure_group_size
from trainer.train import train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]
DEVICE = "cuda:0"
RECIPES = [
    {"lr": 0.02},
    {"lr": 0.02, "gradient_clip_norm": 0.5, "label_smoothing": 0.1},
    {"optimizer": "adamw", "lr": 0.003, "weight_decay": 0.05},
    {"lr": 0.02, "crop_padding": 1, "flip": True},
]
CLOSE = 0.02
"""How far losses of a short training may be apart, as a share: kernels round otherwise, and
training amplifies that."""


@pytest.fixture(autouse=True)
def exact_matrix_products():
    """Without TF32, whose 10 bits a CPU does not have."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.fixture
def group(make_spec):
    """Eight candidates of different depths and kinds, one with its own learning rate."""
    forms = [(kind, blocks) for kind in Kind for blocks in (1, 2)]
    forms += [(Kind.IDENTITY, 3), (Kind.NONE, 1)]
    made = [
        Candidate(key=f"trial-{i}", spec=make_spec(kind, blocks=blocks), seed=i)
        for i, (kind, blocks) in enumerate(forms)
    ]
    return [replace(made[0], recipe_values={"lr": 0.01}), *made[1:]]


@pytest.fixture
def captures(monkeypatch):
    """Let `choose(gain)` say what a group's step is: recorded, or one operation at a time."""

    class Choice(CudaGraphs):
        gain = 2.0

        def seconds(self, run, times):
            self.calls = getattr(self, "calls", 0) + 1
            super().seconds(run, times)
            return 1.0 if self.calls == 1 else 1.0 / self.gain

    def choose(gain):
        monkeypatch.setattr(Choice, "gain", gain)
        monkeypatch.setattr(
            "trainer.population.train_group.step_capture",
            lambda _, device, __: StepCapture(Choice(device)),
        )

    return choose


def losses(outcomes):
    assert all(isinstance(outcome, Measurement) for outcome in outcomes), outcomes
    return [e.train_loss for outcome in outcomes for e in outcome.history]


@pytest.mark.parametrize("changes", RECIPES)
def test_a_group_on_a_gpu_trains_as_on_a_cpu(group, digits, changes):
    recipe = Recipe(epochs=1, batch_size=128, warmup_epochs=0.5, **changes)
    on_gpu = train(group, recipe, digits, device=DEVICE, test=True)
    on_cpu = train(group, recipe, digits, test=True)
    assert losses(on_gpu) == pytest.approx(losses(on_cpu), rel=CLOSE)
    for member, reference in zip(on_gpu, on_cpu, strict=True):
        assert member.gradient_norms == pytest.approx(reference.gradient_norms, rel=1e-3)
        assert member.test_accuracy == pytest.approx(reference.test_accuracy, abs=0.1)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("changes", RECIPES)
@pytest.mark.parametrize("size", [1, 8])
def test_recorded_steps_train_as_steps_one_by_one(
    group, digits, captures, changes, precision, size
):
    recipe = Recipe(epochs=2, batch_size=128, precision=precision, **changes)
    captures(0.5)
    one_by_one = train(group[:size], recipe, digits, device=DEVICE)
    captures(2.0)
    recorded = train(group[:size], recipe, digits, device=DEVICE)
    assert all(outcome.path.endswith(", CUDA graph") for outcome in recorded)
    assert not any("CUDA graph" in outcome.path for outcome in one_by_one)
    close = CLOSE if precision == "32-true" else 5 * CLOSE
    assert losses(recorded) == pytest.approx(losses(one_by_one), rel=close)


def test_members_are_trained_as_alone_by_automatic_optimisation(group, digits):
    recipe = Recipe(epochs=1, batch_size=128, lr=0.02, crop_padding=1)
    together = train(group, recipe, digits, device=DEVICE)
    alone = train(group, recipe, digits, device=DEVICE, path="ordinary")
    assert losses(together) == pytest.approx(losses(alone), rel=CLOSE)


def test_bf16_learns(group, digits):
    recipe = Recipe(epochs=4, batch_size=64, lr=0.05, precision="bf16-mixed")
    outcomes = train(group, recipe, digits, device=DEVICE)
    assert max(outcome.history[-1].val_accuracy for outcome in outcomes) > 0.8


def test_a_training_goes_on_from_the_checkpoint_of_a_gpu(group, digits, store):
    recipe = Recipe(epochs=2, batch_size=128, lr=0.02)
    train(group, recipe, digits, device=DEVICE, checkpoints=store, pause_after=1)
    resumed = train(group, recipe, digits, device=DEVICE, checkpoints=store)
    whole = train(group, recipe, digits, device=DEVICE)
    assert [outcome.resumed_from_epoch for outcome in resumed] == [1] * len(group)
    assert losses(resumed) == pytest.approx(losses(whole), rel=CLOSE)


def test_a_group_that_does_not_fit_is_halved(group, digits):
    torch.cuda.empty_cache()
    # Enough for cuBLAS's own memory and a candidate, too little for eight.
    limit = 64 * 2**20
    total = torch.cuda.get_device_properties(DEVICE).total_memory
    torch.cuda.set_per_process_memory_fraction(limit / total)
    try:
        outcomes = train(group, Recipe(epochs=1, batch_size=1024), digits, device=DEVICE)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert all(isinstance(outcome, Measurement) for outcome in outcomes), outcomes
    assert any("OutOfMemoryError in one of" in outcome.path for outcome in outcomes)


def test_group_size_is_measured(group, digits):
    specs = [candidate.spec for candidate in group]
    found = measure_group_size(specs, Recipe(batch_size=128), digits, DEVICE, largest=4)
    assert found.size in found.seconds
    assert all(seconds > 0 for seconds in found.seconds.values())

"""The logic of recorded steps, with an object that runs them again on the CPU."""

import subprocess
import sys
from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from search_spaces import Kind, build_candidate
from trainer import Candidate, Recipe, generator
from trainer.datasets import Split
from trainer.loaders import DeviceBatches
from trainer.population.batches import IndexBlocks
from trainer.population.capture import LEAST_STEPS, CudaGraphs, StepCapture
from trainer.population.module import PopulationModule
from trainer.population.network import FusedResNet
from trainer.population.single import SingleNetwork
from trainer.population.train_group import step_capture
from trainer.quiet import quiet_lightning
from trainer.train import train

CPU = torch.device("cpu")
GPU = torch.device("cuda:0")
RECIPES = [
    {"lr": 0.05},
    {"lr": 0.05, "gradient_clip_norm": 0.5, "label_smoothing": 0.1, "nesterov": False},
    {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.05},
    {"lr": 0.05, "crop_padding": 1, "flip": True},
]


class CpuGraphs:
    """Runs a recorded step again by calling it; its clock says how fast a record is.

    Args:
        gain: How many times as fast as the step itself.
        fails: The message of what is raised instead of recording.
    """

    def __init__(self, gain=2.0, fails=None):
        self.gain, self.fails = gain, fails
        self.warm_ups = self.records = self.replays = self.frees = 0

    def warm_up(self, run):
        self.warm_ups += 1
        run()

    def record(self, run):
        self.records += 1
        if self.fails:
            run()
            raise RuntimeError(self.fails)

        def replay():
            self.replays += 1
            run()

        self._replay = replay
        return replay

    def seconds(self, run, times):
        run()
        is_replay = run is self._replay
        self.replays -= is_replay
        return times / self.gain if is_replay else float(times)

    def free(self):
        self.frees += 1


@pytest.fixture
def group(make_spec):
    """Four small candidates of different depths and kinds."""
    forms = [(Kind.NONE, 1), (Kind.IDENTITY, 2), (Kind.PROJECTION, 1), (Kind.IDENTITY, 1)]
    specs = [make_spec(kind, blocks=blocks) for kind, blocks in forms]
    return [Candidate(key=f"trial-{i}", spec=spec, seed=i) for i, spec in enumerate(specs)]


@pytest.fixture
def use(monkeypatch):
    """Let groups record their steps on the CPU; return a function that says how."""

    def choose(graphs):
        monkeypatch.setattr(
            "trainer.population.train_group.step_capture", lambda *_: StepCapture(graphs)
        )

    return choose


def numbers(outcome):
    epochs = [(e.train_loss, e.val_log_loss, e.val_accuracy) for e in outcome.history]
    return [*outcome.gradient_norms, *(value for epoch in epochs for value in epoch)]


@pytest.mark.parametrize(
    ("changes", "own"),
    list(zip(RECIPES, [{"lr": 0.02}, {}, {"weight_decay": 0.01}, {}], strict=True)),
)
def test_recorded_steps_train_as_steps_one_by_one(
    group, double_networks, double_digits, use, changes, own
):
    recipe = Recipe(epochs=2, batch_size=96, warmup_epochs=0.5, **changes)
    members = [replace(group[0], recipe_values=own), *group[1:]]
    references = train(members, recipe, double_digits)
    graphs = CpuGraphs()
    use(graphs)
    outcomes = train(members, recipe, double_digits)
    for outcome, reference in zip(outcomes, references, strict=True):
        assert (outcome.path, reference.path) == ("group of 4, CUDA graph", "group of 4")
        # Losses of a recorded step are kept in float32.
        assert numbers(outcome) == pytest.approx(numbers(reference), rel=1e-6)
    # 512 images: five whole mini-batches an epoch, and a sixth that is trained on without.
    assert (graphs.records, graphs.replays) == (1, 10)


def test_a_group_of_one_is_recorded_too(group, double_networks, double_digits, use):
    recipe = Recipe(epochs=2, batch_size=96)
    (reference,) = train(group[2:3], recipe, double_digits)
    use(CpuGraphs())
    (outcome,) = train(group[2:3], recipe, double_digits)
    assert outcome.path == "lean, CUDA graph"
    assert numbers(outcome) == pytest.approx(numbers(reference), rel=1e-6)


@pytest.mark.parametrize(
    ("graphs", "warnings"),
    [(CpuGraphs(gain=0.9), 0), (CpuGraphs(fails="operation not permitted\nwhen capturing"), 1)],
)
def test_a_record_that_is_slower_or_fails_is_not_used(
    group, double_networks, double_digits, use, caplog, graphs, warnings
):
    recipe = Recipe(epochs=2, batch_size=96)
    references = train(group, recipe, double_digits)
    use(graphs)
    outcomes = train(group, recipe, double_digits)
    assert [outcome.path for outcome in outcomes] == ["group of 4"] * 4
    # To the last bit: the attempt has left nothing behind.
    assert [numbers(outcome) for outcome in outcomes] == [numbers(r) for r in references]
    assert (graphs.records, graphs.frees, graphs.replays) == (1, 1, 0)
    messages = [record.message for record in caplog.records]
    assert len(messages) == warnings
    for message in messages:
        assert message == (
            "The step of a group of 4 could not be recorded as a graph (RuntimeError: operation "
            "not permitted); it trains without."
        )


class Operations(TorchDispatchMode):
    """Lists torch's operations with the numbers that a graph would freeze."""

    def __init__(self):
        super().__init__()
        self.done = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        leaves = tree_leaves((args, kwargs or {}))
        frozen = [str(leaf) for leaf in leaves if not isinstance(leaf, torch.Tensor)]
        self.done.append((str(func), *frozen))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("own", [{}, {"lr": 0.02, "weight_decay": 0.01}])
@pytest.mark.parametrize("changes", RECIPES)
@pytest.mark.parametrize("size", [1, 4])
def test_every_step_is_the_same_operations_with_the_same_numbers(
    group, digits, changes, own, size
):
    recipe = Recipe(batch_size=64, **changes)
    recipes = [recipe.model_copy(update=own), recipe, recipe, recipe][:size]
    module, blocks = module_of(group[:size], recipe, digits.train, recipes=recipes)
    optimizer, indices = module.optimizer, next(iter(blocks))
    found = []

    def listed(mini_batch):
        with Operations() as operations:
            module.whole_step(mini_batch)
        found.append(operations.done)

    for factor, start in ((1.0, 0), (0.3, 64)):
        optimizer.param_groups[0]["lr"] = factor
        mini_batch = indices[:, start : start + 64]
        optimizer.step(instead=lambda mini_batch=mini_batch: listed(mini_batch))
    assert len(found[0]) > 100
    assert found[0] == found[1]
    names = {step[0] for step in found[0]}
    # What makes a number of a tensor, or a tensor of numbers, waits for the device.
    waits = ("_local_scalar_dense", "nonzero", "lift_fresh", "masked_select")
    assert not [name for name in names if any(wait in name for wait in waits)]


def module_of(group, recipe, train_split, capture=None, recipes=None):
    networks = [build_candidate(c.spec, generator(c.seed, "init")) for c in group]
    fused = SingleNetwork(networks[0], CPU) if len(group) == 1 else FusedResNet(networks, CPU)
    seeds = [candidate.seed for candidate in group]
    blocks = IndexBlocks(len(train_split.labels), recipe.batch_size, seeds, CPU)
    module = PopulationModule(
        fused,
        recipes or [recipe] * len(group),
        train_split,
        steps_per_epoch=blocks.num_batches,
        capture=capture,
    )
    return module, blocks


@pytest.mark.parametrize("changes", RECIPES)
@pytest.mark.parametrize("size", [1, 4])
def test_no_tensor_of_a_step_is_left_on_the_cpu(group, digits, changes, size):
    # Tensors of torch's device without memory do not mix with those of the CPU.
    meta = torch.device("meta")
    networks = [build_candidate(c.spec, generator(c.seed, "init")) for c in group[:size]]
    networks = [network.to(meta) for network in networks]
    recipes = [Recipe(batch_size=64, **(changes | {"lr": 0.1 / (i + 1)})) for i in range(size)]
    fused = SingleNetwork(networks[0], meta) if size == 1 else FusedResNet(networks, meta)
    train_split = Split(*(part.to(meta) for part in digits.train))
    module = PopulationModule(fused, recipes, train_split, steps_per_epoch=1)
    losses = module.whole_step(torch.zeros(size, 64, dtype=torch.int64, device=meta))
    assert (losses.device, len(losses)) == (meta, size)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_recording_leaves_weights_moments_statistics_and_counts_as_they_were(
    group, digits, optimizer
):
    capture = StepCapture(CpuGraphs())
    module, blocks = module_of(group, Recipe(batch_size=64, optimizer=optimizer), digits.train)
    indices = next(iter(blocks))[:, :64]
    module.whole_step(indices)
    before = [tensor.clone() for tensor in module.state_tensors()]
    captured = capture.step_for(module, indices)
    assert captured is not None
    after = module.state_tensors()
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
    assert module.optimizer.steps == 0
    captured.run(indices)
    assert not torch.equal(before[0], module.state_tensors()[0])
    assert torch.isfinite(captured.losses).all()


def test_what_a_step_changes_is_all_among_the_state(group, digits):
    module, blocks = module_of(group, Recipe(batch_size=64), digits.train)
    kept = {tensor.data_ptr() for tensor in module.state_tensors()}
    moments = module.optimizer.moments.values()
    networks = module.network.networks
    statistics = [b for network in networks for b in network.buffers()]
    assert kept >= {tensor.data_ptr() for tensor in (*moments, *statistics)}
    before = [tensor.clone() for tensor in module.state_tensors()]
    outcomes = []
    for _ in range(2):
        for tensor, value in zip(module.state_tensors(), before, strict=True):
            with torch.no_grad():
                tensor.copy_(value)
        outcomes.append(module.whole_step(next(iter(blocks))[:, :64]))
    assert torch.equal(*outcomes)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_lightning_counts_recorded_steps(group, digits, precision):
    recipe = Recipe(epochs=1, batch_size=256, lr=0.02, precision=precision)
    found = []
    graphs = CpuGraphs()
    for capture in (StepCapture(graphs), None):
        module, blocks = module_of(group, recipe, digits.train, capture)
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=1,
            precision=precision,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )
        with quiet_lightning():
            trainer.fit(module, blocks, DeviceBatches(digits.val, 512))
        assert trainer.global_step == blocks.num_batches == module.optimizer.steps
        found.append(module.measured["train/loss"])
    assert graphs.replays == len(digits.train.labels) // 256
    assert found[0] == pytest.approx(found[1], rel=1e-4 if precision == "32-true" else 0.01)


def test_few_steps_and_steps_on_a_cpu_are_not_recorded():
    assert step_capture(CPU, 10_000) is None
    assert step_capture(GPU, LEAST_STEPS - 1) is None
    assert isinstance(step_capture(GPU, LEAST_STEPS), StepCapture)


def test_training_on_a_cpu_does_not_load_it():
    code = (
        "import sys, trainer.train, trainer.population.group_size as size\n"
        "import trainer.population.train_group\n"
        "print('trainer.population.capture' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.gpu
def test_cuda_graphs_replay_a_function_on_new_values():
    graphs = CudaGraphs(GPU)
    given, result = torch.ones(3, device=GPU), torch.zeros(3, device=GPU)

    def double():
        result.copy_(2 * given)

    graphs.warm_up(double)
    replay = graphs.record(double)
    given.fill_(5.0)
    replay()
    assert result.tolist() == [10.0, 10.0, 10.0]
    assert graphs.seconds(replay, 3) > 0
    graphs.free()

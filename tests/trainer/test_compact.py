import pytest
import torch

from search_spaces import build_candidate
from trainer import Candidate, Recipe, generator
from trainer.checkpoint_io import checkpoint_from_bytes, checkpoint_to_bytes
from trainer.compact import (
    CandidateState,
    flat_buffers,
    flat_parameters,
    flatten,
    identity_of,
    read_state,
    split_like,
)
from trainer.train import train


def network_of(candidate):
    return build_candidate(candidate.spec, generator(candidate.seed, "init"))


def state_of(network, **changes):
    count = sum(weight.numel() for weight in network.parameters())
    fields = {
        "identity": {"seed": 11},
        "history": [{"epoch": 1}],
        "gradient_norms": [0.5],
        "steps": 7,
        "parameters": flat_parameters(network),
        "buffers": flat_buffers(network),
        "moments": {"momentum_buffer": torch.arange(float(count))},
    }
    return CandidateState(**{**fields, **changes})


def test_a_state_comes_back_from_its_bytes(candidate):
    network = network_of(candidate)
    state = state_of(network)
    found = read_state(state.to_bytes(), network)
    for name, value in vars(state).items():
        if name in ("buffers", "moments"):
            assert value.keys() == getattr(found, name).keys()
            assert all(torch.equal(v, getattr(found, name)[key]) for key, v in value.items())
        elif name == "parameters":
            assert torch.equal(value, found.parameters)
        else:
            assert getattr(found, name) == value


def test_weights_and_buffers_go_into_another_network(candidate):
    network = network_of(candidate)
    network.train()(torch.randn(4, 1, 8, 8))
    other = build_candidate(candidate.spec, generator(99, "init"))
    assert not torch.equal(flat_parameters(other), flat_parameters(network))
    state_of(network).apply(other)
    wanted = network.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in other.state_dict().items())


def test_buffers_are_kept_by_type(candidate):
    buffers = flat_buffers(network_of(candidate))
    assert set(buffers) == {"torch.float32", "torch.int64"}


def test_a_checkpoint_is_a_handful_of_tensors(candidate):
    found = checkpoint_from_bytes(state_of(network_of(candidate)).to_bytes())
    assert found["compact"] == 1
    tensors = [found["parameters"], *found["buffers"].values(), *found["moments"].values()]
    assert all(value.dim() == 1 and value.device.type == "cpu" for value in tensors)


def test_a_flat_tensor_is_cut_into_the_weights_shapes(candidate):
    network = network_of(candidate)
    parts = split_like(flat_parameters(network), network)
    pairs = zip(parts, network.parameters(), strict=True)
    assert all(torch.equal(part, weight) for part, weight in pairs)
    with pytest.raises(RuntimeError, match="split"):
        split_like(torch.empty(3), network)


def test_nothing_is_flattened_to_nothing():
    assert flatten([]).numel() == 0
    mixed = [torch.ones(2, 2), torch.zeros(1, requires_grad=True)]
    assert flatten(mixed).tolist() == [1, 1, 1, 1, 0]
    assert not flatten(mixed).requires_grad


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_lightnings_own_checkpoint_holds_the_same(candidate, digits, store, optimizer):
    recipe = Recipe(epochs=3, batch_size=256, optimizer=optimizer, lr=0.01)
    arguments = {"checkpoints": store, "pause_after": 1}
    train([candidate], recipe, digits, path="ordinary", **arguments)
    data = store.kept["trial-0"]
    state = read_state(data, network_of(candidate))
    found = checkpoint_from_bytes(data)
    names = {"sgd": {"momentum_buffer"}, "adamw": {"exp_avg", "exp_avg_sq"}}[optimizer]
    assert set(state.moments) == names
    assert (state.steps, len(state.history)) == (found["global_step"], 1)
    network = network_of(candidate)
    state.apply(network)
    for name, value in network.state_dict().items():
        assert torch.equal(value, found["state_dict"][f"network.{name}"])
    own = found["optimizer_states"][0]["state"]
    for name in names:
        parts = split_like(state.moments[name], network)
        assert all(torch.equal(part, own[i][name]) for i, part in enumerate(parts))


@pytest.mark.parametrize("path", ["auto", "ordinary"])
def test_a_checkpoint_of_either_kind_says_which_training_it_is(candidate, digits, store, path):
    recipe = Recipe(epochs=2, batch_size=256)
    train([candidate], recipe, digits, checkpoints=store, pause_after=1, path=path)
    found = checkpoint_from_bytes(store.kept["trial-0"])
    (key,) = found.get("callbacks", ("",))
    identity = identity_of(found, key)
    assert (identity["seed"], identity["spec"]) == (11, candidate.spec.spec_id)


@pytest.mark.parametrize(
    "damaged",
    [b"", b"not a checkpoint", checkpoint_to_bytes({}), checkpoint_to_bytes({"compact": 1})],
    ids=["empty", "text", "foreign", "incomplete"],
)
def test_what_is_no_checkpoint_is_told(candidate, damaged):
    with pytest.raises(Exception, match=r"."):
        read_state(damaged, network_of(candidate))


def test_a_state_of_another_architecture_does_not_fit(candidate, make_spec):
    other = Candidate(key="b", spec=make_spec(stages=3), seed=1)
    with pytest.raises(RuntimeError, match="split"):
        state_of(network_of(candidate)).apply(network_of(other))

import pytest
import torch
from torch import nn
from torch.nn import functional

from search_spaces import (
    ArchitectureSpec,
    CandidateResNet,
    Kind,
    Place,
    build_candidate,
    preset,
)
from search_spaces.blocks import BasicBlock


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(batch: int = 2) -> torch.Tensor:
    return torch.randn((batch, 3, 32, 32), generator=seeded(0))


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(
        torch.equal(mine[name], theirs[name]) for name in mine
    )


def blocks_of(network: CandidateResNet) -> list[BasicBlock]:
    return [block for block in network.blocks if isinstance(block, BasicBlock)]


def test_same_seed_gives_the_same_weights() -> None:
    spec = preset("resnet-20-b")
    assert same_weights(build_candidate(spec, seeded(1)), build_candidate(spec, seeded(1)))


def test_other_seed_gives_other_weights() -> None:
    spec = preset("resnet-20-b")
    assert not same_weights(build_candidate(spec, seeded(1)), build_candidate(spec, seeded(2)))


def test_building_from_a_generator_leaves_the_global_state_alone() -> None:
    before = torch.random.get_rng_state()
    build_candidate(preset("resnet-20-c"), seeded(1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_from_a_generator_do_not_depend_on_the_global_state() -> None:
    spec = preset("resnet-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        one = build_candidate(spec, seeded(0))
        torch.manual_seed(2)
        other = build_candidate(spec, seeded(0))
    assert same_weights(one, other)


def test_without_a_generator_the_weights_are_those_of_torch() -> None:
    spec = preset("resnet-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        one = build_candidate(spec)
        torch.manual_seed(1)
        other = build_candidate(spec)
    assert same_weights(one, other)


def test_network_without_skips_is_a_chain_of_branches() -> None:
    network = build_candidate(preset("plain-8"), seeded(0)).eval()
    x = functional.relu(network.stem_norm(network.stem(images())))
    for block in blocks_of(network):
        x = functional.relu(block.branch(x))
    assert torch.equal(network(images()), network.head(x.mean(dim=(2, 3))))


def test_with_all_branches_zero_only_the_shortcuts_carry() -> None:
    network = build_candidate(preset("resnet-20"), seeded(0)).eval()
    for block in blocks_of(network):
        nn.init.zeros_(block.norm2.weight)
    stem = functional.relu(network.stem_norm(network.stem(images())))
    # Two subsamplings by two, and the 16 channels of the stem padded to 64.
    features = functional.pad(stem[:, :, ::4, ::4].mean(dim=(2, 3)), (0, 48))
    torch.testing.assert_close(network(images()), network.head(features))


def test_longer_skip_carries_the_input_of_its_first_block() -> None:
    data = preset("plain-14").to_dict()
    data["skips"] = [{"from": "stage1.block1", "to": "stage3.block2", "kind": "identity"}]
    network = build_candidate(ArchitectureSpec.from_dict(data), seeded(0)).eval()
    for block in blocks_of(network):
        nn.init.zeros_(block.norm2.weight)
    stem = functional.relu(network.stem_norm(network.stem(images())))
    features = functional.pad(stem[:, :, ::4, ::4].mean(dim=(2, 3)), (0, 48))
    torch.testing.assert_close(network(images()), network.head(features))


def test_specs_with_one_id_share_their_weights() -> None:
    data = preset("resnet-14").to_dict()
    data["stages"] = [
        {"blocks": 1, "width": 16, "stride": 1},
        {"blocks": 1, "width": 16, "stride": 1},
        *data["stages"][1:],
    ]
    data["skips"] = []
    split, joined = ArchitectureSpec.from_dict(data), preset("plain-14")
    assert split.spec_id == joined.spec_id
    assert same_weights(build_candidate(split, seeded(0)), build_candidate(joined, seeded(0)))


@pytest.mark.parametrize("kind", [Kind.IDENTITY, Kind.PROJECTION])
def test_one_skip_changes_the_output(kind: Kind) -> None:
    plain = preset("plain-8")
    skipped = plain.with_kinds({Place(2, 1): kind})
    one, other = build_candidate(plain, seeded(0)), build_candidate(skipped, seeded(0))
    other.load_state_dict(one.state_dict(), strict=False)
    assert not torch.allclose(one.eval()(images()), other.eval()(images()))


def test_network_knows_its_spec() -> None:
    assert build_candidate(preset("resnet-8")).spec == preset("resnet-8")

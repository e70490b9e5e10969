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
from search_spaces.blocks import ResidualBlock


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(batch: int = 2) -> torch.Tensor:
    return torch.randn((batch, 3, 32, 32), generator=seeded(0))


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(
        torch.equal(mine[name], theirs[name]) for name in mine
    )


def zero(module: nn.Module) -> None:
    for parameter in module.parameters():
        nn.init.zeros_(parameter)


def blocks_of(network: CandidateResNet) -> list[ResidualBlock]:
    return [block for block in network.blocks if isinstance(block, ResidualBlock)]


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
    x = network.stem(images())
    for block in blocks_of(network):
        x = functional.relu(block.branch(x))
    assert torch.equal(network(images()), network.head(x.mean(dim=(2, 3))))


def test_with_all_branches_zero_only_the_shortcuts_carry() -> None:
    network = build_candidate(preset("resnet-20"), seeded(0)).eval()
    for block in blocks_of(network):
        zero(block.branch.last)
    stem = network.stem(images())
    # Two subsamplings by two, and the 16 channels of the stem padded to 64.
    features = functional.pad(stem[:, :, ::4, ::4].mean(dim=(2, 3)), (0, 48))
    torch.testing.assert_close(network(images()), network.head(features))


def test_longer_skip_carries_the_input_of_its_first_block() -> None:
    data = preset("plain-14").to_dict()
    data["skips"] = [{"from": "stage1.block1", "to": "stage3.block2", "kind": "identity"}]
    network = build_candidate(ArchitectureSpec.from_dict(data), seeded(0)).eval()
    for block in blocks_of(network):
        zero(block.branch.last)
    stem = network.stem(images())
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


def test_small_stem_is_a_convolution_a_norm_and_a_relu() -> None:
    stem = build_candidate(preset("plain-8"), seeded(0)).eval().stem
    wanted = functional.relu(stem.norm(stem.conv(images())))
    assert torch.equal(stem(images()), wanted)


def test_large_stem_quarters_height_and_width() -> None:
    stem = build_candidate(preset("plain-8").changed(stem="large"), seeded(0)).eval().stem
    assert stem.conv.kernel_size == (7, 7)
    assert stem(images()).shape == (2, 16, 8, 8)


def test_pre_activation_network_normalises_after_the_last_block() -> None:
    network = build_candidate(preset("resnet-8").changed(activation="pre"), seeded(0)).eval()
    x = network.stem.conv(images())
    assert torch.equal(network.stem(images()), x)
    for block in blocks_of(network):
        [shortcut] = block.shortcuts
        x = block.branch(x) + shortcut(x)
    features = functional.relu(network.final_norm(x)).mean(dim=(2, 3))
    torch.testing.assert_close(network(images()), network.head(features))


@pytest.mark.parametrize("activation", ["post", "pre"])
def test_network_without_norm_has_none(activation: str) -> None:
    spec = preset("resnet-8-c").changed(norm="none", activation=activation)
    network = build_candidate(spec)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_skips_of_one_addition_are_summed() -> None:
    spec = preset("plain-8").with_skips(
        [
            {"from": "stage1.block1", "to": "stage2.block1", "kind": "identity"},
            {"from": "stage2.block1", "to": "stage2.block1", "kind": "identity"},
        ]
    )
    network = build_candidate(spec, seeded(0)).eval()
    stem = network.stem(images())
    first = functional.relu(blocks_of(network)[0].branch(stem))
    zero(blocks_of(network)[1].branch.last)
    got: list[torch.Tensor] = []

    def keep(module: nn.Module, args: object, out: torch.Tensor) -> None:
        got.append(out)

    network.blocks[1].register_forward_hook(keep)
    network(images())

    def halved(x: torch.Tensor) -> torch.Tensor:
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 16))

    torch.testing.assert_close(got[0], functional.relu(halved(stem) + halved(first)))


@pytest.mark.parametrize("name", ["resnet-20-c", "resnet-8-b"])
def test_avgpool_projections_pool_only_where_the_size_changes(name: str) -> None:
    network = build_candidate(preset(name).changed(projection="avgpool"))
    pools = [m for m in network.modules() if isinstance(m, nn.AvgPool2d)]
    assert len(pools) == 2

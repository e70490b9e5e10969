from pathlib import Path

import pytest
import torch

from search_spaces import SpecError, build_candidate, complexity, preset
from search_spaces.blocks import BasicBranch, BottleneckBranch
from search_spaces.branches import load_branch_class
from search_spaces.spec import ArchitectureSpec, BlockClass

OWN = """
from torch import nn
from search_spaces.blocks import ResidualBranch

class Depthwise(ResidualBranch):
    def __init__(self, in_channels, out_channels, stride, *, norm, activation, size=3):
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, size, stride, size // 2,
                                   groups=in_channels, bias=False)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    @property
    def last(self):
        return self.norm

    def forward(self, x):
        return self.norm(self.pointwise(self.depthwise(x)))

class Broadcast(Depthwise):
    def forward(self, x):
        return super().forward(x).mean(dim=(2, 3), keepdim=True)

class NotANumber(Depthwise):
    def forward(self, x):
        return super().forward(x) / 0 * 0

class Pair(Depthwise):
    def forward(self, x):
        return x, x

class Fails(Depthwise):
    def forward(self, x):
        return self.nothing(x)

class NoBranch:
    pass

class Unfinished(ResidualBranch):
    def __init__(self, in_channels, out_channels, stride, *, norm, activation):
        super().__init__()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's in the current folder, under a name of its own."""
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def own_spec(path: str, **arguments: object) -> ArchitectureSpec:
    return preset("resnet-8-b").changed(block={"class_path": path, "init_args": arguments})


def test_shipped_branches_are_made_by_name() -> None:
    basic = build_candidate(preset("resnet-8"))
    assert type(basic.blocks[0].branch) is BasicBranch
    bottleneck = build_candidate(preset("resnet-8").changed(block="bottleneck"))
    assert type(bottleneck.blocks[0].branch) is BottleneckBranch


def test_own_branch_is_made_with_its_arguments(module: str) -> None:
    network = build_candidate(own_spec(f"{module}.Depthwise", size=5))
    branch = network.blocks[1].branch
    assert type(branch).__name__ == "Depthwise"
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_own_branch_is_counted_as_it_is_built(module: str) -> None:
    spec = own_spec(f"{module}.Depthwise", size=5)
    network = build_candidate(spec)
    assert complexity(spec).params == sum(p.numel() for p in network.parameters())
    # Stem, three depthwise and pointwise pairs, two projections, classifier.
    wanted = 9 * 3 * 16 * 1024 + 640
    wanted += (25 * 16 + 16 * 16) * 1024
    wanted += (25 * 16 + 2 * 16 * 32) * 256
    wanted += (25 * 32 + 2 * 32 * 64) * 64
    assert complexity(spec).macs == wanted


def test_own_branch_that_does_not_exist_is_an_error(module: str) -> None:
    with pytest.raises(SpecError, match=rf"block.class_path must .*, got '{module}.Missing'"):
        build_candidate(own_spec(f"{module}.Missing"))


def test_own_branch_that_is_no_branch_is_an_error(module: str) -> None:
    with pytest.raises(SpecError, match=rf"subclass of .*ResidualBranch, got '{module}.NoBranch'"):
        load_branch_class(BlockClass(class_path=f"{module}.NoBranch"))


def test_wrong_arguments_of_an_own_branch_are_an_error(module: str) -> None:
    with pytest.raises(SpecError, match=r"init_args=\{'width': 3\}, got TypeError: .*width"):
        build_candidate(own_spec(f"{module}.Depthwise", width=3))


def test_unfinished_own_branch_is_an_error(module: str) -> None:
    with pytest.raises(SpecError, match=r"got TypeError: .*abstract"):
        build_candidate(own_spec(f"{module}.Unfinished"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "Broadcast",
            r"Broadcast at stage1.block1 must return an output of shape \(1, 16, 32, 32\), got "
            r"shape=\(1, 16, 1, 1\)\. It maps",
        ),
        ("Pair", r"Pair at stage1.block1 must return an output of shape .*, got shape=tuple"),
        ("NotANumber", r"must return finite numbers for fresh weights .*, got NaN or infinity"),
        ("Fails", r"must take an input of shape \(1, 16, 32, 32\), got AttributeError: .*nothing"),
    ],
)
def test_own_branch_with_an_output_that_is_none_of_a_branch_is_an_error(
    module: str, name: str, message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        complexity(own_spec(f"{module}.{name}"))


def test_counting_an_own_branch_leaves_the_random_state_alone(module: str) -> None:
    state = torch.random.get_rng_state()
    complexity(own_spec(f"{module}.Depthwise"))
    assert torch.equal(torch.random.get_rng_state(), state)

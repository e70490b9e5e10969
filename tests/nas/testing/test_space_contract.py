import subprocess
import sys
from pathlib import Path

import pytest

from nas.testing import SpaceContract
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig
from search_spaces.space import Value
from search_spaces.spec import ArchitectureSpec, InputShape, Kind

DIGITS = InputShape(channels=1, height=8, width=8)

FILE = """
import pytest

from nas.testing import SpaceContract
from search_spaces import InputShape, SearchSpace, make_space


class Test{name}(SpaceContract):
    @pytest.fixture
    def space(self) -> SearchSpace:
        images = InputShape(channels=1, height=8, width=8)
        return make_space({{"stages": 1, "max_blocks": {blocks}, "width": 2}}, images, 10)
"""


class Tiny(ResidualSpace):
    def __init__(self) -> None:
        config = ResidualSpaceConfig(stages=1, max_blocks=2, width=2)
        super().__init__(config, DIGITS, 10)


class OfFloatSize(Tiny):
    @property
    def size(self) -> int:
        return float(super().size)  # type: ignore[return-value]


class TakesAll(Tiny):
    def decisions(self, spec: ArchitectureSpec) -> dict[str, Value]:
        depths: dict[str, Value] = {
            f"depth.stage{stage}": depth for stage, depth in enumerate(spec.depths, start=1)
        }
        kinds = zip(spec.places(), spec.kinds, strict=True)
        return depths | {f"skip.{place}": kind.value for place, kind in kinds}


class TakesAnyWidth(TakesAll):
    def contains(self, spec: ArchitectureSpec) -> bool:
        return spec.input == DIGITS and spec.num_classes == 10


class NamesBackwards(Tiny):
    def decisions(self, spec: ArchitectureSpec) -> dict[str, Value]:
        answers = super().decisions(spec)
        kinds = {name: value for name, value in answers.items() if name.startswith("skip.")}
        return answers | dict(zip(kinds, reversed(kinds.values()), strict=True))


class ForOtherImages(Tiny):
    """Its networks for comparison are for other images."""

    def uniform(self, depths: tuple[int, ...], kind: Kind) -> ArchitectureSpec:
        shape = {"channels": 1, "height": 16, "width": 16}
        return super().uniform(depths, kind).changed(input=shape)


def test_two_subclasses_in_one_session_pass(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(FILE.format(name="One", blocks=2))
    (tmp_path / "test_two.py").write_text(FILE.format(name="Two", blocks=1))
    # Of the tests with random cases those that need no networks, which take long.
    options = ["-q", "-p", "no:cacheprovider", "-k", "sample or decisions"]
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_size_that_is_no_int_fails() -> None:
    SpaceContract().test_size_is_an_int(Tiny())
    with pytest.raises(AssertionError):
        SpaceContract().test_size_is_an_int(OfFloatSize())


@pytest.mark.parametrize(
    ("space", "difference"), [(TakesAll(), "another input"), (TakesAnyWidth(), "another width")]
)
def test_space_that_takes_everything_for_its_own_fails(space: Tiny, difference: str) -> None:
    SpaceContract().test_networks_outside_are_not_contained(Tiny())
    with pytest.raises(AssertionError, match=difference):
        SpaceContract().test_networks_outside_are_not_contained(space)


def test_names_that_are_not_true_fail() -> None:
    SpaceContract().test_names_of_decisions_say_what_the_network_is(Tiny())
    with pytest.raises(AssertionError, match=r"answer 'skip.stage1.block\d' with the kind"):
        SpaceContract().test_names_of_decisions_say_what_the_network_is(NamesBackwards())


def test_networks_for_other_images_fail() -> None:
    check = SpaceContract().test_networks_take_the_images_that_the_space_was_given
    check(Tiny(), DIGITS)
    with pytest.raises(AssertionError):
        check(Tiny(), InputShape(channels=3, height=8, width=8))
    with pytest.raises(AssertionError):
        check(ForOtherImages(), DIGITS)

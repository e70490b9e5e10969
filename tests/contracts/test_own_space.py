"""The space of `examples/own_space`: under the contract, and from its configuration."""

import subprocess
import sys
from pathlib import Path

import pytest

from nas.config_file import load_config
from search_spaces import InputShape, Kind, SearchSpace, SpaceError, make_space
from tests.contracts.space_contract import SpaceContract

FOLDER = Path(__file__).parents[2] / "examples" / "own_space"
DIGITS = InputShape(channels=1, height=8, width=8)


@pytest.fixture(autouse=True)
def in_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user's shell is in, so that the module is found."""
    monkeypatch.chdir(FOLDER)
    monkeypatch.setattr(sys, "path", [*sys.path])


def own(**init_args: int) -> SearchSpace:
    config = {"class_path": "isotropic.IsotropicSpace", "init_args": init_args}
    return make_space(config, DIGITS, num_classes=10)


class TestOwnSpace(SpaceContract):
    """Found by class path, as a configuration names it."""

    @pytest.fixture
    def space(self) -> SearchSpace:
        return own(width=4, max_blocks=3)


def test_its_study_is_a_valid_configuration() -> None:
    config = load_config(Path("study.yaml"), {})
    assert config.space == {
        "class_path": "isotropic.IsotropicSpace",
        "init_args": {"width": 16, "stages": 2, "max_blocks": 4},
    }
    # Per stage 2 + 4 + 8.
    assert config.make_space().size == 14**2


@pytest.mark.parametrize(
    ("init_args", "message"),
    [
        ({"max_blocks": 1}, "max_blocks must be at least 2, got max_blocks=1"),
        ({"stages": 4}, "images must be at least 16 px for stages=4, got 8x8"),
    ],
)
def test_its_own_errors_reach_the_user(init_args: dict[str, int], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        own(**init_args)


def test_networks_outside_are_named() -> None:
    space = own(max_blocks=3)
    with pytest.raises(SpaceError, match="2 stages of 2 to 3 blocks, got 4-4 blocks"):
        space.decisions(own().uniform((4, 4), Kind.NONE))
    with pytest.raises(SpaceError, match=r"networks of width 16 .* got '3-3 PPP PPP'"):
        space.decisions(space.uniform((3, 3), Kind.PROJECTION))


def test_its_test_file_runs_in_its_folder() -> None:
    # One test of the contract; all of them run above.
    options = ["-q", "-p", "no:cacheprovider", "-k", "sample_is_contained"]
    command = [sys.executable, "-m", "pytest", *options, "test_isotropic.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nas.config import make_config
from nas.errors import ConfigError
from nas.own_parts import check_own_blocks, check_own_parts, networks_by_block
from search_spaces.errors import SpaceError, SpecError
from search_spaces.space import Choose, Decision, SearchSpace, Value
from search_spaces.spec import ArchitectureSpec, BlockClass, Kind

HEAD = """
from search_spaces.blocks import BasicBranch, ResidualBranch


class Own(BasicBranch):
"""


def config_of(block: Any) -> dict[str, Any]:
    space = {"stages": 2, "max_blocks": 2, "width": 2, "block": block}
    return {"space": space, "search": {"trials": 8}}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> Any:
    """Write blocks of the user's into the current folder; return the configuration of one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"blocks_{abs(hash(request.node.name))}"

    def write(body: str, **init_args: Any) -> dict[str, Any]:
        (tmp_path / f"{name}.py").write_text(HEAD + body)
        return {"class_path": f"{name}.Own", "init_args": init_args}

    return write


def test_a_block_that_works_is_fine(write: Any) -> None:
    check_own_parts(make_config(config_of(write("    pass\n"))))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "    def forward(self, x):\n        return x[:, :1]\n",
            r"block: blocks_\d+.Own must work in the network .*, got RuntimeError: .* Mend the cl",
        ),
        ("    def forward(self, x):\n        return nothing\n", "got NameError: name 'nothing'"),
        (
            "    def forward(self, x):\n"
            "        if x.shape[1] > 2:\n"
            "            raise KeyError('deep')\n"
            "        return super().forward(x)\n",
            "must work in the network .*, got KeyError: 'deep'",
        ),
    ],
    ids=["shape", "name", "second stage"],
)
def test_a_block_that_does_not_work_is_told(write: Any, body: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_own_blocks(make_config(config_of(write(body))).make_space())


def test_arguments_that_the_block_does_not_take_are_told(write: Any) -> None:
    config = make_config(config_of(write("    pass\n", reduction=4)))
    with pytest.raises(SpecError, match=r"init_args=\{'reduction': 4\}, got TypeError"):
        check_own_parts(config)


def test_a_block_among_others_is_tried_too(write: Any) -> None:
    broken = write("    def forward(self, x):\n        return nothing\n")
    space = make_config(config_of(["basic", broken])).make_space()
    with pytest.raises(ConfigError, match="got NameError"):
        check_own_blocks(space)


def test_a_study_of_shipped_parts_needs_no_torch() -> None:
    code = (
        "import sys\n"
        "from nas.config import make_config\n"
        "from nas.own_parts import check_own_parts\n"
        "check_own_parts(make_config({}))\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_deepest_network_of_every_class_is_tried(write: Any) -> None:
    counting = write(
        "    made = 0\n"
        "    def __init__(self, *args, **init_args):\n"
        "        super().__init__(*args, **init_args)\n"
        "        Own.made += 1\n"
    )
    config = config_of(["basic", counting])
    config["space"] |= {"min_blocks": 2, "max_blocks": 20}
    space = make_config(config).make_space()
    [specs] = networks_by_block(space)
    assert all(spec.block_layers == 2 and spec.block != "basic" for spec in specs)
    assert (specs[0].depths, specs[-1].depths) == ((2, 2), (20, 20))
    check_own_blocks(space)
    module = sys.modules[counting["class_path"].partition(".")[0]]
    # Those of both networks; the shapes of each are counted on a second instance.
    assert module.Own.made >= 4 + 40


def test_space_that_names_its_decisions_in_its_own_way_is_tried_by_samples(write: Any) -> None:
    block = BlockClass.model_validate(write("    pass\n"))

    class Other(SearchSpace):
        @property
        def size(self) -> int:
            return 2

        @property
        def deepest(self) -> tuple[int, ...]:
            return (2, 1)

        @property
        def anchor_depths(self) -> tuple[tuple[int, ...], ...]:
            return ((1, 1), (2, 1))

        def uniform(self, depths: tuple[int, ...], kind: Kind) -> ArchitectureSpec:
            plain = make_config(config_of("basic")).make_space().uniform(depths, kind)
            return plain.changed(block=block)

        def decide(self, choose: Choose) -> ArchitectureSpec:
            blocks = int(choose(Decision(name="blocks", choices=(1, 2))))
            return self.uniform((blocks, 1), Kind.NONE)

        def decisions(self, spec: ArchitectureSpec) -> dict[str, Value]:
            if spec.skips:
                raise SpaceError("A network without skips is needed, got some.")
            return {"blocks": spec.depths[0]}

    [specs] = networks_by_block(Other())
    assert (specs[0].depths, specs[-1].depths) == ((1, 1), (2, 1))


SPACE = """
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig


class Own(ResidualSpace):
    def __init__(self, *, input, num_classes):
        super().__init__(ResidualSpaceConfig(stages=1, max_blocks=2, width=2), input, num_classes)

"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", None),
        ("    def decide(self, choose):\n        return None\n", "decide must return an Arch"),
        (
            "    def decisions(self, spec):\n        return nothing\n",
            r"decisions must .*, got NameError: .*'nothing' is not defined in space_\d+.py, line 10",
        ),
    ],
    ids=["fine", "no network", "raises"],
)
def test_space_of_the_users_is_tried_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"space_{abs(hash(body))}"
    (tmp_path / f"{name}.py").write_text(SPACE + body)
    config = make_config({"space": {"class_path": f"{name}.Own"}, "search": {"trials": 8}})
    if message is None:
        check_own_parts(config)
        return
    with pytest.raises(SpaceError, match=rf"^space: {name}.Own.{message}"):
        check_own_parts(config)

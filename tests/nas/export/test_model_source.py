"""The generated `model.py`: same function and same weights as the trained network, readable."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from nas.export.model_source import model_source, network_name
from search_spaces import ArchitectureSpec, complexity, preset
from tests.nas.export.networks import MEAN, SPECS, STD, VARIED, make_network

PROJECT = Path(__file__).parents[3]
RANGE = (0.0, 16.0)


def import_model(
    folder: Path, spec: ArchitectureSpec, metadata_id: str | None = None
) -> ModuleType:
    """Write and import `model.py` with the weights of a network of this spec beside it."""
    network = make_network(spec)
    file = folder / "model.py"
    file.write_text(model_source(spec, MEAN, STD, RANGE), encoding="utf-8")
    save_file(
        network.module.state_dict(),
        folder / "model.safetensors",
        metadata={"spec_id": metadata_id or spec.spec_id},
    )
    found = importlib.util.spec_from_file_location(f"model_{folder.name}", file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", VARIED)
def test_exported_network_gives_the_logits_of_the_trained_one(name: str, tmp_path: Path) -> None:
    spec = VARIED[name]
    trained = make_network(spec)
    exported = import_model(tmp_path, spec).load()
    with torch.no_grad():
        logits = exported(torch.from_numpy(trained.images))
    assert torch.equal(logits, trained.logits)
    assert trained.logits.std() > 0
    assert not exported.training
    assert set(exported.state_dict()) == set(trained.module.state_dict())


def test_names_of_weights_are_those_of_the_search(tmp_path: Path) -> None:
    names = list(import_model(tmp_path, SPECS["mixed"]).load().state_dict())
    assert names[0] == "stem.conv.weight"
    assert "blocks.1.branch.conv1.weight" in names
    assert "blocks.3.shortcuts.0.norm.running_mean" in names


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mixed", set()),
        ("bottleneck", {"inner"}),
        ("pre-activation", {"final_norm"}),
        ("no norm", {"no norm"}),
        ("average pooling", {"AvgPool2d"}),
        ("large stem", {"MaxPool2d"}),
        ("long", {"SkipRow", "import math"}),
    ],
)
def test_only_what_the_network_uses_is_written(name: str, words: set[str]) -> None:
    source = model_source(VARIED[name], MEAN, STD, RANGE)
    unusual = {"inner", "final_norm", "AvgPool2d", "MaxPool2d", "SkipRow", "import math"}
    unusual |= {"import_branch", "ModuleType"}
    assert {word for word in unusual if word in source} == words - {"no norm"}
    assert ("BatchNorm2d" not in source) == ("no norm" in words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mixed", "1x1 convolution with stride and batch norm."),
        ("no norm", "1x1 convolution with stride."),
        ("average pooling", "Average pooling by the stride, 1x1 convolution and batch norm."),
        (
            "average pooling, pre-activation, long skips",
            "Batch norm, ReLU, average pooling by the stride and 1x1 convolution.",
        ),
        ("no norm, pre-activation", "ReLU and 1x1 convolution with stride."),
        ("large stem", "7x7 convolution, batch norm, ReLU and maximum pooling."),
        ("bottleneck", "1x1, 3x3 and 1x1 convolutions, each with batch norm."),
        ("pre-activation", "Two 3x3 convolutions, each after batch norm and ReLU."),
        ("no norm", "Two 3x3 convolutions without norms."),
        ("pre-activation", "branch(x) + shortcut(x)."),
        ("long", "relu(branch(x) + shortcuts)."),
        ("none", "relu(branch(x))."),
    ],
)
def test_docstrings_say_what_the_layers_are(name: str, words: str) -> None:
    assert f'    """{words}' in model_source(VARIED[name], MEAN, STD, RANGE)


def test_ordinary_network_stays_short() -> None:
    source = model_source(preset("resnet-20"), (0.0,) * 3, (1.0,) * 3, RANGE)
    assert len(source.splitlines()) <= 200


def test_skips_that_end_at_one_addition_stand_in_the_order_of_their_weights() -> None:
    source = model_source(VARIED["long skips across stages"], MEAN, STD, RANGE)
    rows = [line.strip() for line in source.splitlines() if '", "stage2.block1", "' in line]
    assert rows == [
        'SkipRow("stage2.block1", "stage2.block1", "projection"),',
        'SkipRow("stage1.block2", "stage2.block1", "identity"),',
        'SkipRow("stage1.block1", "stage2.block1", "projection"),',
    ]


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("none", set()),
        ("identity", {"IdentityShortcut"}),
        ("projection", {"ProjectionShortcut"}),
        ("mixed", {"IdentityShortcut", "ProjectionShortcut"}),
    ],
)
def test_only_shortcut_classes_that_are_used_are_written(name: str, used: set[str]) -> None:
    source = model_source(SPECS[name], MEAN, STD, RANGE)
    classes = {"IdentityShortcut", "ProjectionShortcut"}
    assert {word for word in classes if word in source} == used


def test_blocks_are_one_line_each_with_their_shortcut() -> None:
    source = model_source(SPECS["mixed"], MEAN, STD, RANGE)
    assert '    BlockRow("stage1.block1", 4, 4, 1, "none"),\n' in source
    assert '    BlockRow("stage1.block2", 4, 4, 1, "identity"),\n' in source
    assert '    BlockRow("stage3.block1", 8, 16, 2, "projection"),\n' in source


def test_deep_network_is_as_long_as_a_shallow_one_but_for_its_table() -> None:
    lengths = [
        len(model_source(preset(name), (0.0,) * 3, (1.0,) * 3, RANGE).splitlines())
        for name in ("resnet-20", "resnet-110")
    ]
    assert lengths[1] - lengths[0] == 54 - 9


def test_source_is_clean_under_the_rules_of_this_project(tmp_path: Path) -> None:
    shipped = {**VARIED, "colour": preset("resnet-20-b")}
    for name, spec in shipped.items():
        channels = spec.input.channels
        mean, std = (1 / 3,) * channels, (1 / 7,) * channels
        (tmp_path / f"{name}.py").write_text(model_source(spec, mean, std, RANGE))
    many = SPECS["none"].to_dict() | {"input": {"channels": 12, "height": 8, "width": 8}}
    source = model_source(ArchitectureSpec.from_dict(many), (1 / 3,) * 12, (1 / 7,) * 12, RANGE)
    (tmp_path / "many_channels.py").write_text(source)
    options = ["--no-cache", "--config", str(PROJECT / "pyproject.toml"), str(tmp_path)]
    for file in tmp_path.iterdir():
        assert max(map(len, file.read_text().splitlines())) <= 99, file.name
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *options],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_images_of_any_number_type_are_taken_raw(tmp_path: Path) -> None:
    exported = import_model(tmp_path, SPECS["mixed"]).load()
    images = torch.from_numpy(make_network(SPECS["mixed"]).images)
    with torch.no_grad():
        expected = exported(images)
        for kind in (torch.float64, torch.uint8):
            torch.testing.assert_close(exported(images.to(kind)), expected)


def test_images_of_another_shape_are_refused(tmp_path: Path) -> None:
    exported = import_model(tmp_path, SPECS["mixed"]).load()
    with pytest.raises(ValueError, match=r"shape \(N, 1, 8, 8\), got shape=\(2, 3, 8, 8\)"):
        exported(torch.zeros(2, 3, 8, 8))


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    module = import_model(tmp_path, SPECS["mixed"], metadata_id="0123")
    with pytest.raises(ValueError, match=r"weights of spec_id='\w{16}', got spec_id='0123'"):
        module.load()


def test_load_takes_another_folder(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    module = import_model(here, SPECS["mixed"])
    (here / "model.safetensors").rename(there / "model.safetensors")
    assert module.load(there).load_state_dict(module.load(str(there)).state_dict())
    with pytest.raises(FileNotFoundError):
        module.load()


@pytest.mark.parametrize("name", ["none", "mixed", "long", "bottleneck"])
def test_description_says_layers_params_and_blocks(name: str, tmp_path: Path) -> None:
    spec = VARIED[name]
    lines = import_model(tmp_path, spec).describe().splitlines()
    assert f"{network_name(spec)}: {spec.layers} layers" in lines[0]
    assert f"{complexity(spec).params:,} params" in lines[0]
    num_skip_lines = len(spec.skips) if name == "long" else 0
    assert len(lines) == 2 + spec.num_blocks + num_skip_lines


def test_running_the_file_prints_the_description_without_the_toolkit_or_numpy(
    tmp_path: Path,
) -> None:
    module = import_model(tmp_path, SPECS["mixed"])
    code = (
        "import runpy, sys; sys.modules['numpy'] = None; "
        "names = runpy.run_path(sys.argv[1]); names['load'](); "
        "runpy.run_path(sys.argv[1], run_name='__main__'); "
        "assert not {'search_spaces', 'trainer', 'nas'} & set(sys.modules)"
    )
    command = [sys.executable, "-I", "-c", code, str(tmp_path / "model.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == module.describe()

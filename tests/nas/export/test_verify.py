"""The proof: another file than the trained network's is found out."""

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from nas.errors import ExportError
from nas.export import ExportRequest
from nas.export.verify import (
    MIN_IMAGES,
    check_accuracy,
    check_architecture,
    check_in_fresh_process,
    load_network,
    write_reference,
)
from nas.export.write import write_network
from tests.nas.export.networks import SPECS, Network, make_network


@pytest.fixture
def drafted(tmp_path: Path, good: ExportRequest) -> tuple[Path, Path]:
    """A written network, and the reference to compare it with."""
    folder, reference = tmp_path / "export", tmp_path / "reference.safetensors"
    folder.mkdir()
    module = load_network(good.spec, good.weights)
    write_network(folder, good, module)
    write_reference(module, good, reference)
    return folder, reference


def test_weights_changed_after_writing_are_found(drafted, good: ExportRequest) -> None:
    folder, reference = drafted
    other = load_network(good.spec, make_network(good.spec, seed=5).weights)
    write_network(folder, good, other)
    with pytest.raises(ExportError, match=r"within \d.\de-0\d, got max_abs_difference=\d"):
        check_in_fresh_process(folder, reference)


def test_another_normalisation_is_found(drafted, good: ExportRequest) -> None:
    folder, reference = drafted
    module = load_network(good.spec, good.weights)
    write_network(folder, replace(good, mean=(5.0,)), module)
    with pytest.raises(ExportError, match="got max_abs_difference="):
        check_in_fresh_process(folder, reference)


def test_model_that_needs_the_toolkit_is_found(drafted) -> None:
    folder, reference = drafted
    file = folder / "model.py"
    file.write_text(file.read_text() + "\nsys.modules['trainer'] = sys\n")
    with pytest.raises(ExportError, match=r"got toolkit_modules=\['trainer'\]"):
        check_in_fresh_process(folder, reference)


def test_model_that_does_not_load_is_found(drafted) -> None:
    folder, reference = drafted
    (folder / "model.py").write_text("raise RuntimeError('broken on purpose')\n")
    with pytest.raises(ExportError, match=r"got exit code=1: RuntimeError: broken on purpose"):
        check_in_fresh_process(folder, reference)


def test_check_that_does_not_end_is_given_up(drafted) -> None:
    folder, reference = drafted
    with pytest.raises(ExportError, match=r"end within timeout_s=0\.01, got no answer"):
        check_in_fresh_process(folder, reference, timeout_s=0.01)


def test_architecture_of_another_network_is_found(drafted, good: ExportRequest) -> None:
    folder, _ = drafted
    check_architecture(folder, good.spec)
    (folder / "architecture.json").write_text(SPECS["none"].to_json())
    with pytest.raises(ExportError, match=rf"spec_id='{good.spec.spec_id}', got spec_id='\w+'"):
        check_architecture(folder, good.spec)


def test_reference_holds_enough_images_without_a_test_split(
    tmp_path: Path, good: ExportRequest
) -> None:
    module = load_network(good.spec, good.weights)
    file = tmp_path / "reference.safetensors"
    write_reference(module, replace(good, test_images=None, test_labels=None), file)
    tensors = load_file(file)
    images = tensors["images"]
    assert (len(images), set(tensors)) == (MIN_IMAGES, {"images", "logits"})
    assert 0 <= images.min() < 1
    assert 15 < images.max() <= 16


def test_few_test_images_are_topped_up(tmp_path: Path, network: Network, good) -> None:
    module = load_network(good.spec, good.weights)
    file = tmp_path / "reference.safetensors"
    few = replace(good, test_images=network.images[:5], test_labels=network.labels[:5])
    write_reference(module, few, file)
    tensors = load_file(file)
    assert (len(tensors["images"]), len(tensors["labels"])) == (MIN_IMAGES, 5)


def test_weights_of_another_architecture_are_refused() -> None:
    weights = make_network(SPECS["identity"]).weights
    with pytest.raises(ExportError, match=r"those of spec_id='\w+', got .*Missing key"):
        load_network(SPECS["projection"], weights)


def test_bytes_that_are_no_weights_are_refused() -> None:
    with pytest.raises(ExportError, match=r"those of spec_id='\w+', got .*header"):
        load_network(SPECS["none"], b"not weights at all")


def test_weights_that_diverged_are_refused(network: Network) -> None:
    from safetensors.torch import save

    state = {name: tensor.clone() for name, tensor in network.module.state_dict().items()}
    state["head.bias"][3] = float("nan")
    with pytest.raises(ExportError, match=r"inf or nan in tensor='head\.bias'"):
        load_network(SPECS["mixed"], save(state))


def test_one_image_of_difference_is_too_much_in_32_bits(good: ExportRequest) -> None:
    recorded = good.chosen.metrics["test_accuracy"]
    check_accuracy(good, recorded)
    with pytest.raises(ExportError, match=rf"test_accuracy={recorded:.4f}, got test_accuracy="):
        check_accuracy(good, recorded - 1 / 80)


def test_short_number_formats_leave_room_of_one_image_per_hundred(good: ExportRequest) -> None:
    import numpy as np

    recorded = good.chosen.metrics["test_accuracy"]
    short = replace(
        good,
        recipe={"precision": "bf16-mixed"},
        test_images=np.zeros((400, 1, 8, 8)),
        test_labels=np.zeros(400),
    )
    check_accuracy(short, recorded - 4 / 400)
    with pytest.raises(ExportError, match="on 400 images"):
        check_accuracy(short, recorded - 5 / 400)


def test_accuracy_that_was_never_measured_is_not_compared(good: ExportRequest) -> None:
    check_accuracy(good, None)
    check_accuracy(replace(good, chosen=replace(good.chosen, metrics={})), 0.1)

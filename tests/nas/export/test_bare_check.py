"""What the fresh process measures, here in this process."""

from pathlib import Path

import pytest

from nas.export import ExportRequest
from nas.export.bare_check import import_by_path, measure
from nas.export.verify import load_network, write_reference
from nas.export.write import write_network
from tests.nas.export.networks import Network


def test_measurement_of_an_equal_network(
    tmp_path: Path, good: ExportRequest, network: Network
) -> None:
    module = load_network(good.spec, good.weights)
    write_network(tmp_path, good, module)
    write_reference(module, good, tmp_path / "reference.safetensors")
    found = measure(tmp_path, tmp_path / "reference.safetensors")
    assert found["max_abs_difference"] == pytest.approx(0, abs=1e-5)
    assert found["scale"] == pytest.approx(float(network.logits.abs().max()))
    assert found["accuracy"] == pytest.approx(network.accuracy)
    assert found["is_training"] is False
    # The tests themselves have the toolkit loaded, and that is what it must notice.
    assert found["toolkit_modules"] == ["search_spaces", "trainer", "nas"]


def test_file_that_is_no_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match=r"notes\.txt cannot be imported"):
        import_by_path(tmp_path / "notes.txt")

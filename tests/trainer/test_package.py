import subprocess
import sys

import pytest

import trainer


def test_import_loads_neither_torch_nor_lightning():
    code = (
        "import sys, trainer; heavy = {'torch', 'pytorch_lightning', 'torchmetrics', 'sklearn'}; "
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", trainer.__all__)
def test_every_public_name_can_be_had(name):
    assert getattr(trainer, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'trainer' has no attribute 'trane'"):
        _ = trainer.trane

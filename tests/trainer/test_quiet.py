import logging
import warnings

import pytest
from lightning_fabric.utilities.warnings import PossibleUserWarning

from trainer.quiet import quiet_lightning

LOGGERS = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]


def test_lightnings_hints_are_silenced(capfd):
    with quiet_lightning():
        warnings.warn("Your loader is slow.", PossibleUserWarning, stacklevel=1)
        for logger in LOGGERS:
            logger.info("Tip: buy our product.")
    assert capfd.readouterr() == ("", "")


def test_levels_are_as_before_also_after_an_error():
    before = [logger.level for logger in LOGGERS]
    with pytest.raises(KeyError, match="inner"), quiet_lightning():
        raise KeyError("inner")
    assert [logger.level for logger in LOGGERS] == before


def test_other_warnings_pass():
    with pytest.raises(UserWarning, match="mine"), quiet_lightning():
        warnings.warn("mine", UserWarning, stacklevel=1)

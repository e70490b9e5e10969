"""Parts that do not belong together are refused before anything is written."""

from dataclasses import replace

import numpy as np
import pytest

from nas.errors import ExportError
from nas.export import ExportRequest
from search_spaces import InputShape
from tests.nas.export.networks import SPECS


def test_parts_that_belong_together_pass(good: ExportRequest) -> None:
    good.check()
    replace(good, test_images=None).check()
    replace(good, test_labels=None).check()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": (1.0, 2.0)}, r"mean must hold 1 finite numbers.*got mean=\(1\.0, 2\.0\)"),
        ({"std": (float("nan"),)}, r"std must hold 1 finite numbers.*got std=\(nan,\)"),
        ({"std": (0.0,)}, r"std must be above 0 in every channel, got std=\(0\.0,\)"),
        ({"seed": 5}, r"got seed=5 for a run with seed=101"),
        ({"spec": SPECS["none"]}, r"got spec_id='\w+' for a run with spec_id='\w+'"),
        ({"test_images": np.zeros((4, 8, 8))}, r"\(N, 1, 8, 8\), got shape=\(4, 8, 8\)"),
        ({"test_images": np.zeros((0, 1, 8, 8))}, r"got shape=\(0, 1, 8, 8\)"),
        ({"test_labels": np.zeros(3)}, r"shape \(80,\), one per image, got shape=\(3,\)"),
    ],
    ids=["two means", "nan", "std 0", "seed", "spec", "no channels", "no images", "few labels"],
)
def test_parts_that_do_not_belong_together_are_named(
    good: ExportRequest, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        replace(good, **changes).check()


def test_data_of_another_shape_are_named(good: ExportRequest) -> None:
    colour = InputShape(channels=3, height=32, width=32)
    facts = replace(good.facts, name="other", input=colour)
    with pytest.raises(ExportError, match=r"'other', got 1x8x8 .* for data of 3x32x32"):
        replace(good, facts=facts).check()

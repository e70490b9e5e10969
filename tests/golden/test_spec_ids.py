"""Ids are kept in storages and names of runs, so they must not change from version to version."""

import json
from pathlib import Path

import pytest

from search_spaces import preset

STORED = json.loads((Path(__file__).parent / "spec_ids.json").read_text())


@pytest.mark.parametrize("name", STORED)
def test_spec_id_is_the_stored_one(name: str) -> None:
    assert preset(name).spec_id == STORED[name]

"""A request that holds together, made once; files of a user's, made anew."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nas.export import ExportRequest
from tests.nas.export.networks import SPECS, Network, make_network, make_request


@pytest.fixture(scope="session")
def network() -> Network:
    return make_network(SPECS["mixed"])


@pytest.fixture(scope="session")
def good(network: Network) -> ExportRequest:
    return make_request(SPECS["mixed"], network)


@pytest.fixture
def user_file(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], Path]:
    """Write a file of the user's where it can be imported; each needs a name of its own."""
    folder = tmp_path_factory.mktemp("of_the_user")
    monkeypatch.syspath_prepend(str(folder))

    def write(name: str, text: str) -> Path:
        file = folder / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write

"""A request that holds together, made once."""

import pytest

from nas.export import ExportRequest
from tests.nas.export.networks import SPECS, Network, make_network, make_request


@pytest.fixture(scope="session")
def network() -> Network:
    return make_network(SPECS["mixed"])


@pytest.fixture(scope="session")
def good(network: Network) -> ExportRequest:
    return make_request(SPECS["mixed"], network)

import math

import pytest
import torch
from safetensors.torch import save

from nas.claims.inside import edges, look_inside, measure, pooled
from nas.claims.setup import ClaimsSetup
from nas.config import make_config
from search_spaces import Kind, build_candidate
from trainer import ImageData, generator, load_data

SETUP = ClaimsSetup.from_config(make_config({"space": {"width": 4}}))


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_data("digits")


def test_what_is_seen_inside_is_that_of_the_weights(digits: ImageData) -> None:
    training = SETUP.by_depth(SETUP.of_layers(8, Kind.IDENTITY), 0)
    network = build_candidate(training.spec, generator(3, "init"))
    found = look_inside(training, save(network.state_dict()), digits)
    assert len(found["branch_shortcut_ratio"]) == 3
    assert all(0 < ratio < 100 for ratio in found["branch_shortcut_ratio"])
    assert set(found["probe"]) == {"stem", "pixels", "edges"}
    assert all(0 <= share <= 1 for share in found["probe"].values())


def test_plain_blocks_have_no_ratio(digits: ImageData) -> None:
    training = SETUP.by_depth(SETUP.of_layers(8, Kind.NONE), 0)
    weights = save(build_candidate(training.spec, generator(3, "init")).state_dict())
    found = look_inside(training, weights, digits)
    assert all(math.isnan(ratio) for ratio in found["branch_shortcut_ratio"])


def test_edges_are_where_neighbours_differ() -> None:
    images = torch.zeros(1, 1, 8, 8)
    images[:, :, :, 4:] = 1.0
    across, down = edges(images).view(2, 4, 4)
    assert down.sum() == 0
    assert across.sum(dim=0).nonzero().flatten().tolist() in ([1, 2], [1], [2])
    assert pooled(images).shape == (1, 1, 4, 4)
    assert pooled(torch.zeros(2, 3, 2, 1)).shape == (2, 3, 2, 1)


def test_gradients_and_cosines_have_a_value_per_seed(digits: ImageData) -> None:
    spec = SETUP.of_layers(8)
    logs = measure(SETUP.measuring("gradients", 2, spec), digits)
    assert [len(blocks) for blocks in logs] == [3, 3]
    assert logs[0] != logs[1]
    cosines = measure(SETUP.measuring("cosines", 2, spec), digits)
    assert all(-1 <= cosine <= 1 for cosine in cosines)
    assert measure(SETUP.measuring("cosines", 2, spec), digits) == cosines


def test_gradients_without_a_network_are_a_mistake(digits: ImageData) -> None:
    with pytest.raises(
        TypeError,
        match=r"^nas claims: gradients must be measured on a network, got spec=None\. Give Meas",
    ):
        measure(SETUP.measuring("gradients", 1), digits)

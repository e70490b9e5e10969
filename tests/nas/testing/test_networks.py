import pytest
import torch

from nas.testing.networks import (
    fingerprint,
    images_for,
    measured_complexity,
    parameters_without_gradient,
    shortcut_logits,
    without_branches,
)
from search_spaces import InputShape, Kind, Place, make_space

IMAGES = InputShape(channels=3, height=7, width=5)
CONFIG = {"stages": 3, "max_blocks": 1, "width": 4}
SPACE = make_space(CONFIG, IMAGES, num_classes=3)
IDENTITY = SPACE.uniform((1, 1, 1), Kind.IDENTITY)


def test_fingerprint_tells_kinds_apart() -> None:
    specs = [SPACE.uniform((1, 1, 1), kind) for kind in Kind]
    assert len({fingerprint(spec) for spec in specs}) == 3
    assert fingerprint(specs[0]) == fingerprint(specs[0])


def test_fingerprint_tells_where_a_skip_begins() -> None:
    skips = [
        [{"from": start, "to": "stage3.block1", "kind": "identity"}]
        for start in ("stage1.block1", "stage2.block1", "stage3.block1")
    ]
    plain = IDENTITY.with_skips([])
    assert len({fingerprint(plain.with_skips(skip)) for skip in skips}) == 3


def test_parameter_whose_gradient_is_zero_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parameters_without_gradient(IDENTITY, seed=0) == []
    # A last convolution that gives nothing cuts all off that lies before it.
    monkeypatch.setattr("torch.nn.Linear.forward", lambda self, x: x.detach() @ self.weight.T)
    left = parameters_without_gradient(IDENTITY, seed=0)
    assert "blocks.0.branch.conv1.weight" in left
    assert "head.weight" not in left


def test_zero_initialised_branches_behind_one_another_are_given_enough_steps() -> None:
    config = CONFIG | {"zero_init": True, "name": "longskip"}
    space = make_space(config, IMAGES, num_classes=3)
    skips = [
        {"from": "stage1.block1", "to": f"stage{stage}.block1", "kind": "projection"}
        for stage in (1, 2, 3)
    ]
    spec = space.uniform((1, 1, 1), Kind.NONE).to_dict() | {"skips": skips, "zero_init": True}
    assert parameters_without_gradient(type(IDENTITY).from_dict(spec), seed=0) == []


def test_network_without_branches_forgets_what_no_skip_carries() -> None:
    spec = IDENTITY.with_kinds({Place(2, 1): Kind.NONE})
    network, images = without_branches(spec), images_for(spec, batch=2)
    with torch.no_grad():
        logits = network(images)
        assert torch.equal(logits, shortcut_logits(network, images))
        # A plain block leaves zeros, so that only the classifier's bias is left.
        assert torch.equal(logits, network.head.bias.expand(2, 3))


def test_complexity_is_counted_on_the_network() -> None:
    spec = SPACE.uniform((1, 1, 1), Kind.NONE)
    params, macs = measured_complexity(spec)
    # Stem, its norm, and six convolutions with norms of 4, 8 and 16 channels; the classifier.
    weights = [9 * 3 * 4, 9 * 4 * 4, 9 * 4 * 4, 9 * 4 * 8, 9 * 8 * 8, 9 * 8 * 16, 9 * 16 * 16]
    norms = 2 * (3 * 4 + 2 * 8 + 2 * 16)
    assert params == sum(weights) + norms + 17 * 3
    pixels = [35, 35, 35, 12, 12, 4, 4]
    assert macs == sum(w * p for w, p in zip(weights, pixels, strict=True)) + 16 * 3

import math

import pytest
import torch
from torch.nn import functional

from search_spaces import InputShape, build_candidate, preset
from search_spaces.errors import UserError
from trainer.data import data_facts
from trainer.evidence import gradient_norms
from trainer.gradient_profile import Course, GradientProfile, gradient_profile, profile_data
from trainer.seeding import child_seed, generator


def for_digits(name, **fields):
    facts = data_facts("digits")
    spec = preset(name, input=facts.input, num_classes=facts.num_classes, width=8)
    return spec.changed(**fields)


def made(*ratios):
    """A profile of three blocks whose first and last norms have these ratios, in powers of 10."""
    norms = tuple((10.0**ratio, 2.0, 1.0) for ratio in ratios)
    return GradientProfile(spec=preset("plain-8"), norms=norms)


def test_norms_are_those_of_fresh_networks_on_noise_for_unknown_images():
    spec = preset("resnet-8", input=InputShape(channels=2, height=5, width=5), num_classes=3)
    profile = gradient_profile(spec, seeds=2)
    seed = child_seed(1, "gradients")
    draws = generator(seed, "batch")
    images = torch.randn((64, 2, 5, 5), generator=draws)
    labels = torch.randint(3, (64,), generator=draws)
    network = build_candidate(spec, generator(seed, "init"))
    wanted = gradient_norms(network, functional.cross_entropy, images, labels)
    assert profile.norms[1] == pytest.approx(wanted)
    assert "noise" in profile_data(spec)


def test_images_of_a_shipped_data_set_are_real():
    spec = for_digits("resnet-8")
    assert profile_data(spec) == "64 training images of digits per seed"
    assert gradient_profile(spec, seeds=1) == gradient_profile(spec, seeds=1)


def test_large_networks_get_small_batches():
    assert profile_data(preset("resnet-50")).startswith("8 images of standard normal noise")


@pytest.mark.parametrize(
    ("ratios", "course"),
    [
        ((0.1, -0.1, 0.0), Course.EVEN),
        ((-1.4, -1.5, -1.6), Course.VANISHING),
        ((2.4, 2.5, 2.6), Course.EXPLODING),
        ((0.0, 1.5, 2.0), Course.UNCLEAR),
        ((0.5, 1.4), Course.UNCLEAR),
        ((1.2,), Course.UNKNOWN),
        ((0.9,), Course.UNKNOWN),
    ],
)
def test_the_whole_interval_decides(ratios, course):
    assert made(*ratios).course is course


def test_numbers_of_a_profile():
    profile = made(1.0, 2.0, 3.0)
    assert profile.logs == pytest.approx((2.0, math.log10(2), 0.0))
    assert profile.ratio == pytest.approx(2.0)
    assert profile.spread == pytest.approx(1.0)
    # The t quantile with two degrees of freedom is 4.303.
    assert profile.interval == pytest.approx((-0.4841, 4.4841), abs=1e-3)


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_gradients_that_are_no_numbers_are_said_to_be_so(bad):
    profile = GradientProfile(spec=preset("plain-8"), norms=((bad, 1.0, 1.0), (1.0, 1.0, 1.0)))
    assert profile.course is Course.NOT_FINITE
    found = profile.to_dict()
    assert found["log10_first_over_last"] is None
    assert found["by_seed"] == [None, 0.0]
    assert found["log10_norms"] == {
        "stage1.block1": None,
        "stage2.block1": 0.0,
        "stage3.block1": 0.0,
    }


def test_with_batch_norm_a_deep_plain_network_explodes_and_skips_hold_it():
    plain, skips = (gradient_profile(for_digits(n), seeds=3) for n in ("plain-56", "resnet-56"))
    assert plain.course is Course.EXPLODING
    assert plain.ratio == pytest.approx(3.1, abs=0.5)
    assert skips.course is Course.EVEN


def test_without_norm_a_deep_plain_network_vanishes_and_skips_hold_it():
    plain, skips = (
        gradient_profile(for_digits(name, norm="none"), seeds=3)
        for name in ("plain-56", "resnet-56")
    )
    assert plain.course is Course.VANISHING
    assert skips.course is Course.EVEN


def test_no_seed_is_no_profile():
    with pytest.raises(UserError, match="seeds must be at least 1, got seeds=0"):
        gradient_profile(preset("plain-8"), seeds=0)


def test_one_block_has_no_first_over_last():
    spec = preset("plain-8")
    one = spec.changed(stages=[spec.stages[0]])
    profile = GradientProfile(spec=one, norms=((1.0,), (2.0,)))
    assert profile.course is Course.UNKNOWN
    assert profile.ratio is None
    assert profile.to_dict()["by_seed"] == []


def test_a_network_larger_than_memory_is_refused_at_once():
    with pytest.raises(UserError, match=r"must fit into memory, got [\d,]+ parameters, .* GiB"):
        gradient_profile(preset("plain-8", width=10_000))


@pytest.mark.parametrize(
    ("words", "raised"),
    [
        ("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried", UserError),
        ("mat1 and mat2 shapes cannot be multiplied", RuntimeError),
    ],
)
def test_memory_that_ends_while_gradients_are_computed_is_told(monkeypatch, words, raised):
    def fail(*arguments):
        raise RuntimeError(words)

    monkeypatch.setattr("trainer.gradient_profile.gradient_norms", fail)
    with pytest.raises(raised, match=r"must fit into memory|shapes"):
        gradient_profile(for_digits("plain-8"), seeds=1)

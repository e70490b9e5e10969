import json

import pytest

from nas.show_gradients import GradientComparison, compare_gradients, describe_gradients
from search_spaces import preset
from search_spaces.spec import ArchitectureSpec
from trainer.data import data_facts
from trainer.gradient_profile import GradientProfile


def for_digits(name: str) -> ArchitectureSpec:
    facts = data_facts("digits")
    return preset(name, input=facts.input, num_classes=facts.num_classes, width=4)


@pytest.fixture(scope="module")
def measured() -> GradientComparison:
    return compare_gradients(for_digits("resnet-8"), seeds=2)


def made(spec: ArchitectureSpec, *norms: tuple[float, ...]) -> GradientProfile:
    return GradientProfile(spec=spec, norms=norms)


def compared(own: GradientProfile, other: GradientProfile) -> GradientComparison:
    return GradientComparison(data="noise", seeds=len(own.norms), own=own, other=other)


def test_the_network_stands_beside_itself_without_batch_norm(measured: GradientComparison) -> None:
    assert measured.own.spec == for_digits("resnet-8")
    assert measured.other.spec == for_digits("resnet-8").changed(norm="none")
    assert measured.seeds == len(measured.own.norms) == len(measured.other.norms) == 2


def test_a_network_without_norm_stands_beside_itself_with_one() -> None:
    spec = for_digits("plain-8").changed(norm="none")
    assert compare_gradients(spec, seeds=1).other.spec == for_digits("plain-8")


def test_numbers_are_json(measured: GradientComparison) -> None:
    found = json.loads(json.dumps(measured.to_dict(), allow_nan=False))
    assert [profile["norm"] for profile in found["profiles"]] == ["batch", "none"]
    assert list(found["profiles"][0]["log10_norms"]) == [
        "stage1.block1",
        "stage2.block1",
        "stage3.block1",
    ]
    assert found["data"] == "64 training images of digits per seed"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_line_per_block_has_a_number_and_a_bar_for_each(
    measured: GradientComparison, width: int
) -> None:
    lines = describe_gradients(measured, width=width).splitlines()
    rows = [line for line in lines if line.startswith("stage")]
    assert len(rows) == 3
    assert all(line.count("+") + line.count("-") == 2 for line in rows)
    assert all(line.count("█ ") >= 1 and line.endswith("█") for line in rows)
    assert max(map(len, lines)) <= width


def test_bars_of_ascii_only_where_the_stream_can_do_no_more(measured: GradientComparison) -> None:
    text = describe_gradients(measured, ascii_only=True)
    assert text.isascii()
    assert "#" in text


def test_what_becomes_of_the_gradients_is_said_in_words() -> None:
    spec = preset("plain-8")
    text = describe_gradients(
        compared(
            made(spec, (100.0, 1.0, 1.0), (101.0, 1.0, 1.0)),
            made(spec.changed(norm="none"), (0.01, 1.0, 1.0), (0.011, 1.0, 1.0)),
        ),
        width=120,
    )
    assert "batch norm (this network): +2.00 (sd 0.00, 95% from" in text
    assert "exploding towards the first block" in text
    assert "no norm: -1.98" in text
    assert "vanishing towards the first block" in text


def test_one_seed_has_no_interval_and_bad_gradients_are_counted() -> None:
    spec = preset("plain-8")
    text = describe_gradients(
        compared(made(spec, (1.0, 1.0, 1.0)), made(spec, (float("nan"), 1.0, 1.0))),
        width=120,
    )
    assert "+0.00 (one seed, no interval): no verdict; several --seeds give one" in text
    assert "not finite (1 of 1 seeds with gradients that are no numbers)" in text
    assert "mean of 1 seed;" in text
    none = describe_gradients(
        compared(made(spec, (0.0, 1.0, 1.0)), made(spec, (float("nan"),) * 3)), width=120
    )
    assert "1 of 1 seeds without any gradient at the first block" in none


def test_of_a_deep_network_some_blocks_are_shown_the_ends_among_them() -> None:
    spec = preset("plain-1202")
    profile = made(spec, tuple(float(10**-6 * (n + 1)) for n in range(600)))
    text = describe_gradients(compared(profile, profile))
    rows = [line.split()[0] for line in text.splitlines() if line.startswith("stage")]
    assert len(rows) == 30
    assert (rows[0], rows[-1]) == ("stage1.block1", "stage3.block200")
    assert "30 of 600 blocks" in text


def test_a_network_of_one_block_has_no_ratio() -> None:
    spec = preset("plain-8")
    spec = spec.changed(stages=[spec.stages[0]])
    profile = made(spec, (1.0,), (2.0,))
    assert "batch norm (this network): no ratio, the network has one block" in describe_gradients(
        compared(profile, profile), width=120
    )

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.wandb_keys import to_key, to_parameter

WORDS = st.sampled_from(["depth", "skip", "span", "has_skip"])
COUNTS = st.integers(1, 300)


@given(word=WORDS, stage=COUNTS, block=st.none() | COUNTS)
def test_decision_names_survive_the_way_to_wandb_and_back(
    word: str, stage: int, block: int | None
) -> None:
    name = f"{word}.stage{stage}" + (f".block{block}" if block else "")
    assert "." not in to_key(name)
    assert to_parameter(to_key(name)) == name


@pytest.mark.parametrize("name", ["lr", "head.kind", "my.head.width"])
def test_other_parameters_survive_too(name: str) -> None:
    assert "." not in to_key(name)
    assert to_parameter(to_key(name)) == name


@given(word=st.sampled_from(["skip2", "span3"]), stage=COUNTS, block=COUNTS)
def test_numbered_decisions_survive_too(word: str, stage: int, block: int) -> None:
    name = f"{word}.stage{stage}.block{block}"
    assert to_key(name) == f"{word}_s{stage}_b{block:02d}"
    assert to_parameter(to_key(name)) == name

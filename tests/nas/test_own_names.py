from pathlib import Path

import pytest

from nas.errors import ConfigError, TableError
from nas.own_names import OwnNames, read_names, renamed

YAML = """
skip.stage1.block1: use_skip_0
skip.stage1.block2: {name: use_skip_1, kinds: {yes: projection}}
value: loss
kinds: {true: identity, no: none, 2: absent}
source: randomised
"""


@pytest.fixture
def names(tmp_path: Path) -> OwnNames:
    (tmp_path / "names.yaml").write_text(YAML)
    return read_names(tmp_path / "names.yaml")


def test_words_are_read_as_they_are_typed_and_blocks_may_have_their_own(names: OwnNames) -> None:
    assert names.columns["skip.stage1.block2"] == "use_skip_1"
    assert names.source == "randomised"
    first, second = "skip.stage1.block1", "skip.stage1.block2"
    assert [names.value(first, word) for word in ("True", "no", "1", "2")] == [
        "identity", "none", "identity", "",
    ]  # fmt: skip
    assert names.value(second, "YES") == "projection"
    assert names.value(first, "yes") == "yes"
    # Only kinds are translated.
    assert names.value("value", "1") == "1"


def test_a_mapping_says_the_same_as_a_file() -> None:
    names = read_names({"skip.stage1.block1": "a", "kinds": {True: "identity", 0.0: "none"}})
    assert names.value("skip.stage1.block1", "True") == "identity"
    assert names.value("skip.stage1.block1", "0") == "none"
    assert read_names(None) == OwnNames()
    assert read_names(names) is names


def test_source_is_a_column_or_a_word(names: OwnNames) -> None:
    assert read_names({"source": "who"}).columns == {"source": "who"}
    assert names.with_source(None) is names
    assert names.with_source("adaptive").source == "adaptive"
    with pytest.raises(ConfigError, match=r"source must be a known word, got 'random'\. Did you"):
        names.with_source("random")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"skip.stage0.block1": "a"}, r"keys are our names, .* got 'skip.stage0.block1'"),
        ({"vaule": "a"}, r"got 'vaule'. Did you mean 'value'"),
        ({"kinds": {"on": "skip"}}, r"kinds must name one of ours .* got on: skip"),
        ({"kinds": "identity"}, r"kinds must be a mapping of your words to ours, got 'identity'"),
        (
            {"skip.stage1.block1": {"name": "a", "knds": {"on": "none"}}},
            r"names, skip.stage1.block1: keys of one name must be name and kinds, got 'knds'\. Did "
            r"you mean 'kinds'",
        ),
        (
            {"value": "a", "skip.stage1.block1": "a"},
            r"must stand for one of ours, got 'a' for value and skip.stage1.block1",
        ),
    ],
)
def test_wrong_names_are_told_with_a_remedy(data: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_names(data)


@pytest.mark.parametrize("text", ["- a", "a: [", "just words"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "names.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"names.yaml: names must be .* skip.stage1.block1: use"):
        read_names(tmp_path / "names.yaml")
    with pytest.raises(ConfigError, match=r"none.yaml: names must be readable YAML, got"):
        read_names(tmp_path / "none.yaml")


def test_a_column_of_our_name_makes_way_for_the_one_that_was_named(names: OwnNames) -> None:
    columns = ["trial", "value", "loss", "use_skip_0", "use_skip_1"]
    found, ours = renamed(columns, names, "a.csv")
    assert found == ["trial", "value", "skip.stage1.block1", "skip.stage1.block2"]
    assert ours["loss"] == "value"
    with pytest.raises(TableError, match=r"a.csv: column 'use_skip_1' must be there, as .* calls"):
        renamed(columns[:-1], names, "a.csv")

import copy
import pickle
from dataclasses import dataclass, replace

import pytest

from nas.lazy import Later, Lazy

made: list[str] = []


def shout(word: str) -> str:
    """Note that it was asked for."""
    made.append(word)
    return word.upper()


@dataclass(frozen=True)
class Said:
    """A record with a field that costs something."""

    number: int
    word: Lazy[str] = Lazy[str]("nothing")  # noqa: RUF009


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    made.clear()


def test_value_is_made_at_the_first_reading_and_once() -> None:
    said = Said(1, Later(shout, "word"))
    assert made == []
    assert (said.word, said.word) == ("WORD", "WORD")
    assert made == ["word"]


def test_values_and_the_default_are_as_they_are() -> None:
    assert Said(1).word == "nothing"
    assert Said(1, "plain").word == "plain"
    assert Said(1, "WORD") == Said(1, Later(shout, "word"))
    assert repr(Said(1, Later(shout, "word"))) == "Said(number=1, word='WORD')"
    with pytest.raises(AttributeError, match="cannot assign to field 'word'"):
        Said(1).word = "other"  # type: ignore[misc]


def test_copies_need_not_be_made() -> None:
    said = Said(1, Later(shout, "word"))
    copies = [copy.copy(said), pickle.loads(pickle.dumps(said))]  # noqa: S301
    assert made == []
    assert [copied.word for copied in copies] == ["WORD", "WORD"]
    assert replace(said, number=2).word == "WORD"

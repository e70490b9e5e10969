"""Names and words of a user's own table or study, and what they are called here."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nas.errors import ConfigError, TableError
from nas.table_columns import DECISION, KNOWN, REQUIRED
from nas.trials import Source
from search_spaces.errors import did_you_mean
from search_spaces.places import Kind

ABSENT = "absent"
"""Word for a block that a network does not have."""
_WORDS = (*(kind.value for kind in Kind), ABSENT)
_INNER = ("name", "kinds")
"""What may be said of one column."""
_IS_KIND = re.compile(r"^skip\d*\.")
_METRIC = re.compile(r"(?:val|test)_[A-Za-z0-9_]+")
_ALIKE = {"true": "1", "false": "0", "1": "true", "0": "false"}
"""Tools write truth values either way."""


@dataclass(frozen=True, kw_only=True)
class OwnNames:
    """How the user calls columns or parameters, and their values."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Our name -> the user's."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """The user's word for a kind -> ours, or `absent`."""
    kinds_of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The same for single blocks, by our name of the decision."""
    source: str | None = None
    """Source of trials that say none."""
    where: str = "names"
    """Where they come from, for messages."""

    @property
    def has_words(self) -> bool:
        """Whether any word is to be translated."""
        return bool(self.kinds or self.kinds_of)

    def value(self, name: str, text: str) -> str:
        """Return the value of one of our columns, in our words.

        Args:
            name: Our name of the column.
            text: What the user wrote; a word that is not translated stays.
        """
        if not _IS_KIND.match(name):
            return text
        words = {**self.kinds, **self.kinds_of.get(name, {})}
        word = _word(text)
        found = words.get(word, words.get(_ALIKE.get(word, word), text))
        return "" if found.strip().lower() == ABSENT else found

    def check_there(self, where: str, names: Iterable[str], what: str = "column") -> None:
        """Check that the user's names exist.

        Args:
            where: The table or study, for messages.
            names: Columns of the table, or parameters of the study.
            what: What a name is one of.

        Raises:
            TableError: One does not.
        """
        known = set(names)
        for ours, theirs in self.columns.items():
            if theirs not in known:
                raise TableError(
                    f"{where}: {what} {theirs!r} must be there, as {self.where} calls {ours} so. "
                    f"{did_you_mean(theirs, known)}"
                )

    def with_source(self, source: str | None) -> "OwnNames":
        """Return the same names with a source of trials that say none; None keeps it."""
        if source is None:
            return self
        _check_source("source", source)
        return OwnNames(
            columns=self.columns,
            kinds=self.kinds,
            kinds_of=self.kinds_of,
            source=source,
            where=self.where,
        )


def read_names(names: OwnNames | Mapping[str, Any] | Path | str | None) -> OwnNames:
    """Read names from a YAML file or a mapping: our name -> the user's.

    Beside names there may be `kinds`, a mapping of the user's words to `none`, `identity`,
    `projection` or `absent`, and `source`: the name of a column, or one of our words for all trials
    that say nothing themselves. A block may have words of its own: `{name: use_skip_4, kinds:
    {true: projection, false: none}}`.

    Raises:
        ConfigError: The file cannot be read, a name is no column, or a word is unknown.
    """
    if names is None or isinstance(names, OwnNames):
        return names or OwnNames()
    if isinstance(names, Mapping):
        return _names(names, "names")
    return _names(_read_yaml(Path(names)), str(names))


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        # Every word as it is typed: YAML takes yes, no, on and off for truth values.
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        words = " ".join(str(error).split())
        raise ConfigError(
            f"{path}: names must be readable YAML, got {words}. Write lines such as "
            "skip.stage1.block1: use_skip_0."
        ) from error
    if not isinstance(data, dict):
        raise ConfigError(
            f"{path}: names must be keys and values, got {type(data).__name__}. Write lines such as "
            "skip.stage1.block1: use_skip_0."
        )
    return data


def _names(data: Mapping[str, Any], where: str) -> OwnNames:
    columns: dict[str, str] = {}
    kinds_of: dict[str, Mapping[str, str]] = {}
    source = None
    for ours, theirs in data.items():
        if ours == "kinds":
            continue
        if ours == "source" and str(theirs) in set(Source):
            source = str(theirs)
            continue
        _check_ours(where, str(ours))
        if isinstance(theirs, Mapping):
            _check_inner(f"{where}, {ours}", theirs)
            kinds_of[ours] = _kinds(theirs.get("kinds", {}), f"{where}, {ours}")
        columns[ours] = str(theirs.get("name", ours) if isinstance(theirs, Mapping) else theirs)
    twice = [name for name, number in Counter(columns.values()).items() if number > 1]
    if twice:
        ours = [name for name, theirs in columns.items() if theirs == twice[0]]
        raise ConfigError(
            f"{where}: every name of yours must stand for one of ours, got {twice[0]!r} for "
            f"{' and '.join(ours)}. Correct one."
        )
    return OwnNames(
        columns=columns,
        kinds=_kinds(data.get("kinds", {}), where),
        kinds_of=kinds_of,
        source=source,
        where=where,
    )


def _check_ours(where: str, name: str) -> None:
    if DECISION.match(name) or name in KNOWN or _METRIC.fullmatch(name):
        return
    examples = ["skip.stage1.block1", "depth.stage1", "kinds", *REQUIRED, *KNOWN]
    raise ConfigError(
        f"{where}: keys are our names, such as skip.stage1.block1 (from 1), got {name!r}. "
        f"{did_you_mean(name, dict.fromkeys(examples))}"
    )


def _check_inner(where: str, data: Mapping[str, Any]) -> None:
    for key in data:
        if key not in _INNER:
            raise ConfigError(
                f"{where}: keys of one name must be {' and '.join(_INNER)}, got {str(key)!r}. "
                f"{did_you_mean(str(key), _INNER)}"
            )


def _kinds(words: Any, where: str) -> dict[str, str]:
    if not isinstance(words, Mapping):
        raise ConfigError(
            f"{where}: kinds must be a mapping of your words to ours, got {words!r}. Write "
            "{true: identity, false: none}."
        )
    for theirs, ours in words.items():
        if str(ours) not in _WORDS:
            raise ConfigError(
                f"{where}: kinds must name one of ours for each of your words, got "
                f"{theirs}: {ours}. {did_you_mean(str(ours), _WORDS)}"
            )
    return {_word(theirs): str(ours) for theirs, ours in words.items()}


def _word(value: Any) -> str:
    """Return a value as it is compared: tools write whole numbers as 1.0 too."""
    return str(value).strip().lower().removesuffix(".0")


def _check_source(where: str, word: str) -> None:
    if word not in set(Source):
        raise ConfigError(
            f"{where} must be a known word, got {word!r}. "
            f"{did_you_mean(word, [source.value for source in Source])}"
        )


def renamed(
    columns: Sequence[str], names: OwnNames, where: str
) -> tuple[list[str], dict[str, str]]:
    """Return a table's columns by our names, and our name of each of the user's.

    A column of the user's that has one of our names, but stands for nothing or for something
    else, makes way for the one that was named.

    Raises:
        TableError: A name is missing.
    """
    names.check_there(where, columns)
    ours = {theirs: name for name, theirs in names.columns.items()}
    kept = [name for name in columns if name in ours or name not in names.columns]
    return [ours.get(name, name) for name in kept], {name: ours.get(name, name) for name in kept}

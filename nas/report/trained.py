"""Networks of the reference depth that were really trained, as short codes with their values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nas.report.data import ReportData
from nas.report.numbers import is_number
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import Kind, Place

LETTERS = {kind.value: kind.value[0].upper() for kind in Kind}
"""N, I and P: the kind of one block in a code."""
MOST = 500
"""So many networks go into a page."""


@dataclass(kw_only=True)
class Trained:
    """One network, all of its trainings together."""

    code: str
    """A letter per block, in network order."""
    name: str
    """Such as `trial 17` or `identity-32`."""
    lr: float | None = None
    values: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """Mean over its trainings."""
        return sum(self.values) / len(self.values)


def trained_networks(data: ReportData, places: Sequence[Place]) -> list[Trained]:
    """Return the networks of this depth with values, in the order in which they came.

    Trainings at different learning rates are kept apart.
    """
    found: dict[tuple[str, float | None], Trained] = {}
    reader = CodeReader(places)
    for record in (*data.repeats, *data.trials):
        if record.state is not State.COMPLETE or not is_number(record.value):
            continue
        code = reader.code_of(record)
        if code is None:
            continue
        known = found.setdefault(
            (code, record.lr), Trained(code=code, name=_name(record), lr=record.lr)
        )
        known.values.append(float(record.value))
    networks = list(found.values())
    if len({one.lr for one in networks}) > 1:
        for one in networks:
            one.name += "" if one.lr is None else f", lr {one.lr:g}"
    return networks


class CodeReader:
    """Reads networks of one depth as a letter per block.

    Args:
        places: The blocks, in network order.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = list(places)
        self._names = [f"skip.{place}" for place in places]
        self._layouts: dict[tuple[str, ...], bool | None] = {}
        """By the names of the decisions: whether they are these blocks; None: the spec knows."""

    def code_of(self, record: TrialRecord) -> str | None:
        """Return a letter per block; None for networks of other depths or with long skips."""
        # The specs of ten thousand trials would take longer to read than all else.
        names = tuple(record.decisions)
        if names not in self._layouts:
            self._layouts[names] = self._layout(names)
        is_ours = self._layouts[names]
        if is_ours is None:
            return self._from_spec(record)
        if not is_ours:
            return None
        letters = [LETTERS.get(str(record.decisions[name])) for name in self._names]
        return None if None in letters else "".join(letter or "" for letter in letters)

    def _layout(self, names: Sequence[str]) -> bool | None:
        skips = {name for name in names if name.startswith("skip.")}
        if not skips or any(name.startswith("span") for name in names):
            return None
        return skips == set(self._names)

    def _from_spec(self, record: TrialRecord) -> str | None:
        spec = record.spec
        if spec is None or list(spec.places()) != self._places or any(s > 1 for s in spec.spans):
            return None
        return "".join(LETTERS[kind.value] for kind in spec.ending_kinds)


def distance(code: str, other: str) -> int:
    """Count the blocks whose kinds differ.

    >>> distance("INP", "IPP")
    1
    """
    return sum(own != theirs for own, theirs in zip(code, other, strict=True))


def near(networks: Sequence[Trained], bases: Iterable[str], most: int = MOST) -> list[Trained]:
    """Return at most so many networks, those near the bases first: each base has its turn."""
    if len(networks) <= most:
        return list(networks)
    orders = [
        sorted(
            range(len(networks)), key=lambda index, base=base: distance(networks[index].code, base)
        )
        for base in bases
    ]
    chosen: dict[int, Trained] = {}
    for turn in zip(*orders, strict=True):
        for index in turn:
            if len(chosen) < most:
                chosen.setdefault(index, networks[index])
    return list(chosen.values())


def _name(record: TrialRecord) -> str:
    if record.name:
        return record.name
    if record.source is Source.PAIRED and record.base:
        return f"{record.base}, {record.flip}" if record.flip else record.base
    number = record.number if record.of_trial is None else record.of_trial
    return f"trial {number}"

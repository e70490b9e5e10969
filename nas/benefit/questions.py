"""The questions that the map answers: which contrasts, and at which blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

from nas.benefit.sample import Sample
from nas.benefit.spans import CLASSIC, longer_spans, spans_asked
from search_spaces.spec import Kind

SKIP = "skip"
"""Any skip: the mean of the contrasts of identity and of projection against none."""


@dataclass(frozen=True)
class Question:
    """One contrast to be estimated: what it is, and where."""

    estimand: str
    kind: str
    reference_kind: str
    stage: int | None = None
    position: int | None = None
    """Index of the block among the sample's places, from 0."""
    span: int | None = None
    """Span compared with `reference_span`, given a skip; None for kinds."""
    reference_span: int | None = None

    @property
    def level(self) -> str:
        """How fine it is: `network`, `stage` or `block`."""
        if self.position is not None:
            return "block"
        return "network" if self.stage is None else "stage"

    @property
    def family(self) -> tuple[str, str]:
        """Questions that share a simultaneous band: those of one level and one comparison."""
        if self.span is not None:
            return ("SPAN", self.level)
        return ("KIND" if self.estimand == "KIND" else "AMCE", self.level)


def block_questions(sample: Sample, kinds: Sequence[Kind]) -> list[Question]:
    """AMCE: every kind against none at every block; nothing in a space without none."""
    if Kind.NONE not in kinds:
        return []
    return [
        Question("AMCE", kind.value, Kind.NONE.value, place.stage, index)
        for index, place in enumerate(sample.places)
        for kind in kinds
        if kind is not Kind.NONE
    ]


def coarse_questions(sample: Sample, kinds: Sequence[Kind]) -> list[Question]:
    """AMCE_ALL and AMCE_STAGE: every kind, and any skip, against none, if there is none."""
    if Kind.NONE not in kinds:
        return []
    names = [kind.value for kind in kinds if kind is not Kind.NONE] + [SKIP]
    none = Kind.NONE.value
    stages = sorted({place.stage for place in sample.places})
    return [Question("AMCE_ALL", name, none) for name in names] + [
        Question("AMCE_STAGE", name, none, stage) for stage in stages for name in names
    ]


def kind_questions(sample: Sample, kinds: Sequence[Kind]) -> list[Question]:
    """KIND at all levels: projection against identity."""
    if not {Kind.IDENTITY, Kind.PROJECTION} <= set(kinds):
        return []
    pair = (Kind.PROJECTION.value, Kind.IDENTITY.value)
    stages = sorted({place.stage for place in sample.places})
    return [
        Question("KIND", *pair),
        *(Question("KIND", *pair, stage) for stage in stages),
        *(
            Question("KIND", *pair, place.stage, index)
            for index, place in enumerate(sample.places)
        ),
    ]


def span_questions(sample: Sample, *, blocks: bool = True) -> list[Question]:
    """SPAN_ALL and SPAN: every longer span against span 1, given a skip.

    Args:
        sample: The rows.
        blocks: Whether to ask about single blocks too.
    """
    skip = (SKIP, SKIP)
    asked = [
        Question("SPAN_ALL", *skip, span=span, reference_span=CLASSIC)
        for span in spans_asked(sample)
    ]
    if blocks:
        asked += [
            Question("SPAN", *skip, place.stage, index, span, CLASSIC)
            for index, place in enumerate(sample.places)
            for span in longer_spans(sample, index)
        ]
    return asked

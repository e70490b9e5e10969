"""Planted effects of kinds and spans, whose truth is known by enumeration."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nas.benefit.questions import SKIP, Question
from nas.benefit.sample import KINDS, Sample
from nas.space_kinds import BlockChoices
from search_spaces.spec import Kind, Place

PLACES = tuple(Place(stage, block) for stage in (1, 2, 3) for block in (1, 2, 3))


@dataclass(frozen=True)
class SpanWorld:
    """y = sum over blocks of tau[block, kind] + effect[block, kind, span], three stages of three.

    Spans reach back to the start of the stage: 1, then 1 or 2, then 1 to 3.

    Args:
        scale: Size of the effects of spans; they differ from block to block.
        interaction: How far the effect of a span differs between the kinds.
        unequal_kinds: Whether the second block of each stage may have no identity.
    """

    scale: float = 1.0
    interaction: float = 0.0
    unequal_kinds: bool = False

    @cached_property
    def choices(self) -> tuple[BlockChoices, ...]:
        few = (Kind.NONE, Kind.PROJECTION)
        return tuple(
            BlockChoices(
                kinds=few if self.unequal_kinds and place.block == 2 else KINDS,
                spans=tuple(range(1, place.block + 1)),
            )
            for place in PLACES
        )

    @cached_property
    def tau(self) -> np.ndarray:
        return np.stack([np.zeros(9), np.linspace(0.4, -0.1, 9), np.linspace(0.1, 0.3, 9)], axis=1)

    @cached_property
    def effect(self) -> np.ndarray:
        found = np.zeros((9, 3, 4))
        own = self.scale * np.random.default_rng(5).normal(-0.1, 0.2, (9, 4))
        for index, choices in enumerate(self.choices):
            for span in choices.spans[1:]:
                apart = self.interaction * (0.3 if span == 2 else -0.2)
                found[index, 1, span] = own[index, span] + apart
                found[index, 2, span] = own[index, span] - apart
        return found

    def draw(self, rng: np.random.Generator, rows: int, sd: float = 0.35) -> Sample:
        codes, spans = np.zeros((rows, 9), int), np.zeros((rows, 9), int)
        for index, own in enumerate(self.choices):
            kinds = np.array([KINDS.index(kind) for kind in own.kinds])
            codes[:, index] = kinds[rng.integers(0, len(kinds), rows)]
            drawn = np.array(own.spans)[rng.integers(0, len(own.spans), rows)]
            spans[:, index] = np.where(codes[:, index] > 0, drawn, 0)
        blocks = np.arange(9)
        mean = (self.tau[blocks, codes] + self.effect[blocks, codes, spans]).sum(axis=1)
        return Sample(
            places=PLACES,
            codes=codes,
            depths=np.full((rows, 3), 3),
            value=mean + sd * rng.normal(size=rows),
            cluster=np.arange(rows),
            diverged=np.zeros(rows, dtype=bool),
            spans=spans,
            choices=self.choices,
        )

    def truth(self, question: Question) -> float:
        """Average over the kinds, the spans where it is about kinds, and the blocks asked for."""
        values = [
            self._span(index, question.span) if question.span else self._kind(index, question)
            for index, (place, own) in enumerate(zip(PLACES, self.choices, strict=True))
            if question.position in (None, index)
            and question.stage in (None, place.stage)
            and (question.span or 1) in own.spans
        ]
        known = [value for value in values if not np.isnan(value)]
        return float(np.mean(known)) if known else float("nan")

    def _skips(self, index: int) -> list[int]:
        return [KINDS.index(kind) for kind in self.choices[index].kinds if kind is not Kind.NONE]

    def _span(self, index: int, span: int) -> float:
        effects = [
            self.effect[index, k, span] - self.effect[index, k, 1] for k in self._skips(index)
        ]
        return float(np.mean(effects))

    def _kind(self, index: int, question: Question) -> float:
        asked = {1, 2} if question.kind == SKIP else {KINDS.index(Kind(question.kind))}
        kinds = [kind for kind in self._skips(index) if kind in asked]
        spans = list(self.choices[index].spans)
        values = [self.tau[index, k] + self.effect[index, k, spans].mean() for k in kinds]
        return float(np.mean(values)) if values else float("nan")

"""Which models the rows can carry, and the contrasts that each of them answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from nas.benefit.coding import BlockDesign, ShareDesign, network_weights, stage_weights
from nas.benefit.ols import Fit
from nas.benefit.sample import KINDS, Sample
from nas.benefit.spans import (
    CLASSIC,
    SpanShares,
    longer_spans,
    mean_over_blocks,
    span_weights,
    spans_asked,
)
from search_spaces.spec import Kind

SKIP = "skip"
"""Any skip: the mean of the contrasts of identity and of projection against none."""

_SPARE_BLOCKS, _SPARE_STAGES, _SPARE_NETWORK = 8, 5, 3
"""Architectures beyond the number of columns before a model is fitted: with fewer, robust errors
are too unsteady for their intervals to hold what they promise."""

_PAIR_DRAWS, _PAIR_SEED = 1000, 4801


@dataclass(frozen=True)
class PairTest:
    """Joint test of all interactions of adjacent blocks."""

    num_pairs: int
    df: int
    statistic: float
    """Share of the mains model's residual sum of squares that the pairs take away."""
    p: float
    """By the wild bootstrap under no interaction."""


@dataclass(frozen=True)
class Models:
    """What could be fitted; None where there are too few rows."""

    blocks: Fit | None
    block_design: BlockDesign
    stages: Fit | None
    stage_design: ShareDesign
    network: Fit | None
    network_design: ShareDesign
    coarse_from_shares: bool
    """Fewer than three architectures per column of the block model: coarser levels come from
    regressions on shares, whose intervals are narrower then."""
    pair_test: PairTest | None
    spans: Fit | None = None
    """Shares of spans beside the shares of kinds; None also where spans do not vary."""
    span_design: SpanShares | None = None
    span_estimator: str = ""


def fit_models(sample: Sample) -> Models:
    """Fit the finest models that the number of architectures allows.

    Interactions of adjacent blocks are tested jointly when there are two architectures per column
    of the pair model, and kept in the model when the test finds them: the mains mean the same
    either way, and idle interactions would only widen the intervals. Spans are in the block model
    where it has two architectures per column with them: without them kinds mean the same.

    Shares of kinds and spans mean averages over blocks only where kinds are drawn alike and
    independently. Where constraints left rows out, the block model alone is fitted.
    """
    design = _block_design(sample)
    stages = [place.stage for place in sample.places]
    stage_design = ShareDesign(design, stage_weights(stages))
    network_design = ShareDesign(design, (network_weights(stages),) if stages else ())
    blocks = _fit(design.matrix, sample, _SPARE_BLOCKS)
    pair_test = None
    if blocks is not None:
        paired = replace(design, with_pairs=True)
        if blocks.num_clusters >= 2 * paired.matrix.shape[1]:
            pair_test = _test_pairs(blocks, paired)
            with_pairs = Fit(paired.matrix, sample.value, sample.cluster)
            found = pair_test is not None and pair_test.p < 0.05
            if found and _keeps_mains(blocks, with_pairs):
                design, blocks = paired, with_pairs
    few = blocks is None or blocks.num_clusters < 3 * design.matrix.shape[1]
    found = Models(
        blocks=blocks,
        block_design=design,
        stages=None,
        stage_design=stage_design,
        network=None,
        network_design=network_design,
        coarse_from_shares=few and not sample.is_conditional,
        pair_test=pair_test,
    )
    return found if sample.is_conditional else _with_shares(found)


def _with_shares(models: Models) -> Models:
    """Add what needs few rows: regressions on shares of kinds, and of spans beside them."""
    sample, stages, network = (
        models.block_design.sample,
        models.stage_design,
        models.network_design,
    )
    return replace(
        models,
        stages=_fit(stages.matrix, sample, _SPARE_STAGES),
        network=_fit(network.matrix, sample, _SPARE_NETWORK),
        **_fit_spans(sample, stages, network),
    )


def _block_design(sample: Sample) -> BlockDesign:
    design = BlockDesign(sample, with_spans=True)
    has_spans = any(design.span_levels)
    if has_spans and sample.num_clusters >= 2 * design.matrix.shape[1]:
        return design
    return BlockDesign(sample)


class _SpanModel(TypedDict, total=False):
    """The fields of `Models` that are about spans."""

    spans: Fit | None
    span_design: SpanShares
    span_estimator: str


def _fit_spans(sample: Sample, stages: ShareDesign, network: ShareDesign) -> _SpanModel:
    """Fit the shares of spans beside those of kinds per stage, or with few rows of all stages."""
    if not spans_asked(sample):
        return {}
    fine = SpanShares(sample, stages.matrix)
    enough = sample.num_clusters >= 2 * fine.matrix.shape[1]
    design = fine if enough else SpanShares(sample, network.matrix)
    return {
        "spans": _fit(design.matrix, sample, _SPARE_NETWORK),
        "span_design": design,
        "span_estimator": f"ols_{'stage' if enough else 'network'}_shares_spans",
    }


def _fit(matrix: np.ndarray, sample: Sample, spare: int) -> Fit | None:
    if sample.num_clusters < matrix.shape[1] + spare:
        return None
    return Fit(matrix, sample.value, sample.cluster)


def _keeps_mains(mains: Fit, paired: Fit) -> bool:
    """Say whether the pairs leave every main effect identified that is so without them."""
    columns = np.arange(mains.matrix.shape[1])
    alone = mains.identified(np.eye(len(columns)))
    together = paired.identified(np.eye(paired.matrix.shape[1])[columns])
    return bool((together | ~alone).all())


def _test_pairs(mains: Fit, paired: BlockDesign) -> PairTest | None:
    """Compare residual sums of squares with and without pairs, under signs drawn by cluster."""
    full = Fit(paired.matrix, mains.y, mains.cluster)
    df = full.rank - mains.rank
    if df == 0 or full.rank >= len(mains.y):
        return None
    signs = np.random.default_rng(_PAIR_SEED).integers(0, 2, (mains.num_clusters, _PAIR_DRAWS))
    noise = (signs[mains.cluster] * 2.0 - 1) * mains.residuals[:, None]
    outcomes = np.column_stack([mains.residuals, noise])
    small = np.square(outcomes - mains.fitted(outcomes)).sum(axis=0)
    large = np.square(outcomes - full.fitted(outcomes)).sum(axis=0)
    shares = 1 - np.divide(large, small, out=np.ones_like(large), where=small > 0)
    exceed = int((shares[1:] >= shares[0] - 1e-12).sum())
    return PairTest(
        num_pairs=len(paired.pairs),
        df=df,
        statistic=float(shares[0]),
        p=(1 + exceed) / (1 + _PAIR_DRAWS),
    )


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


def span_contrast(
    models: Models, position: int | None, span: int
) -> tuple[Fit, np.ndarray, str] | None:
    """Return model, contrast and estimator's name of a span against span 1.

    Args:
        models: What was fitted.
        position: Index of the block; None for the mean over all blocks that may have both.
        span: The longer span.
    """
    design, blocks = models.block_design, models.blocks
    if blocks is not None and (position is not None or not models.coarse_from_shares):
        weights = span_weights(design.sample, span)
        if position is not None:
            weights = tuple(float(index == position) for index in range(len(weights)))
        own = [design.span_contrast(index, span, CLASSIC) for index in range(len(weights))]
        contrast = mean_over_blocks(own, weights)
        if contrast is not None:
            return blocks, contrast, estimator_name(models)
    if position is not None or models.spans is None or models.span_design is None:
        return None
    contrast = models.span_design.contrast(span)
    return None if contrast is None else (models.spans, contrast, models.span_estimator)


def block_contrast(models: Models, index: int, kind: str, reference: str) -> np.ndarray | None:
    """Return the contrast of two kinds at one block in the block model."""
    return _contrast(models.block_design, index, kind, reference)


def coarse_contrast(
    models: Models, stage: int | None, kind: str, reference: str
) -> tuple[Fit, np.ndarray, str] | None:
    """Return model, contrast and estimator's name for a stage, or for all stages (None)."""
    stages = [place.stage for place in models.block_design.sample.places]
    weights = network_weights(stages) if stage is None else _stage(stages, stage)
    if models.blocks is not None and not models.coarse_from_shares:
        contrast = _average(models, weights, kind, reference)
        return None if contrast is None else (models.blocks, contrast, estimator_name(models))
    names = sorted(set(stages))
    fit, design = models.stages, models.stage_design
    enough = fit is not None and fit.num_clusters >= 2 * design.matrix.shape[1]
    if fit is not None and (stage is not None or enough):
        groups = [names.index(stage)] if stage is not None else list(range(len(names)))
        contrast = _mean_share(design, groups, kind, reference)
        return None if contrast is None else (fit, contrast, "ols_stage_shares")
    if stage is None and models.network is not None:
        contrast = _mean_share(models.network_design, (0,), kind, reference)
        if contrast is not None:
            return models.network, contrast, "ols_network_shares"
    return None


def estimator_name(models: Models) -> str:
    """Return the name of the block model."""
    design = models.block_design
    words = ["ols_blocks", "spans" * design.with_spans, "pairs" * design.with_pairs]
    return "_".join(word for word in words if word)


def _members(kind: str) -> tuple[Kind, ...]:
    return (Kind.IDENTITY, Kind.PROJECTION) if kind == SKIP else (Kind(kind),)


def _codes(kind: str) -> list[int]:
    return [KINDS.index(member) for member in _members(kind)]


def _contrast(design: BlockDesign, index: int, kind: str, reference: str) -> np.ndarray | None:
    """Return a contrast at one block; None unless every kind that it may have has occurred."""
    kinds = design.sample.choices_at(index).kinds if kind == SKIP else _members(kind)
    parts = [
        design.contrast(index, KINDS.index(member), KINDS.index(Kind(reference)))
        for member in _members(kind)
        if member in kinds
    ]
    found = [part for part in parts if part is not None]
    return np.mean(found, axis=0) if found and len(found) == len(parts) else None


def _average(
    models: Models, weights: Sequence[float], kind: str, reference: str
) -> np.ndarray | None:
    """Average a contrast over the blocks that may have both kinds; None where one lacks it."""
    sample = models.block_design.sample
    asked = [
        (index, weight)
        for index, weight in enumerate(weights)
        if weight and sample.may_compare(index, _members(kind), Kind(reference))
    ]
    parts = [_contrast(models.block_design, index, kind, reference) for index, _ in asked]
    return mean_over_blocks(parts, [weight for _, weight in asked])


def _mean_share(
    design: ShareDesign, groups: Sequence[int], kind: str, reference: str
) -> np.ndarray | None:
    """Average a contrast over the groups whose blocks may have both kinds."""
    codes, against = _codes(kind), KINDS.index(Kind(reference))
    asked = [group for group in groups if design.may_compare(group, codes, against)]
    parts = [design.mean_contrast(group, codes, against) for group in asked]
    return mean_over_blocks(parts, [1.0] * len(asked))


def _stage(stages: Sequence[int], stage: int) -> tuple[float, ...]:
    return stage_weights(stages)[sorted(set(stages)).index(stage)]

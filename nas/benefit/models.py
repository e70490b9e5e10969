"""Which models the rows can carry."""

from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from scipy.special import fdtrc

from nas.benefit.coding import BlockDesign, ShareDesign, network_weights, stage_weights
from nas.benefit.ols import MANY_CLUSTERS, Fit
from nas.benefit.sample import Sample
from nas.benefit.spans import SpanShares, spans_asked

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
    """Compare residual sums of squares with and without pairs, under signs drawn by cluster.

    With many architectures the robust Wald test of all pairs says the same, and is quick.
    """
    full = Fit(paired.matrix, mains.y, mains.cluster)
    df = full.rank - mains.rank
    if df == 0 or full.rank >= len(mains.y):
        return None
    if mains.num_clusters >= MANY_CLUSTERS:
        small, large = (float(fit.residuals @ fit.residuals) for fit in (mains, full))
        share, p = 1 - large / small if small > 0 else 0.0, _wald(full, mains.matrix.shape[1])
    else:
        share, p = _share_and_p(mains, full)
    return PairTest(num_pairs=len(paired.pairs), df=df, statistic=share, p=p)


def _share_and_p(mains: Fit, full: Fit) -> tuple[float, float]:
    """Return the share of the residual that pairs take away, and its p by the wild bootstrap."""
    signs = np.random.default_rng(_PAIR_SEED).integers(0, 2, (mains.num_clusters, _PAIR_DRAWS))
    noise = (signs[mains.cluster] * 2.0 - 1) * mains.residuals[:, None]
    outcomes = np.column_stack([mains.residuals, noise])
    small = np.square(outcomes - mains.fitted(outcomes)).sum(axis=0)
    large = np.square(outcomes - full.fitted(outcomes)).sum(axis=0)
    shares = 1 - np.divide(large, small, out=np.ones_like(large), where=small > 0)
    exceed = int((shares[1:] >= shares[0] - 1e-12).sum())
    return float(shares[0]), (1 + exceed) / (1 + _PAIR_DRAWS)


def _wald(full: Fit, start: int) -> float:
    """Return the p value of all coefficients from a column on being zero."""
    contrasts = np.eye(full.matrix.shape[1])[start:]
    weights = full.weights(contrasts[full.identified(contrasts)])
    if not len(weights):
        return 1.0
    estimates, covariance = weights @ full.y, full.covariance(weights)
    statistic = float(estimates @ np.linalg.pinv(covariance, hermitian=True) @ estimates)
    return float(fdtrc(len(weights), full.df, statistic / len(weights)))

"""Lack of fit: does the model leave more than the seeds make?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import fdtrc

from nas.benefit.effects import Analysis


def lack_of_fit(analysis: Analysis, noise: Mapping[str, Any]) -> dict[str, Any]:
    """Test the block model against replicates by the F test.

    Where design rows have replicates, the residual sum of squares splits into what seeds make
    and the rest. Else the residual variance is compared with that of the networks that were
    trained on several seeds, which the design need not share: `lack_of_fit_from` says which.

    Args:
        analysis: The study's metric at the reference depth.
        noise: Its `sd_within_arch` and `replicate_df`.

    Returns:
        `lack_of_fit_p` and `lack_of_fit_from`; None where it cannot be told.
    """
    fit = analysis.models.blocks
    unknown = {"lack_of_fit_p": None, "lack_of_fit_from": None}
    if fit is None or fit.residual_sd is None:
        return unknown
    # Rows of one architecture at other learning rates differ by more than their seeds.
    trainings = np.column_stack([fit.cluster, analysis.models.block_design.base])
    group = np.unique(trainings, axis=0, return_inverse=True)[1].reshape(-1)
    num_groups = int(group.max()) + 1
    if num_groups < len(fit.y):
        means = np.bincount(group, fit.y) / np.bincount(group)
        pure = float(np.sum((fit.y - means[group]) ** 2))
        pure_df, rest_df = len(fit.y) - num_groups, num_groups - fit.rank
        rest = float(fit.residuals @ fit.residuals) - pure
        source = "replicated design rows"
    else:
        within = noise["sd_within_arch"]
        pure_df, rest_df = int(noise["replicate_df"]), len(fit.y) - fit.rank
        pure = 0.0 if within is None else within**2 * pure_df
        rest, source = float(fit.residuals @ fit.residuals), "networks trained on several seeds"
    if pure_df < 1 or rest_df < 1 or pure <= 0:
        return unknown
    ratio = max(rest, 0.0) / rest_df / (pure / pure_df)
    return {"lack_of_fit_p": float(fdtrc(rest_df, pure_df, ratio)), "lack_of_fit_from": source}

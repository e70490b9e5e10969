"""Warnings: what limits the map, and what would mend it, most important first."""

from nas.benefit.cautions import design, evidence, precision, training
from nas.benefit.cautions.facts import Caution, Facts

__all__ = ["Caution", "Facts", "cautions"]

_CHECKS = (
    design.tpe_only,
    training.many_failures,
    design.pruned_rows,
    design.constrained,
    training.lr_sign,
    design.pool_depth,
    precision.aliased,
    precision.underpowered,
    precision.noise_dominates,
    evidence.loo_redundant,
    evidence.secondary_differs,
    precision.interaction,
    precision.lack_of_fit,
    precision.few_clusters,
    training.lr_untuned,
    training.param_confound,
    training.few_failures,
    training.single_split,
)


def cautions(facts: Facts) -> list[dict[str, str]]:
    """Return the warnings that hold, as code, text and remedy."""
    found = (check(facts) for check in _CHECKS)
    return [caution._asdict() for caution in found if caution is not None]

"""The effect of a block given its neighbours, where neighbouring skips change each other's."""

from typing import Any

from nas.benefit.models import Models
from nas.benefit.ols import t_quantile
from nas.benefit.questions import Question
from nas.benefit.sample import KINDS
from search_spaces.spec import Kind


def given_neighbours(models: Models, question: Question) -> dict[str, Any]:
    """Return the effect where the blocks beside have skips (`on`) and have none (`off`).

    Both are None unless the joint test has kept the pairs in the model. Intervals are pointwise:
    a look behind an average, no further test.
    """
    found: dict[str, Any] = {"on": None, "off": None}
    fit, design = models.blocks, models.block_design
    is_kind = question.position is not None and question.span is None
    if fit is None or question.position is None or not is_kind or not design.with_pairs:
        return found
    code, reference = (
        KINDS.index(Kind(kind)) for kind in (question.kind, question.reference_kind)
    )
    for name in found:
        contrast = design.contrast_given(
            question.position, code, reference, neighbours_on=name == "on"
        )
        if contrast is None or not fit.identified(contrast[None])[0]:
            continue
        weights = fit.weights(contrast[None])
        if not fit.has_errors(weights)[0]:
            continue
        estimate, se = float((weights @ fit.y)[0]), float(fit.standard_errors(weights)[0])
        half = t_quantile(fit.df, 0.975) * se
        found[name] = {
            "estimate": estimate,
            "se": se,
            "ci_low": estimate - half,
            "ci_high": estimate + half,
        }
    return found

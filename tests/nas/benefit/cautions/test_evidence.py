from dataclasses import replace

import pytest

from nas.benefit.cautions.evidence import loo_redundant
from nas.benefit.cautions.facts import Facts
from nas.benefit.context import study_metric
from nas.benefit.frame import make_frame
from nas.benefit.reference import Reference
from nas.benefit.retrainings import anchor_rows, noise
from nas.benefit.sample import values_of


def deletion(block, decision="negligible", size="small", base="identity-32", estimand="ABL"):
    return {
        "estimand": estimand, "base": base, "stage": 1, "block": block, "decision": decision,
        "size": size,
    }  # fmt: skip


def facts(planted, confirm, anchors=(), run_folder="runs/planted", trials=()):
    context = replace(planted.context, run_folder=run_folder)
    rows = list(trials)
    reference = Reference(make_frame(rows, context), context)
    analysis = reference.analyse(values_of(reference.rows, study_metric(context)), None)
    return Facts(
        rows, reference.frame, analysis, context,
        noise(rows, [], study_metric(context), 32), reference.effects(analysis),
        confirm=confirm, anchors=anchor_rows(list(anchors), context),
    )  # fmt: skip


def test_harmless_deletions_of_skips_that_matter_together_are_redundant(planted):
    rows = [deletion(1), deletion(2), deletion(3)]
    found = loo_redundant(facts(planted, rows, planted.anchors()))
    assert found.code == "W_LOO_REDUNDANT"
    assert "In identity-32 no single one of 3 skips is worth keeping by itself" in found.text
    flips = "stage1.block1=none,stage1.block2=none,stage1.block3=none"
    assert found.remedy == f"nas ablate runs/planted --flip {flips}"
    table = loo_redundant(facts(planted, rows, planted.anchors(), run_folder=None))
    assert table.remedy.startswith("Delete the skips that you mean to leave out all at once")


def test_deletions_that_cannot_be_told_are_not_called_worthless(planted):
    rows = [deletion(1), deletion(2, "inconclusive"), deletion(3, "inconclusive")]
    found = loo_redundant(facts(planted, rows, planted.anchors()))
    assert found.code == "W_LOO_REDUNDANT"
    assert "none of 3 skips was shown to matter one by one" in found.text
    assert "or the pairs are too few to tell" in found.text
    assert "worth keeping" not in found.text


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [deletion(1)],
        [deletion(1), deletion(2, "benefit", "large")],
        [deletion(1), deletion(2, "inconclusive", "large")],
        [deletion(1), deletion(2, "inconclusive", None)],
        [deletion(1, estimand="ADD"), deletion(2, estimand="ADD")],
        [deletion(1), deletion(2, base="trial 3")],
    ],
)
def test_anything_else_is_not(planted, rows):
    assert loo_redundant(facts(planted, rows, planted.anchors())) is None


def test_skips_that_do_not_matter_together_are_not_redundant(planted):
    rows = [deletion(1), deletion(2)]
    equal = [replace(row, value=0.1 + 0.01 * row.seed) for row in planted.anchors()]
    assert loo_redundant(facts(planted, rows, equal)) is None
    assert loo_redundant(facts(planted, rows)) is None


def test_without_anchors_the_map_says_whether_skips_matter(planted):
    found = facts(planted, [deletion(1), deletion(2)], trials=planted.design(60))
    assert loo_redundant(found).code == "W_LOO_REDUNDANT"


def test_a_larger_value_is_better_when_maximised(planted):
    rows = [deletion(1), deletion(2)]
    own = facts(planted, rows, [replace(row, value=-row.value) for row in planted.anchors()])
    maximised = replace(own, context=replace(own.context, direction="maximize"))
    assert loo_redundant(maximised).code == "W_LOO_REDUNDANT"
    assert loo_redundant(own) is None

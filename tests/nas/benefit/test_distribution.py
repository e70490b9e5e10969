from dataclasses import replace

import pytest

from nas.benefit import skip_benefit
from nas.trials import Source
from search_spaces.places import Kind
from tests.nas.benefit.test_assemble import long_context, long_trials


def test_chances_of_spans_stand_beside_those_of_kinds(planted):
    result = skip_benefit(long_trials(12), [], long_context(planted))
    chances = result["reference_distribution"]["per_position_span_probs"]
    assert chances["stage1.block1"] == {"1": 1.0}
    assert chances["stage2.block3"] == pytest.approx(dict.fromkeys("123", 1 / 3))
    plain = skip_benefit(planted.design(12), [], planted.context)
    assert list(plain["reference_distribution"]) == ["name", "per_position_probs"]


def test_within_constraints_the_distribution_is_the_one_observed(planted):
    rows = planted.constrained()
    distribution = skip_benefit(rows, [], planted.context)["reference_distribution"]
    assert distribution["name"] == "uniform_within_constraints"
    chances = distribution["per_position_probs"]
    assert set(chances["stage3.block5"]) == {"none", "identity", "projection"}
    assert chances["stage3.block5"]["projection"] == 0
    share = sum(row.spec.kinds[10] is Kind.PROJECTION for row in rows) / len(rows)
    assert chances["stage3.block1"]["projection"] == pytest.approx(share)
    assert share < 0.3
    assert all(sum(own.values()) == pytest.approx(1) for own in chances.values())
    before = [replace(rows[0], source=Source.ADAPTIVE)]
    empty = skip_benefit(before, [], planted.context)["reference_distribution"]
    assert set(empty["per_position_probs"]["stage1.block1"].values()) == {None}


def test_spans_within_constraints_are_counted_among_skips(planted):
    rows = long_trials(30)
    rows[0] = replace(rows[0], rows_left_out=1)
    result = skip_benefit(rows, [], long_context(planted))
    chances = result["reference_distribution"]["per_position_span_probs"]["stage2.block3"]
    ends = [row.spec.spans[5] for row in rows if row.spec.spans[5]]
    expected = {str(span): ends.count(span) / len(ends) for span in (1, 2, 3)}
    assert chances == pytest.approx(expected)

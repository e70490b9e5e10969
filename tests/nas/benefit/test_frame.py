from dataclasses import replace

from nas.benefit.frame import make_frame
from nas.trials import Source
from search_spaces.spec import Kind


def test_the_given_depth_is_the_reference_even_without_rows(planted):
    context = replace(planted.context, reference_depths=(2, 2))
    frame = make_frame(planted.design(3), context)
    assert (frame.plan, len(frame.places), frame.reference_rows) == ((2, 2), 4, ())
    assert frame.other_plans == ((5, 5, 5),)


def test_the_most_frequent_plan_is_the_reference_where_none_is_given(planted):
    context = replace(planted.context, reference_depths=None)
    frame = make_frame(planted.design(3), context)
    assert (frame.plan, len(frame.reference_rows)) == ((5, 5, 5), 3)


def test_without_design_rows_the_reference_is_the_known_network_or_the_deepest_seen(planted):
    context = replace(planted.context, reference_depths=None)
    assert make_frame([], context).plan == (5, 5, 5)
    bare = replace(context, reference_spec=None)
    small = planted.space.spec((1, 2, 1), {})
    row = replace(planted.design(1)[0], spec=small, source=Source.ADAPTIVE)
    assert make_frame([row], bare).plan == (1, 2, 1)
    assert make_frame([], bare).places == ()


def test_kinds_are_the_spaces_or_those_that_occur(planted):
    rows = planted.design(5)
    assert make_frame(rows, replace(planted.context, kinds=tuple(Kind)[:2])).kinds == (
        Kind.NONE,
        Kind.IDENTITY,
    )
    unknown = replace(planted.context, kinds=None)
    assert make_frame(rows, unknown).kinds == tuple(Kind)
    assert make_frame([], unknown).kinds == tuple(Kind)

from dataclasses import replace

from nas.benefit import BenefitContext
from nas.benefit.frame import make_frame
from nas.table_lines import TableTrial
from nas.trials import Source
from search_spaces import InputShape, make_space
from search_spaces.places import Kind


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


def test_layers_per_block_are_those_that_the_rows_state(planted):
    space = make_space(
        {"block": "bottleneck", "max_blocks": 2}, InputShape(channels=1, height=8, width=8), 10
    )
    spec = space.uniform((2, 2, 2), Kind.NONE)
    row = replace(planted.design(1)[0], spec=spec)
    fields = {name: getattr(row, name) for name in ("number", "state", "source", "value")}
    bare = TableTrial(**fields, decisions=space.decisions(spec), stated_layers=20)
    context = BenefitContext(direction="minimize")
    assert [make_frame([one], context).layers for one in (row, bare)] == [20, 20]
    assert make_frame([replace(bare, stated_layers=None)], context).layers == 14
    assert make_frame([], context).layers is None


def test_what_constraints_keep_from_a_block_is_a_choice_all_the_same(planted):
    rows = []
    for row in planted.design(60):
        first = {next(iter(row.spec.places())): Kind.NONE}
        rows.append(replace(row, spec=row.spec.with_kinds(first)))
    context = replace(planted.context, kinds=None)
    free = make_frame(rows, context)
    assert (free.choices[0].kinds, free.is_conditional) == ((Kind.NONE,), False)
    within = make_frame([replace(rows[0], rows_left_out=2), *rows[1:]], context)
    assert (within.choices[0].kinds, within.rows_left_out) == (tuple(Kind), 2)

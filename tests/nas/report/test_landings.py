import dataclasses
import re

import pytest

from nas.report import ReportData
from nas.report.landings import landings_of, landings_svg
from nas.report.svg import NARROW, WIDE
from nas.trials import Source
from search_spaces.spec import Place
from tests.nas.report.long_sample import long_sample, without_specs


@pytest.fixture(scope="module")
def data() -> ReportData:
    return long_sample(24)


def test_shares_of_a_block_sum_to_one_as_do_the_expected_ones(data: ReportData) -> None:
    landings = landings_of(data, data.trials[:20])
    assert landings.spans == [0, 1, 2, 3]
    assert landings.is_uniform
    for place in landings.places:
        cells = [landings.cell(span, [place]) for span in landings.spans]
        assert sum(cell.share for cell in cells) == pytest.approx(1)
        assert sum(cell.expected or 0.0 for cell in cells) == pytest.approx(1)


def test_expected_shares_are_those_of_the_design(data: ReportData) -> None:
    rows = [t for t in data.trials if t.source == "randomised"]
    landings = landings_of(data, rows)
    expected = [landings.cell(span, [Place(2, 2)]).expected for span in range(4)]
    assert expected == pytest.approx([1 / 3, *[2 / 9] * 3])
    assert landings.cell(2, [Place(1, 1)]).expected == 0


def test_in_a_shallower_network_fewer_spans_are_possible(data: ReportData) -> None:
    shallow = [t for t in data.trials if t.spec is not None and t.spec.depths == (1, 1)]
    landings = landings_of(data, shallow)
    expected = [landings.cell(span, [Place(2, 1)]).expected for span in range(4)]
    assert expected == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])


def test_counts_are_those_of_the_trials(data: ReportData) -> None:
    trials = data.trials[:10]
    cell = landings_of(data, trials).cell(2, [Place(2, 1), Place(2, 2)])
    specs = [t.spec for t in trials if t.spec is not None]
    ends = [list(zip(spec.places(), spec.spans, strict=True)) for spec in specs]
    own = [span for network in ends for place, span in network if place.stage == 2]
    assert (cell.num, cell.of) == (own.count(2), len(own))


def test_without_a_design_chances_are_the_frequencies_of_its_rows(data: ReportData) -> None:
    rows = [t for t in data.trials if t.source == "randomised"]
    table = without_specs(dataclasses.replace(data, benefit={}))
    landings = landings_of(table, rows)
    assert not landings.is_uniform
    cell = landings.cell(1, [Place(1, 1)])
    assert cell.expected == pytest.approx(cell.share)


def test_the_best_network_is_marked(data: ReportData) -> None:
    trials = data.ranked(lower_is_better=True)[:5]
    landings = landings_of(data, trials)
    svg = landings_svg(landings, "title", WIDE)
    assert trials[0].spec is not None
    assert svg.count('class="dot"') == trials[0].spec.num_blocks
    assert svg.count("; the best network has one") == trials[0].spec.num_blocks


def test_spans_that_are_not_possible_have_no_cell(data: ReportData) -> None:
    rows = [t for t in data.trials if t.source == "randomised"]
    svg = landings_svg(landings_of(data, rows), "title", WIDE)
    # Four blocks: 2, 3, 4 and 4 of no skip and spans up to 3.
    assert svg.count('class="cell"') == 2 + 3 + 4 + 4
    assert "stage 1, block 1: a skip of span 1 ends at 16 of 24 blocks, 67% expected" in svg


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("blocks", [1, 2, 3, 12])
def test_everything_is_inside_the_figure(width: int, blocks: int) -> None:
    wide = long_sample(4, max_blocks=blocks)
    svg = landings_svg(landings_of(wide, wide.trials), "title", width)
    by_block = 2 * blocks <= (18 if width == WIDE else 6)
    assert ("all blocks" in svg) is not by_block
    found = re.findall(r'<rect class="cell" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg)
    assert found
    assert all(float(x) + float(own) <= width for x, own in found)


@pytest.fixture(scope="module")
def several() -> ReportData:
    return long_sample(24, max_fan_in=2)


def test_a_block_counts_for_the_span_of_every_skip_that_ends_there(several: ReportData) -> None:
    trials = [t for t in several.trials if t.source == "adaptive"]
    landings = landings_of(several, trials)
    assert landings.has_several
    assert landings.one_each_drawn
    specs = [t.spec for t in trials if t.spec is not None]
    for span in (2, 3):
        ends = [spec.span(skip) == span for spec in specs for skip in spec.skips]
        assert landings.total(span).num == sum(ends)
    shares = [landings.total(span).share for span in landings.spans]
    assert sum(shares) > 1
    assert landings.total(0).num == sum(not ends for s in specs for ends in s.incoming)


def test_decisions_alone_tell_of_further_skips_too(several: ReportData) -> None:
    bare = without_specs(several)
    known, found = landings_of(several, several.trials), landings_of(bare, bare.trials)
    assert [found.total(span) for span in range(4)] == [known.total(span) for span in range(4)]


def test_every_skip_of_the_best_network_is_marked(several: ReportData) -> None:
    both = [t for t in several.trials if t.spec and any(len(e) > 1 for e in t.spec.incoming)]
    lone = dataclasses.replace(several, benefit={})
    svg = landings_svg(landings_of(lone, both[:1]), "title", WIDE)
    best = max(both[:1], key=lambda t: t.number)
    assert best.spec is not None
    assert svg.count('class="dot"') == sum(max(len(ends), 1) for ends in best.spec.incoming)


def test_a_design_with_several_skips_per_block_is_compared_by_its_frequencies(
    several: ReportData,
) -> None:
    drawn = [dataclasses.replace(t, source=Source.RANDOMISED) for t in several.trials]
    landings = landings_of(dataclasses.replace(several, trials=drawn), drawn)
    assert (landings.is_uniform, landings.one_each_drawn) == (False, False)
    cell = landings.cell(2, [Place(2, 2)])
    assert cell.expected == pytest.approx(cell.share)


def test_frequencies_within_constraints_are_not_called_uniform(data: ReportData) -> None:
    distribution = data.benefit["reference_distribution"]
    within = distribution | {"name": "uniform_within_constraints"}
    benefit = {**data.benefit, "reference_distribution": within}
    landings = landings_of(dataclasses.replace(data, benefit=benefit), data.trials)
    assert landings.has_expected
    assert not landings.is_uniform

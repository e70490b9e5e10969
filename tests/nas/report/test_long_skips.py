import dataclasses
import re
from itertools import islice

import numpy as np
import pytest

from nas.benefit import skip_benefit
from nas.config import make_config
from nas.design_plan import DesignPlan
from nas.report import ReportData, headline, render_report
from nas.report.effects import effects_of
from nas.report.long_skips import has_long_skips, long_skips_section
from nas.reporting import study_context
from nas.trials import Source, State, TrialRecord
from tests.nas.report.long_sample import long_sample, without_specs
from tests.nas.report.sample import sample
from tests.nas.report.test_page import parsed, words
from tests.nas.spaces import TransitionSpace


@pytest.fixture(scope="module")
def data() -> ReportData:
    return long_sample()


@pytest.fixture(scope="module")
def text(data: ReportData) -> str:
    return words(render_report(data))


def test_a_study_without_long_skips_has_no_such_section() -> None:
    page = render_report(sample())
    assert not has_long_skips(sample())
    assert "Long skips" not in page
    assert "#spans" not in page
    assert "means over the spans" not in page


def test_the_section_is_in_the_page_and_in_its_bar(data: ReportData) -> None:
    page = render_report(data)
    parsed(page)
    assert '<a href="#spans">Long skips</a>' in page
    assert page.index('id="effects"') < page.index('id="spans"') < page.index('id="best"')


def test_it_says_what_a_span_is_and_how_often_each_one_occurs(text: str) -> None:
    assert "The span of a skip counts the blocks that it bypasses: 1 is the classic block" in text
    assert re.search(
        r"Of the blocks of the best 12 trials, out of 120, \d+% have no skip \(33% expected\), "
        r"\d+% a skip of span 1 \(\d+% expected\), \d+% of span 2 \(\d+% expected\), "
        r"\d+% of span 3 \(\d+% expected\)\.",
        text,
    )
    assert "Under each share stands the one under uniform drawing." in text


def test_decided_spans_have_a_sentence_each_and_the_others_one_together(text: str) -> None:
    assert re.search(
        r"Span 2 helps, large: it lowers validation log-loss by 0\.3\d* \(0\.\d+ to 0\.\d+\)\.",
        text,
    )
    assert "Whether span 3 is better or worse than 1 cannot be told yet." in text
    assert "span 2 against 1, all blocks: helps, large" in text


def test_single_blocks_are_in_the_details(data: ReportData, text: str) -> None:
    details = text[text.index("Every block") :]
    assert re.search(r"stage 1, block 22 against 1helps, large\+0\.\d+", details)
    few = words(long_skips_section(long_sample(16)))
    assert "Spans at single blocks take more trials of the random design." in few
    assert "Every block" not in few


def test_a_span_that_hurts_or_does_nothing_says_so() -> None:
    harmful = words(long_skips_section(long_sample(gain=-0.3)))
    assert re.search(r"Span 2 hurts, large: it raises validation log-loss by 0\.3", harmful)
    flat = long_sample(gain=0.0)
    effects = [
        row | {"decision": "negligible"} if row["estimand"] == "SPAN_ALL" else row
        for row in flat.benefit["effects"]
    ]
    flat = dataclasses.replace(flat, benefit={**flat.benefit, "effects": effects})
    assert "Span 2 is as good as 1: any difference is too small to matter" in words(
        long_skips_section(flat)
    )


def test_before_there_are_enough_rows_spans_are_not_measured() -> None:
    early = words(long_skips_section(long_sample(3)))
    assert "Span 2 or 3 against 1 is not measured: that takes more trials" in early


def test_other_parts_of_the_page_know_of_spans(text: str) -> None:
    assert "Effects are means over the spans of a skip." in text
    assert "(none, identity or projection; where a skip ends, its span too)" in text
    assert "Blocks and skips (N, I, P and spans)" in text


def test_without_effects_or_values_what_is_known_is_shown(data: ReportData) -> None:
    bare = dataclasses.replace(data, benefit={})
    section = words(long_skips_section(bare))
    assert "Where they landed" in section
    assert "in the randomised trials" in section
    assert "What a longer span does" not in section
    trials = [dataclasses.replace(t, value=None) for t in data.trials]
    nothing = long_skips_section(dataclasses.replace(bare, trials=trials))
    assert "Where they landed" not in nothing
    assert "The span of a skip" in nothing


def test_a_space_without_decisions_about_skips_still_has_a_report() -> None:
    context = study_context(make_config({}), TransitionSpace(names="wiring"), {})
    assert context.kinds == ()
    specs = [TransitionSpace(names="wiring").sample(np.random.default_rng(n)) for n in range(3)]
    trials = [
        TrialRecord(
            number=number,
            state=State.COMPLETE,
            source=Source.ADAPTIVE,
            decisions={},
            value=0.5,
            spec=spec,
        )
        for number, spec in enumerate(specs)
    ]
    benefit = skip_benefit(trials, [], context)
    page = render_report(ReportData(study="wiring", trials=trials, benefit=benefit))
    assert "Best networks" in page
    assert headline(benefit)


def test_kinds_that_a_block_cannot_have_are_neither_drawn_nor_listed() -> None:
    space = TransitionSpace()
    rows = list(islice(DesignPlan(space, 0).rows(), 18)) * 3
    rng = np.random.default_rng(0)
    trials = [
        TrialRecord(
            number=number,
            state=State.COMPLETE,
            source=Source.RANDOMISED,
            decisions=row.answers,
            value=float(3 - len(row.spec.skips) + 0.1 * rng.normal()),
            spec=row.spec,
            spec_id=row.spec.spec_id,
        )
        for number, row in enumerate(rows)
    ]
    benefit = skip_benefit(trials, [], study_context(make_config({}), space, {}))
    assert benefit["settled"]["num_answers"] == 1 + 2 + 2
    assert "W_UNDERPOWERED" not in benefit["warnings"]
    data = ReportData(study="own", trials=trials, benefit=benefit)
    text = words(render_report(data))
    assert "not measured" not in text
    assert "*5 of 5* block effects".replace("*", "") in text
    everywhere = {(e.stage, e.block, e.kind) for e in effects_of(benefit, "AMCE")}
    assert everywhere == {
        (1, 1, "identity"),
        (1, 2, "identity"),
        (1, 2, "projection"),
        (2, 2, "identity"),
        (2, 2, "projection"),
    }


def test_a_further_skip_alone_is_a_long_one() -> None:
    data = long_sample(24, max_fan_in=2)
    short = [
        t
        for t in data.trials
        if t.spec and max(t.spec.spans) == 1 and any(len(ends) > 1 for ends in t.spec.incoming)
    ]
    assert short
    lone = dataclasses.replace(data, trials=short[:1], benefit={})
    assert has_long_skips(lone)
    assert has_long_skips(without_specs(lone))


def test_it_says_that_several_skips_may_end_at_a_block_and_that_the_design_has_one() -> None:
    section = words(long_skips_section(long_sample(24, max_fan_in=2)))
    assert "More than one skip may end at a block, which then counts for each." in section
    assert "the one under uniform drawing, where at most one skip ends at a block." in section


def test_within_constraints_neither_section_nor_method_speaks_of_uniform_drawing() -> None:
    data = long_sample(60, rows_left_out=5)
    text = words(render_report(data))
    assert "Under each share stands the one in the randomised trials." in text
    assert "under uniform drawing" not in text
    assert "Networks beyond the study's constraints were left out" in text
    assert "is therefore the effect of that skip" not in text
    assert "random designuniform within constraints" in text

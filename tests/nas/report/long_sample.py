"""A made-up study of the `longskip` space, for the tests of its section of the report."""

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from nas.benefit import BenefitContext, skip_benefit
from nas.design_plan import DesignPlan
from nas.report import ReportData
from nas.trials import Source, State, TrialRecord
from search_spaces import InputShape, make_space
from search_spaces.space import SearchSpace


def long_space(**fields: Any) -> SearchSpace:
    known = {"name": "longskip", "stages": 2, "max_blocks": 2, "max_span": 3}
    return make_space(known | fields, InputShape(channels=1, height=8, width=8), 10)


def long_trials(space: SearchSpace, rows: int, gain: float = 0.3) -> list[TrialRecord]:
    """Rows of the design, and as many adaptive trials; span 2 lowers the loss by `gain`."""
    rng = np.random.default_rng(1)
    specs = [row.spec for row in islice(DesignPlan(space, 0).rows(), rows)]
    specs += [space.sample(rng) for _ in range(rows)]
    return [
        TrialRecord(
            number=number,
            state=State.COMPLETE,
            source=Source.RANDOMISED if number < rows else Source.ADAPTIVE,
            decisions=space.decisions(spec),
            value=float(3 - gain * spec.spans.count(2) + 0.02 * rng.normal()),
            spec=spec,
            spec_id=spec.spec_id,
            seconds=1.0,
        )
        for number, spec in enumerate(specs)
    ]


def long_sample(
    rows: int = 60, gain: float = 0.3, rows_left_out: int = 0, **fields: Any
) -> ReportData:
    """The report of the study; `fields` are those of its space."""
    space = long_space(**fields)
    trials, plan = long_trials(space, rows, gain), DesignPlan(space, 0)
    trials[0] = replace(trials[0], rows_left_out=rows_left_out)
    context = BenefitContext(
        direction="minimize",
        metric="val/log_loss",
        recipe={"lr": 0.1},
        kinds=tuple(next(iter(plan.choices.values())).kinds),
        choices=plan.choices,
        reference_depths=plan.reference.depths,
        reference_spec=plan.reference,
    )
    return ReportData(
        study="long",
        trials=trials,
        benefit=skip_benefit(trials, [], context),
        reference_spec=plan.reference,
    )


def without_specs(data: ReportData) -> ReportData:
    return replace(data, trials=[replace(t, spec=None) for t in data.trials])

from dataclasses import replace

from nas.benefit import skip_benefit
from nas.trials import Source


def test_learning_rates_of_the_map_are_those_of_its_design_rows(planted):
    rows = planted.design(24)
    more = [replace(rows[0], number=100, source=Source.ADAPTIVE, lr=0.37)]
    result = skip_benefit(rows + more, [], planted.context)
    assert result["training"]["lr_grid"] == [0.1]
    context = replace(planted.context, recipe={"lr": 0.05})
    assert skip_benefit(more, [], context)["training"]["lr_grid"] == [0.05]

from dataclasses import replace

from nas.benefit import skip_benefit
from nas.report import headline
from nas.trials import Source


def test_learning_rates_of_the_map_are_those_of_its_design_rows(planted):
    rows = planted.design(24)
    more = [replace(rows[0], number=100, source=Source.ADAPTIVE, lr=0.37)]
    result = skip_benefit(rows + more, [], planted.context)
    assert result["training"]["lr_grid"] == [0.1]
    context = replace(planted.context, recipe={"lr": 0.05})
    assert skip_benefit(more, [], context)["training"]["lr_grid"] == [0.05]


def test_norm_and_initial_weights_are_those_of_the_networks(planted):
    rows = [
        replace(row, spec=row.spec.changed(norm="none", zero_init=True))
        for row in planted.design(12)
    ]
    training = skip_benefit(rows, [], planted.context)["training"]
    assert (training["norm"], training["init"]) == ("none", "he_normal_fan_out, zero_init")
    plain = skip_benefit([], [], planted.context)["training"]
    assert (plain["norm"], plain["init"]) == ("batch", "he_normal_fan_out")


def test_limits_are_told_with_the_rows_that_they_cost(planted):
    assert "constraints" not in skip_benefit([], [], planted.context)
    context = replace(planted.context, limits={"max_layers": 6})
    rows = [replace(row, source=Source.ADAPTIVE) for row in planted.design(3)]
    rows[0] = replace(rows[0], rows_left_out=300)
    told = skip_benefit(rows, [], context)
    assert told["constraints"] == {"limits": {"max_layers": 6}, "rows_left_out": 300}
    assert "W_CONSTRAINED" not in told["warnings"]
    assert headline(told) == (
        "No answer at 32 layers: the limit max_layers=6 leaves no network of the design, hence "
        "no map."
    )

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from nas.benefit import skip_benefit
from nas.trials import Source, State


def warnings_of(rows, repeats, context):
    found = skip_benefit(rows, repeats, context)["warning_details"]
    assert all(set(entry) == {"code", "text", "remedy"} for entry in found)
    commands = [e["remedy"] for e in found if "nas " in e["remedy"]]
    ours = ("--name planted", "nas ablate runs/planted")
    assert all(any(own in command for own in ours) for command in commands)
    if context.run_folder is None:
        assert commands == []
    return {entry["code"]: entry for entry in found}


def test_a_plain_good_study_warns_of_what_no_single_study_can_know(planted):
    found = warnings_of(planted.design(100, sd=0.02), planted.anchors(), planted.context)
    assert list(found) == ["W_LR_UNTUNED", "W_PARAM_CONFOUND", "W_SINGLE_SPLIT"]
    start = "All design networks were trained with one learning rate (0.1); plain"
    assert found["W_LR_UNTUNED"]["text"].startswith(start)
    assert "(80 to 1,088 per block)" in found["W_PARAM_CONFOUND"]["text"]


def test_adaptive_rows_alone_give_no_map(planted):
    rows = [replace(t, source=Source.ADAPTIVE) for t in planted.design(50)]
    found = warnings_of(rows, [], planted.context)
    assert next(iter(found)) == "W_TPE_ONLY"
    assert "W_UNDERPOWERED" not in found
    command = "nas search runs/planted/config.yaml --mode effects --name planted-effects"
    assert found["W_TPE_ONLY"]["remedy"] == command


def test_a_design_beyond_the_constraints_is_trained_without_them(planted):
    rows = [replace(t, source=Source.ADAPTIVE) for t in planted.design(50)]
    context = replace(planted.context, limits={"max_macs": 9, "max_params": 9})
    flags = "--set constraints.max_macs=null --set constraints.max_params=null"
    remedy = warnings_of(rows, [], context)["W_TPE_ONLY"]["remedy"]
    assert f"--mode effects {flags} --name" in remedy
    own = planted.design(60)
    own[0] = replace(own[0], rows_left_out=1)
    remedy = warnings_of(own, [], context)["W_CONSTRAINED"]["remedy"]
    assert f"--mode effects {flags} --name" in remedy


def test_noise_that_hides_blocks_asks_for_trials(planted):
    found = warnings_of(planted.design(100, sd=0.5), [], planted.context)
    entry = found["W_UNDERPOWERED"]
    assert "of 30 answers about single blocks cannot be told yet" in entry["text"]
    assert "nas search --name planted --trials " in entry["remedy"]
    assert int(entry["remedy"].split()[-1]) > 100
    table = replace(planted.context, run_folder=None)
    words = warnings_of(planted.design(100, sd=0.5), [], table)["W_UNDERPOWERED"]["remedy"]
    assert words == "Train about 300 more design rows, as a first step."


def test_other_studies_than_ours_get_words_for_every_remedy(planted):
    rows = [*planted.design(60), *planted.design(3, seed=1)]
    rows = [replace(row, number=number) for number, row in enumerate(rows)]
    rows[60:] = [
        replace(rows[60], state=State.PRUNED),
        *(replace(row, state=State.FAILED, reason="diverged", value=None) for row in rows[61:]),
    ]
    repeats = planted.finalists(rows[0], [0.1, 9.0])
    table = replace(planted.context, run_folder=None)
    found = warnings_of(rows, repeats, table)
    assert {"W_FAILURES", "W_PRUNED_ROWS", "W_NOISE_DOMINATES", "W_LR_UNTUNED"} <= set(found)
    ours = warnings_of(rows, repeats, planted.context)
    for code in ("W_FAILURES", "W_PRUNED_ROWS", "W_NOISE_DOMINATES", "W_LR_UNTUNED"):
        assert ours[code]["remedy"].startswith("nas search runs/planted/config.yaml --")


def test_the_page_and_the_warnings_ask_for_the_same_total(planted):
    result = skip_benefit(planted.design(60), [], planted.context)
    total = result["settled"]["next"]["total"]
    remedies = [w["remedy"] for w in result["warning_details"] if "--trials" in w["remedy"]]
    assert remedies
    assert all(remedy.endswith(f"--trials {total}") for remedy in remedies)


def test_the_trials_asked_for_include_the_adaptive_share(planted):
    rows = planted.design(40)
    more = [replace(t, number=100 + t.number, source=Source.ADAPTIVE) for t in rows]
    alone = warnings_of(rows, [], planted.context)["W_UNDERPOWERED"]["remedy"]
    both = warnings_of(rows + more, [], planted.context)["W_UNDERPOWERED"]["remedy"]
    assert int(both.split()[-1]) == pytest.approx(2 * int(alone.split()[-1]), abs=2)


@pytest.mark.parametrize(("number", "place"), [(3, "late"), (30, "early")])
def test_failures_are_counted_and_come_early_where_many(planted, number, place):
    rows = planted.design(100)
    for index in range(number):
        rows[index] = replace(rows[index], state=State.FAILED, reason="diverged", value=None)
    found = warnings_of(rows, [], planted.context)
    assert (
        f"{number} of 100 design rows failed; {number} diverged" in (found["W_FAILURES"]["text"])
    )
    assert (next(iter(found)) == "W_FAILURES") == (place == "early")
    assert "Without them any skip is worth 0.2" in found["W_FAILURES"]["text"]


def test_pruned_design_rows_are_named(planted):
    rows = planted.design(60)
    rows[0] = replace(rows[0], state=State.PRUNED)
    found = warnings_of(rows, [], planted.context)
    assert found["W_PRUNED_ROWS"]["text"].startswith("1 design rows were pruned")


def test_rows_that_constraints_left_out_are_counted(planted):
    rows = planted.design(60)
    rows[3] = replace(rows[3], rows_left_out=4)
    rows[9] = replace(rows[9], rows_left_out=1)
    entry = warnings_of(rows, [], planted.context)["W_CONSTRAINED"]
    assert entry["text"].startswith("5 rows of the design exceeded the study's constraints")
    assert "--set constraints.max_params=null" in entry["remedy"]


def test_one_rate_and_added_parameters_end_in_designs_without_them(planted):
    context = replace(planted.context, space="residual")
    found = warnings_of(planted.design(100, sd=0.02), planted.anchors(), context)
    crossed = "--mode effects --set 'search.lr_factors=[0.333,1]' --name planted-lrs"
    assert found["W_LR_UNTUNED"]["remedy"].endswith(crossed)
    identity = "--mode effects --set 'space.kinds=[none,identity]' --name planted-identity"
    assert found["W_PARAM_CONFOUND"]["remedy"].endswith(identity)
    own = replace(planted.context, space=None)
    words = warnings_of(planted.design(100, sd=0.02), planted.anchors(), own)
    assert words["W_PARAM_CONFOUND"]["remedy"].startswith("Read delta_params")


def test_a_table_without_design_rows_is_told_what_would_count(planted):
    rows = [replace(t, source=Source.ADAPTIVE) for t in planted.design(50)]
    entry = warnings_of(rows, [], replace(planted.context, run_folder=None))["W_TPE_ONLY"]
    assert entry["text"].startswith("No trial is known to come from a random design.")
    assert "--source randomised" in entry["remedy"]


def test_seeds_that_differ_more_than_architectures_are_named(planted):
    rows = planted.design(60)
    repeats = planted.finalists(rows[0], [0.1, 9.0])
    found = warnings_of(rows, repeats, planted.context)
    assert "over its seeds (ratio 0." in found["W_NOISE_DOMINATES"]["text"]
    assert "recipe.epochs=16" in found["W_NOISE_DOMINATES"]["remedy"]


def test_fewer_than_two_networks_per_coefficient_is_screening(planted):
    found = warnings_of(planted.design(48), [], planted.context)
    assert "48 different networks for 31 coefficients" in found["W_ALIASED"]["text"]


def test_a_repeated_plackett_burman_design_without_its_mirror_is_screening(planted):
    first = [1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0]
    matrix = np.array([np.roll(first, shift) for shift in range(11)] + [[0] * 11])
    plain = planted.space.spec((3, 3, 5), {})
    template, rows = planted.design(1)[0], []
    rng = np.random.default_rng(0)
    for number, codes in enumerate(np.repeat(matrix, 5, axis=0)):
        kinds = dict(
            zip(plain.places(), np.where(codes, "identity", "none").tolist(), strict=True)
        )
        spec = plain.with_kinds(
            {place: planted.context.kinds[kind != "none"] for place, kind in kinds.items()}
        )
        rows.append(
            replace(
                template, number=number, spec=spec, spec_id=spec.spec_id, value=float(rng.normal())
            )
        )
    context = replace(
        planted.context,
        kinds=planted.context.kinds[:2],
        reference_depths=None,
        reference_spec=plain,
    )
    result = skip_benefit(rows, [], context)
    blocks = [row for row in result["effects"] if row["estimand"] == "AMCE"]
    assert all(row["estimate"] is None for row in blocks)


def test_blocks_that_always_change_together_are_told(planted):
    rows = []
    for trial in planted.design(100):
        places = list(trial.spec.places())
        kinds = dict(zip(places, trial.spec.kinds, strict=True))
        spec = trial.spec.with_kinds({places[1]: kinds[places[0]]})
        rows.append(replace(trial, spec=spec, spec_id=spec.spec_id))
    result = skip_benefit(rows, [], planted.context)
    unknown = [
        row["position"]
        for row in result["effects"]
        if row["estimand"] == "AMCE" and row["estimate"] is None
    ]
    assert unknown == [1, 1, 2, 2]
    texts = {entry["code"]: entry["text"] for entry in result["warning_details"]}
    assert "W_ALIASED" in texts


def test_interactions_of_neighbours_are_told(planted):
    rng = np.random.default_rng(0)
    rows = []
    for trial in planted.design(200):
        on = [kind != "none" for kind in trial.spec.kinds]
        both = sum(a and b for a, b in pairwise(on))
        rows.append(replace(trial, value=float(both + 0.2 * rng.normal())))
    result = skip_benefit(rows, [], planted.context)
    assert result["interaction_test"]["in_model"] is True
    assert result["interaction_test"]["num_pairs"] == 14
    found = {entry["code"]: entry for entry in result["warning_details"]}
    assert "neighbour_conditional" in found["W_INTERACTION"]["text"]
    assert found["W_INTERACTION"]["remedy"] == "nas ablate runs/planted"


def test_few_networks_are_told_and_several_rates_are_not(planted):
    rows = [replace(t, lr=0.1 if t.number % 2 else 0.03) for t in planted.design(24)]
    found = warnings_of(rows, [], planted.context)
    assert "Only 24 different design networks" in found["W_FEW_CLUSTERS"]["text"]
    assert "W_LR_UNTUNED" not in found


@pytest.mark.parametrize("name", ["planted", "n" * 100])
def test_commands_give_names_that_studies_may_have(planted, name):
    rate = 1e9
    rows = [replace(row, lr=rate) for row in planted.design(40)]
    rows[:9] = [replace(r, state=State.FAILED, reason="diverged", value=None) for r in rows[:9]]
    context = replace(planted.context, study_name=name, recipe={"lr": rate, "epochs": 8})
    found = {entry["code"]: entry for entry in skip_benefit(rows, [], context)["warning_details"]}
    for code in ("W_FAILURES", "W_LR_UNTUNED"):
        given = found[code]["remedy"].split("--name ")[1]
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", given)
        assert given.endswith({"W_FAILURES": "-lr3.3e08", "W_LR_UNTUNED": "-lrs"}[code])

"""The model card says what the records say."""

import re
import statistics
from dataclasses import replace

import pytest
import yaml

from nas.benefit.context import BenefitContext
from nas.benefit.incumbent import search_result
from nas.export import ExportRequest
from nas.export.card import card
from nas.finalists import Outcome, welch
from nas.trials import Source, State, TrialRecord
from search_spaces import complexity
from tests.nas.export.networks import SPECS, make_network, make_request, record


def row(text: str, section: str, title: str) -> list[str]:
    """Return the cells of one table row of one section."""
    part = text.split(f"## {section}")[1].split("\n## ")[0]
    line = next(line for line in part.splitlines() if line.startswith(f"| {title}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def ours(request: ExportRequest, metric: str) -> list[float]:
    runs = [r for r in request.finalists if r.spec_id == request.spec.spec_id]
    return [r.metrics[metric] for r in runs]


@pytest.mark.parametrize(
    ("metric", "title"),
    [
        ("test_accuracy", "test accuracy"),
        ("test_log_loss", "test log-loss"),
        ("val_accuracy", "validation accuracy"),
        ("val_log_loss", "validation log-loss"),
    ],
)
def test_scores_are_those_of_the_records(good: ExportRequest, metric: str, title: str) -> None:
    values = ours(good, metric)
    cells = row(card(good, None), "Score", title)
    assert cells[1] == f"{good.chosen.metrics[metric]:.4f}"
    assert cells[2] == f"{statistics.fmean(values):.4f}"
    assert cells[3] == f"{statistics.stdev(values):.4f}"
    assert cells[5] == "3"


def test_measured_accuracy_is_that_of_this_model(good: ExportRequest) -> None:
    text = card(good, 0.4321)
    assert row(text, "Score", "test accuracy")[1] == "0.4321"
    assert "measured with the exported files in a fresh process" in text


def test_seeds_and_the_rule_of_choice_are_said(good: ExportRequest) -> None:
    text = card(good, None)
    assert "run with seed 101, the best `val/log_loss` on the validation split" in text
    assert "fresh seeds (100, 101, 102)" in text


def test_comparison_is_welchs_on_the_test_split(good: ExportRequest) -> None:
    theirs = [r.metrics["test_log_loss"] for r in good.identity_anchor]
    expected = welch(ours(good, "test_log_loss"), theirs)
    cells = row(card(good, None), "Against", "test log-loss")
    assert cells[3] == f"{expected.difference:+.4f}"
    assert cells[4] == f"{expected.low:+.4f} to {expected.high:+.4f}"
    assert cells[5] == "better"
    assert "By test log-loss (nats) this architecture is **better than**" in card(good, None)


def without_test(records: list[TrialRecord]) -> list[TrialRecord]:
    return [
        replace(r, metrics={k: v for k, v in r.metrics.items() if not k.startswith("test")})
        for r in records
    ]


def test_comparison_on_the_validation_split_warns_of_its_bias(good: ExportRequest) -> None:
    anchors = [record(i, good.spec, i, 0.12 + (i - 1) / 50) for i in range(3)]
    text = card(replace(good, identity_anchor=without_test(anchors)), None)
    assert (
        "By validation log-loss (nats) this architecture is **not distinguishable from**" in text
    )
    assert "which flatters it a little" in text


def test_validation_intervals_hold_for_all_finalists_at_once_as_in_the_report(
    good: ExportRequest,
) -> None:
    anchors = without_test(
        [record(20 + i, SPECS["identity"], 300 + i, 0.1575 + i / 100) for i in range(3)]
    )
    anchors = [replace(r, source=Source.ANCHOR, name="identity-10") for r in anchors]
    theirs = [r.metrics["val_log_loss"] for r in anchors]
    alone = welch(ours(good, "val_log_loss"), theirs)
    joint = welch(ours(good, "val_log_loss"), theirs, level=0.975)
    # The plain interval is below zero, the joint one is not.
    assert (alone.outcome("minimize"), joint.outcome("minimize")) == (
        Outcome.BETTER,
        Outcome.NOT_DISTINGUISHABLE,
    )
    text = card(replace(good, identity_anchor=anchors), None)
    cells = row(text, "Against", "validation log-loss")
    assert cells[4] == f"{joint.low:+.4f} to {joint.high:+.4f}"
    assert cells[5] == "not distinguishable"
    assert "architecture is **not distinguishable from** the full-identity ResNet" in text
    assert "the 2 finalists were ranked, each has the level 97.5%, so that 95% holds" in text
    # The report says the same of the same runs.
    context = BenefitContext(direction="minimize", metric="val/log_loss")
    versus = search_result([], [*good.finalists, *anchors], context)["versus_identity"]
    assert versus["verdict"] == "not distinguishable"
    assert joint.low is not None
    assert versus["ci_high"] == pytest.approx(-joint.low)


def test_worse_is_called_worse(good: ExportRequest) -> None:
    anchors = [record(i, good.spec, i, 0.01 + i / 1000) for i in range(3)]
    text = card(replace(good, identity_anchor=anchors), None)
    assert "**worse than** the full-identity ResNet of 10 layers, over 3 and 3 seeds" in text


def test_full_identity_network_is_not_compared_with_itself() -> None:
    spec = SPECS["identity"]
    text = card(make_request(spec, make_network(spec)), None)
    assert "This architecture is the full-identity ResNet itself." in text


def test_finalists_are_listed_best_first(good: ExportRequest) -> None:
    failed = replace(good.finalists[0], number=99, state=State.FAILED, reason="lost", value=None)
    text = card(replace(good, finalists=[*good.finalists, failed]), None)
    listed = re.findall(r"^\| `([^`]+)`", text, flags=re.MULTILINE)
    assert listed == [good.spec.code, SPECS["none"].code]
    assert row(text, "How", f"`{SPECS['none'].code}`")[-1] == "1"
    assert "200 trials by 2 workers in 4 minutes" in text


def test_one_architecture_under_two_recipes_stands_twice(good: ExportRequest) -> None:
    ours = [r for r in good.finalists if r.spec_id == good.spec.spec_id]
    runs = [
        *(replace(r, lr=0.1, weight_decay=1e-4) for r in ours),
        *(
            replace(r, lr=0.0312, weight_decay=1e-4, number=50 + i, value=0.5 + i / 10)
            for i, r in enumerate(ours)
        ),
    ]
    chosen = replace(good.chosen, lr=0.1, weight_decay=1e-4)
    text = card(replace(good, finalists=runs, chosen=chosen), None)
    assert f"| `{good.spec.code}`, learning rate 0.1 (exported) |" in text
    assert f"| `{good.spec.code}`, learning rate 0.0312 |" in text
    assert "weight decay" not in text
    assert "the best `val/log_loss` on the validation split among 3 runs" in text


@pytest.mark.parametrize("finalists", [[], None], ids=["none at all", "others only"])
def test_architecture_that_was_not_repeated_is_called_one_run(
    good: ExportRequest, finalists: list[TrialRecord] | None
) -> None:
    others = [r for r in good.finalists if r.spec_id != good.spec.spec_id]
    text = card(replace(good, finalists=others if finalists is None else finalists), 0.5)
    assert "This model is one run, with seed 101" in text
    assert "they cannot be compared" in text


def test_run_that_was_asked_for_is_not_called_the_best(good: ExportRequest) -> None:
    asked = next(r for r in good.finalists if r.seed == 102)
    text = card(replace(good, chosen=asked, seed=102), None)
    assert "seed 102, not the best on the validation split, but asked for" in text


def test_single_run_has_a_mean_but_no_spread(good: ExportRequest) -> None:
    text = card(replace(good, finalists=[good.chosen], identity_anchor=[]), None)
    assert row(text, "Score", "validation log-loss")[2:] == [
        "0.1000",
        "not known",
        "not known",
        "1",
    ]


def test_facts_of_network_data_and_training_are_said(good: ExportRequest) -> None:
    text = card(good, None)
    cost = complexity(good.spec)
    for words in (
        f"Parameters: {cost.params:,}. Multiply-adds per image: {cost.macs:,}",
        "Blocks: basic, two 3x3 convolutions each; post-activation (ReLU after the addition); "
        "batch norm.",
        "Skips: 1 identity, 1 projection; 2 of 4 blocks have none.",
        "Skips by span, in blocks that they pass: all pass one, as in the classic block.",
        "1077 training, 360 validation and 80 test images; stratified split, split seed 0",
        "8 epochs, peak learning rate 0.1, sgd",
        "(architecture.svg)",
        "- torch 2.13.0",
    ):
        assert words in text


def test_task_and_metric_of_the_user_come_back_out_of_the_card(good: ExportRequest) -> None:
    task = {"class_path": "my_task.Focal", "init_args": {"gamma": 2.0}}
    changed = replace(good, task=task, metric="val/accuracy", direction="maximize")
    text = card(changed, None)
    config = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)[0])
    assert config["task"] == task
    assert config["search"] == {"metric": "val/accuracy", "direction": "maximize"}
    assert "Training with the task `my_task.Focal`: 8 epochs" in text


def test_recipe_comes_back_out_of_the_card(good: ExportRequest) -> None:
    space = {"name": "residual", "stages": 3}
    text = card(replace(good, space=space), None)
    config = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)[0])
    assert config == {
        "name": "digits-again",
        "data": "digits",
        "space": space,
        "recipe": dict(good.recipe),
    }


def test_card_without_a_picture_names_none(good: ExportRequest) -> None:
    assert "architecture.svg" not in card(replace(good, picture=""), None)


def test_intervals_stay_where_scores_can_be_and_large_numbers_are_short(
    good: ExportRequest,
) -> None:
    wild = {"test_accuracy": (0.1, 1.0, 0.9), "val_log_loss": (0.01, 5.0, 0.01)}
    wild["test_log_loss"] = (1.6e21, 1.6e21, 1.7e21)
    runs = [r for r in good.finalists if r.spec_id == good.spec.spec_id]
    others = [r for r in good.finalists if r.spec_id != good.spec.spec_id]
    made = [
        replace(run, value=wild["val_log_loss"][n], metrics={k: v[n] for k, v in wild.items()})
        for n, run in enumerate(runs)
    ]
    text = card(replace(good, finalists=(*made, *others)), None)
    assert row(text, "Score", "test accuracy")[4] == "0.0000 to 1.0000"
    low, high = row(text, "Score", "validation log-loss")[4].split(" to ")
    assert float(low) == 0 < float(high)
    assert row(text, "Score", "test log-loss")[2] == "1.63e+21"
    assert not re.search(r"\d{8}\.", text)


def test_one_of_a_thing_is_no_plural(good: ExportRequest) -> None:
    cost = replace(good.cost, trials=1, workers=1)
    text = card(replace(good, cost=cost, recipe={**good.recipe, "epochs": 1}), None)
    assert "1 trial by 1 worker in 4 minutes" in text
    assert "Training: 1 epoch, peak learning rate" in text

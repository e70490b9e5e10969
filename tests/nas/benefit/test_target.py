from dataclasses import replace

import numpy as np
import pytest

from nas.benefit import skip_benefit
from nas.benefit.context import study_metric
from nas.benefit.target import EPOCHS, find_target
from nas.trials import State
from trainer.measurement import EpochMetrics

HORIZON = 8


def curve(last_bad, loss=0.5):
    """Loss 3 for so many epochs, then `loss`."""
    return tuple(
        EpochMetrics(
            epoch=epoch, train_loss=1.0, val_log_loss=3.0 if epoch <= last_bad else loss,
            val_accuracy=0.5, lr=0.1, seconds=1.0,
        )
        for epoch in range(1, HORIZON + 1)
    )  # fmt: skip


def with_curves(trials, slow):
    return [replace(t, history=curve(slow(t))) for t in trials]


def plain(planted, value=1.0):
    return [replace(row, value=value) for row in planted.anchors() if row.name == "plain-32"]


def test_the_target_is_what_plain_networks_end_at(planted):
    metric = study_metric(planted.context)
    rows = with_curves(planted.design(12), lambda t: 2)
    target = find_target(rows, plain(planted), metric, 32)
    assert (target.value, target.source, target.horizon) == (1.0, "median of plain-32", 8)
    assert target.epochs(rows[0]) == 3


def test_plain_networks_that_only_guess_are_no_target(planted):
    metric = study_metric(planted.context)
    rows = with_curves(planted.design(12), lambda t: 2)
    target = find_target(rows, plain(planted, value=2.4), metric, 32)
    assert target.source == "median of the design rows"
    assert target.value == pytest.approx(np.median([row.value for row in rows]))
    assert find_target(rows, [], metric, 32).value == target.value


def test_rows_that_never_get_there_count_one_epoch_more_than_there_were(planted):
    metric = study_metric(planted.context)
    rows = with_curves(planted.design(4), lambda t: 2)
    target = find_target(rows, plain(planted), metric, 32)
    assert target.epochs(replace(rows[0], history=curve(HORIZON))) == 9
    assert target.epochs(replace(rows[0], state=State.FAILED, reason="diverged")) == 9
    assert target.epochs(replace(rows[0], history=())) is None
    assert target.epochs(replace(rows[0], state=State.FAILED, reason="oom")) is None


def test_without_curves_there_is_no_target(planted):
    metric = study_metric(planted.context)
    assert find_target(planted.design(12), plain(planted), metric, 32) is None
    assert EPOCHS not in skip_benefit(planted.design(12), [], planted.context)["metrics"]


def test_skips_that_save_epochs_are_found_under_metrics(planted):
    def slow(trial):
        # The first two blocks each save two epochs, an identity as a projection.
        return 7 - 2 * sum(kind != "none" for kind in trial.spec.kinds[:2])

    rows = with_curves(planted.design(80), slow)
    rows[0] = replace(rows[0], history=curve(HORIZON))
    found = skip_benefit(rows, plain(planted), planted.context)["metrics"][EPOCHS]
    assert (found["direction"], found["unit"], found["sesoi"]) == ("minimize", "epochs", None)
    blocks = {
        row["position"]: row
        for row in found["effects"]
        if row["estimand"] == "AMCE" and row["kind"] == "identity"
    }
    assert blocks[1]["estimate"] == pytest.approx(2, abs=0.3)
    assert blocks[9]["estimate"] == pytest.approx(0, abs=0.3)
    assert found["headline"]["estimate"] == pytest.approx(2 * 2 / 15, abs=0.1)
    assert found["target"]["n_rows"] == 80
    assert found["target"]["n_not_reached"] == 1
    assert found["target"]["metric"] == "val_log_loss"


def test_censored_times_give_the_restricted_mean_without_bias(planted):
    """Times beyond the horizon count as horizon + 1, whatever they would have been."""
    rows = with_curves(planted.design(90), lambda t: 3 + 9 * (t.spec.kinds[0] == "none"))
    found = skip_benefit(rows, plain(planted), planted.context)["metrics"][EPOCHS]
    [first] = [
        row for row in found["effects"]
        if (row["estimand"], row["position"], row["kind"]) == ("AMCE", 1, "identity")
    ]  # fmt: skip
    # Without the skip 13 epochs, of which 9 are seen; with it 4.
    assert first["estimate"] == pytest.approx(5)

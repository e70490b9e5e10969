import json
from dataclasses import asdict, replace

from trainer import EpochMetrics, Failure, Reason

EPOCH = EpochMetrics(
    epoch=1, train_loss=1.5, val_log_loss=1.25, val_accuracy=0.5, lr=0.1, seconds=0.2
)


def test_a_failure_survives_json():
    failure = Failure(
        key="trial-1",
        spec_id="0" * 16,
        seed=3,
        reason=Reason.OOM,
        message="OutOfMemoryError: full",
        traceback="...",
        history=(EPOCH,),
        seconds=1.5,
    )
    assert Failure.from_dict(json.loads(json.dumps(failure.to_dict()))) == failure


def test_an_epoch_names_all_that_was_measured_on_the_validation_split():
    epoch = replace(EPOCH, more={"macro_f1": 0.25})
    assert epoch.validation == {"log_loss": 1.25, "accuracy": 0.5, "macro_f1": 0.25}


def test_an_epoch_from_before_there_were_more_metrics_is_read():
    old = {name: value for name, value in asdict(EPOCH).items() if name != "more"}
    assert EpochMetrics(**old) == EPOCH

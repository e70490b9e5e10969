import json

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

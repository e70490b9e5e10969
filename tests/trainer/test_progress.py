from trainer import EpochMetrics, Unattended, Verdict


def test_nobody_watching_means_go_on():
    metrics = EpochMetrics(
        epoch=1, train_loss=1.5, val_log_loss=1.25, val_accuracy=0.5, lr=0.1, seconds=0.2
    )
    assert Unattended().epoch_done("trial-1", metrics) is Verdict.CONTINUE

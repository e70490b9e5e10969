from nas.feed import Watchers
from nas.trials import State
from tests.nas.fake_pool import Recorder, make_epoch
from tests.nas.wandb_studies import make_record


def test_all_watchers_are_told_in_order() -> None:
    one, two = Recorder(), Recorder()
    watchers = Watchers(one, two)
    record = make_record(4)
    watchers.started(record)
    watchers.epoch(record, make_epoch(2, 0.5))
    watchers.paused(record, 2)
    watchers.ended(record)
    expected = [
        ("started", 4, 1),
        ("epoch", 4, 2),
        ("paused", 4, 2),
        ("ended", 4, State.COMPLETE),
    ]
    assert one.events == two.events == expected

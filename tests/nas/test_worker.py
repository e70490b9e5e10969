import os
import queue
import signal
from multiprocessing.connection import Connection, Pipe

import pytest

from nas.messages import Answer, EpochDone, Work, decode, encode
from nas.worker import OwnerProgress, main
from tests.nas.fake_pool import make_epoch
from trainer.progress import Verdict


@pytest.fixture
def ends() -> tuple[Connection, Connection]:
    return Pipe()  # type: ignore[return-value]


def test_an_epoch_is_told_and_not_waited_for(ends: tuple[Connection, Connection]) -> None:
    progress = OwnerProgress(ends[0], queue.Queue())
    assert progress.epoch_done("a", make_epoch(1, 0.5)) is Verdict.CONTINUE
    assert decode(ends[1].recv_bytes()) == EpochDone(key="a", metrics=make_epoch(1, 0.5))


def test_a_supervised_epoch_waits_for_the_answer_to_it(
    ends: tuple[Connection, Connection],
) -> None:
    answers: queue.Queue[Answer] = queue.Queue()
    progress = OwnerProgress(ends[0], answers)
    progress.supervised = frozenset({"a"})
    answers.put(Answer(key="other", verdict=Verdict.CONTINUE))
    answers.put(Answer(key="a", verdict=Verdict.STOP))
    assert progress.epoch_done("a", make_epoch(1, 0.5)) is Verdict.STOP
    # Others of its group are not waited for.
    assert progress.epoch_done("b", make_epoch(1, 0.5)) is Verdict.CONTINUE


def test_the_first_message_must_be_the_setup(ends: tuple[Connection, Connection]) -> None:
    ends[1].send_bytes(encode(Work(candidates=[], recipe={})))
    former = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(TypeError, match="first message must be Setup, got Work"):
            main(os.dup(ends[0].fileno()))
    finally:
        signal.signal(signal.SIGINT, former)

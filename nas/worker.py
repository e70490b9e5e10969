"""A worker process: trains what it is told, knows neither Optuna nor W&B.

Started by the pool as `python -m nas.worker FD`, where FD is its end of a socket. It ends at once
when the owner's end closes, whatever it is doing: finished epochs are safe in their checkpoints.
"""

import os
import queue
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from nas.messages import Answer, EpochDone, Ready, Setup, Work, WorkDone, decode, encode
from trainer.checkpoints import FolderCheckpoints
from trainer.measurement import EpochMetrics
from trainer.progress import Verdict


class OwnerProgress:
    """Sends finished epochs to the owner and, where asked to, waits for its verdict."""

    def __init__(self, connection: Connection, answers: "queue.Queue[Answer]") -> None:
        self._connection = connection
        self._answers = answers
        self.supervised = False

    def epoch_done(self, key: str, metrics: EpochMetrics) -> Verdict:
        """Tell the owner; CONTINUE unless it says otherwise."""
        self._connection.send_bytes(encode(EpochDone(key=key, metrics=metrics)))
        if not self.supervised:
            return Verdict.CONTINUE
        while True:
            answer = self._answers.get()
            if answer.key == key:
                return answer.verdict


def main(descriptor: int) -> None:
    """Serve the owner at the other end of the socket until it closes."""
    # Whatever started this worker may share its terminal; only the owner decides about Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    started = time.monotonic()
    connection = Connection(descriptor)
    setup = decode(connection.recv_bytes())
    if not isinstance(setup, Setup):
        raise TypeError(f"The first message must be Setup, got {type(setup).__name__}.")
    for path in setup.import_paths:
        if path not in sys.path:
            sys.path.append(path)

    works: queue.Queue[Work] = queue.Queue()
    answers: queue.Queue[Answer] = queue.Queue()
    # From now on, so that a worker whose owner dies does not even finish its imports.
    threading.Thread(target=_listen, args=(connection, works, answers), daemon=True).start()

    # Imported after the thread count is known and paths are set; these take seconds.
    import torch

    from nas.own_task import load_task
    from trainer.datasets import load_data
    from trainer.module import CandidateModule
    from trainer.recipe import Recipe
    from trainer.train import train

    torch.set_num_threads(setup.num_threads)
    data = load_data(setup.data)
    task = setup.task
    module_class = load_task(task["class_path"]) if task else CandidateModule
    checkpoints = FolderCheckpoints(Path(setup.checkpoint_folder))
    progress = OwnerProgress(connection, answers)
    ready = Ready(pid=os.getpid(), device=setup.device, setup_seconds=time.monotonic() - started)
    connection.send_bytes(encode(ready))
    while True:
        work = works.get()
        progress.supervised = work.supervised
        outcomes = train(
            work.candidates,
            Recipe.model_validate(work.recipe),
            data,
            progress,
            checkpoints=checkpoints,
            device=setup.device,
            test=work.test,
            keep_weights=work.keep_weights,
            module_class=module_class,
            module_args=task["init_args"] if task else None,
        )
        connection.send_bytes(encode(WorkDone(outcomes=outcomes)))


def _listen(
    connection: Connection, works: "queue.Queue[Work]", answers: "queue.Queue[Answer]"
) -> None:
    """Sort what the owner sends; end the process when the owner is gone."""
    while True:
        try:
            message = decode(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)
        if isinstance(message, Work):
            works.put(message)
        elif isinstance(message, Answer):
            answers.put(message)


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""A worker process: trains what it is told, knows neither Optuna nor W&B.

It first measures, where it is asked to, how many candidates at once train best on its device, while
the other workers do the same.

Started by the pool as `python -m nas.worker FD`, where FD is its end of a socket. It ends at once
when the owner's end closes, whatever it is doing: finished epochs are safe in their checkpoints.
"""

import os
import queue
import signal
import sys
import threading
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from nas.messages import Answer, EpochDone, Ready, Setup, Work, WorkDone, decode, encode
from trainer.checkpoints import FolderCheckpoints
from trainer.data import data_facts
from trainer.measurement import EpochMetrics
from trainer.progress import Verdict

if TYPE_CHECKING:
    from trainer.datasets import ImageData

LARGEST_ON_CPU = 8
LARGEST_ON_GPU = 64
"""Largest groups that are tried."""


class OwnerProgress:
    """Sends finished epochs to the owner and, where asked to, waits for its verdict."""

    def __init__(self, connection: Connection, answers: "queue.Queue[Answer]") -> None:
        self._connection = connection
        self._answers = answers
        self.supervised: frozenset[str] = frozenset()
        """Keys whose epochs wait for an answer."""

    def epoch_done(self, key: str, metrics: EpochMetrics) -> Verdict:
        """Tell the owner; CONTINUE unless it says otherwise."""
        self._connection.send_bytes(encode(EpochDone(key=key, metrics=metrics)))
        if key not in self.supervised:
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

    serve = _serve_lookups if data_facts(setup.data).is_recorded else _serve_trainings
    serve(setup, connection, works, OwnerProgress(connection, answers), started)


def _serve_trainings(
    setup: Setup,
    connection: Connection,
    works: "queue.Queue[Work]",
    progress: OwnerProgress,
    started: float,
) -> None:
    """Train what comes, without end."""
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
    connection.send_bytes(encode(_with_group_size(_ready(setup, started), setup, data)))
    while True:
        work = works.get()
        progress.supervised = frozenset(work.supervised)
        train(
            work.candidates,
            Recipe.model_validate(work.recipe),
            data,
            progress,
            checkpoints=checkpoints,
            device=setup.device,
            test=work.test,
            keep_weights=work.keep_weights,
            evidence=work.evidence,
            module_class=module_class,
            module_args=task["init_args"] if task else None,
            pause_after=work.pause_after,
            # At once: a trial that has ended must not wait for others of its group to be kept.
            ended=lambda outcomes: connection.send_bytes(
                encode(WorkDone(outcomes=list(outcomes)))
            ),
        )


def _serve_lookups(
    setup: Setup,
    connection: Connection,
    works: "queue.Queue[Work]",
    progress: OwnerProgress,
    started: float,
) -> None:
    """Look up what comes, without end and without torch."""
    from trainer.recipe import Recipe
    from trainer.recorded.lookup import look_up

    checkpoints = FolderCheckpoints(Path(setup.checkpoint_folder))
    ready = replace(_ready(setup, started), group_size=setup.group_size or 1)
    connection.send_bytes(encode(ready))
    while True:
        work = works.get()
        progress.supervised = frozenset(work.supervised)
        outcomes = look_up(
            work.candidates,
            Recipe.model_validate(work.recipe),
            progress,
            checkpoints=checkpoints,
            test=work.test,
            pause_after=work.pause_after,
        )
        connection.send_bytes(encode(WorkDone(outcomes=outcomes)))


def _ready(setup: Setup, started: float) -> Ready:
    seconds = time.monotonic() - started
    return Ready(pid=os.getpid(), device=setup.device, setup_seconds=seconds)


def _with_group_size(ready: Ready, setup: Setup, data: "ImageData") -> Ready:
    """Say how many candidates at once this worker trains best."""
    if setup.group_size is not None:
        return replace(ready, group_size=setup.group_size)
    largest = LARGEST_ON_CPU if setup.device == "cpu" else LARGEST_ON_GPU
    try:
        from trainer.population.group_size import measure_group_size
        from trainer.recipe import Recipe

        found = measure_group_size(
            setup.group_specs,
            Recipe.model_validate(setup.group_recipe),
            data,
            setup.device,
            largest=min(largest, len(setup.group_specs)),
        )
    except Exception as error:  # noqa: BLE001 - what cannot be measured is trained one by one
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        return replace(ready, group_why=f"the size of groups could not be measured ({why})")
    return replace(
        ready, group_size=found.size, group_seconds=dict(found.seconds), group_why=found.why
    )


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

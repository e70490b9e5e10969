"""Commands of a benchmark as processes: in a folder of their own, with all output kept there."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.job import Job
from benchmarks.measuring import ROOT
from nas.config_file import load_config, parse_assignments

STUDY = "benchmark"
"""Name of the study in every arm."""
_NAS = (sys.executable, "-c", "from nas.cli import main; main()")


class ProcessError(Exception):
    """A command of a benchmark broke off."""


def nas_search(
    job: Job, flags: Sequence[str] = (), assignments: Mapping[str, Any] | None = None
) -> list[str]:
    """Return the command line of `nas search` for a job, to be run in its folder.

    Args:
        job: What it has to do.
        flags: Further flags.
        assignments: Further keys of the configuration.
    """
    command = [*_NAS, "search", "--name", STUDY, "--trials", str(job.trials), *flags]
    for item in (_settings(job) | dict(assignments or {})).items():
        command += ["--set", _assignment(item)]
    return command


def _settings(job: Job) -> dict[str, Any]:
    """Return the keys of the configuration that a job sets."""
    values: dict[str, Any] = {"data": job.data, "search.seed": job.seed}
    values |= {f"space.{name}": value for name, value in job.space.items()}
    values |= {f"recipe.{name}": value for name, value in job.recipe.items()}
    if job.device == "cpu":
        values["search.devices"] = "cpu"
    else:
        values["recipe.precision"] = "bf16-mixed"
    if job.architectures is not None:
        path = "search.sampler"
        values |= {
            # Every trial asks the sampler, and nothing is drawn without it.
            "search.startup_trials": 0,
            f"{path}.class_path": "benchmarks.shared_list.SharedList",
            f"{path}.init_args.path": job.architectures,
            f"{path}.init_args.seed": job.seed,
        }
    return values


def check_job(job: Job) -> None:
    """Check a job as `nas search` does, before anything runs.

    Raises:
        UserError: Its data, space, recipe or number of candidates is not usable.
    """
    values = {**_settings(job), "search.trials": job.trials}
    load_config(None, parse_assignments(map(_assignment, values.items())))


def _assignment(item: tuple[str, Any]) -> str:
    name, value = item
    return f"{name}={json.dumps(value)}"


def run_timed(
    commands: Sequence[Sequence[str]], folder: Path, cores: set[int] | None = None
) -> float:
    """Run commands side by side to their ends and return the wall time in seconds.

    Args:
        commands: Programs and their arguments.
        folder: Their working directory, which takes their output and W&B's files.
        cores: Where they and their children may run; None: anywhere.

    Raises:
        ProcessError: One ended with an error; the message holds its last lines.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    environment |= {
        # The benchmarks, and a sampler named by class path in workers.
        "PYTHONPATH": str(ROOT),
        # W&B's caches stay out of the user's home.
        "WANDB_CACHE_DIR": str(folder / "wandb-cache"),
        "WANDB_CONFIG_DIR": str(folder / "wandb-config"),
        "WANDB_DATA_DIR": str(folder / "wandb-data"),
    }
    logs = [folder / f"output{number}.log" for number in range(len(commands))]
    with contextlib.ExitStack() as open_files, _on_cores(cores):
        outputs = [open_files.enter_context(log.open("w", encoding="utf-8")) for log in logs]
        started = time.perf_counter()
        running = [
            subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            for command, output in zip(commands, outputs, strict=True)
        ]
        codes = _wait(running)
        seconds = time.perf_counter() - started
    for command, code, log in zip(commands, codes, logs, strict=True):
        if code:
            last = "\n".join(log.read_text(encoding="utf-8").splitlines()[-20:])
            raise ProcessError(
                f"{' '.join(command)}: must end with 0, got code={code}. Its last lines, of "
                f"{log}:\n{last}"
            )
    return seconds


def _wait(running: Sequence[subprocess.Popen[bytes]]) -> list[int]:
    """Wait for processes; none outlives an interrupted benchmark."""
    try:
        return [process.wait() for process in running]
    except BaseException:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
        raise


@contextlib.contextmanager
def _on_cores(cores: set[int] | None) -> Iterator[None]:
    """Let children start on some cores only; they inherit it."""
    if cores is None:
        yield
        return
    former = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, former)

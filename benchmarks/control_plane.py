"""H4: what the owner costs per candidate in a study of 100, 1,000 and 10,000 trials.

A study of N ended trials is written to a real run folder, in the default space and with the default
sampler. An owner takes it up and brings it further with a worker that trains in no time, so that all wall
time is the owner's: ask, persist, tell, the epochs' messages and log, the files of the run folder.
W&B is off: what the thread costs that hands trials to its writer is not in it. What goes by the
clock and not by candidates (the display, counting the settled answers, `workers.json`) is told
apart, as a study whose candidates take no time is too short for it; `with clocked` has it all. The
share is of the wall time of a study on two workers whose candidates take --seconds each. The
reference is a plain Optuna study of as many trials of the same parameters, with the default TPE:
ask, suggest and tell, on SQLite and on a journal. Groups of 1 and of 8.

    python -m benchmarks.control_plane
"""

import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from benchmarks.arguments import Arguments
from benchmarks.instant_pool import InstantPool
from benchmarks.long_study import SPARE, make_long_study
from benchmarks.measuring import RESULTS, Spread, format_table, interleave, spread_of, write_result
from benchmarks.parts import Parts, measured
from nas.allowed_rows import AllowedRows
from nas.config import make_config
from nas.devices import Slot, plan_slots
from nas.display import Display
from nas.epoch_log import EpochLog
from nas.known_specs import KnownSpecs
from nas.open_study import open_study
from nas.results import Results
from nas.run_folder import RunFolder
from nas.running import TrialsInTraining
from nas.sampling import SamplerMirror, distribution_of, parameters_of
from nas.study_run import SearchOptions, StudyRun
from nas.study_store import StudyStore
from nas.worker_board import WorkerBoard
from search_spaces.space import Decision, Value
from search_spaces.spec import ArchitectureSpec

PARTS = {
    "ask": [(SamplerMirror, "ask")],
    "tell": [(SamplerMirror, "tell"), (SamplerMirror, "absorb")],
    "design row": [(AllowedRows, "next"), (AllowedRows, "is_turn")],
    "known": [(KnownSpecs, name) for name in ("num_trials", "value", "sample", "learn")],
    "start": [(StudyStore, "start"), (TrialsInTraining, "begin")],
    "done": [(StudyStore, "finish"), (TrialsInTraining, "done")],
    "disk": [(os, "fsync")],
    "epochs": [(EpochLog, "epoch")],
}
CLOCKED = {
    "display": [(Display, "tick"), (WorkerBoard, "tick")],
    "count": [(Results, "count_answers")],
}
_MORE = ("rest", "with clocked", "asks", "ms per count of answers")
_WORKERS = 2
"""Of the study whose wall time the share is of."""
WARM = 32
"""Candidates before the clock starts, in which what is cached is made."""


def run_owner(
    base: RunFolder, place: Path, turn: int, *, candidates: int, group_size: int
) -> dict[str, Any]:
    """Bring a copy of a study so many candidates further; return milliseconds per candidate."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(base.path, place)
    folder = RunFolder(place)
    done = base.read_config().search.trials - SPARE
    _own(folder, done + WARM, InstantPool(8))
    pool = InstantPool(group_size)
    with measured(PARTS | CLOCKED) as parts:
        # What is read when the study is opened is not of the candidates.
        seconds = _own(folder, done + WARM + candidates, pool, parts.clear)
    if pool.num_done != candidates:
        raise RuntimeError(f"The owner trained {pool.num_done} candidates, not {candidates}.")
    return _per_candidate(seconds, parts, candidates)


def _own(
    folder: RunFolder, trials: int, pool: InstantPool, started: Callable[[], None] = lambda: None
) -> float:
    """Run an owner to a total; return the seconds of its loop."""
    config = folder.read_config()
    config = config.model_copy(
        update={"search": config.search.model_copy(update={"trials": trials})}
    )
    study = open_study(folder, config)
    slots: list[Slot] = plan_slots(1, "cpu", [])
    options = SearchOptions(with_report=False, with_export=False, stream=io.StringIO())
    run = StudyRun(study, slots, options, make_pool=lambda study, slots: pool)
    pool.on_start = started
    run.run()
    return pool.seconds


def _per_candidate(seconds: float, parts: Parts, candidates: int) -> dict[str, Any]:
    own = {name: 1e3 * parts.seconds[name] / candidates for name in PARTS}
    clocked = sum(parts.seconds[name] for name in CLOCKED)
    whole = 1e3 * (seconds - clocked) / candidates
    counts = max(parts.calls["count"], 1)
    by_clock = {"ms per count of answers": 1e3 * parts.seconds["count"] / counts}
    asks = parts.calls["ask"] / candidates
    return {
        "all": whole,
        **own,
        "rest": whole - sum(own.values()),
        "with clocked": 1e3 * seconds / candidates,
        "asks": asks,
        **by_clock,
    }


class StockStudy:
    """A plain Optuna study of so many trials of the default space."""

    def __init__(self, kind: str, num_trials: int, folder: Path) -> None:
        self.space = make_config({}).make_space()
        storage = (
            RDBStorage(f"sqlite:///{folder / f'stock-{num_trials}.db'}")
            if kind == "SQLite"
            else JournalStorage(JournalFileBackend(str(folder / f"stock-{num_trials}.log")))
        )
        sampler = optuna.samplers.TPESampler(seed=0)
        self.study = optuna.create_study(storage=storage, sampler=sampler)
        rng = np.random.default_rng(0)
        for _ in range(num_trials):
            spec = self.space.sample(rng)
            params, distributions = parameters_of(self.space, spec)
            self.study.add_trial(
                optuna.trial.create_trial(
                    params=params, distributions=distributions, value=_value(spec)
                )
            )

    def step(self) -> None:
        """Ask, decide and tell."""
        trial = self.study.ask()

        def choose(decision: Decision) -> Value:
            found = distribution_of(decision)
            if isinstance(found, optuna.distributions.IntDistribution):
                return trial.suggest_int(decision.name, found.low, found.high)
            return trial.suggest_categorical(decision.name, found.choices)  # type: ignore[return-value]

        spec = self.space.decide(choose)
        self.study.tell(trial, _value(spec))

    def run(self, turn: int, *, candidates: int) -> dict[str, Any]:
        """Return milliseconds per candidate."""
        start = time.perf_counter()
        for _ in range(candidates):
            self.step()
        return {"all": 1e3 * (time.perf_counter() - start) / candidates}


def _value(spec: ArchitectureSpec) -> float:
    return 0.3 - 0.15 * len(spec.skips) / spec.num_blocks


def measure(
    sizes: Sequence[int], candidates: int, stock_candidates: int, repeats: int, folder: Path
) -> dict[str, Any]:
    """Measure all arms at all sizes, as JSON data."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found: dict[str, Any] = {}
    for size in sizes:
        base = make_long_study(folder / "base", size)
        arms: dict[str, Callable[[int], dict[str, Any]]] = {
            f"nas, groups of {group}": partial(
                run_owner, base, folder / "work", candidates=candidates, group_size=group
            )
            for group in (1, 8)
        }
        if stock_candidates:
            for kind in ("SQLite", "journal"):
                stock = StockStudy(kind, size, folder)
                arms[f"Optuna, {kind}"] = partial(stock.run, candidates=stock_candidates)
        runs = interleave(arms, repeats, say=print)
        found[str(size)] = {arm: _spreads(results) for arm, results in runs.items()}
    return {
        "question": "milliseconds of wall time of the owner per candidate, by part",
        "candidates": {"nas": candidates, "stock": stock_candidates, "repeats": repeats},
        "trials": found,
    }


def _spreads(results: Sequence[dict[str, Any]]) -> dict[str, Spread]:
    return {part: spread_of([result[part] for result in results]) for part in results[0]}


def share(parts: dict[str, Spread], seconds: float) -> float:
    """Return the owner's share of the wall time, percent, where candidates take so many seconds."""
    # Candidates end so often on so many workers.
    name = "with clocked" if "with clocked" in parts else "all"
    return 100 * parts[name].median / (1e3 * seconds / _WORKERS)


def describe(result: dict[str, Any]) -> str:
    """Return the result as tables."""
    seconds = result["seconds of a candidate"]
    rows = [
        [size, arm, parts["all"].describe(), f"{share(parts, seconds):.2f}"]
        + [f"{parts[name].median:.2f}" if name in parts else "" for name in (*PARTS, *_MORE)]
        for size, arms in result["trials"].items()
        for arm, parts in arms.items()
    ]
    header = [
        "trials",
        "arm",
        "ms per candidate",
        f"% at {seconds:g} s each on {_WORKERS} workers",
    ]
    return format_table([*header, *PARTS, *_MORE], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = Arguments(__doc__)
    parser.add_int("--trials", [100, 1000, 10_000], least=0)
    parser.add_int("--candidates", 128, help="per measurement of ours")
    parser.add_int("--stock", 4, least=0, help="per measurement of Optuna; 0: none")
    parser.add_int("--repeats", 5)
    parser.add_positive("--seconds", 1.0, help="of a worker per candidate, in a real study")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(
            options.trials, options.candidates, options.stock, options.repeats, Path(folder)
        )
    result["seconds of a candidate"] = options.seconds
    print(describe(result))
    print(write_result("control_plane", result, folder=options.results))


if __name__ == "__main__":
    main()

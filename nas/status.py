"""What `nas status` says: counts by state, the best so far, who trains what; no torch here."""

from pathlib import Path
from typing import Any

from nas.constraints import count_refused, describe_refused
from nas.given_up import read_given_up
from nas.open_study import folder_of, read_repeats, read_trials
from nas.records import best_record
from nas.storage import open_storage
from nas.trials import State, TrialRecord
from nas.worker_board import read_board


def read_status(path: Path) -> dict[str, Any]:
    """Read the state of a study without touching it, as JSON data.

    Raises:
        RunFolderError: The folder holds no study.
        StorageError: The storage cannot be reached or read.
    """
    folder = folder_of(path)
    config = folder.read_config()
    board = read_board(folder.workers)
    storage = open_storage(config.storage, folder.path, create=False)
    trials, direction = read_trials(storage, config.name)
    repeats = read_repeats(storage, config.name)
    given_up = read_given_up(storage, storage.get_study_id_from_name(config.name))
    return {
        "name": config.name,
        "folder": str(folder.path),
        "target": config.search.trials,
        "is_running": board is not None,
        "trials": _count(trials),
        # Of those that are running: they wait at a rung, with no worker.
        "paused": sum(trial.paused_after is not None for trial in trials),
        "repeats": _count(repeats),
        "refused": count_refused(trials),
        "rows_left_out": sum(trial.rows_left_out for trial in trials),
        "design_given_up": given_up is not None,
        # Where only design rows may be trained, none is left after the design.
        "ended_early": given_up is not None and config.search.design_share == 1,
        "best": _best(trials, direction),
        "workers": board["workers"] if board is not None else [],
        "report": _existing(folder.report / "report.html"),
        "export": _existing(folder.export / "card.md"),
    }


def describe_status(status: dict[str, Any]) -> str:
    """Return the status as text."""
    counts = status["trials"]
    paused = status["paused"]
    told = {**counts, "running": counts["running"] - paused, "paused": paused}
    shown = [f"{number} {state}" for state, number in told.items() if number]
    done = counts["complete"] + counts["pruned"]
    lines = [
        f"study    {status['name']} in {status['folder']}",
        f"trials   {done} of {status['target']} done ({', '.join(shown) or 'none yet'})",
    ]
    if any(status["repeats"].values()):
        repeats = [f"{number} {state}" for state, number in status["repeats"].items() if number]
        lines.append(f"repeats  {', '.join(repeats)}")
    limited = describe_refused(
        status["refused"], status["rows_left_out"], is_given_up=status["design_given_up"]
    )
    lines += [f"limits   {line}" for line in limited]
    best = status["best"]
    if best is not None:
        what = f", {best['code']} (spec_id {best['spec_id']})" if best["spec_id"] else ""
        lines.append(f"best     trial {best['trial']}: {best['value']:.4f}{what}")
    for worker in status["workers"]:
        doing = ", ".join(worker["trials"]) or "idle"
        lines.append(f"worker   {worker['pid']} on {worker['device']}: {doing}")
    if status["is_running"] and not status["workers"]:
        lines.append("owner    running; nothing is in training now")
    if not status["is_running"]:
        unfinished = counts["running"] or status["repeats"]["running"]
        left = unfinished or (done < status["target"] and not status["ended_early"])
        lines.append(
            f"owner    none; go on with: nas search --name {status['name']}"
            if left
            else "owner    none; the search is finished"
        )
    lines += [f"{name:<8} {status[name]}" for name in ("report", "export") if status[name]]
    return "\n".join(lines)


def _count(records: list[TrialRecord]) -> dict[str, int]:
    order = (State.COMPLETE, State.PRUNED, State.FAILED, State.RUNNING, State.WAITING)
    return {state.value: sum(r.state is state for r in records) for state in order}


def _best(records: list[TrialRecord], direction: str) -> dict[str, Any] | None:
    best = best_record(records, direction)
    if best is None:
        return None
    return {
        "trial": best.number,
        "value": best.value,
        "spec_id": best.spec_id,
        "code": best.spec.code if best.spec else "",
        "metrics": best.metrics,
    }


def _existing(path: Path) -> str | None:
    return str(path) if path.is_file() else None

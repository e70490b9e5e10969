"""`nas ablate` on a real study: a worker is killed, then the owner; all pairs are trained once."""

import os
import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from nas.run import open_run
from nas.trials import Source, State
from nas.wandb_runs.files import run_folders
from search_spaces.spec import Kind
from tests.end_to_end.studies import NAS, Search, is_midway, workers_of
from tests.nas.made_studies import add_trial, make_study

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(not Path("/proc").exists(), reason="kills workers by their process ids"),
]
FLIPS = ("--flip", "stage1.block1=none", "--flip", "stage2.block1=projection")


def make_searched(runs: Path) -> Path:
    """Make a study with one finalist on two seeds, which nobody had to train."""
    study = make_study(
        runs,
        [0.5, 0.25],
        name="tiny",
        space={"stages": 2, "max_blocks": 1, "width": 2},
        recipe={"epochs": 2, "batch_size": 16, "warmup_epochs": 0.5},
        search={"trials": 2, "workers": 1, "group_size": 1, "devices": "cpu"},
    )
    winner = study.space.uniform((1, 1), Kind.PROJECTION)
    for replicate in range(2):
        add_trial(study, winner, Source.FINALIST, 0.25, of_trial=1, replicate=replicate)
    return study.folder.path


def test_pairs_survive_kills_and_grow_with_more_seeds(tmp_path: Path) -> None:
    run = make_searched(tmp_path / "runs")
    first = [*NAS, "ablate", "tiny", "--seeds", "2", *FLIPS, "--wandb", "disabled"]
    killed = Search(tmp_path, command=first)
    killed.wait_until(lambda: is_midway(run, 1))
    os.kill(workers_of(run)[0], signal.SIGKILL)
    killed.wait_until(lambda: is_midway(run, 3))
    killed.kill()
    begun = {r.number: r.seed for r in open_run(run).repeats() if r.source is Source.PAIRED}
    assert 3 < len(begun) < 14

    # A seed more: what had begun goes on, and nothing is trained twice.
    again = Search(tmp_path, command=[*NAS, "ablate", "tiny", "--seeds", "3", *FLIPS])
    assert again.wait() == 0, again.errors
    paired = [r for r in open_run(run).repeats() if r.source is Source.PAIRED]
    assert {r.state for r in paired} == {State.COMPLETE}
    assert begun.items() <= {r.number: r.seed for r in paired}.items()
    assert max(r.attempts for r in paired) == 2
    bases = {"trial 1": 1, "identity-6": 2, "plain-6": 1}
    trained = Counter((r.base, r.flip, r.replicate) for r in paired)
    assert set(trained.values()) == {1}
    assert Counter(base for base, *_ in trained) == {b: 3 * (1 + n) for b, n in bases.items()}
    seeds = {(r.base, r.replicate): r.seed for r in paired}
    assert all(seeds[r.base, r.replicate] == r.seed for r in paired)
    assert len(set(seeds.values())) == len(seeds)
    assert all("test_log_loss" in r.metrics for r in paired)

    assert re.search(r"price    \d+ of 21 are done, \d+ trainings on 3 fresh seeds", again.output)
    assert "mean of 3 pairs, positive = better, simultaneous 95%" in again.output
    assert "stand in for each other" in again.output
    assert (run / "report" / "report.html").is_file()
    assert {str(r.wandb_id) for r in paired} <= set(run_folders(run))

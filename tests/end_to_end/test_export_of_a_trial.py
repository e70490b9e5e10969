"""`nas export RUN --trial N` on a real study: trains the trial again, then exports it."""

from pathlib import Path

import pytest

from nas.run import open_run
from nas.trials import State
from tests.end_to_end.studies import NAS, Search, write_config

pytestmark = pytest.mark.timeout(180)


def test_trial_that_was_no_finalist_is_trained_again_and_exported(tmp_path: Path) -> None:
    search = {"trials": 2, "workers": 1, "devices": "cpu", "anchor_seeds": 2, "finalist_seeds": 2}
    config = write_config(tmp_path, recipe={"epochs": 1, "warmup_epochs": 0.5}, search=search)
    started = Search(tmp_path, str(config), "--no-report", "--no-export")
    assert started.wait() == 0, started.errors
    command = [*NAS, "export", "tiny", "--trial", "1"]
    exported = Search(tmp_path, command=command)
    assert exported.wait() == 0, exported.errors
    assert "export   " in exported.output
    assert "proven   largest difference of logits" in exported.output
    run = open_run(tmp_path / "runs" / "tiny")
    finalists = [r for r in run.repeats() if r.of_trial == 1]
    assert [r.state for r in finalists] == [State.COMPLETE] * 2
    spec = run.records()[1].spec
    assert spec is not None
    assert spec.code in (run.path / "export" / "card.md").read_text()
    wrong = Search(tmp_path, command=[*NAS, "export", "tiny", "--trial", "7"])
    assert wrong.wait() == 2
    assert "got trial=7. Complete: 0 to 1." in wrong.errors

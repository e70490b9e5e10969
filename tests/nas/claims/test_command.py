"""`nas claims` as a user calls it: wrong input, a kill, and the same command again."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nas.cli import app
from tests.end_to_end.studies import NAS, Search

TINY = [
    *("--set", "space.width=2", "--set", "recipe.epochs=1", "--set", "recipe.batch_size=256"),
    *("--set", "search.group_size=1", "--devices", "cpu", "--workers", "1"),
]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "C9"], "--only must name a claim, got only='C9'"),
        (["--seeds", "1"], "--seeds must be from 2 to 100"),
        (["--set", "recipe.epoch=3"], "recipe.epochs"),
        (["nothing.yaml"], "The configuration file must exist"),
        (["--workers", "0"], "search.workers must be"),
        (["--set", "data=skipbench"], "trains networks of its own"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_made(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["claims", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def lines_of(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc")
@pytest.mark.slow
def test_a_killed_call_goes_on_and_trains_nothing_twice(tmp_path: Path) -> None:
    command = [*NAS, "claims", "--only", "C7", "--seeds", "2", "--name", "tiny", *TINY]
    folder = tmp_path / "runs" / "tiny" / "claims"
    path = folder / "trainings.jsonl"
    first = Search(tmp_path, command=command)
    first.wait_until(lambda: len(lines_of(path)) >= 3)
    first.kill()
    kept = lines_of(path)
    second = Search(tmp_path, command=command)
    assert second.wait() == 0
    lines = lines_of(path)
    assert lines[: len(kept)] == kept
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == 20
    assert "resume   " in second.output
    assert json.loads((folder / "claims.json").read_text())[7]["verdict"] != "not tested"
    assert not list(folder.glob("checkpoints/*"))


def test_a_study_can_be_launched_in_the_folder_of_its_claims(tmp_path: Path) -> None:
    from nas.run_folder import RunFolder

    (tmp_path / "tiny" / "claims").mkdir(parents=True)
    RunFolder(tmp_path / "tiny").check_usable()


def test_an_interrupted_call_speaks_of_what_was_trained_and_of_no_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nas.claims.run.run_claims", interrupted)
    result = CliRunner().invoke(app, ["claims", "--name", "typo"])
    assert result.exit_code == 130
    assert "what was trained for the claims in runs/typo/claims is intact" in result.stderr
    assert "study" not in result.stderr

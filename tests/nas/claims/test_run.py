"""Whole calls with real trainings, tiny ones; only the start of workers is left out."""

import io
import json
from pathlib import Path

import pytest

from nas.claims.run import ClaimsOptions, run_claims
from nas.config import StudyConfig, make_config
from nas.errors import ConfigError, RunFolderError, TrainingError
from nas.messages import Work
from nas.storage import folder_lock
from tests.nas.claims.in_process_pool import Pools
from tests.nas.fake_pool import FakePool


def make_study(**sections: dict[str, object]) -> StudyConfig:
    base: dict[str, object] = {
        "name": "tiny",
        "space": {"width": 2},
        "recipe": {"epochs": 1, "batch_size": 256},
        "search": {"workers": 1, "devices": "cpu"},
    }
    return make_config(base | sections)


def options(*only: str, seeds: int | None = 2) -> ClaimsOptions:
    return ClaimsOptions(only=only, seeds=seeds, stream=io.StringIO())


def said(given: ClaimsOptions) -> str:
    assert isinstance(given.stream, io.StringIO)
    return given.stream.getvalue()


def verdicts(folder: Path) -> dict[str, str]:
    records = json.loads((folder / "claims.json").read_text())
    return {record["id"]: record["verdict"] for record in records}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two claims were tested."""
    root = tmp_path_factory.mktemp("runs")
    given = options("C7", "C8")
    run_claims(make_study(), root, given, Pools())
    (root / "output.txt").write_text(said(given))
    return root


def test_there_are_a_price_verdicts_and_a_page(root: Path) -> None:
    folder = root / "tiny" / "claims"
    assert sorted(path.name for path in folder.iterdir()) == [
        "claims.html",
        "claims.json",
        "owner.lock",
        "trainings.jsonl",
    ]
    text = (root / "output.txt").read_text()
    assert "price    20 trainings of 8 to 32 layers" in text
    assert text.index("price") < text.index("verdicts")
    assert len((folder / "trainings.jsonl").read_text().splitlines()) == 20
    record = {r["id"]: r for r in json.loads((folder / "claims.json").read_text())}["C8"]
    assert record["verdict"] in ("supported", "contradicted", "inconclusive")
    assert record["evidence"].startswith(
        "on digits, 20 and 32 layers, lr 0.1, 1 epoch, 8 trainings on 2 seeds: "
    )
    assert verdicts(folder)["C3"] == "not tested"


def test_nothing_is_trained_twice_and_other_claims_keep_their_verdicts(root: Path) -> None:
    before = verdicts(root / "tiny" / "claims")
    given, pools = options("C7"), Pools()
    result = run_claims(make_study(), root, given, pools)
    assert pools.made == []
    assert "price    nothing is left to train." in said(given)
    # All that C8 needs is known, though it was not asked for.
    assert verdicts(result.folder) == before
    assert before["C8"] != "not tested"


def test_the_same_trainings_give_the_same_bytes(root: Path) -> None:
    folder = root / "tiny" / "claims"
    before = (folder / "claims.json").read_bytes()
    run_claims(make_study(), root, options("C7"), Pools())
    assert (folder / "claims.json").read_bytes() == before


def test_another_recipe_needs_other_trainings(root: Path) -> None:
    given = options("C7")

    def stop(work: Work) -> None:
        raise KeyboardInterrupt

    config = make_study(recipe={"epochs": 1, "batch_size": 256, "lr": 0.05})
    with pytest.raises(KeyboardInterrupt):
        run_claims(config, root, given, Pools(stop))
    assert "price    20 trainings of 8 to 32 layers" in said(given)


def test_an_interrupted_call_goes_on_where_it_was(tmp_path: Path) -> None:
    works: list[Work] = []

    def stop_at_the_second(work: Work) -> None:
        works.append(work)
        if len(works) == 2:
            raise KeyboardInterrupt

    first, second = Pools(stop_at_the_second, group_size=4), Pools()
    with pytest.raises(KeyboardInterrupt):
        run_claims(make_study(), tmp_path, options("C8"), first)
    kept = (tmp_path / "tiny" / "claims" / "trainings.jsonl").read_text()
    assert len(kept.splitlines()) == len(first.trained) > 0
    given = options("C8")
    run_claims(make_study(), tmp_path, given, second)
    assert f"resume   {len(first.trained)} of 8" in said(given)
    assert not set(first.trained) & set(second.trained)
    assert len({*first.trained, *second.trained}) == 8


def test_measurements_need_no_worker(tmp_path: Path) -> None:
    pools = Pools()
    result = run_claims(make_study(), tmp_path, options("C1"), pools)
    assert pools.made == []
    [record] = [r for r in result.claims if r["id"] == "C1"]
    assert "no training, 10 seeds" in record["evidence"]
    assert len(record["numbers"]["estimates"]) == 8


def test_networks_that_all_fail_end_in_an_error_that_names_the_first(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"got 8 that all failed.*oom"):
        run_claims(
            make_study(),
            tmp_path,
            options("C8"),
            lambda *_: FakePool(epochs=1, fate=lambda candidate, attempt: "oom"),
        )
    assert (tmp_path / "tiny" / "claims" / "trainings.jsonl").exists() is False


def test_some_that_fail_are_said_and_left_for_the_next_call(tmp_path: Path) -> None:
    given = options("C7", seeds=3)
    failed: list[str] = []

    def fate(candidate: object, attempt: int) -> str:
        key = candidate.key  # type: ignore[attr-defined]
        if not failed:
            failed.append(key)
        return "error" if key in failed else "done"

    result = run_claims(make_study(), tmp_path, given, lambda *_: FakePool(epochs=1, fate=fate))
    assert "failed   " in said(given)
    [record] = [r for r in result.claims if r["id"] == "C7"]
    # One seed of three is left out.
    assert record["numbers"]["estimates"][0]["n"] == 2


def test_diverged_networks_are_outcomes(tmp_path: Path) -> None:
    def fate(candidate: object, attempt: int) -> str:
        return "done" if candidate.spec.skips else "diverged"  # type: ignore[attr-defined]

    result = run_claims(
        make_study(), tmp_path, options("C4"), lambda *_: FakePool(epochs=1, fate=fate)
    )
    [record] = [r for r in result.claims if r["id"] == "C4"]
    assert record["numbers"]["facts"]["diverged, plain, lr 0.1"] == 2
    assert "plain 0 of 2 at lr 0.1" in record["evidence"]


@pytest.mark.parametrize("seeds", [0, 1, -3, 101])
def test_too_few_seeds_are_refused_before_anything_is_made(tmp_path: Path, seeds: int) -> None:
    with pytest.raises(ConfigError, match=f"--seeds must be from 2 to 100.*got seeds={seeds}"):
        run_claims(make_study(), tmp_path, options(seeds=seeds), Pools())
    assert not list(tmp_path.iterdir())


def test_recorded_trainings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"trains networks of its own.*got data='skipbench'"):
        run_claims(make_config({"data": "skipbench"}), tmp_path, options(), Pools())


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "letters.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"new or empty folder.*letters\.txt"):
        run_claims(make_study(), tmp_path, options("C1"), Pools())


def test_two_calls_at_once_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "tiny" / "claims"
    folder.mkdir(parents=True)
    with folder_lock(folder), pytest.raises(RunFolderError, match="may have one owner"):
        run_claims(make_study(), tmp_path, options("C1"), Pools())


@pytest.mark.slow
def test_on_digits_skips_matter_more_with_depth(tmp_path: Path) -> None:
    config = make_config({"name": "real", "search": {"devices": "cpu"}})
    result = run_claims(config, tmp_path, options("C7", "C8", seeds=None))
    assert verdicts(result.folder)["C7"] == "supported"
    assert verdicts(result.folder)["C8"] == "supported"


def test_networks_that_have_learnt_nothing_say_nothing_of_depth(tmp_path: Path) -> None:
    def fate(candidate: object, attempt: int) -> str:
        return "diverged"

    result = run_claims(
        make_study(), tmp_path, options("C7"), lambda *_: FakePool(epochs=1, fate=fate)
    )
    [record] = [r for r in result.claims if r["id"] == "C7"]
    assert record["verdict"] == "inconclusive"
    assert "layers both arms end at guessing" in record["evidence"]
    assert "both arms guess" in (result.folder / "claims.html").read_text()

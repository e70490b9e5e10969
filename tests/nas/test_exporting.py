"""What is refused, and what is chosen; a whole export is in tests/end_to_end."""

from dataclasses import replace
from pathlib import Path

import pytest

from nas.config import make_config
from nas.config_file import merge
from nas.errors import ExportError
from nas.export import SearchCost
from nas.exporting import export_winner, weights_key
from nas.trials import Source, State, TrialRecord
from search_spaces import Kind
from tests.nas.fake_pool import tiny_config
from trainer import Candidate, Measurement, load_data
from trainer.checkpoints import FolderCheckpoints
from trainer.train import train

CONFIG = tiny_config()
SPACE = CONFIG.make_space()
COST = SearchCost(trials=12, seconds=60.0, workers=2)


def make_finalist(number: int, *, of_trial: int, kind: Kind, value: float) -> TrialRecord:
    spec = SPACE.uniform((1, 1, 1), kind)
    return TrialRecord(
        number=number,
        state=State.COMPLETE,
        source=Source.FINALIST,
        decisions=SPACE.decisions(spec),
        value=value,
        spec=spec,
        spec_id=spec.spec_id,
        seed=number,
        of_trial=of_trial,
        metrics={"val_log_loss": value, "test_log_loss": value, "test_accuracy": 0.5},
    )


FINALISTS = [
    make_finalist(0, of_trial=4, kind=Kind.IDENTITY, value=0.2),
    make_finalist(1, of_trial=4, kind=Kind.IDENTITY, value=0.3),
    make_finalist(2, of_trial=9, kind=Kind.PROJECTION, value=0.4),
]
ANCHOR = replace(FINALISTS[0], number=3, source=Source.ANCHOR, of_trial=None, name="identity-8")


def export(folder: Path, repeats: list[TrialRecord], of_trial: int | None = None) -> object:
    store = FolderCheckpoints(folder / "checkpoints")
    return export_winner(folder / "export", CONFIG, repeats, store, COST, {}, of_trial)


def test_weights_of_repeats_have_keys_of_their_own() -> None:
    assert weights_key(FINALISTS[2]) == "repeat-0002-weights"


@pytest.mark.parametrize("repeats", [[], [ANCHOR]])
def test_an_export_needs_finalists(tmp_path: Path, repeats: list[TrialRecord]) -> None:
    with pytest.raises(ExportError, match=r"got none\. Run nas search without --no-export"):
        export(tmp_path, repeats)


def test_a_trial_that_was_not_retrained_is_refused_with_those_that_were(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"got trial=5\. Choose one of 4, 9\."):
        export(tmp_path, FINALISTS, of_trial=5)


def test_a_repeat_that_does_not_say_what_it_trained_is_refused(tmp_path: Path) -> None:
    FolderCheckpoints(tmp_path / "checkpoints").save("repeat-0002-weights", b"")
    with pytest.raises(ExportError, match="with its spec and seed, got repeat=2 without"):
        export(tmp_path, [replace(FINALISTS[2], seed=None)])


def test_a_trial_is_exported_with_all_fresh_runs_of_its_architecture(tmp_path: Path) -> None:
    other = replace(FINALISTS[2], number=5, of_trial=11, value=0.1)
    with pytest.raises(ExportError, match=r"weights of repeat 5 \(of trial 11\)"):
        export(tmp_path, [*FINALISTS, other], of_trial=9)


@pytest.mark.parametrize(("of_trial", "number"), [(None, 0), (4, 0), (9, 2)])
def test_weights_that_are_gone_are_named(
    tmp_path: Path, of_trial: int | None, number: int
) -> None:
    with pytest.raises(
        ExportError, match=rf"weights of repeat {number} \(of trial {of_trial or 4}"
    ):
        export(tmp_path, FINALISTS, of_trial)
    assert not (tmp_path / "export").exists()


def test_the_finalist_of_a_trial_can_be_exported_beside_its_rival(tmp_path: Path) -> None:
    spec = FINALISTS[2].spec
    assert spec is not None
    candidate = Candidate(key="repeat-0002", spec=spec, seed=2)
    store = FolderCheckpoints(tmp_path / "checkpoints")
    data = load_data("digits")
    [trained] = train(
        [candidate], CONFIG.recipe, data, checkpoints=store, test=True, keep_weights=True
    )
    assert isinstance(trained, Measurement)
    assert trained.test_accuracy is not None
    chosen = replace(
        FINALISTS[2], metrics={**FINALISTS[2].metrics, "test_accuracy": trained.test_accuracy}
    )
    export(tmp_path, [*FINALISTS[:2], chosen, ANCHOR], of_trial=9)
    assert spec.code in (tmp_path / "export" / "card.md").read_text()
    assert (tmp_path / "export" / "model.safetensors").is_file()


def test_rival_of_an_export_was_trained_by_the_same_recipe(tmp_path: Path) -> None:
    spec = FINALISTS[2].spec
    assert spec is not None
    config = make_config(
        merge(CONFIG.to_dict(), {"recipe": {"lr": {"low": 0.01, "high": 0.1}, "epochs": 1}})
    )
    recipe = config.recipe.resolve({"lr": 0.05})
    candidate = Candidate(key="repeat-0002", spec=spec, seed=2)
    store = FolderCheckpoints(tmp_path / "checkpoints")
    [trained] = train(
        [candidate], recipe, load_data("digits"), checkpoints=store, test=True, keep_weights=True
    )
    assert isinstance(trained, Measurement)
    assert trained.test_accuracy is not None
    chosen = replace(
        FINALISTS[2],
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        metrics={**FINALISTS[2].metrics, "test_accuracy": trained.test_accuracy},
    )
    rival = replace(ANCHOR, lr=recipe.lr, weight_decay=recipe.weight_decay)
    for repeats, is_compared in (([chosen, ANCHOR], False), ([chosen, rival], True)):
        export_winner(tmp_path / "export", config, repeats, store, COST, {}, of_trial=9)
        card = (tmp_path / "export" / "card.md").read_text()
        assert ("Not both were trained on fresh seeds" not in card) == is_compared
        assert "peak learning rate 0.05" in card

"""What a study needs of any storage; each kind of storage passes the same tests.

A subclass defines the fixture `url`. Tests share one storage of a kind, and each has its own study
in it, since tables take a second to make.
"""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState

from nas.errors import ResumeError
from nas.storage import open_storage
from nas.study_store import StudyStore

FACTS = {"uid": "0a1b2c3d", "space": {"name": "residual", "kinds": ["none"]}, "data": "digits"}
PARAMS = {"depth.stage1": 1, "skip.stage1.block1": "identity"}
DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "depth.stage1": IntDistribution(1, 5),
    "skip.stage1.block1": CategoricalDistribution(("none", "identity", "projection")),
}
ATTRIBUTES = {"source": "randomised", "seed": 2**31 + 5, "spec": {"stages": [{"blocks": 1}]}}
RESULT = {"history": [{"epoch": 1, "val_log_loss": 0.25}], "reason": None}

# Claims the first waiting trial when told to, and says whether it got it.
CLAIM = """
import sys
from pathlib import Path
from optuna.trial import TrialState
from nas.storage import open_storage
from nas.study_store import StudyStore
url, folder, name = sys.argv[1:]
store = StudyStore(open_storage(url, Path(folder)), name, "minimize", {"uid": "other"})
[waiting] = store.trials(TrialState.WAITING)
print("ready", flush=True)
sys.stdin.readline()
print("won" if store.claim(waiting, {}, {}, {}) else "lost", flush=True)
"""


def opened(url: str, folder: Path) -> BaseStorage:
    """Open the storage anew, as another process would find it."""
    return open_storage(url, folder)


class StorageContract:
    """The contract; a subclass defines the fixture `url`."""

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("storage")

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, folder: Path) -> str:
        raise NotImplementedError("Define the fixture `url` in the subclass.")

    @pytest.fixture(scope="class")
    @classmethod
    def storage(cls, url: str, folder: Path) -> Iterator[BaseStorage]:
        storage = opened(url, folder)
        yield storage
        close(storage)

    @pytest.fixture(scope="class")
    @classmethod
    def other(cls, storage: BaseStorage, url: str, folder: Path) -> Iterator[BaseStorage]:
        """The same storage, as another process sees it."""
        other = opened(url, folder)
        yield other
        close(other)

    @pytest.fixture
    def name(self) -> str:
        return f"study-{uuid.uuid4().hex[:8]}"

    @pytest.fixture
    def store(self, storage: BaseStorage, name: str) -> StudyStore:
        return StudyStore(storage, name, "minimize", FACTS)

    @pytest.fixture
    def reopened(self, store: StudyStore, other: BaseStorage) -> StudyStore:
        return StudyStore(other, store.name, "minimize", FACTS)

    def test_started_trial_runs_with_all_that_it_was_given(
        self, store: StudyStore, reopened: StudyStore
    ) -> None:
        started = store.start(PARAMS, DISTRIBUTIONS, ATTRIBUTES)
        [trial] = reopened.trials()
        assert trial.number == started.number == 0
        assert trial.state is TrialState.RUNNING
        assert trial.params == PARAMS
        assert trial.distributions == DISTRIBUTIONS
        assert trial.user_attrs == ATTRIBUTES
        assert trial.datetime_start is not None

    def test_trials_are_numbered_in_the_order_of_their_start(
        self, store: StudyStore, reopened: StudyStore
    ) -> None:
        numbers = [store.start({}, {}, {"nth": nth}).number for nth in range(3)]
        assert numbers == [0, 1, 2]
        assert [trial.user_attrs["nth"] for trial in reopened.trials()] == [0, 1, 2]

    @pytest.mark.parametrize(
        ("state", "values", "value"),
        [
            (TrialState.COMPLETE, [0.0], 0.0),
            (TrialState.PRUNED, [0.5], 0.5),
            (TrialState.FAIL, None, None),
        ],
    )
    def test_finished_trial_has_its_state_value_and_result(
        self,
        store: StudyStore,
        reopened: StudyStore,
        state: TrialState,
        values: list[float] | None,
        value: float | None,
    ) -> None:
        started = store.start(PARAMS, DISTRIBUTIONS, ATTRIBUTES)
        store.finish(started.trial_id, state, values, RESULT)
        [trial] = reopened.trials(state)
        assert trial.value == value
        assert trial.user_attrs == {**ATTRIBUTES, "result": RESULT}
        assert trial.datetime_complete is not None
        assert reopened.trials(TrialState.RUNNING) == []

    def test_reported_values_are_kept_by_epoch(
        self, store: StudyStore, reopened: StudyStore
    ) -> None:
        started = store.start(PARAMS, DISTRIBUTIONS, ATTRIBUTES)
        store.report(started.trial_id, 1, 2.5)
        store.report(started.trial_id, 2, 1.5)
        assert reopened.trials()[0].intermediate_values == {1: 2.5, 2: 1.5}

    def test_running_trial_is_still_running_for_the_next_owner(
        self, store: StudyStore, reopened: StudyStore
    ) -> None:
        started = store.start(PARAMS, DISTRIBUTIONS, ATTRIBUTES)
        [trial] = reopened.trials(TrialState.RUNNING)
        reopened.annotate(trial._trial_id, {"attempts": 2})
        reopened.finish(trial._trial_id, TrialState.COMPLETE, [1.0], RESULT)
        assert store.trials()[started.number].state is TrialState.COMPLETE
        assert store.trials()[started.number].user_attrs["attempts"] == 2

    def test_study_keeps_the_facts_of_its_first_owner(
        self, store: StudyStore, other: BaseStorage
    ) -> None:
        again = StudyStore(other, store.name, "minimize", {**FACTS, "uid": "ffffffff"})
        assert again.uid == store.uid == FACTS["uid"]
        assert again.study_id == store.study_id

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                {"space": {"name": "residual", "kinds": ["identity"]}},
                r"has space.kinds=\['none'\], got space.kinds=\['identity'\]. Choose another",
            ),
            ({"data": "letters"}, "has data='digits', got data='letters'. Choose another"),
        ],
    )
    def test_study_about_something_else_is_refused(
        self, store: StudyStore, change: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ResumeError, match=f"Study '{store.name}' of this storage {message}"):
            StudyStore(store.storage, store.name, "minimize", {**FACTS, **change})

    def test_study_of_another_format_is_refused(self, store: StudyStore) -> None:
        store.storage.set_study_user_attr(store.study_id, "nas", {**FACTS, "format": 99})
        with pytest.raises(ResumeError, match=r"must have format 1, got format=99\. It was made"):
            StudyStore(store.storage, store.name, "minimize", FACTS)

    def test_study_of_another_direction_is_refused(self, store: StudyStore) -> None:
        with pytest.raises(ResumeError, match="another direction than direction='maximize'"):
            StudyStore(store.storage, store.name, "maximize", FACTS)

    def test_study_that_somebody_else_made_is_refused_once_it_has_trials(
        self, storage: BaseStorage, name: str
    ) -> None:
        study = optuna.create_study(storage=storage, study_name=name)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
        with pytest.raises(ResumeError, match=f"Study '{name}' of this storage was not made by"):
            StudyStore(storage, name, "minimize", FACTS)

    def test_study_without_trials_is_taken_over(self, storage: BaseStorage, name: str) -> None:
        optuna.create_study(storage=storage, study_name=name)
        assert StudyStore(storage, name, "minimize", FACTS).uid == FACTS["uid"]

    def test_optuna_reads_the_study_like_any_other(
        self, store: StudyStore, other: BaseStorage
    ) -> None:
        for value in (0.5, 0.25):
            started = store.start(PARAMS, DISTRIBUTIONS, ATTRIBUTES)
            store.finish(started.trial_id, TrialState.COMPLETE, [value], RESULT)
        study = optuna.load_study(study_name=store.name, storage=other)
        assert study.best_value == 0.25
        assert study.best_params == PARAMS
        assert study.direction.name == "MINIMIZE"

    def test_trial_enqueued_by_others_is_claimed_with_their_answers(
        self, store: StudyStore, other: BaseStorage
    ) -> None:
        study = optuna.load_study(study_name=store.name, storage=other)
        study.enqueue_trial({"depth.stage1": 2}, user_attrs={"who": "ann"})
        [waiting] = store.trials(TrialState.WAITING)
        assert waiting.system_attrs["fixed_params"] == {"depth.stage1": 2}
        started = store.claim(waiting, PARAMS, DISTRIBUTIONS, ATTRIBUTES)
        assert started is not None
        [trial] = store.trials()
        assert started.number == trial.number
        assert trial.state is TrialState.RUNNING
        assert trial.params == PARAMS
        assert trial.user_attrs == {"who": "ann", **ATTRIBUTES}

    def test_trial_that_another_process_has_ended_is_not_claimed(
        self, store: StudyStore, other: BaseStorage
    ) -> None:
        study = optuna.load_study(study_name=store.name, storage=other)
        study.enqueue_trial({"depth.stage1": 2})
        [waiting] = store.trials(TrialState.WAITING)
        study.tell(study.ask(), 1.0)
        assert store.claim(waiting, {}, {}, {}) is None
        assert store.trials()[0].value == 1.0

    def test_only_one_of_two_processes_claims_a_trial(
        self, store: StudyStore, url: str, folder: Path
    ) -> None:
        store.storage.set_study_user_attr(store.study_id, "nas", {"uid": "x", "format": 1})
        study = optuna.load_study(study_name=store.name, storage=store.storage)
        study.enqueue_trial({"depth.stage1": 2})
        command = [sys.executable, "-c", CLAIM, url, str(folder), store.name]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as rival:
            assert rival.stdin is not None
            assert rival.stdout is not None
            assert rival.stdout.readline() == "ready\n"
            [waiting] = store.trials(TrialState.WAITING)
            rival.stdin.write("go\n")
            rival.stdin.flush()
            ours = store.claim(waiting, {}, {}, {}) is not None
            theirs = rival.stdout.readline() == "won\n"
        assert rival.returncode == 0
        assert [ours, theirs].count(True) == 1


def close(storage: BaseStorage) -> None:
    """Close the connections that a database storage keeps."""
    backend = getattr(storage, "_backend", None)
    if isinstance(backend, RDBStorage):
        backend.scoped_session.remove()
        backend.engine.dispose()

"""A study with its repeats, opened from a folder or by a storage URL and a name."""

import secrets
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from nas.config import REPEATS, StudyConfig
from nas.errors import StorageError
from nas.foreign_study import read_study
from nas.garbage import no_collection
from nas.given_up import read_given_up, with_rows_left_out
from nas.own_files import hash_own_files
from nas.own_names import OwnNames
from nas.records import to_records
from nas.run_folder import RunFolder
from nas.sampling import make_pruner, make_sampler
from nas.storage import open_storage
from nas.study_store import StudyStore
from nas.table_problems import ReadRows
from nas.trials import TrialRecord
from search_spaces.space import SearchSpace


@dataclass(frozen=True, kw_only=True)
class OpenStudy:
    """A study that can be written: the owner's."""

    folder: RunFolder
    config: StudyConfig
    space: SearchSpace
    search: StudyStore
    repeats: StudyStore


def open_study(folder: RunFolder, config: StudyConfig) -> OpenStudy:
    """Open, or create, the study and its repeats; the caller owns it.

    Raises:
        ConfigError: The sampler or the pruner cannot be found or made.
        StorageError: The storage cannot be reached or read.
        ResumeError: A study of that name is about something else, or began with other code.
    """
    check_classes(config)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = config.make_space()
    storage = open_storage(config.storage, folder.path)
    direction = config.search.direction
    # Samplers of another major version may propose otherwise from the same seed.
    optuna_major = int(optuna.__version__.split(".")[0])
    facts = {"uid": secrets.token_hex(4), **config.fixed(), "optuna": optuna_major}
    own_files = hash_own_files(config, space)
    if own_files:
        facts["own_files"] = own_files
    search = StudyStore(storage, config.name, direction, facts)
    repeats = StudyStore(storage, config.name + REPEATS, direction, {**facts, "uid": search.uid})
    return OpenStudy(folder=folder, config=config, space=space, search=search, repeats=repeats)


def check_classes(config: StudyConfig) -> None:
    """Make the sampler and the pruner once for trial, before anything is written.

    Raises:
        ConfigError: One cannot be found or made.
    """
    make_sampler(config.search.sampler, config.search.seed)
    make_pruner(config.search.pruner)


def read_trials(storage: BaseStorage, study_name: str) -> tuple[list[TrialRecord], str]:
    """Read a study's trials and its direction, without writing anything.

    Raises:
        StorageError: The storage has no such study, or it has several objectives.
    """
    study_id, direction = _find(storage, study_name)
    with no_collection():
        trials = to_records(storage.get_all_trials(study_id, deepcopy=False))
    return with_rows_left_out(trials, read_given_up(storage, study_id)), direction


def read_any_study(
    storage: BaseStorage, study_name: str, names: OwnNames | None = None
) -> tuple[ReadRows, str]:
    """Read a study that anybody may have made, and its direction, without writing anything.

    Args:
        storage: Any Optuna storage.
        study_name: The study.
        names: What parameters and kinds are called there.

    Raises:
        StorageError: The storage has no such study, or it has several objectives.
        TableError: A name is no parameter, or a word for a kind is unknown.
    """
    study_id, direction = _find(storage, study_name)
    with no_collection():
        trials = storage.get_all_trials(study_id, deepcopy=False)
        read = read_study(trials, names or OwnNames(), f"study {study_name!r}")
    records = with_rows_left_out(read.records, read_given_up(storage, study_id))
    return ReadRows(records=records, unused=read.unused), direction


def _find(storage: BaseStorage, study_name: str) -> tuple[int, str]:
    """Return the id and the direction of a study."""
    try:
        study_id = storage.get_study_id_from_name(study_name)
    except KeyError:
        names = sorted(study.study_name for study in storage.get_all_studies())
        raise StorageError(
            f"The storage must hold study {study_name!r}, got "
            f"{', '.join(map(repr, names)) or 'no studies'}. Check the name."
        ) from None
    directions = storage.get_study_directions(study_id)
    if len(directions) != 1:
        raise StorageError(
            f"A study with one objective is needed, got {len(directions)} in {study_name!r}. Write "
            "its trials to a table with one of them as the column 'value': nas report --csv."
        )
    return study_id, directions[0].name.lower()


def read_repeats(storage: BaseStorage, study_name: str) -> list[TrialRecord]:
    """Read anchors and finalists; none where the study has no repeats."""
    try:
        return read_trials(storage, study_name + REPEATS)[0]
    except StorageError:
        return []


def folder_of(path: Path) -> RunFolder:
    """Return the run folder at `path`, which must hold a study.

    Raises:
        RunFolderError: There is none.
    """
    folder = RunFolder(path)
    folder.read_config()
    return folder

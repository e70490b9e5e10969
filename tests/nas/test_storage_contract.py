"""The storages that a study may be kept in, under one contract."""

from pathlib import Path

import pytest

from tests.contracts.storage_contract import StorageContract
from tests.nas.conftest import Postgres


class TestJournal(StorageContract):
    """The file in the run folder."""

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls) -> str:
        return "journal"


class TestSqlite(StorageContract):
    """A database in a file."""

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, folder: Path) -> str:
        return f"sqlite:///{folder}/study.db"


class TestPostgres(StorageContract):
    """A database server."""

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, postgres: Postgres) -> str:
        return postgres.url()

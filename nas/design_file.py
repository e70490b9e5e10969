"""Rows of the design as the run folder keeps them: to choose them again takes seconds at thousands."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nas.config import StudyConfig
from nas.run_folder import RunFolder
from search_spaces.space import Value


class KeptRow(NamedTuple):
    """One row, as little as brings it back."""

    spec_id: str
    answers: dict[str, Value]
    lr_factor: float = 1.0


class DesignFile:
    """A file that may be missing, or removed at any time: the rows are then chosen again.

    Args:
        path: The file.
        facts: What the rows follow from, as JSON data; rows of others are not read.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self._path = path
        self._head = json.dumps({"format": 1, **facts}, sort_keys=True)

    @classmethod
    def of_study(cls, folder: RunFolder, config: StudyConfig) -> "DesignFile":
        """Return the file of a study in its run folder."""
        facts: dict[str, Any] = {"space": config.space, "seed": config.search.seed}
        if config.design != "random":
            facts["design"] = config.design
        if config.search.lr_factors != (1.0,):
            facts["lr_factors"] = list(config.search.lr_factors)
        return cls(folder.design, facts)

    def read(self) -> list[KeptRow]:
        """Return the rows from the first on; none where there are none of this design."""
        try:
            head, *lines = self._path.read_text(encoding="utf-8").split("\n")
            if head != self._head:
                return []
            # The last line is empty, or was cut off by a kill.
            return [KeptRow(*json.loads(line)) for line in lines[:-1]]
        except (OSError, ValueError, TypeError):
            return []

    def write(self, rows: Sequence[KeptRow]) -> None:
        """Keep these rows; where that is not possible they are chosen again next time."""
        text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
        draft = self._path.with_name(f".{self._path.name}")
        try:
            draft.write_text(f"{self._head}\n{text}", encoding="utf-8")
            draft.replace(self._path)
        except OSError:
            draft.unlink(missing_ok=True)

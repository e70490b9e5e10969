"""What an arm of a benchmark has to do, as a small JSON file that every arm reads."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from search_spaces.registry import make_space
from search_spaces.space import SearchSpace
from trainer.data import data_facts
from trainer.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Job:
    """The same for every arm: candidates, space, data, recipe; Optuna and W&B are the arm's."""

    trials: int
    """Candidates to be trained."""
    seed: int = 0
    """Master seed of the run."""
    device: str = "cpu"
    """`cpu` or `cuda`."""
    data: str = "digits"
    """A data set that `trainer` ships."""
    space: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the search space."""
    recipe: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the recipe that differ from the default."""
    architectures: str | None = None
    """File of the architectures to be trained, see `benchmarks.shared_list`; None: the arm's own
    search."""

    def make_recipe(self) -> Recipe:
        """Return the recipe; precision is the arm's own affair."""
        return Recipe(**self.recipe)

    def make_space(self) -> SearchSpace:
        """Return the search space for the data."""
        facts = data_facts(self.data)
        return make_space(self.space, facts.input, facts.num_classes)

    def write(self, path: Path) -> None:
        """Write the job as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_job(description: str) -> tuple[Job, Path, int]:
    """Read the command line of an arm: job, folder of all results, number of the process.

    Args:
        description: What the arm is, for `--help`.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("job", type=Path, help="JSON file that Job.write wrote")
    parser.add_argument("folder", type=Path, help="takes the study and the W&B runs")
    parser.add_argument("number", type=int, nargs="?", default=0, help="of this process")
    arguments = parser.parse_args()
    job = Job(**json.loads(arguments.job.read_text(encoding="utf-8")))
    return job, arguments.folder, arguments.number

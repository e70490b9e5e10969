"""Settings of the whole test run."""

import os

import pytest
from hypothesis import settings

# Before torch is imported: the cores are shared with the workers that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test talks to Weights & Biases, whatever the developer's shell says.
for _name in [name for name in os.environ if name.startswith("WANDB_")]:
    del os.environ[_name]
os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"

pytest.register_assert_rewrite("tests.contracts")

# How long an example takes is up to the machine, so slowness is no failure.
settings.register_profile("default", deadline=None, max_examples=25)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

import subprocess
import sys

import pytest

from search_spaces import BlockClass, Kind
from trainer.population.fusing import can_fuse, fuse_key


def test_depths_and_skips_make_no_difference(make_spec, sample):
    specs = [make_spec(kind, blocks=blocks) for kind in Kind for blocks in (1, 3)]
    assert len({fuse_key(spec) for spec in specs}) == 1
    assert can_fuse(specs)
    assert can_fuse(sample(6))


@pytest.mark.parametrize(
    "changes",
    [
        {"stem_width": 8},
        {"stem": "large"},
        {"num_classes": 3},
        {"block": "bottleneck"},
        {"activation": "pre"},
        {"norm": "none"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_width_plan_has_another_key(make_spec, changes):
    spec = make_spec()
    assert fuse_key(spec) != fuse_key(spec.changed(**changes))
    assert not can_fuse([spec, spec.changed(**changes)])


def test_other_stages_have_another_key(make_spec):
    assert fuse_key(make_spec()) != fuse_key(make_spec(stages=3))


def test_blocks_of_the_users_own_class_train_alone(make_spec):
    spec = make_spec().changed(block=BlockClass(class_path="some.where.Branch"))
    assert fuse_key(spec) is None
    assert can_fuse([spec])
    assert not can_fuse([spec, spec])


def test_keys_need_no_torch():
    code = "import trainer.population.fusing, sys; raise SystemExit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

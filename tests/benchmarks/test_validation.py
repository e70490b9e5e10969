"""A look at every test of the validation with few studies, whose bounds are wide; the command runs hundreds."""

import json

import numpy as np
import pytest

from benchmarks.figures import Figure, describe_figures
from benchmarks.planted import World, three_kinds, twelve_blocks
from benchmarks.validation import TESTS, main, run

STUDIES = {
    "null_size": 40,
    "power": 40,
    "ranking": 40,
    "failures": 16,
    "conditional": 12,
    "kinds": 16,
}
"""Others have 8: they take seconds each."""


COVERED = ("unbiased", "coverage")
"""`tests/nas/benefit/test_coverage.py` looks at these with hundreds of studies."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in COVERED else ()) for n in TESTS]
)
def test_the_map_keeps_its_bounds_on_planted_studies(name):
    figures = run([name], STUDIES.get(name, 8))
    missed = [own for own in figures if own.bound and not own.passed]
    assert any(own.bound for own in figures)
    assert not missed, describe_figures(missed)


def test_truth_is_the_mean_over_all_other_blocks():
    # A neighbour is on in half of the networks with two kinds, in two thirds with three.
    world = twelve_blocks(gamma=0.3)
    assert world.effects[0, 0] == pytest.approx(world.tau[0, 0] + 0.15)
    assert world.effects[5, 0] == pytest.approx(world.tau[5, 0] + 0.3)
    three = three_kinds()
    assert three.effects[0, 1] == pytest.approx(three.tau[0, 1] - 0.2 * 2 / 3)


def test_a_figure_passes_within_its_bounds_alone():
    figure = Figure(test="t", case="c", what="w", value=0.94, low=0.93, high=0.99, n=9)
    assert figure.passed
    assert figure.bound == "0.93 to 0.99"
    assert not Figure(test="t", case="c", what="w", value=0.9, low=0.93, n=9).passed
    assert Figure(test="t", case="c", what="w", value=0.92, low=0.93, n=9, slack=0.02).passed
    assert not Figure(test="t", case="c", what="w", value=float("nan"), high=1, n=9).passed
    assert "FAIL" in describe_figures([Figure(test="t", case="c", what="w", value=2, high=1, n=9)])


def test_the_command_keeps_every_figure_and_says_by_its_exit_status_that_all_passed(tmp_path):
    assert main(["--only", "determinism", "--studies", "8", "--results", str(tmp_path)]) == 0
    kept = json.loads((tmp_path / "validation_part.json").read_text())
    assert kept["studies"] == 8
    assert kept["figures"][0]["passed"]


def test_too_few_studies_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--studies", "2"])
    assert "--studies must be at least 8, got 2" in capsys.readouterr().err


def test_noise_of_heavy_tails_has_the_sd_that_is_said():
    world = World(tau=np.zeros((4, 1)), depths=(4,), sd=0.5, noise="heavy tails")
    rng = np.random.default_rng(0)
    codes = world.draw_codes(rng, 200_000)
    assert world.values(rng, codes).std() == pytest.approx(0.5, rel=0.05)

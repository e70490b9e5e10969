import numpy as np

from search_spaces.complexity import complexity
from search_spaces.spec import Kind
from trainer.data import data_facts
from trainer.recipe import Recipe
from trainer.recorded import skipbench
from trainer.recorded.skipbench import (
    load_skipbench,
    pattern_number,
    skipbench_space,
    trained_network,
    trained_networks,
)


def test_every_network_of_the_space_has_its_pattern() -> None:
    patterns = load_skipbench().patterns
    specs = list(skipbench_space())
    assert len(specs) == len(patterns) == 64
    for number, spec in enumerate(specs):
        assert pattern_number(spec) == number
        has_skip = [kind is Kind.IDENTITY for kind in spec.kinds]
        assert has_skip == patterns[number].tolist()


def test_network_that_was_not_trained_has_no_pattern() -> None:
    assert pattern_number(trained_network([True] * 6)) is None


def test_block_of_a_study_counts_like_the_two_blocks_it_stands_for() -> None:
    studied, trained = list(skipbench_space())[-1], trained_networks()[-1]
    assert studied.layers == trained.layers == 26
    assert complexity(studied) == complexity(trained)
    assert trained.code == "4-4-4 IIII IIII IIII"


def test_skips_of_a_group_are_switched_together() -> None:
    network = trained_network([True, False, False, True, False, False])
    assert network.code == "4-4-4 IINN NNII NNNN"


def test_table_that_ships_is_whole_and_says_how_it_was_made() -> None:
    table = load_skipbench()
    assert table.num_seeds >= 8
    assert table.log_loss.shape == (64, table.num_seeds, table.num_epochs)
    assert skipbench.PATH.stat().st_size < 200_000
    recipe = Recipe(**skipbench.RECIPE)
    assert table.about["recipe"] == recipe.model_dump(mode="json")
    assert table.num_epochs == recipe.epochs
    assert {"command", "versions", "commit", "machine", "when_utc"} <= table.about.keys()
    assert np.isfinite(table.seconds).all()
    # Accuracies are counts of validation images.
    counts = table.accuracy[np.isfinite(table.accuracy)] * data_facts("skipbench").n_val
    np.testing.assert_allclose(counts, counts.round(), atol=1e-3)


def test_skips_help_in_the_table_as_in_the_literature() -> None:
    final = load_skipbench().values("val/accuracy", 10).mean(axis=1)
    assert final[-1] > final[0] + 0.01

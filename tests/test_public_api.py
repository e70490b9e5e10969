"""The names that users may rely on: a change here is a change for them."""

import importlib

import pytest

SEARCH_SPACES = {
    "ArchitectureSpec",
    "BlockClass",
    "BlockShape",
    "CandidateResNet",
    "Complexity",
    "Decision",
    "InputShape",
    "Kind",
    "LongSkipSpace",
    "LongSkipSpaceConfig",
    "Place",
    "ResidualBranch",
    "ResidualSpace",
    "ResidualSpaceConfig",
    "SearchSpace",
    "SkipSpec",
    "SpaceError",
    "SpecError",
    "StageSpec",
    "UserError",
    "block_shapes",
    "build_candidate",
    "complexity",
    "list_spaces",
    "make_space",
    "preset",
}

TRAINER = {
    "Candidate",
    "CandidateModule",
    "CheckpointStore",
    "DataError",
    "DataFacts",
    "DeviceBatches",
    "EpochMetrics",
    "Failure",
    "FolderCheckpoints",
    "ImageData",
    "KeyedCheckpointIO",
    "Measurement",
    "Progress",
    "Reason",
    "Recipe",
    "RecipeError",
    "Unattended",
    "Verdict",
    "child_seed",
    "data_facts",
    "generator",
    "gradient_norms",
    "load_data",
}

NAS = {
    "DesignSampler",
    "Objective",
    "Run",
    "StudyConfig",
    "TrialRecord",
    "open_run",
    "search",
    "skip_benefit",
}


def test_nas_offers_these_names() -> None:
    assert set(importlib.import_module("nas").__all__) == NAS


def test_search_spaces_offers_these_names() -> None:
    assert set(importlib.import_module("search_spaces").__all__) == SEARCH_SPACES


def test_trainer_offers_these_names() -> None:
    assert set(importlib.import_module("trainer").__all__) == TRAINER


@pytest.mark.parametrize("package", ["search_spaces", "trainer", "nas"])
def test_every_public_name_exists_and_is_documented(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__doc__
    assert list(module.__all__) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name).__doc__, name


@pytest.mark.parametrize("package", ["search_spaces", "trainer", "nas"])
def test_name_that_does_not_exist_is_an_attribute_error(package: str) -> None:
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        getattr(module, "nonsense")  # noqa: B009  # the name is not there on purpose

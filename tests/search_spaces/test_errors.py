import pytest

from search_spaces.errors import SpaceError, SpecError, UserError, did_you_mean


@pytest.mark.parametrize("error", [SpecError, SpaceError])
def test_every_error_is_a_user_error_and_a_value_error(error: type[Exception]) -> None:
    assert issubclass(error, UserError)
    assert issubclass(error, ValueError)


def test_nearest_name_is_proposed_before_the_list() -> None:
    text = did_you_mean("projecton", ["projection", "none"])
    assert text == "Did you mean 'projection'? Known: none, projection."


def test_far_name_only_gets_the_list() -> None:
    assert did_you_mean("zzz", ["projection", "none"]) == "Known: none, projection."

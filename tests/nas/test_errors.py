import pytest

from nas import errors
from search_spaces.errors import SpaceError, SpecError, UserError
from trainer.errors import DataError, RecipeError


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (UserError, 2),
        (errors.ConfigError, 2),
        (errors.ResumeError, 2),
        (SpecError, 2),
        (SpaceError, 2),
        (RecipeError, 2),
        (DataError, 2),
        (errors.RunFolderError, 1),
        (errors.StorageError, 1),
        (errors.TrainingError, 1),
        (errors.TableError, 1),
        (errors.ExportError, 1),
        (ValueError, 1),
        (OSError, 1),
    ],
)
def test_what_was_asked_wrongly_ends_with_two_and_what_failed_with_one(
    kind: type[Exception], code: int
) -> None:
    assert errors.exit_code_of(kind("message")) == code


def test_every_error_that_a_user_can_mend_has_one_root() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert all(issubclass(kind, UserError) for kind in kinds)

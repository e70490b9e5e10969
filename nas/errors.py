"""Errors of studies, storages and run folders.

UserError
+-- ConfigError       a configuration key or value; exit code 2
+-- ResumeError       a resumed study was given something else than it was started with; 2
+-- RunFolderError    a run folder that is missing, locked, foreign or not writable; 1
+-- StorageError      a storage that cannot be reached or read; 1
+-- TrainingError     trials that fail one after the other; 1
+-- TableError        a table of trials that does not answer the question; 1
+-- ExportError       an export that could not be proven; 1
"""

from search_spaces.errors import UserError


class ConfigError(UserError):
    """A configuration key or value that is wrong."""


class ResumeError(UserError):
    """A study resumed with other settings than those it was started with."""


class RunFolderError(UserError):
    """A run folder that is missing, locked, foreign or not writable."""


class StorageError(UserError):
    """A storage that cannot be reached or read."""


class TrainingError(UserError):
    """Trials fail one after the other, so that going on would be no use."""


class TableError(UserError):
    """A table of trials that does not answer the question."""


class ExportError(UserError):
    """An export that could not be proven to equal the trained network."""


def exit_code_of(error: Exception) -> int:
    """Return the exit code of a command that ended with `error`.

    2: what was asked for is wrong (a flag, a key, a value); 1: it was right and did not work.
    """
    at_run_time = (RunFolderError, StorageError, TrainingError, TableError, ExportError)
    return 2 if isinstance(error, UserError) and not isinstance(error, at_run_time) else 1

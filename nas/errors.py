"""Errors of studies, storages and run folders.

    UserError
    +-- ConfigError       a configuration key or value; exit code 2
    +-- ResumeError       a resumed study was given something else than it was started with; 2
    +-- RunFolderError    a run folder that is missing, locked, foreign or not writable; 1
    +-- StorageError      a storage that cannot be reached or read; 1
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


class TableError(UserError):
    """A table of trials that does not answer the question."""


class ExportError(UserError):
    """An export that could not be proven to equal the trained network."""

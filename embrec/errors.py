"""The errors that embrec raises on purpose.

::

    EmbrecError
    ├── ConfigError              a setting cannot be used
    ├── LocalServerError         the embedded PostgreSQL cannot be found, started or stopped
    ├── DatabaseError            a server cannot be reached or used
    │   ├── UnreachableError     no server answers, or the connection was lost
    │   ├── ConflictError        another transaction was in the way; trying again helps
    │   ├── BusyError            another session holds a lock
    │   ├── RequirementError     PostgreSQL or pgvector is missing or too old
    │   └── SchemaError          the schema is absent, behind, or cannot be migrated
    ├── DataError                the data given cannot be loaded or trained on
    │   ├── ArgumentError        an argument of a call cannot be used
    │   ├── BadRowError          one row, with file, line, column and reason
    │   └── DownloadError        a data set cannot be fetched or is not what it should be
    ├── TrainingError            a fit went wrong
    │   └── LostWorkerError      a worker of a fit has ended
    ├── RunError                 a model run cannot be published, rolled back or deleted
    │   └── WithheldError        a model run is not published, and could be by force
    ├── ExperimentError          an experiment cannot be started or ended
    └── NotFoundError            a movie, user or run is not in the database
        ├── UnknownMovieError
        ├── UnknownUserError
        ├── UnknownRunError
        └── NoPublishedRunError

A message is one or two sentences: what is wrong, then what to do next, with the command if there is one.
"""

from __future__ import annotations


class EmbrecError(Exception):
    """The base class of all errors that embrec raises on purpose."""


class ConfigError(EmbrecError):
    """A setting cannot be used as given."""


class LocalServerError(EmbrecError):
    """The embedded PostgreSQL cannot be found, started or stopped."""


class DatabaseError(EmbrecError):
    """A database server cannot be reached or cannot be used."""


class UnreachableError(DatabaseError):
    """No server answers at the database's address, or the connection was lost; trying again may help."""


class ConflictError(DatabaseError):
    """A conflict with another transaction, or on a standby with the primary's changes; nothing was done, try again."""


class BusyError(DatabaseError):
    """Another session holds a lock, and waiting for it timed out; trying again later may help."""


class RequirementError(DatabaseError):
    """PostgreSQL or pgvector is missing, too old, or set up in a way embrec cannot use."""


class SchemaError(DatabaseError):
    """The embrec schema is absent, behind this release, or could not be migrated."""


class DataError(EmbrecError):
    """The data given cannot be loaded or trained on."""


class ArgumentError(DataError, ValueError):
    """An argument of a call cannot be used: it is of a wrong type, or out of range."""


class BadRowError(DataError):
    """One row of the input is invalid.

    Args:
        file: The file's name as the user gave it.
        line: Line number in that file, counted from 1, or the row's position in a DataFrame.
        column: The column's name.
        reason: Description of the error in the value, in a few words.
        rejectable: True if the load can set such a row aside and go on.
    """

    def __init__(self, file: str, line: int, column: str, reason: str, rejectable: bool = False) -> None:
        self.file = file
        self.line = line
        self.column = column
        self.reason = reason
        super().__init__(
            f"{file}, line {line}, column {column}: {reason}. Nothing was stored; mend the row"
            + (", or load with --reject-to FILE to set bad rows aside." if rejectable else ".")
        )


class DownloadError(DataError):
    """A data set cannot be downloaded, or the download has a wrong checksum or contents."""


class TrainingError(EmbrecError):
    """A model could not be fitted."""


class LostWorkerError(TrainingError):
    """A worker of a fit has ended: its process was killed, or its node is away."""


class RunError(EmbrecError):
    """A model run cannot be published, rolled back to, or deleted."""


class WithheldError(RunError):
    """A trained run is not published: it looks bad, or another was published meanwhile."""


class ExperimentError(EmbrecError):
    """An experiment cannot be started or ended."""


class NotFoundError(EmbrecError):
    """A movie, user or model run is not in the database."""


class UnknownMovieError(NotFoundError):
    """No movie has this id or title, or it has no vector in the published run."""


class UnknownUserError(NotFoundError):
    """No user has this id, or the user has no vector in the published run."""


class UnknownRunError(NotFoundError):
    """No model run has this number."""


class NoPublishedRunError(NotFoundError):
    """No model run is published yet."""

    def __init__(self, message: str = "No model run is published yet. Run: embrec train") -> None:
        super().__init__(message)

"""The driver's errors, translated into embrec's own."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import psycopg
import sqlalchemy as sa

from embrec.errors import (
    BusyError,
    ConflictError,
    DatabaseError,
    SchemaError,
    UnreachableError,
)

# The SQLSTATE of each timeout of the server, and its setting; 57014 is also a cancellation by hand.
_LIMITS = {
    "57014": "statement_timeout",
    "55P03": "lock_timeout",
    "25P03": "idle_in_transaction_session_timeout",
    "25P04": "transaction_timeout",
}

# A type of pgvector's that is not found, or an operator or function of such a type.
_OF_PGVECTOR = re.compile(r'type "(vector|halfvec)|[ .(](vector|halfvec)\b')


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the driver's errors into embrec's own; the driver's is kept as the cause.

    An interruption goes on as itself if the driver failed while it cleaned up, or it would pass for a lost server.

    Raises:
        UnreachableError: The server cannot be reached.
        SchemaError: A table or function of embrec is missing.
        DatabaseError: The server refused a statement.
    """
    try:
        yield
    except (sa.exc.DBAPIError, psycopg.Error) as error:  # COPY goes past SQLAlchemy
        if interruption := _interruption(error):
            raise interruption from None
        if isinstance(error, sa.exc.DBAPIError):
            raise _translate(error.orig, error.statement or "") from error
        raise _translate(error, "") from error


def _interruption(error: BaseException | None) -> BaseException | None:
    """Return the Ctrl-C, or the like, during whose handling an error occurred."""
    while error is not None and isinstance(error, Exception):
        error = error.__context__
    return error


def _translate(error: BaseException | None, statement: str) -> DatabaseError:
    if fault := _schema_fault(error, statement):
        return SchemaError(fault)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    state = getattr(error, "sqlstate", None)
    if isinstance(error, psycopg.errors.LockNotAvailable) and error.diag.source_function == "exec_stmt_raise":
        return BusyError(lines[0])  # a function of embrec names who is in the way
    if setting := _LIMITS.get(state or ""):
        kind = BusyError if state == "55P03" else DatabaseError
        return kind(
            f"The database gave up: {lines[0]}. Nothing of it is stored; run again, where need be with a higher "
            f"{setting}, as by: ALTER ROLE ... SET {setting} = 0"
        )
    if isinstance(error, psycopg.errors.DiskFull):
        return DatabaseError(
            f"The database server's disk is full: {lines[0]}. Nothing of it is stored; free space there (old model "
            "runs go by: embrec gc --keep 2), then run again."
        )
    # No state: the connection failed or was lost. 57P0x: the server is shut down, crashed, or not up yet.
    if isinstance(error, psycopg.OperationalError) and (state is None or state.startswith(("08", "57P0"))):
        reason = " ".join(line for line in lines if not line.startswith("Is the server running"))
        return UnreachableError(
            f"The database cannot be reached: {reason.rstrip('.')}. Check DATABASE_URL, or run: embrec doctor"
        )
    if isinstance(error, psycopg.errors.DependentObjectsStillExist):
        detail = ", ".join((error.diag.message_detail or "").splitlines())
        return DatabaseError(f"The database refused: {lines[0]}: {detail}. Drop those first, and make them again later")
    # Also a query on a standby that is in the way of what the primary did.
    if isinstance(error, psycopg.errors.SerializationFailure | psycopg.errors.DeadlockDetected):
        return ConflictError(f"The database gave this up in favour of another transaction: {lines[0]}. Run it again")
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return DatabaseError(
            f"The database refused: {lines[0]}. A standby answers and takes nothing in: write to the primary "
            "(on a primary, default_transaction_read_only is on)"
        )
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return DatabaseError(f"The database refused: {lines[0]}. {_grant(lines[0])}")
    # The first line alone: the others may repeat a row's values.
    return DatabaseError(f"The database refused: {lines[0]}")


def _schema_fault(error: BaseException | None, statement: str) -> str | None:
    """Return a sentence on a schema that is absent or behind, or on pgvector out of reach, or None."""
    missing = (
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedFunction,
        psycopg.errors.UndefinedObject,
        psycopg.errors.InvalidSchemaName,
        psycopg.errors.UndefinedColumn,
    )
    if not isinstance(error, missing) or "embrec." not in f"{error} {statement}":
        return None
    if _OF_PGVECTOR.search(str(error).partition("\n")[0]):
        return (
            "The functions of embrec do not find pgvector: it was moved to another schema (run: embrec db upgrade), or "
            "their owner has no USAGE there (its owner runs: GRANT USAGE ON SCHEMA ... TO embrec_owner). "
            "The one that holds here is named by: embrec doctor"
        )
    return "The embrec schema is absent or behind in this database. Run: embrec db upgrade"


def _grant(refusal: str) -> str:
    """Return what to grant after a refusal."""
    if database := re.search(r"create temporary tables in database (.*)", refusal):
        return f"A superuser runs: GRANT TEMPORARY ON DATABASE {database[1]} TO embrec_owner, embrec_loader"
    schema = re.search(r"permission denied for schema (.*)", refusal)
    if schema and schema[1] != "embrec":
        return f"The role that asked needs it; the schema's owner runs: GRANT USAGE ON SCHEMA {schema[1]} TO ..."
    return "The grants it takes are in docs/deploy.md, Rights"

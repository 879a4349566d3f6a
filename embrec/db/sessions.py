"""Locks that belong to a session or a transaction, taken by asking again and again."""

from __future__ import annotations

import time

import sqlalchemy as sa

from embrec.db.connection import driver_connection
from embrec.errors import (
    BusyError,
    RequirementError,
)


def require_session(connection: sa.Connection) -> None:
    """Check that the connection is a session of the server's own, for a lock that is a session's.

    A pooler may hand each of our transactions to another session, and the lock would stay with one of them for ever. It
    gives itself away: the number it answered a connection with is none of a server's process.

    Raises:
        RequirementError: A connection pooler is between.
    """
    told = driver_connection(connection).info.backend_pid
    if told != connection.scalar(sa.text("SELECT pg_backend_pid()")):
        raise RequirementError(
            "A connection pooler is between embrec and the server, and this takes a lock that belongs to a session. "
            "Set EMBREC_DIRECT_URL to the server's own address, or give an engine for it."
        )


def poll_lock(connection: sa.Connection, key: int, transaction: bool = False, seconds: float = 600.0) -> None:
    """Take an advisory lock by asking again and again.

    Waiting for it in one statement would hold a snapshot, which CREATE INDEX CONCURRENTLY and DETACH PARTITION
    CONCURRENTLY of the lock's holder wait for in turn: a deadlock.

    Args:
        connection: In autocommit for a lock of the session, or in the transaction that is to hold it.
        key: The lock.
        transaction: True if the lock belongs to the transaction, and is released when it ends.
        seconds: Seconds to go on asking.

    Raises:
        BusyError: Another session held it all the time.
        RequirementError: The lock is to be the session's, and a connection pooler is between.
    """
    if not transaction:
        require_session(connection)
    take = sa.func.pg_try_advisory_xact_lock if transaction else sa.func.pg_try_advisory_lock
    deadline = time.monotonic() + seconds
    while not connection.scalar(sa.select(take(key))):
        if time.monotonic() > deadline:
            raise BusyError(
                f"Another embrec process has held a lock for {seconds:.0f} s. "
                "Look for it in pg_stat_activity (application_name embrec), then run again."
            )
        time.sleep(0.1)

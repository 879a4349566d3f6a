"""Preview runs: answers from another run than the published one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
import sqlalchemy as sa

from embrec import db, validation
from embrec.db import Bind
from embrec.db.answer import Answer, answer, as_frame
from embrec.errors import UnknownRunError


@contextlib.contextmanager
def answering_from(connection: sa.Connection, model_run_id: int) -> Iterator[None]:
    """Answer from one run, published or not, within this context and this connection's transaction.

    Args:
        connection: The transaction to ask in; the setting is taken back afterwards.
        model_run_id: The number of a trained run.

    Raises:
        ArgumentError: The first argument is no connection.
        UnknownRunError: No trained run has this number.
        SchemaError: The schema is absent or behind.
    """
    db.require_connection(connection)
    number = validation.integer(model_run_id, "model_run_id")
    with db.translated_errors():
        exists = sa.text("SELECT EXISTS (SELECT FROM embrec.trained_runs() WHERE model_run_id = :number)")
        if not connection.scalar(exists, {"number": number}):
            raise UnknownRunError(f"There is no trained model run {number}. See those there are: embrec runs list")
        before = connection.scalar(sa.text("SELECT current_setting('embrec.model_run_id', true)"))
        _ask_run(connection, str(number))
    try:
        yield
    finally:
        if _takes_statements(connection):
            _ask_run(connection, before or "")


def _takes_statements(connection: sa.Connection) -> bool:
    """Return whether the transaction is sound; one that failed or lost its connection loses the setting anyway."""
    if connection.invalidated:
        return False
    return db.driver_connection(connection).info.transaction_status == psycopg.pq.TransactionStatus.INTRANS


def _ask_run(connection: sa.Connection, value: str) -> None:
    connection.execute(sa.text("SELECT set_config('embrec.model_run_id', :value, true)"), {"value": value})


@as_frame
def trained_runs(bind: Bind) -> Answer:
    """Return the runs that can answer, newest first.

    Returns:
        Columns model_run_id, architecture, published (bool), finished_at, rating_count (of its training data),
        lowest_rating and highest_rating (their scale), metrics (dict), event_count (of its training data, None without
        any) and history_length (newest steps that count for what comes next, None if it knows no order).

    Raises:
        SchemaError: The schema is absent or behind.
    """
    with db.begin(bind) as connection:
        return answer(connection, "SELECT * FROM embrec.trained_runs()")

"""Clears away what killed processes left in the database, and runs that nobody needs any more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from embrec import db
from embrec.db.tables import model_runs
from embrec.errors import BusyError
from embrec.runs import embeddings, publishing, records

# Trained runs kept by default. Each has tables of its own, and a database of hundreds is slow to dump and to plan for.
KEPT_RUNS = 10


@dataclass(frozen=True)
class Garbage:
    """Something to clear away: ``lost``, ``left over`` or ``old``, and the model run that it is of."""

    model_run_id: int
    garbage: str


def collect_garbage(
    engine: sa.Engine,
    keep: int | None = KEPT_RUNS,
    dry_run: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Garbage]:
    """Clear away data that nobody needs; readers are not held up, and running trainings are left alone.

    A run that was lost is recorded as failed. What is left over is dropped: tables and matrices of runs that failed or
    were deleted, as after a process that was killed while it deleted. Trained runs beyond the ``keep``
    newest are deleted, but never the published one, the one that a rollback would go back to, nor those of a running
    experiment. Runs further down the pile that rolling back takes runs off are old ones like others: were each run that
    was ever published kept, nothing would ever go.

    Args:
        engine: The database.
        keep: Number of the newest trained runs to keep; None for all.
        dry_run: Only say what there is.
        progress: Called with the number of pieces cleared away, and the total.

    Returns:
        The garbage that was cleared away, or would be.

    Raises:
        BusyError: A long transaction keeps vectors in use; what could be done is done.
    """
    db.require_engine(engine)
    with db.begin(engine) as connection:
        found = [
            *(
                Garbage(run, "lost")
                for run in connection.scalars(sa.select(model_runs.c.model_run_id).where(records.lost))
            ),
            *(Garbage(run, "left over") for run in _left_over(connection)),
            *(Garbage(run, "old") for run in ([] if keep is None else _old(connection, keep))),
        ]
    if not dry_run:
        for done, each in enumerate(found):
            progress(done, len(found))
            clear_away(engine, each)
    return found


def delete_old(engine: sa.Engine, keep: int) -> list[int]:
    """Delete trained runs beyond the newest ones, as :func:`collect_garbage` does, if this role owns them.

    Returns:
        The runs that were deleted. A run whose vectors a long transaction uses is marked as deleted, and its vectors
        are left for :func:`collect_garbage`.
    """
    with db.begin(engine) as connection:
        owner = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'embrec.model_runs'::regclass"
        old = _old(connection, keep) if connection.scalar(sa.text(owner)) else []
    for run in old:
        with contextlib.suppress(BusyError):
            publishing.delete(engine, run)
    return old


def clear_away(engine: sa.Engine, found: Garbage) -> None:
    """Clear away one piece of garbage."""
    if found.garbage == "lost":
        values = {"status": "failed", "error": "its process was lost", "finished_at": sa.func.now()}
        with db.begin(engine) as connection:
            mine = model_runs.c.model_run_id == found.model_run_id
            connection.execute(sa.update(model_runs).where(mine, records.lost).values(values))
    elif found.garbage == "left over":
        embeddings.drop(engine, found.model_run_id)
    else:
        publishing.delete(engine, found.model_run_id)


def _left_over(connection: sa.Connection) -> list[int]:
    """Runs that have vectors and should have none."""
    stored = embeddings.stored_runs(connection)  # before the states: what is stored meanwhile is not left over
    states = model_runs.c.status.in_(["trained", "training"])
    return sorted(stored - set(connection.scalars(sa.select(model_runs.c.model_run_id).where(states))))


def _old(connection: sa.Connection, keep: int) -> list[int]:
    """Trained runs that are neither among the newest nor in use, oldest first."""
    trained = connection.scalars(
        sa.select(model_runs.c.model_run_id)
        .where(model_runs.c.status == "trained")
        .order_by(model_runs.c.model_run_id.desc())
    ).all()
    used = {records.published_run_id(connection), publishing.published_before(connection)}
    return [
        run
        for run in trained[: keep - 1 : -1]
        if run not in used and publishing.experiment_with(connection, run) is None
    ]

"""Publish a model run, roll back, delete: the published run, with its history."""

from __future__ import annotations

from typing import Any, cast

import sqlalchemy as sa

from embrec import db
from embrec.db import Bind
from embrec.db.tables import experiments, model_runs, publications
from embrec.errors import RunError, WithheldError
from embrec.runs import embeddings
from embrec.runs.records import LOST_AFTER, ModelRun, get_run, published_run_id

# The advisory lock of a change of the published run: a lock on the table would need rights that a publisher lacks.
_PUBLISHING_LOCK = 0x656D62727062
# A run is withheld if its held-out error is more than 1.05 times the published run's, or a bad fit would be served.
WORST_SHARE = 1.05
# A run is also withheld if the NDCG@10 of its lists is surely less than 0.8 times the published run's.
WORST_LISTS = 0.8
ANYTHING = 0


def publish(bind: Bind, model_run_id: int, replacing: int | None = ANYTHING, force: bool = False) -> None:
    """Make a run the published one: one new row, which every reader sees whole or not at all.

    Publishing the published run again changes nothing. A run is withheld if SQL cannot answer by it as its model does,
    if one of its metrics is no finite number, or if its error on held-out ratings is more than 5 % above the published
    run's, where both held out the same share of ratings on the same scale; or if its lists are much worse than those of
    the run that was published when it was trained, on the same hidden ratings (``embrec.runs.lists``).

    Args:
        bind: An engine or a connection.
        model_run_id: The run.
        replacing: The run that is expected to be published, or None for none: if several publishers expect the same,
            one wins. ``ANYTHING`` replaces whatever is published.
        force: Publish it whatever its metrics are, and whatever is published.

    Raises:
        UnknownRunError: There is no such run.
        WithheldError: The run looks bad, or another run than ``replacing`` is published.
        RunError: The run did not finish training, or was deleted, or its vectors have changed since.
    """
    with db.begin(bind) as connection:
        one_at_a_time(connection)
        run = get_run(connection, model_run_id)
        if run.status != "trained":
            raise RunError(
                f"Model run {model_run_id} is {run.status}, so it has no vectors to publish. "
                "See the runs with: embrec runs list"
            )
        if run.published:
            return
        if not as_trained(connection, run):
            raise RunError(
                f"The vectors of model run {model_run_id} are not those that were trained: somebody or something has "
                "changed them. Train again: embrec train"
            )
        if not force and (reason := _against(connection, run, replacing)):
            raise WithheldError(
                f"Model run {model_run_id} is not published: {reason}. "
                f"To publish it all the same: embrec runs publish {model_run_id} --force"
            )
        append_publication(connection, model_run_id, "publish")


def as_trained(connection: sa.Connection, run: ModelRun) -> bool:
    """Check that a run's vectors are those that its training stored; true if there is no digest on record."""
    return run.vectors_sha256 is None or run.vectors_sha256 == embeddings.digest(connection, run.model_run_id)


def _against(connection: sa.Connection, run: ModelRun, replacing: int | None) -> str | None:
    """Return the reason not to publish a run, or None."""
    number = published_run_id(connection)
    if replacing not in (ANYTHING, number):
        return (
            "the run that it was to replace was taken back"
            if number is None
            else f"run {number} was published meanwhile"
        )
    if wrong := [name for name, value in run.metrics.items() if value is None]:
        return f"its {wrong[0]} is not a finite number"
    if run.serving == "similarity_only":
        return "SQL does not predict as its model does, and can only compare its vectors"
    if number is None:
        return None
    if reason := _worse_lists(run):
        return reason
    published = get_run(connection, number)
    error, bound = run.metrics.get("held_out_rmse"), published.metrics.get("held_out_rmse")
    if error is None or bound is None or _held_out(run) != _held_out(published):
        return None
    if error <= WORST_SHARE * bound:
        return None
    return (
        f"its error on held-out ratings is {error:.4f}, more than 5 % above the {bound:.4f} of published run {number}"
    )


def _worse_lists(run: ModelRun) -> str | None:
    """Return that a run's lists are much worse than the published run's, as its training measured, or None."""
    names = ("list_ndcg", "published_list_ndcg", "list_ndcg_margin")
    own, bound, margin = (run.metrics.get(name) or 0.0 for name in names)
    if own + margin >= WORST_LISTS * bound:
        return None
    return (
        f"its lists are much worse than those of the run that was published when it was trained: NDCG@10 is {own:.4f}, "
        f"and was {bound:.4f} on the same ratings. Look for ratings that are off the scale, or other options"
    )


def _held_out(run: ModelRun) -> tuple[Any, ...]:
    """Return the properties that two runs must share before their errors can be compared."""
    return run.options.get("holdout"), run.lowest_rating, run.highest_rating


def rollback(bind: Bind) -> int:
    """Go back to the run that was published before the current one; again, to the one before that.

    Returns:
        The number of the run that is published now.

    Raises:
        RunError: No earlier run is left.
    """
    with db.begin(bind) as connection:
        one_at_a_time(connection)
        earlier = published_before(connection)
        if earlier is None:
            raise RunError("No earlier published run is left to go back to. See the runs with: embrec runs list --all")
        append_publication(connection, earlier, "rollback")
        return earlier


def published_before(connection: sa.Connection) -> int | None:
    """Return the run before the current one: publishing pushes a run on a stack, and rolling back pops it."""
    pile: list[int] = []
    history = sa.select(publications.c.model_run_id, publications.c.action).order_by(publications.c.publication_id)
    for run, action in connection.execute(history):
        if action == "publish":
            pile.append(run)
        else:
            while pile[-1] != run:
                pile.pop()
    deleted = set(connection.scalars(sa.select(model_runs.c.model_run_id).where(model_runs.c.status == "deleted")))
    remaining = [run for run in pile[:-1] if run not in deleted and run != pile[-1]]
    return remaining[-1] if remaining else None


def delete(engine: sa.Engine, model_run_id: int) -> None:
    """Delete a run's vectors; its record stays, marked as deleted.

    Raises:
        UnknownRunError: There is no such run.
        RunError: The run is published, answers in a running experiment, or is training.
        RequirementError: The engine goes through a connection pooler.
        BusyError: A long transaction kept the vectors in use; what is left is for
            :func:`embrec.runs.cleanup.collect_garbage`.
    """
    db.require_engine(engine)
    with db.begin(engine) as connection:
        db.require_session(connection)  # before it is marked
        one_at_a_time(connection)
        run = get_run(connection, model_run_id)
        if run.published:
            raise RunError(
                f"Model run {model_run_id} is published. Publish another first: embrec runs publish RUN, "
                "or embrec runs rollback"
            )
        if (experiment := experiment_with(connection, model_run_id)) is not None:
            raise RunError(
                f"Model run {model_run_id} answers in the experiment {experiment!r}. "
                "End that first: embrec experiments end"
            )
        if run.status == "training":
            raise RunError(
                f"Model run {model_run_id} is training. Stop its process first; where that is gone already, the run "
                f"is seen as lost {LOST_AFTER.seconds // 60} minutes after its last sign of life, and can be deleted"
            )
        connection.execute(
            sa.update(model_runs).where(model_runs.c.model_run_id == model_run_id).values(status="deleted")
        )
    # Marked first: a run that nobody can publish any more loses its vectors, not the other way round.
    embeddings.drop(engine, model_run_id)


def experiment_with(connection: sa.Connection, model_run_id: int) -> str | None:
    """The name of the running experiment that a run answers in, or None."""
    query = sa.select(experiments.c.name).where(
        experiments.c.ended_at.is_(None),
        sa.or_(experiments.c.control_run == model_run_id, experiments.c.treatment_run == model_run_id),
    )
    return cast("str | None", connection.scalar(query))


def one_at_a_time(connection: sa.Connection) -> None:
    """Let one transaction at a time change which runs answer; readers are not held up."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PUBLISHING_LOCK)))


def append_publication(connection: sa.Connection, model_run_id: int, action: str) -> None:
    """Add the row that makes a run the published one; ``action`` is ``publish`` or ``rollback``."""
    connection.execute(sa.insert(publications).values(model_run_id=model_run_id, action=action))

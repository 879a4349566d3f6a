"""Model runs: their records, and which one is published, with its history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa

from embrec import database, embeddings
from embrec.database import Bind
from embrec.errors import RunError, UnknownRunError
from embrec.tables import experiments, model_runs, publications

# Held by whoever changes which runs answer: a lock on the table would take rights on it that a publisher does not need.
_PUBLISHING_LOCK = 0x656D62727062


@dataclass(frozen=True)
class ModelRun:
    """A model run: the columns of ``embrec.model_runs``, and whether it is the published one."""

    model_run_id: int
    architecture: str
    status: str
    options: dict[str, Any]
    seed: int
    library_versions: dict[str, str]
    user_count: int
    movie_count: int
    rating_count: int
    newest_rating_at: Any
    ratings_sha256: str
    dimensions: int | None
    mean: float | None
    lowest_rating: float | None
    highest_rating: float | None
    rating_power: float | None
    bias_feature: float | None
    ridge_constant: float | None
    ridge_per_rating: float | None
    user_spread: float | None
    movie_spread: float | None
    movie_similarity: str
    user_similarity: str
    parameters: dict[str, int]
    metrics: dict[str, float]
    history: list[dict[str, Any]]
    error: str | None
    started_at: Any
    finished_at: Any
    published: bool


def start(bind: Bind, **values: Any) -> int:
    """Record a run that begins training; returns its number."""
    with database.begin(bind) as connection:
        inserted = connection.execute(sa.insert(model_runs).values(**values).returning(model_runs.c.model_run_id))
        return int(inserted.scalar_one())


def finish(bind: Bind, model_run_id: int, status: str, **values: Any) -> None:
    """Record how a run ended: ``trained``, with what came out, or ``failed``, with the error."""
    with database.begin(bind) as connection:
        connection.execute(
            sa.update(model_runs)
            .where(model_runs.c.model_run_id == model_run_id)
            .values(status=status, finished_at=sa.func.now(), **values)
        )


def list_runs(bind: Bind, include_deleted: bool = False) -> list[ModelRun]:
    """All runs, newest first."""
    query = sa.select(model_runs).order_by(model_runs.c.model_run_id.desc())
    if not include_deleted:
        query = query.where(model_runs.c.status != "deleted")
    with database.begin(bind) as connection:
        published = published_run_id(connection)
        return [_run(row, published) for row in connection.execute(query).mappings()]


def get_run(bind: Bind, model_run_id: int) -> ModelRun:
    """One run.

    Raises:
        UnknownRunError: There is no such run.
    """
    with database.begin(bind) as connection:
        query = sa.select(model_runs).where(model_runs.c.model_run_id == model_run_id)
        row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise UnknownRunError(f"There is no model run {model_run_id}. See them with: embrec runs list")
        return _run(row, published_run_id(connection))


def _run(row: Any, published: int | None) -> ModelRun:
    return ModelRun(**row, published=row["model_run_id"] == published)


def published_run_id(connection: sa.Connection) -> int | None:
    """The published run's number, or None."""
    return cast("int | None", connection.scalar(sa.text("SELECT model_run_id FROM embrec.published_run")))


def publish(bind: Bind, model_run_id: int) -> None:
    """Make a run the published one: one new row, which every reader sees whole or not at all.

    Publishing the published run again changes nothing.

    Raises:
        UnknownRunError: There is no such run.
        RunError: The run did not finish training, or was deleted.
    """
    with database.begin(bind) as connection:
        one_at_a_time(connection)
        run = get_run(connection, model_run_id)
        if run.status != "trained":
            raise RunError(
                f"Model run {model_run_id} is {run.status}, so it has no vectors to publish. "
                "See the runs with: embrec runs list"
            )
        if not run.published:
            _append(connection, model_run_id, "publish")


def rollback(bind: Bind) -> int:
    """Go back to the run that was published before the current one; again, to the one before that.

    Returns:
        The number of the run that is published now.

    Raises:
        RunError: No earlier run is left.
    """
    with database.begin(bind) as connection:
        one_at_a_time(connection)
        earlier = _published_before(connection)
        if earlier is None:
            raise RunError("No earlier published run is left to go back to. See the runs with: embrec runs list --all")
        _append(connection, earlier, "rollback")
        return earlier


def _published_before(connection: sa.Connection) -> int | None:
    """The run under the current one, where publishing puts a run on a pile and rolling back takes runs off."""
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


def delete(engine: sa.Engine, model_run_id: int, force: bool = False) -> None:
    """Delete a run's vectors; its record stays, marked as deleted.

    Args:
        engine: The database.
        model_run_id: The run.
        force: Delete it also where it is recorded as training: its process was killed.

    Raises:
        UnknownRunError: There is no such run.
        RunError: The run is published, answers in a running experiment, or is training.
        RequirementError: The engine goes through a connection pooler.
    """
    with database.begin(engine) as connection:
        database.require_session(connection)  # before it is marked
        one_at_a_time(connection)
        run = get_run(connection, model_run_id)
        if run.published:
            raise RunError(
                f"Model run {model_run_id} is published. Publish another first: embrec runs publish RUN, "
                "or embrec runs rollback"
            )
        if (experiment := _experiment_with(connection, model_run_id)) is not None:
            raise RunError(
                f"Model run {model_run_id} answers in the experiment {experiment!r}. "
                "End that first: embrec experiments end"
            )
        if run.status == "training" and not force:
            raise RunError(
                f"Model run {model_run_id} is training. If its process is gone, run: "
                f"embrec runs delete {model_run_id} --force"
            )
        connection.execute(
            sa.update(model_runs).where(model_runs.c.model_run_id == model_run_id).values(status="deleted")
        )
    # Marked first: a run that nobody can publish any more loses its vectors, not the other way round.
    with database.translated_errors():
        embeddings.drop(engine, model_run_id)


def _experiment_with(connection: sa.Connection, model_run_id: int) -> str | None:
    """The name of the running experiment that a run answers in, or None."""
    query = sa.select(experiments.c.name).where(
        experiments.c.ended_at.is_(None),
        sa.or_(experiments.c.control_run == model_run_id, experiments.c.treatment_run == model_run_id),
    )
    return cast("str | None", connection.scalar(query))


def one_at_a_time(connection: sa.Connection) -> None:
    """Let one transaction at a time change which runs answer; readers are not held up."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PUBLISHING_LOCK)))


def _append(connection: sa.Connection, model_run_id: int, action: str) -> None:
    connection.execute(sa.insert(publications).values(model_run_id=model_run_id, action=action))

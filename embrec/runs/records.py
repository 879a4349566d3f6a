"""Model runs: their records, and the published one, with its history."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, cast

import sqlalchemy as sa

from embrec import db
from embrec.db import Bind
from embrec.db.tables import model_runs
from embrec.errors import RunError, UnknownRunError
from embrec.models.base import RatingWeights, Serving, UserVectors


@dataclass(frozen=True)
class ModelRun:
    """A model run: the columns of ``embrec.model_runs``, and whether it is the published one.

    Its status is ``training``, ``trained``, ``failed``, ``deleted``, or ``lost``: recorded as training, by a process
    that has shown no sign of life for two minutes. A metric that is no finite number is None.
    """

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
    serving: Serving | None
    user_vectors: UserVectors | None
    mean: float | None
    lowest_rating: float | None
    highest_rating: float | None
    rating_power: float | None
    dislike_weight: float | None
    bias_feature: float | None
    ridge_constant: float | None
    ridge_per_rating: float | None
    user_spread: float | None
    movie_spread: float | None
    movie_similarity: str
    user_similarity: str
    parameters: dict[str, int]
    metrics: dict[str, float | None]
    history: list[dict[str, Any]]
    error: str | None
    started_at: Any
    finished_at: Any
    heartbeat_at: Any
    vectors_sha256: str | None
    progress: float | None
    trained_by: str | None
    least_length: float | None
    lone_users: int | None
    lone_movies: int | None
    event_count: int | None
    events_sha256: str | None
    newest_event_at: Any
    history_length: int | None
    row_decays: list[float] | None
    vector_decays: list[float] | None
    new_movies_weight: float | None
    shrunk_similarity: bool | None
    content_labels: list[str] | None
    content_dimensions: int | None
    published: bool

    @property
    def predicts_ratings(self) -> bool:
        """False for a run that only compares vectors, or was trained without two different ratings."""
        return self.serving != "similarity_only" and (self.serving != "two_part" or self.mean is not None)

    @property
    def weighting(self) -> RatingWeights:
        """The weights of ratings in a user's ranking vector."""
        lowest, highest = self.lowest_rating or 0.0, self.highest_rating or 0.0
        return RatingWeights(lowest, highest, self.rating_power or 0.0, self.dislike_weight or 0.0)


HEARTBEAT_SECONDS = 15.0
# A training run whose heartbeat is older than this is considered lost.
LOST_AFTER = dt.timedelta(minutes=2)
# The error for an unknown run names at most 5 runs that exist.
_RUNS_NAMED = 5

lost = sa.and_(model_runs.c.status == "training", model_runs.c.heartbeat_at < sa.func.now() - LOST_AFTER)
_columns = [column for column in model_runs.c if column.name != "status"]
_records = sa.select(*_columns, sa.case((lost, "lost"), else_=model_runs.c.status).label("status"))


@dataclass(frozen=True)
class NewRun:
    """The record of a run that begins training: columns of ``embrec.model_runs``.

    Attributes:
        architecture: The model's name.
        options: All of the model's options, and the share of ratings that is held out.
        seed: The seed of the fit.
        library_versions: Versions by package.
        user_count: Number of users with ratings.
        movie_count: Number of movies with ratings.
        rating_count: Number of ratings.
        ratings_sha256: Digest of the ratings.
        newest_rating_at: Time of the newest rating, or None where no rating has one.
        event_count: Number of events, or None without any.
        events_sha256: Digest of the events, or None.
        newest_event_at: Time of the newest event, or None.
    """

    architecture: str
    options: Mapping[str, Any]
    seed: int
    library_versions: Mapping[str, str]
    user_count: int
    movie_count: int
    rating_count: int
    ratings_sha256: str
    newest_rating_at: dt.datetime | None = None
    event_count: int | None = None
    events_sha256: str | None = None
    newest_event_at: dt.datetime | None = None


@dataclass(frozen=True)
class TrainedRun:
    """The record of a run that is trained: what SQL needs to answer from its vectors.

    Attributes:
        dimensions: Length of a rating vector.
        serving: The formula by which SQL predicts and ranks.
        user_vectors: The source of a user's rating vector in SQL.
        mean: The rating that biases are relative to, or None without biases.
        lowest_rating: The lowest rating of the scale.
        highest_rating: The highest.
        rating_power: Exponent of a rating's weight in a user's ranking vector, or None without a ranking part.
        dislike_weight: Weight of the lowest rating against its movie in that vector, or None.
        bias_feature: The feature of the bias in the ridge regression that folds a user in, or None without a fold-in.
        ridge_constant: Ridge penalty of a user, or None.
        ridge_per_rating: Ridge penalty added for each rating, or None.
        user_spread: Uncertainty of a user without vector, or None without uncertainty.
        movie_spread: Uncertainty of a movie without vector, or None.
        movie_similarity: The part whose vectors are compared for similar movies.
        user_similarity: The part whose vectors are compared for similar users.
        shrunk_similarity: True if a movie is the less similar to others, the shorter its vector is; None for a run that
            compares by cosine alone.
        least_length: The length below which a user's vector to rank by is no vector.
        lone_users: Number of users without a vector to rank by.
        lone_movies: Number of movies without one.
        history_length: Number of newest steps that count for what comes next, or None without that part.
        row_decays: The decay of each channel of ``next_movies``, or None.
        vector_decays: The decay of each channel of ``next_vectors``, or None.
        new_movies_weight: The weight of the rules by which movies that come later get rows, or None: they get none.
        content_labels: The labels by which movies that come later get vectors, or None without maps.
        content_dimensions: Length of the content vectors that the maps read, or None: they read none.
        parameters: Parameters of each layer, in the layers' order.
        metrics: Metrics by name; None for one that is not finite.
        history: The epochs.
    """

    dimensions: int
    serving: Serving
    user_vectors: UserVectors
    mean: float | None = None
    lowest_rating: float | None = None
    highest_rating: float | None = None
    rating_power: float | None = None
    dislike_weight: float | None = None
    bias_feature: float | None = None
    ridge_constant: float | None = None
    ridge_per_rating: float | None = None
    user_spread: float | None = None
    movie_spread: float | None = None
    movie_similarity: str = "rating"
    user_similarity: str = "rating"
    shrunk_similarity: bool | None = None
    least_length: float | None = None
    lone_users: int | None = None
    lone_movies: int | None = None
    history_length: int | None = None
    row_decays: Sequence[float] | None = None
    vector_decays: Sequence[float] | None = None
    new_movies_weight: float | None = None
    content_labels: Sequence[str] | None = None
    content_dimensions: int | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()


def start(bind: Bind, run: NewRun) -> int:
    """Record a run that begins training; returns its number."""
    with db.begin(bind) as connection:
        values = _columns_of(run)
        inserted = connection.execute(sa.insert(model_runs).values(**values).returning(model_runs.c.model_run_id))
        return int(inserted.scalar_one())


def _columns_of(record: NewRun | TrainedRun) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in fields(record)}


def reopen(connection: sa.Connection, model_run_id: int) -> bool:
    """Have a run go on that was given up as lost, in the transaction that stores it.

    Returns:
        True if it is still to be stored; an earlier try may have done it and then lost the connection.

    Raises:
        RunError: The run was deleted.
    """
    mine = model_runs.c.model_run_id == model_run_id
    # A run that is training as it should be is not touched: its heartbeats would wait for the row.
    connection.execute(
        sa.update(model_runs).where(mine, model_runs.c.status == "failed").values(status="training", error=None)
    )
    status = connection.scalar(sa.select(model_runs.c.status).where(mine))
    if status == "deleted":
        raise _deleted(model_run_id)
    return bool(status != "trained")


def _deleted(model_run_id: int) -> RunError:
    return RunError(f"Model run {model_run_id} was deleted while it was training. Train again: embrec train")


def finish(bind: Bind, model_run_id: int, outcome: TrainedRun) -> None:
    """Record that a run is trained.

    Raises:
        RunError: The run was deleted.
    """
    _end(bind, model_run_id, status="trained", error=None, **_columns_of(outcome))


def fail(bind: Bind, model_run_id: int, error: str) -> None:
    """Record that a run has failed, and why.

    Raises:
        RunError: The run was deleted.
    """
    _end(bind, model_run_id, status="failed", error=error)


def _end(bind: Bind, model_run_id: int, **values: Any) -> None:
    with db.begin(bind) as connection:
        ended = connection.execute(
            sa.update(model_runs)
            .where(model_runs.c.model_run_id == model_run_id, model_runs.c.status != "deleted")
            .values(finished_at=sa.func.now(), **values)
        )
        if not ended.rowcount:
            raise _deleted(model_run_id)


@contextlib.contextmanager
def heartbeats(engine: sa.Engine, model_run_id: int) -> Iterator[Callable[[float], None]]:
    """Update the heartbeat and the progress in the run's record while the process trains it.

    No connection stays open in between, and a server that is away is none of its business.

    Yields:
        A function to report the progress of the fit to, from 0 to 1.
    """
    ended = threading.Event()
    beat = sa.update(model_runs).where(model_runs.c.model_run_id == model_run_id, model_runs.c.status == "training")
    done = [0.0]

    def go_on() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(sa.exc.SQLAlchemyError), engine.connect() as connection:
                connection.detach()  # closed at the end, not put back into the pool
                connection.execute(beat.values(heartbeat_at=sa.func.now(), progress=done[0]))
                connection.commit()

    thread = threading.Thread(target=go_on, name=f"heartbeat of model run {model_run_id}", daemon=True)
    thread.start()
    try:
        yield lambda share: done.__setitem__(0, share)
    finally:
        ended.set()
        thread.join(timeout=5.0)  # a server that does not answer must not hold up the end


def list_runs(bind: Bind, include_deleted: bool = False) -> list[ModelRun]:
    """All runs, newest first."""
    query = _records.order_by(model_runs.c.model_run_id.desc())
    if not include_deleted:
        query = query.where(model_runs.c.status != "deleted")
    with db.begin(bind) as connection:
        published = published_run_id(connection)
        return [_run(row, published) for row in connection.execute(query).mappings()]


def get_run(bind: Bind, model_run_id: int) -> ModelRun:
    """One run.

    Raises:
        UnknownRunError: There is no such run.
    """
    with db.begin(bind) as connection:
        query = _records.where(model_runs.c.model_run_id == model_run_id)
        row = connection.execute(query).mappings().one_or_none()
        if row is None:
            newest = connection.scalars(
                sa.select(model_runs.c.model_run_id).order_by(model_runs.c.model_run_id.desc()).limit(_RUNS_NAMED)
            ).all()
            named = f"The newest are: {', '.join(map(str, newest))}. See them with: embrec runs list"
            there = named if newest else "There are none yet. Run: embrec train"
            raise UnknownRunError(f"There is no model run {model_run_id}. {there}")
        return _run(row, published_run_id(connection))


def _run(row: Any, published: int | None) -> ModelRun:
    return ModelRun(**row, published=row["model_run_id"] == published)


def published_run_id(connection: sa.Connection) -> int | None:
    """The published run's number, or None."""
    return cast("int | None", connection.scalar(sa.text("SELECT model_run_id FROM embrec.published_run")))

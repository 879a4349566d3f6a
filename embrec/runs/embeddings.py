"""One run's vectors in the database: write, read, drop. What a training wrote is never updated."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import db
from embrec.db import Bind, binary_copy
from embrec.db.binary_copy import Progress
from embrec.db.tables import movie_neighbours, movie_ranking, next_movies, next_vectors, run_matrices
from embrec.errors import BusyError, DatabaseError, RunError
from embrec.runs.index_progress import followed

Side = Literal["user", "movie"]
Part = Literal["rating", "preference", "profile", "similarity"]


class Vectors(NamedTuple):
    """One side's vectors of one part of a run, n of them.

    Attributes:
        indexes: int32 of shape (n,), the database's user or movie indexes; ascending where they were read.
        vectors: float32 of shape (n, dimensions).
        biases: float32 of shape (n,), or None for a part without them.
        spreads: float32 of shape (n,), or None; a user's times a movie's is the standard deviation of the rating.
        fingerprints: Fingerprint of the ratings that each user's vector was learned from, int64 of shape (n,), or None.
    """

    indexes: NDArray[np.int32]
    vectors: NDArray[np.float32]
    biases: NDArray[np.float32] | None = None
    spreads: NDArray[np.float32] | None = None
    fingerprints: NDArray[np.int64] | None = None


# From 50,000 vectors on a run gets an approximate index: an exact comparison of more takes over 5 ms.
INDEXED_FROM = 50_000
_INDEX_MEMORY_MB = 2_048
# Coordinates below this are rounding noise and are stored as zero: pgvector refuses products that underflow.
NOISE = 1e-15
# Columns that a run may lack.
_OPTIONAL = ("coalesce(bias, 'NaN')", "coalesce(spread, 'NaN')")
# A drop waits for readers of the vectors: this is the time in total, and at a time.
DROP_SECONDS = 30.0
LOCK_MILLISECONDS = 3_000
# The advisory lock of sessions that attach or detach partitions.
_PARTITIONS_LOCK = 0x656D62727061
# A deletion first waits 5 seconds for transactions that may have seen the run published.
READERS_SECONDS = 5.0


def store(
    connection: sa.Connection,
    model_run_id: int,
    side: Side,
    parts: Mapping[Part, Vectors],
    progress: Progress = lambda done, of: None,
    half: bool = False,
) -> None:
    """Write one side's vectors into partitions of their own, bit for bit.

    They are filled as tables by themselves and then attached, so readers of other runs are not held up.

    Args:
        connection: The transaction to write in.
        model_run_id: The run.
        side: ``user`` or ``movie``.
        parts: The vectors of each part.
        progress: Called with the vectors of a part that are written, and all of that part.
        half: Whether to write vectors of users in half precision, to which they are rounded.

    Raises:
        RunError: A vector holds NaN or infinity. Nothing is written.
    """
    for part, vectors in parts.items():
        _check_finite(f"{side} {part}", vectors)
    db.poll_lock(connection, _PARTITIONS_LOCK, transaction=True)
    opening = sa.text("SELECT embrec.open_run(:run, :side, CAST(:parts AS embrec.part[]))")
    connection.execute(opening, {"run": model_run_id, "side": side, "parts": list(parts)})
    for part, vectors in parts.items():
        _fill(connection, _partition(side, model_run_id, part), side, vectors, half, progress)
    connection.execute(sa.text("SELECT embrec.close_run(:run, :side)"), {"run": model_run_id, "side": side})


def _fill(connection: sa.Connection, leaf: str, side: Side, found: Vectors, half: bool, progress: Progress) -> None:
    order = np.argsort(found.indexes)
    columns: dict[str, NDArray[Any] | None] = {
        f"{side}_index": found.indexes,
        "bias": found.biases,
        "spread": found.spreads,
        "fingerprint": found.fingerprints,
    }
    given = {name: values[order] for name, values in columns.items() if values is not None}
    vectors = found.vectors[order]
    vectors[np.abs(vectors) < NOISE] = 0.0
    given["half" if half else "embedding"] = vectors.astype(np.float16) if half else vectors
    binary_copy.copy_arrays(connection, f"{leaf} ({', '.join(given)})", list(given.values()), True, progress)


def index(
    engine: sa.Engine,
    model_run_id: int,
    side: Side,
    part: Part,
    progress: Progress = lambda done, of: None,
) -> bool:
    """Give a part of a run an approximate index for cosine similarity, where comparing all takes long.

    Args:
        engine: The database.
        model_run_id: The run.
        side: ``user`` or ``movie``.
        part: The part whose vectors are compared.
        progress: Called with the blocks of the table that are done, and all.

    Returns:
        Whether there are so many vectors.
    """
    call = "embrec.index_run(:run, :side, CAST(:part AS embrec.part))"
    leaf = _partition(side, model_run_id, part)
    return _index(engine, leaf, call, progress, run=model_run_id, side=side, part=part)


def _index(engine: sa.Engine, leaf: str, call: str, progress: Progress, **arguments: Any) -> bool:
    with db.begin(engine) as connection:
        rows = connection.execute(sa.text(f"SELECT count(*) FROM {leaf}")).scalar_one()
    if rows < INDEXED_FROM:
        return False
    # The graph is made in memory, two kilobytes a vector. The view run_indexes advises the same.
    megabytes = min(64 + rows // 500, _INDEX_MEMORY_MB)

    def make(*settings: str) -> None:
        # Whoever is forgotten meanwhile must be seen at the end, whatever isolation the database's default is.
        with db.begin(engine.execution_options(isolation_level="READ COMMITTED")) as connection:
            for setting in (f"maintenance_work_mem = '{megabytes}MB'", *settings):
                connection.execute(sa.text(f"SET LOCAL {setting}"))
            connection.execute(sa.text(f"SELECT {call}"), arguments)

    with followed(engine, leaf, progress):
        try:
            make()
        except DatabaseError:
            # Workers share the graph through /dev/shm, which is small in many containers.
            make("max_parallel_maintenance_workers = 0")
    return True


def store_matrix(
    connection: sa.Connection,
    model_run_id: int,
    name: str,
    rows: NDArray[np.float32],
    biases: NDArray[np.float32] | None = None,
) -> None:
    """Write something else that a run has learned, in the transaction that stores its vectors.

    Args:
        connection: The transaction to write in.
        model_run_id: The run.
        name: Its name, in ASCII.
        rows: float32 of shape (n, width).
        biases: float32 of shape (n,), or None.
    """
    count = len(rows)
    columns = {
        "model_run_id": np.full(count, model_run_id, np.int32),
        "matrix": np.full(count, name.encode()),
        "row_number": np.arange(count, dtype=np.int32),
        "bias": biases,
        "embedding": rows,
    }
    given = {column: values for column, values in columns.items() if values is not None}
    binary_copy.copy_arrays(connection, f"embrec.run_matrices ({', '.join(given)})", list(given.values()))


def read(bind: Bind, model_run_id: int, side: Side, part: Part = "rating") -> Vectors:
    """Read one side's vectors of a part, those of movies that were folded in too; none if the run has none."""
    leaf = _partition(side, model_run_id, part)
    with db.begin(bind) as connection:
        if connection.scalar(sa.select(sa.func.to_regclass(leaf))) is None:
            return Vectors(np.array([], np.int32), np.empty((0, 0), np.float32))
        vector = connection.scalar(sa.select(sa.func.embrec.vector_of(side)))
        columns = ", ".join(f"array_agg({column})" for column in (f"{side}_index", vector, *_OPTIONAL))
        pieces = binary_copy.read_by_blocks(connection, leaf, columns)
    if not pieces:
        return Vectors(np.array([], np.int32), np.empty((0, 0), np.float32))
    found = [np.concatenate([piece[column] for piece in pieces]) for column in range(2 + len(_OPTIONAL))]
    if (found[0][1:] < found[0][:-1]).any():  # the rows of a training are in order, those folded in come after
        order = np.argsort(found[0])
        found = [each[order] for each in found]
    indexes, vectors, *optional = found
    return Vectors(indexes, vectors, *(None if np.isnan(each).any() else each for each in optional))


def external_ids(connection: sa.Connection, side: Side, indexes: NDArray[np.int32]) -> list[str]:
    """The external ids of users or movies, in the order of their indexes."""
    query = sa.text(f"SELECT {side}_index, {side}_id FROM embrec.{side}s WHERE {side}_index = ANY (:indexes)")
    named = {row[0]: row[1] for row in connection.execute(query, {"indexes": indexes.tolist()})}
    return [named[index] for index in indexes.tolist()]


def digest(connection: sa.Connection, model_run_id: int) -> str:
    """SHA-256 of all that a run answers by, as its training stored it, in hex."""
    return str(connection.scalar(sa.select(sa.func.embrec.run_digest(model_run_id))))


def drop(engine: sa.Engine, model_run_id: int) -> None:
    """Drop what a run has learned without holding up readers of other runs; what is gone already is no error.

    Transactions that have read vectors are waited for, again and again, so that writers get a turn in between.

    Raises:
        BusyError: One of them stays open.
    """
    with db.translated_errors(), engine.connect() as connection:
        _let_earlier_readers_end(connection.execution_options(isolation_level="AUTOCOMMIT"))
    deadline = time.monotonic() + DROP_SECONDS
    while True:
        try:
            with db.translated_errors():
                return _drop(engine, model_run_id)
        except BusyError as error:
            if time.monotonic() < deadline:
                continue
            raise BusyError(
                f"The vectors of model run {model_run_id} cannot be dropped while a transaction that has read vectors "
                f"stays open (process {_readers(engine)} of the server). End it, then run: embrec gc"
            ) from error


def _drop(engine: sa.Engine, model_run_id: int) -> None:
    """Partitions one at a time: PostgreSQL allows one pending detachment a table."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # it is closed at the end, with its setting and its lock, whatever happens
        connection.execute(sa.text(f"SET lock_timeout = {LOCK_MILLISECONDS}"))
        db.poll_lock(connection, _PARTITIONS_LOCK)
        for side in ("user", "movie"):
            parent, partition = f"embrec.{side}_embeddings", _partition(side, model_run_id)
            # An interrupted detachment stays pending; only FINALIZE goes on from there.
            for attached, pending in connection.execute(
                sa.text(
                    "SELECT inhrelid::regclass::text, inhdetachpending FROM pg_inherits"
                    " WHERE inhparent = to_regclass(:parent)"
                    " AND (inhdetachpending OR inhrelid = to_regclass(:partition))"
                    " ORDER BY inhdetachpending DESC".replace("::", r"\:\:")
                ),
                {"partition": partition, "parent": parent},
            ).all():
                way = "FINALIZE" if pending else "CONCURRENTLY"
                connection.execute(sa.text(f"ALTER TABLE {parent} DETACH PARTITION {attached} {way}"))
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {partition}"))
        for table in (run_matrices, movie_neighbours, movie_ranking, next_movies, next_vectors):
            connection.execute(sa.delete(table).where(table.c.model_run_id == model_run_id))


def _readers(engine: sa.Engine) -> str:
    """The server's processes whose open transactions have read vectors."""
    query = (
        "SELECT string_agg(DISTINCT pid::text, ', ') FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation"
        " WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.granted"
        " AND c.relnamespace = 'embrec'::regnamespace AND c.relname ~ '^(user|movie)_embeddings'"
    )
    with db.begin(engine) as connection:
        return str(connection.scalar(sa.text(query.replace("::", r"\:\:"))))


def stored_runs(connection: sa.Connection) -> set[int]:
    """The runs that have tables of vectors, attached or not, matrices, or lists of movies."""
    query = (
        "SELECT substring(relname FROM '[0-9]+$')::integer FROM pg_class"
        " WHERE relnamespace = 'embrec'::regnamespace AND relname ~ '^(user|movie)_embeddings_run_[0-9]+$'"
        " AND relkind IN ('r', 'p') UNION SELECT model_run_id FROM embrec.run_matrices"
        " UNION SELECT model_run_id FROM embrec.movie_neighbours UNION SELECT model_run_id FROM embrec.movie_ranking"
        " UNION SELECT model_run_id FROM embrec.next_movies UNION SELECT model_run_id FROM embrec.next_vectors"
    )
    return set(connection.scalars(sa.text(query.replace("::", r"\:\:"))))


def _let_earlier_readers_end(connection: sa.Connection) -> None:
    """Wait for transactions that may have seen the run published and have yet to read it; not for ever.

    Detaching waits for those alone who have begun to read vectors.
    """
    running = sa.text(
        "SELECT l.virtualtransaction FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
        " WHERE l.locktype = 'virtualxid' AND a.datname = current_database() AND l.pid <> pg_backend_pid()"
    )
    earlier = set(connection.scalars(running))
    deadline = time.monotonic() + READERS_SECONDS
    while earlier and time.monotonic() < deadline:
        time.sleep(0.02)
        earlier &= set(connection.scalars(running))


def _partition(side: Side, model_run_id: int, part: Part | None = None) -> str:
    return f"embrec.{side}_embeddings_run_{int(model_run_id)}" + (f"_{part}" if part else "")


def _check_finite(kind: str, found: Vectors) -> None:
    """Refuse vectors whose lengths pgvector, which computes in float32, could not compute."""
    with np.errstate(over="ignore", under="ignore"):
        wrong = ~np.isfinite(np.einsum("nd,nd->n", found.vectors, found.vectors, dtype=np.float32))
    for values in (found.biases, found.spreads):
        if values is not None:
            wrong |= ~np.isfinite(values)
    bad = np.flatnonzero(wrong)
    if len(bad):
        raise RunError(
            f"{len(bad)} of {len(found.vectors)} {kind} vectors are not finite (the first at {bad[0]}); such a run is "
            "not stored. Train again with other options."
        )

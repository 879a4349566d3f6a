"""One run's vectors in the database: write, read, drop. A run's partition is written once and never updated."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import bulk, database
from embrec.database import Bind
from embrec.errors import RunError

Side = Literal["user", "movie"]


class RunVectors(NamedTuple):
    """One side's vectors of a run, n of them.

    Attributes:
        indexes: int32 of shape (n,), ascending.
        vectors: float32 of shape (n, dimensions).
        biases: float32 of shape (n,); NaN for an architecture without them.
    """

    indexes: NDArray[np.int32]
    vectors: NDArray[np.float32]
    biases: NDArray[np.float32]


# Held by whoever attaches or detaches partitions.
_PARTITIONS_LOCK = 0x656D62727061


def store(
    connection: sa.Connection,
    model_run_id: int,
    side: Side,
    indexes: NDArray[np.int32],
    vectors: NDArray[np.float32],
    biases: NDArray[np.float32] | None = None,
) -> None:
    """Write one side's vectors into a partition of their own, bit for bit.

    The partition is filled as a table by itself and then attached, so nobody who reads other runs is held up.

    Args:
        connection: The transaction to write in.
        model_run_id: The run.
        side: ``user`` or ``movie``.
        indexes: int32 of shape (n,), the database's user or movie indexes.
        vectors: float32 of shape (n, dimensions).
        biases: float32 of shape (n,), or None for an architecture without them.

    Raises:
        RunError: A vector holds NaN or infinity, or is too near zero to have a direction. Nothing is written.
    """
    _check_vectors(side, vectors, biases)
    database.poll_lock(connection, _PARTITIONS_LOCK, transaction=True)
    parent, partition = f"embrec.{side}_embeddings", _partition(side, model_run_id)
    order = np.argsort(indexes)
    connection.execute(sa.text(f"CREATE TABLE {partition} (LIKE {parent} INCLUDING STORAGE INCLUDING COMPRESSION)"))
    connection.execute(sa.text(f"ALTER TABLE {partition} ALTER model_run_id SET DEFAULT {model_run_id}"))
    columns: dict[str, NDArray[Any]] = {f"{side}_index": indexes[order]}  # the run's number need not be sent
    if biases is not None:
        columns["bias"] = biases[order]
    columns["embedding"] = vectors[order]
    bulk.copy_arrays(connection, f"{partition} ({', '.join(columns)})", list(columns.values()), freeze=True)
    connection.execute(
        sa.text(
            f"ALTER TABLE {partition}"
            f" ADD PRIMARY KEY (model_run_id, {side}_index),"
            f" ADD CHECK (model_run_id = {model_run_id}),"  # lets ATTACH skip its scan
            f" ADD CHECK ({database.extension_schema(connection)}.vector_dims(embedding) = {vectors.shape[1]})"
        )
    )
    connection.execute(sa.text(f"ALTER TABLE {parent} ATTACH PARTITION {partition} FOR VALUES IN ({model_run_id})"))
    connection.execute(sa.text(f"ANALYZE {partition}"))


def read(bind: Bind, model_run_id: int, side: Side) -> RunVectors:
    """Read one side's vectors as they were written; none where the run has none."""
    partition = _partition(side, model_run_id)
    with database.begin(bind) as connection:
        if connection.scalar(sa.select(sa.func.to_regclass(partition))) is None:
            return RunVectors(np.array([], np.int32), np.empty((0, 0), np.float32), np.array([], np.float32))
        columns = f"array_agg({side}_index), array_agg(embedding), array_agg(coalesce(bias, 'NaN'))"
        pieces = bulk.read_by_blocks(connection, partition, columns)
    return RunVectors(*(np.concatenate([piece[column] for piece in pieces]) for column in range(3)))


def drop(engine: sa.Engine, model_run_id: int) -> None:
    """Drop a run's partitions without holding up readers of other runs; what is gone already is no error.

    One at a time: PostgreSQL allows one pending detachment a table.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        database.poll_lock(connection, _PARTITIONS_LOCK)
        try:
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
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(_PARTITIONS_LOCK)))


def _partition(side: str, model_run_id: int) -> str:
    return f"embrec.{side}_embeddings_run_{int(model_run_id)}"


def _check_vectors(side: Side, vectors: NDArray[np.float32], biases: NDArray[np.float32] | None) -> None:
    """Refuse vectors whose cosine distance would be NaN: pgvector computes in float32, so tiny squares vanish."""
    with np.errstate(over="ignore", under="ignore"):
        squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float32)
    wrong = ~np.isfinite(squares) | (squares < np.finfo(np.float32).tiny)
    if biases is not None:
        wrong |= ~np.isfinite(biases)
    bad = np.flatnonzero(wrong)
    if len(bad):
        raise RunError(
            f"{len(bad)} of {len(vectors)} {side} vectors are not finite or have no length (the first at {bad[0]}); "
            "such a run is not stored. Train again with other options."
        )

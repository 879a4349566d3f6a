"""The mapping of external ids to contiguous indexes, by first appearance and then in the database; and of types."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec.db import binary_copy

# Ids are numbered 4 million at a time, because numbering hashes all known ids again.
_ENOUGH_WAITING = 4_000_000


class FirstAppearance:
    """Numbers ids from 0 in the order they are first seen, many at a time.

    Known ids stand before the new ones in one factorisation, so they keep their numbers. Ids that are whole numbers
    are hashed as such, several times faster than text; from the first one that is not, all are text.
    """

    def __init__(self) -> None:
        self._known: pa.Array = pa.array([], pa.int64())
        self._waiting: list[pa.Array] = []
        self._count = 0
        self._numbers: list[NDArray[np.int32]] = []

    def add(self, ids: pa.StringArray) -> None:
        """Take the next ids; their numbers come from :meth:`finish`."""
        taken = self._as_integers(ids) if pa.types.is_int64(self._known.type) else ids
        self._waiting.append(taken)
        self._count += len(ids)
        if self._count >= max(_ENOUGH_WAITING, len(self._known)):
            self._number()

    def finish(self) -> tuple[pa.StringArray, NDArray[np.int32]]:
        """The distinct ids in order of first appearance, and the number of every id that was added, int32."""
        self._number()
        numbers = np.concatenate(self._numbers) if self._numbers else np.array([], np.int32)
        return pc.cast(self._known, pa.string()), numbers

    def _as_integers(self, ids: pa.StringArray) -> pa.Array:
        """The ids as int64 where each is one, written the only way (no 007, no +7); else all become text."""
        try:
            integers = pc.cast(ids, pa.int64())
            if pc.cast(integers, pa.string()).equals(ids):
                return integers
        except pa.ArrowInvalid:
            pass
        self._known = pc.cast(self._known, pa.string())
        self._waiting = [pc.cast(waiting, pa.string()) for waiting in self._waiting]
        return ids

    def _number(self) -> None:
        if not self._waiting:
            return
        encoded = pa.chunked_array([self._known, *self._waiting]).dictionary_encode()
        known = encoded.chunk(encoded.num_chunks - 1).dictionary
        codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
        self._numbers.append(codes[len(self._known) :].astype(np.int32))
        self._known, self._waiting, self._count = known, [], 0


def map_ids(connection: sa.Connection, side: str, ids: pa.StringArray) -> tuple[NDArray[np.int32], int]:
    """Return the database indexes of distinct external ids; ids not seen before get new ones, in their order.

    Args:
        connection: The transaction to work in; the caller has locked the table against other loads.
        side: ``user`` or ``movie``.
        ids: The ids, none twice.

    Returns:
        int32 of shape (len(ids),), and how many were new.
    """
    if connection.scalar(sa.text(f"SELECT NOT EXISTS (SELECT FROM embrec.{side}s)")):
        _send(connection, f"embrec.{side}s ({side}_index, {side}_id)", ids)
        connection.execute(sa.text(f"ANALYZE embrec.{side}s"))
        return np.arange(len(ids), dtype=np.int32), len(ids)
    connection.execute(sa.text("CREATE TEMP TABLE embrec_ids (position integer, id text) ON COMMIT DROP"))
    _send(connection, "pg_temp.embrec_ids", ids)
    connection.execute(sa.text("ANALYZE pg_temp.embrec_ids"))
    new = add_new_ids(connection, side, "pg_temp.embrec_ids", "position")
    ((indexes,),) = binary_copy.query_arrays(
        connection,
        f"SELECT array_agg(k.{side}_index ORDER BY i.position)"
        f" FROM pg_temp.embrec_ids AS i JOIN embrec.{side}s AS k ON k.{side}_id = i.id",
    )
    connection.execute(sa.text("DROP TABLE pg_temp.embrec_ids"))
    return indexes, new


def add_new_ids(connection: sa.Connection, side: str, ids: str, order: str) -> int:
    """Give the next indexes to ids that the database does not know yet; returns how many they were.

    Args:
        connection: The transaction to work in; the caller has locked the table against other loads.
        side: ``user`` or ``movie``.
        ids: A FROM item with the column ``id``, whose texts are the ids, none twice.
        order: The order in which new ones get their indexes, as expressions of its columns.
    """
    added = connection.execute(
        sa.text(
            f"INSERT INTO embrec.{side}s ({side}_index, {side}_id)"
            f" SELECT (SELECT coalesce(max({side}_index), -1) FROM embrec.{side}s)"
            f"   + row_number() OVER (ORDER BY {order}), CAST(id AS text)"
            f" FROM {ids} AS i"
            f" WHERE NOT EXISTS (SELECT FROM embrec.{side}s AS k WHERE k.{side}_id = CAST(i.id AS text))"
        )
    )
    return int(added.rowcount)


def _send(connection: sa.Connection, target: str, ids: pa.StringArray) -> None:
    """Write positions and ids."""
    positions = pa.array(np.arange(len(ids), dtype=np.int32))
    binary_copy.copy_table(connection, target, pa.table({"position": positions, "id": ids}))


def map_types(connection: sa.Connection, names: Sequence[str]) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    """Return the numbers of types of events by their names; new ones are added, with the weight 1.

    Args:
        connection: The transaction to work in; the caller has locked out other loads.
        names: The names, none twice.

    Returns:
        int16 of shape (len(names),), and the names that were new.
    """
    added = connection.execute(
        sa.text(
            "INSERT INTO embrec.event_types (event_type, name)"
            " SELECT f.event_type, new.name FROM ("
            "   SELECT n.name, row_number() OVER (ORDER BY n.place) AS place"
            "   FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS n (name, place)"
            "   WHERE NOT EXISTS (SELECT FROM embrec.event_types AS t WHERE t.name = n.name)"
            " ) AS new LEFT JOIN embrec.free_event_types() AS f USING (place) RETURNING name"
        ),
        {"names": list(names)},
    )
    new = tuple(added.scalars())
    numbers = connection.scalars(
        sa.text(
            "SELECT t.event_type FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS n (name, place)"
            " JOIN embrec.event_types AS t USING (name) ORDER BY place"
        ),
        {"names": list(names)},
    )
    return np.array(numbers.all(), np.int16), new

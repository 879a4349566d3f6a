"""Events as arrays, in order of user and time."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec.data.arrays import MICROSECONDS_PER_DAY, NO_TIME
from embrec.db import binary_copy
from embrec.db.tables import event_types

# Nothing is left of an event after 1,000 half-lives; more would underflow in SQL.
_MOST_HALVINGS = 1_000.0


@dataclass(frozen=True)
class EventType:
    """A type of events.

    Attributes:
        name: Its name.
        weight: How much one event counts.
        half_life: Days after which an event counts half, or None: it counts the same for ever.
        kind: ``interest``, ``start``, ``finish`` or ``dislike``.
    """

    name: str
    weight: float
    half_life: float | None
    kind: str


@dataclass(frozen=True)
class EventArrays:
    """Events sorted by user, then time; those without a time come first, and equal times go by arrival.

    Attributes:
        users: int32 of shape (n,).
        movies: int32 of shape (n,).
        types: int16 of shape (n,), keys of ``known_types``.
        values: float32 of shape (n,), NaN if there is none.
        occurred_at: int64 of shape (n,), microseconds since 1970, ``NO_TIME`` if unknown.
        known_types: All types by number; 0 is that of ratings.
        sha256: Digest of the events, or None without any.
        newest_at: Time of the newest event, or None.
    """

    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    types: NDArray[np.int16]
    values: NDArray[np.float32]
    occurred_at: NDArray[np.int64]
    known_types: Mapping[int, EventType]
    sha256: str | None
    newest_at: dt.datetime | None

    @property
    def dislikes(self) -> NDArray[np.bool_]:
        """A mask of the events that are dislikes."""
        return np.isin(self.types, [number for number, each in self.known_types.items() if each.kind == "dislike"])

    def without_dislikes(self) -> EventArrays:
        """Return the events of the other kinds."""
        disliking = self.dislikes
        return self.at(~disliking) if disliking.any() else self

    def amounts(self, moment: int) -> NDArray[np.float64]:
        """Return type weight * value * 0.5 ** (age / half-life) of each event, as the SQL function event_pairs does.

        Args:
            moment: Time of which ages are counted, in microseconds since 1970. An event without a time, or later, has
                not aged.
        """
        amounts = np.where(np.isnan(self.values), 1.0, self.values.astype(np.float64))
        for number, known in self.known_types.items():
            mine = np.flatnonzero(self.types == number)
            amounts[mine] *= known.weight
            if known.half_life is not None:
                times = self.occurred_at[mine]
                days = np.where(times == NO_TIME, 0.0, (moment - times.astype(np.float64)) / MICROSECONDS_PER_DAY)
                amounts[mine] *= 0.5 ** np.clip(days / known.half_life, 0.0, _MOST_HALVINGS)
        return amounts

    def at(self, kept: NDArray[np.bool_]) -> EventArrays:
        """Return the events under a mask."""
        columns = {name: getattr(self, name)[kept] for name in ("users", "movies", "types", "values", "occurred_at")}
        return replace(self, **columns)


def read_events(connection: sa.Connection) -> EventArrays:
    """Read all events; users and movies are those of the database, ``user_index`` and ``movie_index``."""
    columns = (
        "array_agg(user_index), array_agg(movie_index), array_agg(event_type), array_agg(coalesce(value, 'NaN')),"
        f" array_agg(coalesce((extract(epoch FROM occurred_at) * 1000000)::bigint, {NO_TIME})), array_agg(event_id),"
        " max(occurred_at)"
    )
    pieces = binary_copy.read_by_blocks(connection, "embrec.events", columns)
    kinds = (np.int32, np.int32, np.int16, np.float32, np.int64, np.int64)
    users, movies, types, values, times, arrivals = (
        np.concatenate([np.empty(0, kind), *(piece[column] for piece in pieces)]).astype(kind, copy=False)
        for column, kind in enumerate(kinds)
    )
    order = np.lexsort((arrivals, times, users))
    users, movies, types, values, times = (column[order] for column in (users, movies, types, values, times))
    digest = hashlib.sha256()
    for column in (users, movies, types, values, times):
        digest.update(np.ascontiguousarray(column).data)
    return EventArrays(
        users=users,
        movies=movies,
        types=types,
        values=values,
        occurred_at=times,
        known_types=_known_types(connection),
        sha256=digest.hexdigest() if len(users) else None,
        newest_at=max((piece[6] for piece in pieces if piece[6] is not None), default=None),
    )


def _known_types(connection: sa.Connection) -> dict[int, EventType]:
    seconds = sa.func.extract("epoch", event_types.c.half_life).label("seconds")
    rows = connection.execute(
        sa.select(event_types.c.event_type, event_types.c.name, event_types.c.weight, event_types.c.kind, seconds)
    )
    return {
        row.event_type: EventType(
            row.name, row.weight, None if row.seconds is None else float(row.seconds) / 86_400, row.kind
        )
        for row in rows
    }

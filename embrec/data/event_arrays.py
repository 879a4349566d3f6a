"""Events as arrays, in order of user and time."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec.data.arrays import MICROSECONDS_PER_DAY, NO_TIME
from embrec.db import binary_copy
from embrec.db.tables import event_types
from embrec.models.event_pairs import EventPairs
from embrec.models.sequences import Sequences

# An event ages no further after 200 half-lives, or squares of amounts would underflow.
_MOST_HALVINGS = 200.0


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


# The types of a new database by name, with their weights and kinds, for events that are in no database.
DEFAULT_TYPES = {
    "event": (1.0, "interest"),
    "view": (0.2, "interest"),
    "click": (0.5, "interest"),
    "play": (1.0, "start"),
    "finish": (1.0, "finish"),
    "purchase": (3.0, "interest"),
    "dislike": (1.0, "dislike"),
}


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

    @classmethod
    def of(
        cls,
        users: NDArray[np.int32],
        movies: NDArray[np.int32],
        types: NDArray[np.int16],
        values: NDArray[np.float32],
        occurred_at: NDArray[np.int64],
        type_names: Sequence[str],
    ) -> EventArrays:
        """Return events that are in no database, in the order in which they arrived, each array of shape (n,).

        Types that a new database does not know have weight 1 and the kind interest.

        Args:
            users: Each event's user.
            movies: Each event's movie.
            types: Each event's place in ``type_names``.
            values: NaN if there is none.
            occurred_at: Microseconds since 1970, ``NO_TIME`` if unknown.
            type_names: The names of the types.
        """
        order = np.lexsort((occurred_at, users))
        known = {}
        for number, name in enumerate(type_names, 1):
            weight, kind = DEFAULT_TYPES.get(name, DEFAULT_TYPES["event"])
            known[number] = EventType(name, weight, None, kind)
        return cls(
            users[order],
            movies[order],
            (types[order] + 1).astype(np.int16),
            values[order],
            occurred_at[order],
            known_types=known,
            sha256=None,
            newest_at=None,
        )

    @classmethod
    def none(cls) -> EventArrays:
        """Return no events, for data that have ratings alone."""
        indexes, types = np.empty(0, np.int32), np.empty(0, np.int16)
        values, times = np.empty(0, np.float32), np.empty(0, np.int64)
        return cls(indexes, indexes, types, values, times, known_types={}, sha256=None, newest_at=None)

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

    def pairs(
        self, users: NDArray[np.int32], movies: NDArray[np.int32], moment: int | None = None
    ) -> EventPairs | None:
        """Return the pairs that have events and no rating, or None without any.

        Args:
            users: The user of each rating, int32 of shape (n,).
            movies: The movie of each rating, int32 of shape (n,).
            moment: Time of which ages are counted, in microseconds since 1970; None for that of the newest event.
        """
        rated = (users.astype(np.int64) << 32) | movies
        watched = (self.users.astype(np.int64) << 32) | self.movies
        unrated = self.at(~np.isin(watched, rated, kind="sort"))
        if not len(unrated.users):
            return None
        newest = int(self.occurred_at.max()) if moment is None else moment
        return EventPairs.of(unrated.users, unrated.movies, unrated.amounts(newest), unrated.dislikes)

    def at(self, kept: NDArray[np.bool_]) -> EventArrays:
        """Return the events under a mask."""
        columns = {name: getattr(self, name)[kept] for name in ("users", "movies", "types", "values", "occurred_at")}
        return replace(self, **columns)


def histories(
    users: NDArray[np.int32],
    movies: NDArray[np.int32],
    rated_at: NDArray[np.int64],
    places: NDArray[np.int64],
    events: EventArrays,
    user_count: int,
    movie_count: int,
) -> Sequences:
    """Return the histories of users, of ratings and events.

    A user's steps go by time. Those without a time are the oldest. Of equal times ratings come first, by their places,
    then events in the order in which they arrived.

    Args:
        users: int32 of shape (n,), each rating's user, sorted by user, then movie.
        movies: int32 of shape (n,), each rating's movie.
        rated_at: int64 of shape (n,), microseconds since 1970, ``NO_TIME`` if there is none.
        places: Each rating's place by :func:`place_among_ties`, int64 of shape (n,).
        events: Events of the same users and movies.
        user_count: Number of users.
        movie_count: Number of movies.
    """
    events = events.without_dislikes()
    users = np.concatenate([users, events.users])
    movies = np.concatenate([movies, events.movies])
    types = np.concatenate([np.zeros(len(rated_at), np.int16), events.types])
    times = np.concatenate([rated_at, events.occurred_at])
    places = np.concatenate([places, np.zeros(len(events.users), np.int64)])
    order = np.lexsort((places, times, users))  # stable, and the events are in order already
    days = np.where(times == NO_TIME, np.nan, times / MICROSECONDS_PER_DAY)
    return Sequences.of(users[order], movies[order], types[order], days[order], user_count, movie_count)


def place_among_ties(user_indexes: NDArray[np.int32], movie_indexes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return what the SQL function of this name does: the place of each rating among its user's of the same time.

    Args:
        user_indexes: The database's index of each rating's user, int32 of shape (n,).
        movie_indexes: That of its movie.

    Returns:
        Negative numbers, int64 of shape (n,).
    """
    mask = 2**31 - 1
    scrambled = ((movie_indexes.astype(np.int64) * 2654435761) & mask) ^ (
        (user_indexes.astype(np.int64) * 1640531527) & mask
    )
    return ((scrambled * 2246822519) & mask) - 2**31


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

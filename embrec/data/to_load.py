"""Rows that were read, ratings or events, as the columns of the tables that a load fills."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec.data import scale as scales
from embrec.data.arrays import NO_TIME, key_order
from embrec.data.ids import map_types
from embrec.data.reading import EventRows, RatingRows
from embrec.data.targets import EVENTS_TABLE, RATINGS_TABLE
from embrec.db import copy_format
from embrec.errors import ConflictError, DataError

Columns = dict[str, copy_format.Column]
Chosen = NDArray[np.int64] | slice


class RatingsToLoad:
    """Ratings, of which the newest of each user and movie is stored, and which keep to a scale."""

    target = RATINGS_TABLE

    def __init__(self, rows: RatingRows, given: scales.Scale | None, name: str) -> None:
        self.rows, self._given, self._name = rows, given, name
        self.types: tuple[str, ...] = ()
        self.new_types: tuple[str, ...] = ()

    def chosen(self) -> Chosen:
        """Return the positions of the newest rating of each user and movie, ordered by user, then movie.

        A rating without a time is the oldest; among equals the last in the input wins.
        """
        rows, count = self.rows, len(self.rows.ratings)
        position_bits, movie_bits = count.bit_length(), len(rows.movie_ids).bit_length()
        if position_bits + movie_bits + len(rows.user_ids).bit_length() < 64:
            # One integer sort, many times faster than a stable sort by several keys.
            packed = (rows.users.astype(np.int64) << movie_bits) | rows.movies
            packed = np.sort((packed << position_bits) | np.arange(count))
            order = packed & ((1 << position_bits) - 1)
            pair = packed >> position_bits
        else:
            order = np.lexsort((rows.movies, rows.users))
            pair = (rows.users[order].astype(np.int64) << 32) | rows.movies[order]
        same_as_next = pair[1:] == pair[:-1]
        if same_as_next.any():
            several = np.flatnonzero(np.append(same_as_next, False) | np.append(False, same_as_next))
            order[several] = order[several][np.lexsort((order[several], rows.rated_at[order[several]], pair[several]))]
        latest: NDArray[np.int64] = order[~np.append(same_as_next, False)]
        return latest

    def sets_scale(self, connection: sa.Connection) -> bool:
        """Return whether no scale is on record yet; then add_rating, which reads it, waits for the load."""
        return scales.get_rating_scale(connection) is None

    def begin(self, connection: sa.Connection) -> None:
        """Check that the scale, by which the ratings were read, still holds.

        Raises:
            ConflictError: It was changed meanwhile.
        """
        if scales.for_loading(connection, self._given).beyond(self.rows.ratings).any():
            raise ConflictError(
                "The scale of ratings was changed while these were read. Nothing was stored; load again."
            )

    def columns(self, users: NDArray[np.int32], movies: NDArray[np.int32], chosen: Chosen) -> Columns:
        """Return the columns in the order of the key, which fills the index four times faster.

        Args:
            users: The index of each of the rows' users.
            movies: The index of each of the rows' movies.
            chosen: What :meth:`chosen` returned.
        """
        users, movies = users[self.rows.users[chosen]], movies[self.rows.movies[chosen]]
        order = key_order(users, movies)
        rated_at = self.rows.rated_at[chosen][order]
        return {
            "user_index": users[order],
            "movie_index": movies[order],
            "rating": self.rows.ratings[chosen][order],
            **_times("rated_at", rated_at),
        }

    def finish(self, connection: sa.Connection) -> None:
        """Put the scale on record."""
        scales.keep(connection, self._name, self._given)


class EventsToLoad:
    """Events, which are stored in the order of the input, one for an external id."""

    target = EVENTS_TABLE

    def __init__(self, rows: EventRows, given: scales.Scale | None, name: str) -> None:
        if given is not None:
            raise DataError(f"{name} has events, and a scale is one of ratings. Load it without --scale.")
        self.rows = rows
        self.types = tuple(rows.type_names)
        self.new_types: tuple[str, ...] = ()
        self._type_numbers: NDArray[np.int16] = np.zeros(0, np.int16)

    def chosen(self) -> Chosen:
        """Return the positions of the events but those whose external id was there before."""
        if self.rows.external_ids is None:
            return slice(None)
        encoded = self.rows.external_ids.dictionary_encode()
        codes = pc.fill_null(encoded.indices, -1).to_numpy()
        if len(encoded.dictionary) == np.count_nonzero(codes >= 0):
            return slice(None)
        first = np.unique(codes, return_index=True)[1]
        kept = codes < 0
        kept[first] = True
        return np.flatnonzero(kept)

    def sets_scale(self, connection: sa.Connection) -> bool:
        """Return False: events have no scale."""
        return False

    def begin(self, connection: sa.Connection) -> None:
        """Give numbers to the types."""
        self._type_numbers, self.new_types = map_types(connection, self.types)

    def columns(self, users: NDArray[np.int32], movies: NDArray[np.int32], chosen: Chosen) -> Columns:
        """Return the columns in the order of the input, as :meth:`RatingsToLoad.columns` has its own."""
        rows = self.rows
        values = rows.values[chosen]
        columns = {
            "user_index": users[rows.users[chosen]],
            "movie_index": movies[rows.movies[chosen]],
            "event_type": self._type_numbers[rows.types[chosen]],
            **_nullable("value", values, np.isnan(values)),
            **_times("occurred_at", rows.occurred_at[chosen]),
        }
        if rows.external_ids is not None:
            ids = rows.external_ids
            columns["external_id"] = ids if isinstance(chosen, slice) else ids.take(pa.array(chosen))
        return columns

    def finish(self, connection: sa.Connection) -> None:
        """Do nothing: events have no scale."""


def _times(name: str, times: NDArray[np.int64]) -> Columns:
    return _nullable(name, copy_format.timestamps(times), times == NO_TIME)


def _nullable(name: str, values: NDArray[Any], absent: NDArray[np.bool_]) -> Columns:
    """Return a column with its NULLs masked; none at all if it has only NULLs."""
    if absent.all():
        return {}
    return {name: np.ma.masked_array(values, absent) if absent.any() else values}

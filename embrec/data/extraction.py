"""Extracts ratings and events: contiguous arrays, from one snapshot, in an order that depends on nothing else."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import db
from embrec.data.arrays import NO_TIME, key_order
from embrec.data.event_arrays import EventArrays, histories, place_among_ties, read_events
from embrec.db import Bind, binary_copy
from embrec.db.tables import movies
from embrec.errors import DataError
from embrec.models.base import Ratings
from embrec.models.event_pairs import EventPairs
from embrec.models.features import content_features, movie_features, user_features
from embrec.models.sequences import Sequences

# Fingerprints are computed for 50,000 users at a time: their ratings need a few hundred megabytes at most.
_FINGERPRINTED_USERS = 50_000


@dataclass(frozen=True)
class RatingArrays:
    """Ratings for training, sorted by user, then movie; users and movies without ratings or events are not in it.

    Attributes:
        users: int32 of shape (n,), each rating's user as 0 .. user_count - 1.
        movies: int32 of shape (n,), each rating's movie as 0 .. movie_count - 1.
        ratings: float32 of shape (n,).
        user_indexes: int32 of shape (user_count,), the database's user_index of each user.
        movie_indexes: int32 of shape (movie_count,), the database's movie_index of each movie.
        movie_ids: Each movie's external id.
        movie_genres: Each movie's genres.
        movie_years: Each movie's release year, or None.
        movie_content: Content vectors, float32 of shape (movie_count, dimensions), NaN for a movie without one.
        user_labels: The users with each label: int32 of shape (n,), 0 .. user_count - 1, ascending.
        newest_rating_at: Time of the newest rating, or None where no rating has a time.
        sha256: Digest of the ratings and their indexes.
        rated_at: int64 of shape (n,), microseconds since 1970, ``NO_TIME`` if there is none; empty unless asked for.
        events: The events of the same users and movies.
    """

    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    ratings: NDArray[np.float32]
    user_indexes: NDArray[np.int32]
    movie_indexes: NDArray[np.int32]
    movie_ids: list[str]
    movie_genres: list[list[str]]
    movie_years: list[int | None]
    movie_content: NDArray[np.float32]
    user_labels: dict[str, NDArray[np.int32]]
    newest_rating_at: dt.datetime | None
    sha256: str
    rated_at: NDArray[np.int64]
    events: EventArrays

    def for_models(self) -> Ratings:
        """Return the ratings in a model's form, with the events, side information and content."""
        return Ratings(
            self.users,
            self.movies,
            self.ratings,
            len(self.user_indexes),
            len(self.movie_indexes),
            movie_features(self.movie_genres, self.movie_years),
            user_features(self.user_labels),
            id_places(self.movie_ids),
            self.event_pairs(),
            content_features(self.movie_content),
        )

    @property
    def scale(self) -> tuple[float, float]:
        """The lowest and the highest rating; (0, 0) without ratings."""
        return (float(self.ratings.min()), float(self.ratings.max())) if len(self.ratings) else (0.0, 0.0)

    def event_pairs(self, moment: int | None = None) -> EventPairs | None:
        """Return the pairs that have events and no rating, or None without any.

        Args:
            moment: Time of which ages are counted, in microseconds since 1970; None for that of the newest event.
        """
        return self.events.pairs(self.users, self.movies, moment)

    def fingerprints(self) -> NDArray[np.int64]:
        """Return what the SQL function ratings_fingerprint does, int64 of shape (user_count,).

        That of a user without ratings, which is NULL there, is 0.
        """
        raters, starts = np.unique(self.users, return_index=True)
        found = np.empty(len(starts), np.int64)
        for begin in range(0, len(starts), _FINGERPRINTED_USERS):
            chosen = starts[begin : begin + _FINGERPRINTED_USERS]
            end = starts[begin + len(chosen)] if begin + len(chosen) < len(starts) else len(self.users)
            part = slice(chosen[0], end)
            movie = self.movie_indexes[self.movies[part]].astype(np.int64)
            bits = self.ratings[part].view(np.uint32).astype(np.int64)
            movie, rating = ((movie * 2654435761) & (2**31 - 1)) + 1, bits * 1640531527 % 2147483629 + 1
            found[begin : begin + len(chosen)] = np.bitwise_xor.reduceat(movie * rating, chosen - chosen[0])
        prints = np.zeros(len(self.user_indexes), np.int64)
        prints[raters] = found
        return prints

    def sequences(self) -> Sequences:
        """Return the histories of users, of ratings and events; the ratings must have been read with their times."""
        counts = len(self.user_indexes), len(self.movie_indexes)
        places = place_among_ties(self.user_indexes[self.users], self.movie_indexes[self.movies])
        return histories(self.users, self.movies, self.rated_at, places, self.events, *counts)


def extract(bind: Bind, with_times: bool = False) -> RatingArrays:
    """Read all ratings and events as arrays, from one snapshot.

    Args:
        bind: An engine or a connection.
        with_times: True to read the time of each rating too.

    Returns:
        The ratings in an order that depends on nothing but the ratings.

    Raises:
        DataError: There are no ratings.
        SchemaError: The schema is absent or behind.
    """
    with db.begin(bind) as connection:
        db.require_schema(connection)
        columns = "array_agg(user_index), array_agg(movie_index), array_agg(rating), max(rated_at)"
        if with_times:
            columns += f", array_agg(coalesce((extract(epoch FROM rated_at) * 1000000)::bigint, {NO_TIME}))"
        pieces = binary_copy.read_by_blocks(connection, "embrec.ratings", columns)
        known = {
            row.movie_index: row
            for row in connection.execute(
                sa.select(movies.c.movie_index, movies.c.movie_id, movies.c.genres, movies.c.release_year)
            )
        }
        labels = binary_copy.query_arrays(
            connection,
            "SELECT label, array_agg(user_index) FROM embrec.users, unnest(labels) AS label"
            " WHERE label IS NOT NULL GROUP BY label",
        )
        having = dict(labels)
        content = _read_content(connection)
        events = read_events(connection)
    if not pieces and not len(events.users):
        raise DataError("There are no ratings or events in the database. Run: embrec load ml-100k, or embrec load PATH")
    empty = [(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32), None, np.empty(0, np.int64))]
    pieces = pieces or empty
    user_column, movie_column, ratings = (np.concatenate([piece[column] for piece in pieces]) for column in range(3))
    order = key_order(user_column, movie_column)
    user_column, movie_column, ratings = user_column[order], movie_column[order], ratings[order]
    digest = hashlib.sha256()
    for column in (user_column, movie_column, ratings):
        digest.update(np.ascontiguousarray(column).data)
    user_indexes, movie_indexes = _occurring(user_column, events.users), _occurring(movie_column, events.movies)
    newest = max((piece[3] for piece in pieces if piece[3] is not None), default=None)
    return RatingArrays(
        users=_numbers(user_column, user_indexes),
        movies=_numbers(movie_column, movie_indexes),
        ratings=ratings,
        user_indexes=user_indexes,
        movie_indexes=movie_indexes,
        movie_ids=[known[index].movie_id for index in movie_indexes.tolist()],
        movie_genres=[known[index].genres for index in movie_indexes.tolist()],
        movie_years=[known[index].release_year for index in movie_indexes.tolist()],
        movie_content=_content_of(movie_indexes, *content),
        user_labels={label: _numbers_of(indexes, user_indexes) for label, indexes in having.items()},
        newest_rating_at=newest,
        sha256=digest.hexdigest(),
        rated_at=np.concatenate([piece[4] for piece in pieces])[order] if with_times else np.array([], np.int64),
        events=dataclasses.replace(
            events, users=_numbers(events.users, user_indexes), movies=_numbers(events.movies, movie_indexes)
        ),
    )


def _read_content(connection: sa.Connection) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Read movies' indexes and content vectors, of the length that most have."""
    length = f"{db.extension_schema(connection)}.vector_dims(embedding)"
    query = f"SELECT mode() WITHIN GROUP (ORDER BY {length}) FROM embrec.movie_content"
    dimensions = connection.scalar(sa.text(query)) or 0
    chosen = f"FILTER (WHERE {length} = {dimensions})"
    columns = f"array_agg(movie_index) {chosen}, array_agg(embedding) {chosen}"
    pieces = binary_copy.read_by_blocks(connection, "embrec.movie_content", columns)
    indexes = [np.empty(0, np.int32), *(piece[0] for piece in pieces)]
    vectors = [np.empty((0, dimensions), np.float32), *(piece[1] for piece in pieces)]
    return np.concatenate(indexes), np.concatenate(vectors)


def _content_of(
    movie_indexes: NDArray[np.int32], indexes: NDArray[np.int32], vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the content vectors of movies in their order, NaN for those without."""
    found = np.full((len(movie_indexes), vectors.shape[1]), np.nan, np.float32)
    _, here, there = np.intersect1d(movie_indexes, indexes, assume_unique=True, return_indices=True)
    found[here] = vectors[there]
    return found


def id_places(movie_ids: Sequence[str]) -> NDArray[np.int64]:
    """Return the place of each movie in the order of external ids, by their bytes, as the collation C sorts them."""
    return np.argsort(np.argsort(np.array([each.encode() for each in movie_ids], object)))


def _occurring(*columns: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the indexes that occur in some column, ascending, each once."""
    size = max(int(column.max(initial=-1)) for column in columns) + 1
    found = np.zeros(size, bool)
    for column in columns:
        found[column] = True
    return np.flatnonzero(found).astype(np.int32)


def _numbers(indexes: NDArray[np.int32], occurring: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the place of each index among those that occur."""
    number = np.empty(int(occurring[-1]) + 1, dtype=np.int32)
    number[occurring] = np.arange(len(occurring), dtype=np.int32)
    return number[indexes]


def _numbers_of(indexes: NDArray[np.int32], occurring: NDArray[np.int32]) -> NDArray[np.int32]:
    """The numbers of those indexes that occur, ascending, each once."""
    indexes = np.unique(indexes)
    numbers = np.searchsorted(occurring, indexes).clip(max=len(occurring) - 1)
    found: NDArray[np.int32] = numbers[occurring[numbers] == indexes].astype(np.int32)
    return found

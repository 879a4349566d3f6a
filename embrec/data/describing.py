"""Loads movies by themselves: what they are called, and what they are, as content vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import sqlalchemy as sa

from embrec import db
from embrec.data.files.movies import Movie, check_movie
from embrec.data.ids import map_ids
from embrec.data.merge import count_loaded, describe_movies, lock_indexes, prefer_lookups
from embrec.db import Bind
from embrec.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class MoviesReport:
    """The result of loading movies.

    Attributes:
        read: Movies in the input.
        new_movies: Movies seen for the first time.
        with_content: Movies in the database that have a content vector.
        years_left_out: Release years that were stored as unknown, because they are none between 1800 and 2199.
    """

    read: int
    new_movies: int
    with_content: int
    years_left_out: int


def load_movies(bind: Bind, movies: list[Movie] | pd.DataFrame) -> MoviesReport:
    """Load movies without ratings: titles, genres, years and content, of new movies and of known ones.

    What an input does not say of a movie stays as it is.

    Args:
        bind: An engine, or a connection whose transaction is the caller's.
        movies: The movies, or a DataFrame with the column movie_id and, if known, title, genres, release_year, and
            content (numbers in a list or an array) or text.

    Returns:
        Counts of what happened.

    Raises:
        BadRowError: A row is no movie.
        DataError: There are no movies, or their content is not as long as that of other movies.
        SchemaError: The schema is absent or behind.
    """
    found = _movies(movies)
    if not found:
        raise DataError("The input has no movies. Nothing was stored; name one that has rows.")
    with db.begin(bind) as connection:
        db.require_schema(connection)
        lock_indexes(connection)
        prefer_lookups(connection)
        ids = pa.array(list(dict.fromkeys(movie.movie_id for movie in found)), pa.string())
        _, new = map_ids(connection, "movie", ids)
        years_left_out = describe_movies(connection, found)
        told = connection.scalar(sa.text("SELECT count(*) FROM embrec.movie_content")) or 0
    if new:
        count_loaded(bind)
    return MoviesReport(len(found), new, told, years_left_out)


def _movies(movies: list[Movie] | pd.DataFrame) -> list[Movie]:
    if not isinstance(movies, list):
        from embrec.data.files.frames import check_frame, frame_movies

        check_frame(movies, "Movies", ("movie_id",))
        return frame_movies(movies, "DataFrame of movies")
    return [check_movie(movie, "movies", 1 + row) for row, movie in enumerate(movies)]

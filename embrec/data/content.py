"""Content vectors of movies in the database: all of one length, changed only by a vector that differs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from embrec import db
from embrec.data.files.movies import Movie
from embrec.db import binary_copy
from embrec.errors import DataError


def store_content(connection: sa.Connection, movies: Sequence[Movie]) -> None:
    """Write the content vectors of movies that the database has; a movie without one keeps what it has.

    Args:
        connection: The transaction to write in; the caller has locked out other loads.
        movies: The movies, none twice.

    Raises:
        DataError: The vectors are not as long as those of other movies.
    """
    told = [(movie.movie_id, movie.content) for movie in movies if movie.content is not None]
    if not told:
        return
    pgvector = db.extension_schema(connection)
    staged = "pg_temp.embrec_content"
    connection.execute(
        sa.text(f"CREATE TEMP TABLE embrec_content (movie_id text, embedding {pgvector}.vector) ON COMMIT DROP")
    )
    for length in sorted({len(vector) for _, vector in told}):
        of_length = [(movie, vector) for movie, vector in told if len(vector) == length]
        ids = pa.array([movie for movie, _ in of_length], pa.large_string())
        vectors = np.array([vector for _, vector in of_length], np.float32)
        binary_copy.copy_arrays(connection, f"{staged} (movie_id, embedding)", [ids, vectors])
    connection.execute(
        sa.text(
            "INSERT INTO embrec.movie_content AS c (movie_index, embedding)"
            f" SELECT m.movie_index, s.embedding FROM {staged} AS s JOIN embrec.movies AS m USING (movie_id)"
            " ON CONFLICT (movie_index) DO UPDATE SET embedding = excluded.embedding, changed_at = excluded.changed_at"
            f" WHERE {pgvector}.vector_ne(c.embedding, excluded.embedding)"
        )
    )
    connection.execute(sa.text(f"DROP TABLE {staged}"))
    _require_one_length(connection, pgvector)


def _require_one_length(connection: sa.Connection, pgvector: str) -> None:
    """Raise DataError if content vectors in the database are of two lengths."""
    lengths = connection.execute(
        sa.text(
            f"SELECT {pgvector}.vector_dims(embedding) AS length, count(*) FROM embrec.movie_content"
            " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 2"
        )
    ).all()
    if len(lengths) > 1:
        (most, number), (other, few) = lengths
        raise DataError(
            f"Content vectors have one length, and {number:,} movies would have {most:,} numbers and {few:,} movies "
            f"{other:,}. Nothing was stored; load the content of all movies, if need be after: DELETE FROM "
            "embrec.movie_content"
        )

"""Batch recommendations: the top n movies of every user by the published run, into a file or a table.

Every run's score is written as the dot product of a user vector and a movie vector. A block of users at a time is
multiplied with all movies in single precision, which finds the candidates for the top n. Only the candidates are
scored in double precision, so that movies with the same vector tie exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import db, validation
from embrec.data.extraction import RatingArrays, extract
from embrec.data.reading import ahead
from embrec.db import Bind, binary_copy
from embrec.errors import NoPublishedRunError, RunError
from embrec.models.interactions import Interactions
from embrec.runs import embeddings, ranking_vectors, records
from embrec.runs.records import ModelRun
from embrec.serving import outputs
from embrec.serving.outputs import open_output

# At most 2 million scores in a block, 8 MB: they fit a processor's cache, and a block several times as big is slower.
_BLOCK_SCORES = 1 << 21
# Number of scores in a group: the search for candidates among thousands of scores takes only each group's maximum.
_GROUP = 16
# At most 262,144 rows are written at a time, about 10 MB.
_PIECE_ROWS = 1 << 18


@dataclass(frozen=True)
class BatchReport:
    """The counts of a batch of recommendations.

    Attributes:
        model_run_id: The run that ranked.
        users: Number of users with recommendations.
        rows: Number of recommendations.
        without: Number of users with ratings but no recommendations. The run has no vector of any movie they rated,
            they dislike all of those, these tell nothing about other movies, or they rated every movie that it has.
    """

    model_run_id: int
    users: int
    rows: int
    without: int


class _Ranking(NamedTuple):
    """The vectors whose dot products are the scores.

    Attributes:
        movie_indexes: Indexes of the movies, int32 of shape (movies,), ascending.
        movies: Vectors of the movies, float32 of shape (movies, width).
        popularity: Place of each movie in the order of popularity, int64 of shape (movies,), to break ties by.
        users: Function from a slice of the extracted users to their vectors, float32 of shape (users, width). A user
            without any rating that the run can use has NaN.
    """

    movie_indexes: NDArray[np.int32]
    movies: NDArray[np.float32]
    popularity: NDArray[np.int64]
    users: Callable[[slice], NDArray[np.float32]]


class _Recommendations(NamedTuple):
    """The recommendations, sorted by user and rank; arrays of shape (n,).

    Users are positions in ``arrays.user_indexes``, movies are positions in ``ranking.movie_indexes``.
    """

    users: NDArray[np.int32]
    ranks: NDArray[np.int32]
    movies: NDArray[np.int32]
    scores: NDArray[np.float64]


def recommend_all(
    bind: Bind,
    output: str | Path,
    n: int = 10,
    include_rated: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> BatchReport:
    """Write the top n movies of every user who has ratings or events, by the published run.

    A run with a ranking model scores as the SQL function recommend_movies does, from current ratings and events.
    ALS scores by the stored user vectors, and solves for users newer than its training. A user whom recommend_movies
    answers by popularity gets no rows: one without any rating of a movie that the run has, or with dislikes alone.

    Args:
        bind: An engine, or a connection whose transaction is the caller's.
        output: A file ending in ``.parquet`` or ``.csv``, with the columns user_id, rank (from 1), movie_id, score and
            model_run_id; or a table as ``schema.table``, with title as well, which is created if it does not exist.
            Earlier contents are replaced as a whole at the end, and kept if writing fails.
        n: Number of movies for a user; all that qualify if there are fewer.
        include_rated: True to include movies that the user has rated or watched.
        progress: Called with the number of users done, and of all users.

    Returns:
        The numbers of users and rows written.

    Raises:
        ConfigError: Nothing can be written to ``output``.
        NoPublishedRunError: No run is published.
        RunError: The published run cannot rank for many users at once.
        DataError: There are no ratings or events.
        SchemaError: The schema is absent or behind.
    """
    n = validation.count(n, least=1)
    with open_output(bind, output) as write:
        with db.begin(bind) as connection:
            db.require_schema(connection)
            run = _published_run(connection)
            arrays = extract(connection)
            ranking = _ranking(connection, run, arrays)
            # Read the ids last: every user and movie read before has one by then.
            (user_ids,) = _texts(connection, "user", "user_id", arrays.user_indexes)
            movie_ids, titles = _texts(connection, "movie", "movie_id, title", ranking.movie_indexes)
        users = rows = 0
        for done, best in ahead(_pieces(arrays, ranking, n, include_rated)):
            texts = user_ids.take(best.users), movie_ids.take(best.movies), titles.take(best.movies)
            write(outputs.rows(*texts, best.ranks, best.scores, run.model_run_id))
            users += int(np.count_nonzero(best.ranks == 1))
            rows += len(best.ranks)
            progress(done, len(arrays.user_indexes))
    return BatchReport(run.model_run_id, users, rows, len(arrays.user_indexes) - users)


def _published_run(connection: sa.Connection) -> ModelRun:
    published = records.published_run_id(connection)
    if published is None:
        raise NoPublishedRunError()
    return records.get_run(connection, published)


def _ranking(connection: sa.Connection, run: ModelRun, arrays: RatingArrays) -> _Ranking:
    if run.serving == "two_part":
        return _by_preference(connection, run, arrays)
    if run.serving == "dot_product":
        return _by_predicted_rating(connection, run, arrays)
    lacking = (
        "dense layers rank for one user at a time" if run.serving == "dense_head" else "vectors only compare movies"
    )
    raise RunError(
        f"Published run {run.model_run_id} is of {run.architecture}, whose {lacking}. "
        "Train and publish another model: embrec train"
    )


def _by_preference(connection: sa.Connection, run: ModelRun, arrays: RatingArrays) -> _Ranking:
    """Rank by the ranking model."""
    movies = embeddings.read(connection, run.model_run_id, "movie", "preference")
    profiles = embeddings.read(connection, run.model_run_id, "movie", "profile")
    users = ranking_vectors.of_users(run, arrays, profiles)
    return _Ranking(movies.indexes, movies.vectors, _popularity(connection, movies.indexes), users)


def _by_predicted_rating(connection: sa.Connection, run: ModelRun, arrays: RatingArrays) -> _Ranking:
    """Rank by predicted ratings: mean, biases and dot product, as one product of longer vectors.

    These are [vector, mean + bias, 1] of a user and [vector, 1, bias] of a movie.
    """
    movies = embeddings.read(connection, run.model_run_id, "movie")
    users = _user_vectors(connection, run, arrays)
    user_rows = np.insert(users, users.shape[1], 1.0, axis=1)
    movie_biases = np.zeros(len(movies.indexes)) if movies.biases is None else movies.biases
    movie_rows = np.column_stack([movies.vectors, np.ones_like(movie_biases), movie_biases]).astype(np.float32)
    popularity = _popularity(connection, movies.indexes)
    return _Ranking(movies.indexes, movie_rows, popularity, lambda block: user_rows[block])


def _popularity(connection: sa.Connection, movie_indexes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the place of each movie in the order of popularity, by which SQL breaks ties too."""
    query = sa.text(
        'SELECT array_agg(m.movie_index ORDER BY l.popularity_rank, m.movie_id COLLATE "C")'
        " FROM embrec.movies AS m LEFT JOIN embrec.movie_likes AS l ON l.movie_index = m.movie_index"
    )
    order = np.array(connection.scalar(query), np.int64)
    return np.argsort(order)[movie_indexes]


def _user_vectors(connection: sa.Connection, run: ModelRun, arrays: RatingArrays) -> NDArray[np.float32]:
    """Return [vector, mean + bias] of the extracted users: the stored ones, or solved for users newer than the run."""
    stored = embeddings.read(connection, run.model_run_id, "user")
    place = ranking_vectors.positions(arrays.user_indexes, stored.indexes)
    biases = np.zeros(len(stored.indexes), np.float32) if stored.biases is None else stored.biases
    found = np.column_stack([stored.vectors, biases])[place]
    solve = sa.text(
        "SELECT CAST(embrec.user_rating_vector(:run, asked.user_index) AS real[])"
        " FROM unnest(CAST(:users AS integer[])) WITH ORDINALITY AS asked (user_index, position) ORDER BY position"
    )
    new = np.flatnonzero(place < 0)
    values = {"run": run.model_run_id, "users": arrays.user_indexes[new].tolist()}
    for user, solved in zip(new, connection.scalars(solve, values), strict=True):
        found[user] = np.nan if solved is None else solved
    found[:, :-1] = ranking_vectors.without_noise(found[:, :-1], run)
    found[new, -1] *= run.bias_feature or 1.0
    found[:, -1] += run.mean
    return np.asarray(found, np.float32)


def _pieces(
    arrays: RatingArrays, ranking: _Ranking, n: int, include_rated: bool
) -> Iterator[tuple[int, _Recommendations]]:
    """Yield the recommendations of many users at a time, with the number of users done."""
    count = len(arrays.user_indexes) if len(ranking.movies) else 0
    column = ranking_vectors.positions(arrays.movie_indexes, ranking.movie_indexes)
    seen = None if include_rated else ranking_vectors.interactions(arrays)
    at_once = max(_PIECE_ROWS // n, 1)
    in_block = min(max(_BLOCK_SCORES // max(len(ranking.movies), 1), 1), at_once)
    for begin in range(0, count, at_once):
        end = min(begin + at_once, count)
        blocks = [slice(start, min(start + in_block, end)) for start in range(begin, end, in_block)]
        found = [_best_of(ranking, block, seen, column, n) for block in blocks]
        yield end, _Recommendations(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _best_of(
    ranking: _Ranking, block: slice, seen: Interactions | None, column: NDArray[np.int64], n: int
) -> _Recommendations:
    """Return the recommendations of a block of users, of whom the run can tell any, without the movies seen."""
    users, movies = ranking.users(block), ranking.movies
    scores = users @ movies.T
    if seen is not None:
        mine, _ = ranking_vectors.of_block(seen, block)
        columns = column[mine.movies]
        known = columns >= 0
        scores[mine.users[known] - block.start, columns[known]] = -np.inf
    user, movie = _candidates(scores, n, _rounding(users, movies))
    exact = np.einsum("nd,nd->n", users[user], movies[movie], dtype=np.float64)
    order = np.lexsort((ranking.popularity[movie], -exact, user))
    user, movie, exact = user[order], movie[order], exact[order]
    first = np.searchsorted(user, user)
    rank = np.arange(len(user)) - first
    kept = (rank < n) & (exact[first] != 0)  # nobody who rated the movies of such a user rated others
    return _Recommendations(
        (user[kept] + block.start).astype(np.int32),
        (rank[kept] + 1).astype(np.int32),
        movie[kept].astype(np.int32),
        exact[kept],
    )


def _candidates(
    scores: NDArray[np.float32], n: int, rounding: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the scores that may be among a row's n highest, allowing for rounding errors."""
    groups = scores.shape[1] // _GROUP
    # n group maxima reach the n-th highest maximum, so at least n scores do. With many more than n groups that
    # threshold is hardly lower than the n-th highest score.
    many = groups >= 4 * n
    high = scores[:, : groups * _GROUP].reshape(len(scores), _GROUP, groups).max(axis=1) if many else scores
    last = high.shape[1] - min(n, high.shape[1])
    threshold = np.partition(high, last, axis=1)[:, last] - 2 * rounding
    # Rated movies have -inf and are never candidates. A user without a vector has a threshold of NaN, which no score
    # reaches.
    reached = scores >= np.maximum(threshold, np.finfo(np.float32).min)[:, np.newaxis]
    return np.divmod(np.flatnonzero(reached), scores.shape[1])  # much faster than nonzero


def _rounding(users: NDArray[np.float32], movies: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an upper bound of the rounding error of each user's scores, float32 of shape (users,)."""
    longest = np.linalg.norm(movies, axis=1).max()
    return np.asarray(movies.shape[1] * np.finfo(np.float32).eps / 2 * longest * np.linalg.norm(users, axis=1))


def _texts(connection: sa.Connection, side: str, columns: str, wanted: NDArray[np.int32]) -> list[pa.StringArray]:
    """Return text columns of the users or movies with the wanted indexes, in that order."""
    selected = ", ".join(f"array_agg({column})" for column in columns.split(", "))
    pieces = binary_copy.read_by_blocks(connection, f"embrec.{side}s", f"array_agg({side}_index), {selected}")
    indexes = np.concatenate([piece[0] for piece in pieces])
    order = np.argsort(indexes)
    place = order[np.searchsorted(indexes, wanted, sorter=order)]
    texts = zip(*(piece[1:] for piece in pieces), strict=True)
    return [pa.array([text for part in parts for text in part], pa.string()).take(pa.array(place)) for parts in texts]

"""Recommends for everybody at once: the best movies of every user by the published run, to a file or a table.

Whatever a run ranks by is written as the product of a row for the user and a row for the movie. A block of users at a
time is multiplied with all movies in single precision, which finds the movies that can be among the best; the order of
those few comes from double precision, so that movies with the same vector tie exactly.
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
from embrec.models.base import RatingWeights
from embrec.runs import embeddings, records
from embrec.runs.records import ModelRun
from embrec.serving import outputs
from embrec.serving.outputs import open_output

# Scores of a block, 8 MB of them: a processor's cache holds that much, and several times more are slower.
_BLOCK_SCORES = 1 << 21
# Of so many scores only the highest is looked at when the best of thousands are sought.
_GROUP = 16
# Rows that are written at a time, some 10 MB.
_PIECE_ROWS = 1 << 18


@dataclass(frozen=True)
class BatchReport:
    """What a batch wrote.

    Attributes:
        model_run_id: The run that ranked.
        users: Users with recommendations.
        rows: Recommendations.
        without: Users with ratings who got none: the run knows none of the movies they rated, or they rated all that
            it knows.
    """

    model_run_id: int
    users: int
    rows: int
    without: int


class _Ranking(NamedTuple):
    """What movies are ranked by.

    Attributes:
        movie_indexes: int32 of shape (movies,), ascending.
        movies: float32 of shape (movies, width).
        users: Rows of the users in a slice of the extracted ones, float32 of shape (users, width); NaN where the run
            knows nothing of a user.
    """

    movie_indexes: NDArray[np.int32]
    movies: NDArray[np.float32]
    users: Callable[[slice], NDArray[np.float32]]


class _Best(NamedTuple):
    """Recommendations in order of user and rank: int32 of shape (n,), of which users and movies are positions."""

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
    """Write the n best movies of every user who has ratings, by the published run.

    A run with a preference part answers as the SQL function recommend_movies does, from the ratings as they are now.
    Matrix factorisation answers by the users' stored vectors, and solves for the users who came after its training.
    Users of whom the run knows nothing get no rows.

    Args:
        bind: An engine, or a connection whose transaction is the caller's.
        output: A file ending in ``.parquet`` or ``.csv``, with the columns user_id, rank (from 1), movie_id, score and
            model_run_id; or a table as ``schema.table``, with title besides, which is made where there is none. What
            was there before is replaced whole at the end, or stays as it was.
        n: How many; all that there are where it is more.
        include_rated: Whether to recommend also what a user has rated.
        progress: Called with how many users are done, and of how many.

    Returns:
        Counts of what was written.

    Raises:
        ConfigError: Nothing can be written to ``output``.
        NoPublishedRunError: No run is published.
        RunError: The published run cannot rank for many users at once.
        DataError: There are no ratings.
        SchemaError: The schema is absent or behind.
    """
    n = validation.count(n, least=1)
    with open_output(bind, output) as write:
        with db.begin(bind) as connection:
            db.require_schema(connection)
            run = _published_run(connection)
            arrays = extract(connection)
            ranking = _ranking(connection, run, arrays)
            # Read last, when every user and movie met so far has a name.
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
    """A user's row is the weighted sum of the profiles of the movies rated, as preference_vector has it in SQL."""
    movies = embeddings.read(connection, run.model_run_id, "movie", "preference")
    profiles = embeddings.read(connection, run.model_run_id, "movie", "profile")
    place = _positions(arrays.movie_indexes, profiles.indexes)
    weights = RatingWeights(run.lowest_rating or 0.0, run.highest_rating or 0.0, run.rating_power or 0.0)

    def users(block: slice) -> NDArray[np.float32]:
        rated, starts = _rated(arrays, block)
        position = place[arrays.movies[rated]]
        known = position >= 0
        weight = np.where(known, weights.of(arrays.ratings[rated]), 0.0).astype(np.float32)
        sums = np.add.reduceat(profiles.vectors[position] * weight[:, np.newaxis], starts, axis=0)
        sums[~np.logical_or.reduceat(known, starts)] = np.nan
        return sums

    return _Ranking(movies.indexes, movies.vectors, users)


def _by_predicted_rating(connection: sa.Connection, run: ModelRun, arrays: RatingArrays) -> _Ranking:
    """Mean, biases and the product of the vectors, as the product of [vector, mean + bias, 1] and [vector, 1, bias]."""
    movies = embeddings.read(connection, run.model_run_id, "movie")
    users = _user_vectors(connection, run, arrays)
    user_rows = np.insert(users, users.shape[1], 1.0, axis=1)
    movie_biases = np.zeros(len(movies.indexes)) if movies.biases is None else movies.biases
    movie_rows = np.column_stack([movies.vectors, np.ones_like(movie_biases), movie_biases]).astype(np.float32)
    return _Ranking(movies.indexes, movie_rows, lambda block: user_rows[block])


def _user_vectors(connection: sa.Connection, run: ModelRun, arrays: RatingArrays) -> NDArray[np.float32]:
    """Vectors and mean + bias of the extracted users: what is stored, and solved for users who came later."""
    stored = embeddings.read(connection, run.model_run_id, "user")
    place = _positions(arrays.user_indexes, stored.indexes)
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
    found[new, -1] *= run.bias_feature or 1.0
    found[:, -1] += run.mean
    return np.asarray(found, np.float32)


def _positions(wanted: NDArray[np.int32], indexes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Where each index stands among others, ascending and at least one; int64 of the same shape, -1 where it is not."""
    place = np.searchsorted(indexes, wanted).clip(0, len(indexes) - 1)
    return np.where(indexes[place] == wanted, place, -1)


def _rated(arrays: RatingArrays, block: slice) -> tuple[slice, NDArray[np.int64]]:
    """The ratings of a block of users, and where each user's begin in them; every user has some."""
    starts = np.searchsorted(arrays.users, np.arange(block.start, block.stop + 1))
    return slice(int(starts[0]), int(starts[-1])), starts[:-1] - starts[0]


def _pieces(arrays: RatingArrays, ranking: _Ranking, n: int, include_rated: bool) -> Iterator[tuple[int, _Best]]:
    """The best movies of all users, many users at a time, with how many users are done."""
    count = len(arrays.user_indexes)
    column = _positions(arrays.movie_indexes, ranking.movie_indexes)
    at_once = max(_PIECE_ROWS // n, 1)
    in_block = min(max(_BLOCK_SCORES // max(len(ranking.movies), 1), 1), at_once)
    for begin in range(0, count, at_once):
        end = min(begin + at_once, count)
        blocks = [slice(start, min(start + in_block, end)) for start in range(begin, end, in_block)]
        found = [_best_of(arrays, ranking, block, column, n, include_rated) for block in blocks]
        yield end, _Best(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _best_of(
    arrays: RatingArrays, ranking: _Ranking, block: slice, column: NDArray[np.int64], n: int, include_rated: bool
) -> _Best:
    """The best movies of a block of users."""
    users, movies = ranking.users(block), ranking.movies
    scores = users @ movies.T
    if not include_rated:
        rated, _ = _rated(arrays, block)
        columns = column[arrays.movies[rated]]
        known = columns >= 0
        scores[arrays.users[rated][known] - block.start, columns[known]] = -np.inf
    user, movie = _candidates(scores, n, _rounding(users, movies))
    exact = np.einsum("nd,nd->n", users[user], movies[movie], dtype=np.float64)
    order = np.lexsort((-exact, user))  # equal scores stay in the order of their movies
    user, movie, exact = user[order], movie[order], exact[order]
    rank = np.arange(len(user)) - np.searchsorted(user, user)
    kept = rank < n
    return _Best(
        (user[kept] + block.start).astype(np.int32),
        (rank[kept] + 1).astype(np.int32),
        movie[kept].astype(np.int32),
        exact[kept],
    )


def _candidates(
    scores: NDArray[np.float32], n: int, rounding: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the scores that can be among a row's n best, given how far rounding may have moved them."""
    groups = scores.shape[1] // _GROUP
    # n groups' maxima reach the n-th highest maximum, so n scores do; of many more groups that is hardly too low.
    many = groups >= 4 * n
    high = scores[:, : groups * _GROUP].reshape(len(scores), _GROUP, groups).max(axis=1) if many else scores
    last = high.shape[1] - min(n, high.shape[1])
    bar = np.partition(high, last, axis=1)[:, last] - 2 * rounding
    # What is left out is -inf; and nothing is as high as NaN, the bar of a user of whom nothing is known.
    reached = scores >= np.maximum(bar, np.finfo(np.float32).min)[:, np.newaxis]
    return np.divmod(np.flatnonzero(reached), scores.shape[1])  # much faster than nonzero


def _rounding(users: NDArray[np.float32], movies: NDArray[np.float32]) -> NDArray[np.float32]:
    """A bound of the error of each user's products in single precision, float32 of shape (users,)."""
    longest = np.linalg.norm(movies, axis=1).max()
    return np.asarray(movies.shape[1] * np.finfo(np.float32).eps / 2 * longest * np.linalg.norm(users, axis=1))


def _texts(connection: sa.Connection, side: str, columns: str, wanted: NDArray[np.int32]) -> list[pa.StringArray]:
    """Text columns of the users or movies with some indexes, in their order."""
    selected = ", ".join(f"array_agg({column})" for column in columns.split(", "))
    pieces = binary_copy.read_by_blocks(connection, f"embrec.{side}s", f"array_agg({side}_index), {selected}")
    indexes = np.concatenate([piece[0] for piece in pieces])
    order = np.argsort(indexes)
    place = order[np.searchsorted(indexes, wanted, sorter=order)]
    texts = zip(*(piece[1:] for piece in pieces), strict=True)
    return [pa.array([text for part in parts for text in part], pa.string()).take(pa.array(place)) for parts in texts]

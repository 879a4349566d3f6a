"""The part of a run that says what comes next: written by a training, and read back as the model it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec.db import binary_copy
from embrec.errors import RunError
from embrec.models.next.along import Along
from embrec.models.next.base import NewMovies, NextModel, strongest
from embrec.runs.embeddings import NOISE
from embrec.runs.records import ModelRun

# The channel of next_vectors that has the movies' own vectors, and that of next_movies which has what their users also
# watched; those of histories begin after it.
OWN = 0
# Movies whose rows are read at a time: a million weights or so.
_READ_MOVIES = 4_096


def store(connection: sa.Connection, model_run_id: int, movie_indexes: NDArray[np.int32], model: NextModel) -> None:
    """Write the rows and vectors of what comes next, in the transaction that stores the run's other vectors.

    Its length and decays are columns of the run's record. Movies without weights or with a vector of zeros have no row.

    Args:
        connection: The transaction to write in.
        model_run_id: The run.
        movie_indexes: int32 of shape (movie_count,), ascending: the database's index of each movie of the model.
        model: The model.

    Raises:
        RunError: A weight or a vector holds NaN or infinity. Nothing is written.
    """
    vectors = [] if model.movie_vectors is None else [model.movie_vectors, *_several(model.history_vectors)]
    if not all(np.isfinite(each).all() for each in (*(rows.data for rows in model.rows), *vectors)):
        raise RunError("What comes next has weights that are not finite; such a run is not stored. Train again.")
    for channel, rows in enumerate(model.rows, start=1):
        _copy_rows(connection, model_run_id, channel, movie_indexes, rows, np.flatnonzero(np.diff(rows.indptr)), {})
    for channel, own in enumerate(vectors, start=OWN):
        rounded = np.where(np.abs(own) < NOISE, np.float32(0), own)
        known = np.flatnonzero(rounded.any(axis=1))
        columns = [*_keys(model_run_id, movie_indexes[known], channel), rounded[known]]
        target = "embrec.next_vectors (model_run_id, movie_index, channel, embedding)"
        binary_copy.copy_arrays(connection, target, columns)


def store_along(
    connection: sa.Connection,
    model_run_id: int,
    movie_indexes: NDArray[np.int32],
    along: Along,
    new_movies: NewMovies | None = None,
) -> None:
    """Write the movies that users of each movie also watched, as channel 0, with the counts that refresh needs.

    Args:
        connection: The transaction to write in.
        model_run_id: The run.
        movie_indexes: int32 of shape (movie_count,), as of :func:`store`.
        along: The movies, and the number of users of each.
        new_movies: The number of transitions from each movie, unless the run knows no order.
    """
    counts = {"user_count": along.users}
    if new_movies is not None:
        counts["transitions"] = new_movies.transitions.astype(np.float32)
    _copy_rows(connection, model_run_id, OWN, movie_indexes, along.rows, np.flatnonzero(along.users), counts)


def _copy_rows(
    connection: sa.Connection,
    model_run_id: int,
    channel: int,
    movie_indexes: NDArray[np.int32],
    rows: scipy.sparse.csr_array,
    known: NDArray[np.int64],
    counts: Mapping[str, NDArray[Any]],
) -> None:
    """Write the rows of the movies that are known, all others having no entry, and counts of each movie by column."""
    starts = np.concatenate([[0], np.cumsum(np.diff(rows.indptr)[known])]).astype(np.int64)
    lists = [movie_indexes[rows.indices], rows.data.astype(np.float32, copy=False)]
    columns = ", ".join(["model_run_id", "movie_index", "channel", *counts, "next_indexes", "weights"])
    keys = [*_keys(model_run_id, movie_indexes[known], channel), *(count[known] for count in counts.values())]
    binary_copy.copy_lists(connection, f"embrec.next_movies ({columns})", keys, starts, lists)


def _keys(model_run_id: int, movie_indexes: NDArray[np.int32], channel: int) -> list[NDArray[np.generic]]:
    count = len(movie_indexes)
    return [np.full(count, model_run_id, np.int32), movie_indexes, np.full(count, channel, np.int16)]


def read(connection: sa.Connection, run: ModelRun, movie_indexes: NDArray[np.int32]) -> NextModel | None:
    """Read what :func:`store` has written, and the rows that a refresh has added.

    Args:
        connection: The transaction to read in.
        run: The run.
        movie_indexes: int32 of shape (movie_count,), ascending: the movies of the model, at least those of the run.

    Returns:
        The model, without its metrics; None if the run has no such part. Rows that were added are a channel of their
        own, after that of the trained ones with the same decay.
    """
    found = _read_rows(connection, run.model_run_id, "n.channel > 0", movie_indexes)
    return _model(connection, run, movie_indexes, found)


def read_trained(
    connection: sa.Connection, run: ModelRun, movie_indexes: NDArray[np.int32]
) -> tuple[NextModel | None, Along | None]:
    """Read what :func:`store` and :func:`store_along` have written, without what a refresh has added.

    Args:
        connection: The transaction to read in.
        run: The run.
        movie_indexes: As of :func:`read`.

    Returns:
        The model, without its metrics, and the movies that users of each movie also watched; None for a part that the
        run does not have.
    """
    found = _read_rows(connection, run.model_run_id, "NOT n.folded_in", movie_indexes)
    query = (
        "SELECT movie_index, coalesce(user_count, 0), coalesce(transitions, 0) FROM embrec.next_movies"
        f" WHERE model_run_id = {int(run.model_run_id)} AND channel = {OWN} AND NOT folded_in"
    )
    counts = np.zeros((2, len(movie_indexes)))
    for movie, *own in connection.execute(sa.text(query)):
        counts[:, np.searchsorted(movie_indexes, movie)] = own
    rows = found.pop((OWN, 0), None)
    along = None if rows is None and not counts.any() else Along(_rows(rows, movie_indexes), counts[0].astype(np.int32))
    model = _model(connection, run, movie_indexes, found)
    if model is not None and run.new_movies_weight is not None:
        model = replace(model, new_movies=NewMovies(run.new_movies_weight, counts[1]))
    return model, along


def _rows(found: scipy.sparse.csr_array | None, movie_indexes: NDArray[np.int32]) -> scipy.sparse.csr_array:
    """Return rows, or those of a channel in which no movie has an entry."""
    return found if found is not None else scipy.sparse.csr_array((len(movie_indexes),) * 2, dtype=np.float32)


def _model(
    connection: sa.Connection,
    run: ModelRun,
    movie_indexes: NDArray[np.int32],
    found: Mapping[tuple[int, int], scipy.sparse.csr_array],
) -> NextModel | None:
    """Return the model of rows, by channel and whether a refresh has added them, and of the vectors."""
    if run.history_length is None:
        return None
    count, decays = len(movie_indexes), run.row_decays or ()
    vector_decays = tuple(run.vector_decays or ())
    channels = sorted(found.keys() | {(channel, 0) for channel in range(1, len(decays) + 1)})
    row_decays = tuple(decays[channel - 1] for channel, _ in channels)
    rows = [_rows(found.get(channel), movie_indexes) for channel in channels]
    if not vector_decays:
        return NextModel(run.history_length, row_decays, rows)
    query = (
        "SELECT channel, array_agg(movie_index), array_agg(embedding) FROM embrec.next_vectors"
        f" WHERE model_run_id = {int(run.model_run_id)} GROUP BY channel ORDER BY channel"
    )
    found = {channel: each for channel, *each in binary_copy.query_arrays(connection, query)}
    width = max((vectors.shape[1] for _, vectors in found.values()), default=0)
    vectors = np.zeros((1 + len(vector_decays), count, width), np.float32)
    for channel, (movies, own) in found.items():
        vectors[channel, np.searchsorted(movie_indexes, movies)] = own
    return NextModel(run.history_length, row_decays, rows, vector_decays, vectors[1:], vectors[OWN])


def _read_rows(
    connection: sa.Connection, model_run_id: int, condition: str, movie_indexes: NDArray[np.int32]
) -> dict[tuple[int, int], scipy.sparse.csr_array]:
    """Return the rows of each channel under a condition, and beside them those that a refresh has added."""
    count = len(movie_indexes)
    query = (
        "SELECT n.channel, CAST(n.folded_in AS integer), array_agg(n.movie_index), array_agg(t.next_index),"
        " array_agg(t.weight) FROM embrec.next_movies AS n, unnest(n.next_indexes, n.weights) AS t (next_index, weight)"
        f" WHERE n.model_run_id = {int(model_run_id)} AND {condition}"
        f" GROUP BY n.channel, n.folded_in, n.movie_index / {_READ_MOVIES}"
        f" ORDER BY n.channel, n.folded_in, n.movie_index / {_READ_MOVIES}"
    )
    pieces: dict[tuple[int, int], list[Sequence[NDArray[np.generic]]]] = {}
    for channel, folded_in, *piece in binary_copy.query_arrays(connection, query):
        pieces.setdefault((channel, folded_in), []).append(piece)
    rows = {}
    for channel, own in pieces.items():
        movies, following, weights = (np.concatenate([each[column] for each in own]) for column in range(3))
        places = np.searchsorted(movie_indexes, movies), np.searchsorted(movie_indexes, following)
        rows[channel] = strongest(scipy.sparse.csr_array((weights, places), shape=(count, count)), count)
    return rows


def _several(vectors: NDArray[np.float32] | None) -> Sequence[NDArray[np.float32]]:
    return () if vectors is None else list(vectors)

"""The part of a run that says what comes next: written by a training, and read back as the model it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    if run.history_length is None:
        return None
    count = len(movie_indexes)
    vector_decays = tuple(run.vector_decays or ())
    row_decays, rows = _read_rows(connection, run, movie_indexes)
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
    connection: sa.Connection, run: ModelRun, movie_indexes: NDArray[np.int32]
) -> tuple[tuple[float, ...], list[scipy.sparse.csr_array]]:
    count, decays = len(movie_indexes), run.row_decays or ()
    query = (
        "SELECT n.channel, CAST(n.folded_in AS integer), array_agg(n.movie_index), array_agg(t.next_index),"
        " array_agg(t.weight) FROM embrec.next_movies AS n, unnest(n.next_indexes, n.weights) AS t (next_index, weight)"
        f" WHERE n.model_run_id = {int(run.model_run_id)} AND n.channel > 0"
        f" GROUP BY n.channel, n.folded_in, n.movie_index / {_READ_MOVIES}"
        f" ORDER BY n.channel, n.folded_in, n.movie_index / {_READ_MOVIES}"
    )
    nothing = np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32)
    pieces: dict[tuple[int, int], list[Sequence[NDArray[np.generic]]]]
    pieces = {(channel, 0): [nothing] for channel in range(1, len(decays) + 1)}
    for channel, folded_in, *piece in binary_copy.query_arrays(connection, query):
        pieces.setdefault((channel, folded_in), []).append(piece)
    channels, rows = sorted(pieces), []
    for own in (pieces[channel] for channel in channels):
        movies, following, weights = (np.concatenate([each[column] for each in own]) for column in range(3))
        places = np.searchsorted(movie_indexes, movies), np.searchsorted(movie_indexes, following)
        rows.append(strongest(scipy.sparse.csr_array((weights, places), shape=(count, count)), count))
    return tuple(decays[channel - 1] for channel, _ in channels), rows


def _several(vectors: NDArray[np.float32] | None) -> Sequence[NDArray[np.float32]]:
    return () if vectors is None else list(vectors)

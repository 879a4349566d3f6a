"""Exact top-n neighbours of each movie, stored by training, so that similar movies are only looked up."""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import similarity
from embrec.db import binary_copy
from embrec.runs.embeddings import INDEXED_FROM

_LISTED = 100  # 100 neighbours are enough for a page of 50: SQL keeps half of those that it looks up


def nearest(vectors: NDArray[np.float32]) -> NDArray[np.int32] | None:
    """Return the top-n neighbours of each row, unless there are enough rows for an approximate index.

    Takes a second for ten thousand rows and half a minute for fifty thousand, so no transaction should be open.

    Args:
        vectors: float32 of shape (n, dimensions), none of them zero, as
            :attr:`embrec.models.base.FittedModel.compared_movies` has them.

    Returns:
        Numbers of rows, int32 of shape (n, at most 100), never the row itself, the nearest first; None where an index
        finds them, or there is nothing to find.
    """
    count = len(vectors)
    # Vectors that are not finite are refused when they are stored.
    if not 1 < count < INDEXED_FROM or not np.isfinite(vectors).all():
        return None
    return similarity.nearest_rows(vectors, np.arange(count), _LISTED)[0].astype(np.int32)


def store(
    connection: sa.Connection, model_run_id: int, movie_indexes: NDArray[np.int32], near: NDArray[np.int32] | None
) -> None:
    """Write what :func:`nearest` has found.

    Args:
        connection: The transaction that stores the run's vectors.
        model_run_id: The run.
        movie_indexes: int32 of shape (n,), the database's index of each row compared.
        near: As found.
    """
    if near is not None:
        columns = [np.full(len(near), model_run_id, np.int32), movie_indexes, movie_indexes[near]]
        binary_copy.copy_arrays(connection, "embrec.movie_neighbours (model_run_id, movie_index, neighbours)", columns)

"""The order of steps in a file: the rows and vectors of a run as arrays, a member beside its Keras model."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec.errors import DataError
from embrec.models.next.along import Along
from embrec.models.next.base import NewMovies, NextModel, strongest

MEMBER = "embrec_next.npz"
_ROWS = ("data", "indices", "indptr")


@dataclass(frozen=True)
class Order:
    """The parts of a run that know the order, or the company, of movies.

    Attributes:
        next: The model of the next step, or None.
        along: The movies that users of each movie also watched, or None.
    """

    next: NextModel | None
    along: Along | None

    def of(self, movies: NDArray[np.int64]) -> Order:
        """Return the parts for some of the movies, which are numbered anew.

        Args:
            movies: The movies to keep, int64 of shape (n,), each once.
        """
        along = None if self.along is None else Along(_some(self.along.rows, movies), self.along.users[movies])
        if self.next is None:
            return Order(None, along)
        history, own, new = self.next.history_vectors, self.next.movie_vectors, self.next.new_movies
        kept = replace(
            self.next,
            rows=[_some(each, movies) for each in self.next.rows],
            history_vectors=None if history is None else history[:, movies],
            movie_vectors=None if own is None else own[movies],
            new_movies=None if new is None else NewMovies(new.weight, new.transitions[movies]),
        )
        return Order(kept, along)


def _some(rows: scipy.sparse.csr_array, movies: NDArray[np.int64]) -> scipy.sparse.csr_array:
    return strongest(rows[movies][:, movies], len(movies))


def write(file: zipfile.ZipFile, order: Order) -> None:
    """Add the parts to a file; nothing if there are none."""
    arrays: dict[str, Any] = {}
    if order.along is not None:
        arrays |= _arrays("along", order.along.rows) | {"along_users": order.along.users}
    if order.next is not None:
        own = order.next
        arrays |= {"length": own.length, "row_decays": own.row_decays, "vector_decays": own.vector_decays}
        for number, rows in enumerate(own.rows):
            arrays |= _arrays(f"rows_{number}", rows)
        if own.movie_vectors is not None:
            arrays |= {"history_vectors": own.history_vectors, "movie_vectors": own.movie_vectors}
        if own.new_movies is not None:
            arrays |= {"new_movies_weight": own.new_movies.weight, "transitions": own.new_movies.transitions}
    if arrays:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        file.writestr(MEMBER, buffer.getvalue(), zipfile.ZIP_DEFLATED)


def read(file: zipfile.ZipFile, movie_count: int) -> Order:
    """Read what :func:`write` has written; both parts are None in a file without them.

    Args:
        file: The file.
        movie_count: The number of movies of its model.

    Raises:
        DataError: The arrays cannot be those of that many movies.
    """
    if MEMBER not in file.namelist():
        return Order(None, None)
    try:
        with np.load(io.BytesIO(file.read(MEMBER)), allow_pickle=False) as found:
            along = None
            if "along_data" in found:
                users = _counts("along_users", found, movie_count).astype(np.int32)
                along = Along(_rows("along", found, movie_count), users)
            return Order(_next(found, movie_count), along)
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{MEMBER} in {file.filename} cannot be read ({error}). Export the run again: embrec runs export RUN FILE"
        ) from error


def _next(found: Mapping[str, NDArray[Any]], movie_count: int) -> NextModel | None:
    if "length" not in found:
        return None
    row_decays, vector_decays = (tuple(found[name].astype(float).tolist()) for name in ("row_decays", "vector_decays"))
    rows = [_rows(f"rows_{number}", found, movie_count) for number in range(len(row_decays))]
    new = None
    if "new_movies_weight" in found:
        new = NewMovies(float(found["new_movies_weight"]), _counts("transitions", found, movie_count))
    model = NextModel(int(found["length"]), row_decays, rows, new_movies=new)
    if not vector_decays:
        return model
    history, own = (np.asarray(found[name], np.float32) for name in ("history_vectors", "movie_vectors"))
    if own.shape[:-1] != (movie_count,) or history.shape != (len(vector_decays), *own.shape):
        raise ValueError(f"the vectors are not those of {movie_count} movies")
    return replace(model, vector_decays=vector_decays, history_vectors=history, movie_vectors=own)


def _counts(name: str, found: Mapping[str, NDArray[Any]], movie_count: int) -> NDArray[np.float64]:
    counts = np.asarray(found[name], np.float64)
    if counts.shape != (movie_count,):
        raise ValueError(f"{name} are not those of {movie_count} movies")
    return counts


def _arrays(name: str, rows: scipy.sparse.csr_array) -> dict[str, NDArray[Any]]:
    return {f"{name}_{part}": getattr(rows, part) for part in _ROWS}


def _rows(name: str, found: Mapping[str, NDArray[Any]], movie_count: int) -> scipy.sparse.csr_array:
    rows = scipy.sparse.csr_array(
        tuple(found[f"{name}_{part}"] for part in _ROWS), shape=(movie_count, movie_count), dtype=np.float32
    )
    rows.check_format(full_check=True)
    return rows

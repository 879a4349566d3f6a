"""Reads all ratings of a data set into arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embrec.data.files.sources import Source
from embrec.data.files.validate import check_ratings
from embrec.data.ids import FirstAppearance
from embrec.data.rejects import RejectedRow, refuse_too_many
from embrec.data.scale import WIDEST, Scale
from embrec.errors import BadRowError, DataError

T = TypeVar("T")


@dataclass(frozen=True)
class RatingRows:
    """All good rows of a source, in its order, users and movies numbered by first appearance.

    Attributes:
        user_ids: The users' external ids, distinct.
        movie_ids: The movies' external ids, distinct.
        users: Each rating's user, int32 of shape (n,).
        movies: Each rating's movie, int32 of shape (n,).
        ratings: float32 of shape (n,).
        rated_at: int64 of shape (n,), microseconds since 1970, ``NO_TIME`` if there is none.
    """

    user_ids: pa.StringArray
    movie_ids: pa.StringArray
    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    ratings: NDArray[np.float32]
    rated_at: NDArray[np.int64]


def read_ratings(
    source: Source,
    may_reject: bool = False,
    progress: Callable[[float, int], None] = lambda share, rows: None,
    scale: Scale = WIDEST,
) -> tuple[RatingRows, list[RejectedRow]]:
    """Read all ratings of a source.

    Args:
        source: The data set to read.
        may_reject: True to leave bad rows out and list them.
        progress: Called with the share of the input read, 1 when all is, and the rows so far.
        scale: The scale that ratings keep to.

    Raises:
        BadRowError: A row is bad and none may be left out.
        DataError: The source has no ratings, or more than ``MOST_REJECTED`` bad rows.
    """
    users, movies = FirstAppearance(), FirstAppearance()
    ratings: list[NDArray[np.float32]] = []
    times: list[NDArray[np.int64]] = []
    rejected: list[RejectedRow] = []
    share = 0.0

    def note_share(read: float) -> None:
        nonlocal share
        share = read

    for raw in ahead(source.ratings(note_share)):
        chunk = check_ratings(raw, scale)
        if chunk.rejected and not may_reject:
            bad = chunk.rejected[0]
            raise BadRowError(bad.file, bad.line, bad.column, bad.reason, rejectable=True)
        rejected += chunk.rejected
        if rejected:
            where = f"line {rejected[0].line}, column {rejected[0].column}: {rejected[0].reason}"
            refuse_too_many(source.name, rejected, where, "check that it is a file of ratings")
        users.add(chunk.user_ids)
        movies.add(chunk.movie_ids)
        ratings.append(chunk.ratings)
        times.append(chunk.rated_at)
        if share < 1:  # else the last rows are still to be checked
            progress(share, sum(map(len, ratings)))
    if not sum(map(len, ratings)):
        raise DataError(f"{source.name} has no ratings. Nothing was stored; name a file that has rows.")
    user_ids, user_numbers = users.finish()
    movie_ids, movie_numbers = movies.finish()
    progress(1.0, sum(map(len, ratings)))
    rows = RatingRows(user_ids, movie_ids, user_numbers, movie_numbers, np.concatenate(ratings), np.concatenate(times))
    return rows, rejected


def ahead(chunks: Iterator[T]) -> Iterator[T]:
    """The same chunks, of which the next is made in another thread while one is worked on."""
    with ThreadPoolExecutor(max_workers=1) as maker:
        coming = maker.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = maker.submit(next, chunks, None)
            yield chunk

"""Reads all ratings or events of a data set into arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embrec.data.files.columns import RATINGS, Kind
from embrec.data.files.sources import Source
from embrec.data.files.validate import Chunk, check_rows
from embrec.data.ids import FirstAppearance
from embrec.data.rejects import RejectedRow, refuse_many_types, refuse_too_many
from embrec.data.scale import WIDEST, Scale
from embrec.errors import BadRowError, DataError

T = TypeVar("T")


@dataclass(frozen=True)
class RatingRows:
    """All good ratings of a source, in its order, users and movies numbered by first appearance.

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


@dataclass(frozen=True)
class EventRows:
    """All good events of a source, in its order, users, movies and types numbered by first appearance.

    Attributes:
        user_ids: The users' external ids, distinct.
        movie_ids: The movies' external ids, distinct.
        type_names: The names of types, distinct.
        users: Each event's user, int32 of shape (n,).
        movies: Each event's movie, int32 of shape (n,).
        types: Each event's type, int16 of shape (n,).
        values: float32 of shape (n,), NaN if there is none.
        occurred_at: int64 of shape (n,), microseconds since 1970, ``NO_TIME`` if there is none.
        external_ids: Arrow's large_string of length n, null if an event has none; None if no event has one.
    """

    user_ids: pa.StringArray
    movie_ids: pa.StringArray
    type_names: list[str]
    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    types: NDArray[np.int16]
    values: NDArray[np.float32]
    occurred_at: NDArray[np.int64]
    external_ids: pa.LargeStringArray | None


class _Collected:
    """The columns of the chunks so far; ids and types are numbered by first appearance."""

    def __init__(self, name: str) -> None:
        self.kind: Kind = RATINGS
        self.count = 0
        self._name = name
        self._users, self._movies = FirstAppearance(), FirstAppearance()
        self._types: dict[str, int] = {}
        self._columns: dict[str, list[Any]] = {}

    def add(self, chunk: Chunk) -> None:
        """Take the rows of the next chunk.

        Raises:
            DataError: There are too many types of events.
        """
        self.count += len(chunk.user_ids)
        self._users.add(chunk.user_ids)
        self._movies.add(chunk.movie_ids)
        for name, column in chunk.columns.items():
            self._columns.setdefault(name, []).append(self._numbers(column) if name == "event_type" else column)

    def rows(self, source: Source) -> RatingRows | EventRows:
        """Return all of them."""
        user_ids, users = self._users.finish()
        movie_ids, movies = self._movies.finish()
        if self.kind is RATINGS:
            return RatingRows(user_ids, movie_ids, users, movies, self._joined("rating"), self._joined("rated_at"))
        return EventRows(
            user_ids=user_ids,
            movie_ids=movie_ids,
            type_names=list(self._types) or [source.event_type],
            users=users,
            movies=movies,
            types=self._joined("event_type") if self._types else np.zeros(self.count, np.int16),
            values=self._joined("value"),
            occurred_at=self._joined("occurred_at"),
            external_ids=self._external_ids(),
        )

    def _numbers(self, types: pa.DictionaryArray) -> NDArray[np.int16]:
        codes = types.indices.to_numpy()
        names = types.dictionary.to_pylist()
        for code in np.flatnonzero(np.bincount(codes)):  # Arrow's codes are by first appearance
            self._types.setdefault(names[code], len(self._types))
        refuse_many_types(self._name, list(self._types))
        numbers: NDArray[np.int16] = np.array([self._types.get(name, 0) for name in names], np.int16)[codes]
        return numbers

    def _joined(self, name: str) -> NDArray[Any]:
        return np.concatenate(self._columns.pop(name))

    def _external_ids(self) -> pa.LargeStringArray | None:
        if "external_id" not in self._columns:
            return None
        ids = pa.concat_arrays([pc.cast(each, pa.large_string()) for each in self._columns.pop("external_id")])
        return pc.if_else(pc.equal(ids, ""), None, ids)


def read_rows(
    source: Source,
    may_reject: bool = False,
    progress: Callable[[float, int], None] = lambda share, rows: None,
    scale: Scale = WIDEST,
) -> tuple[RatingRows | EventRows, list[RejectedRow]]:
    """Read all ratings or events of a source.

    Args:
        source: The data set to read.
        may_reject: True to leave bad rows out and list them.
        progress: Called with the share of the input read, 1 when all is, and the rows so far.
        scale: The scale that ratings keep to.

    Raises:
        BadRowError: A row is bad and none may be left out.
        DataError: The source has no rows, more than ``MOST_REJECTED`` bad rows or ``MOST_TYPES`` types of events.
    """
    collected = _Collected(source.name)
    rejected: list[RejectedRow] = []
    share = 0.0

    def note_share(read: float) -> None:
        nonlocal share
        share = read

    for raw in ahead(source.rows(note_share)):
        chunk = check_rows(raw, scale)
        if chunk.rejected and not may_reject:
            bad = chunk.rejected[0]
            raise BadRowError(bad.file, bad.line, bad.column, bad.reason, rejectable=True)
        rejected += chunk.rejected
        if rejected:
            where = f"line {rejected[0].line}, column {rejected[0].column}: {rejected[0].reason}"
            refuse_too_many(source.name, rejected, where, f"check that it is a file of {raw.kind.name}")
        if len(raw.lines):  # else there may be no names of columns yet, which tell the kind
            collected.kind = raw.kind
            collected.add(chunk)
        if share < 1:  # else the last rows are still to be checked
            progress(share, collected.count)
    if not collected.count:
        raise DataError(f"{source.name} has no rows. Nothing was stored; name a file of ratings or events.")
    rows = collected.rows(source)
    progress(1.0, collected.count)
    return rows, rejected


def ahead(chunks: Iterator[T]) -> Iterator[T]:
    """The same chunks, of which the next is made in another thread while one is worked on."""
    with ThreadPoolExecutor(max_workers=1) as maker:
        coming = maker.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = maker.submit(next, chunks, None)
            yield chunk

"""Similarity of movies in a run: nearest neighbours, a map, and drift since another run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import similarity
from embrec.data.extraction import RatingArrays
from embrec.db import tables
from embrec.report import measures
from embrec.runs.stored import StoredModel
from embrec.serving import projection

_WELL_KNOWN = 8
_NEIGHBOURS_SHOWN = 5
_CHANGED_SHOWN = 10
# The largest changes are sought among the 300 movies with the most users: neighbours of others are mostly chance.
_CHANGED_AMONG = 300
# With fewer than 20 movies, ten neighbours are nearly all the others, and drift says nothing.
_FEWEST_TO_COMPARE = 2 * measures.NEIGHBOURS


@dataclass(frozen=True)
class Movies:
    """The movies that were rated or watched, in the order of the extracted ratings.

    Attributes:
        ids: External ids.
        titles: Titles, or the id of a movie without one.
        genres: Genres of each movie.
        years: Release years, or None.
        counts: Numbers of users who rated or watched each, int64 of shape (n,).
        rating_counts: Numbers of ratings, int64 of shape (n,).
        event_counts: Numbers of events, without dislikes, int64 of shape (n,).
    """

    ids: list[str]
    titles: list[str]
    genres: list[list[str]]
    years: list[int | None]
    counts: NDArray[np.int64]
    rating_counts: NDArray[np.int64]
    event_counts: NDArray[np.int64]


@dataclass(frozen=True)
class MapPoint:
    """A movie on the map."""

    movie_id: str
    title: str
    genres: list[str]
    release_year: int | None
    rating_count: int
    event_count: int
    x: float
    y: float


@dataclass(frozen=True)
class Neighbours:
    """A movie and others that are near it, with their cosine similarity, or that follow it, with their scores."""

    title: str
    near: list[tuple[str, float]]


@dataclass(frozen=True)
class Change:
    """A movie whose neighbours changed: the number of ten that stayed, and the nearest three before and now."""

    title: str
    kept: int
    before: list[str]
    now: list[str]


@dataclass(frozen=True)
class Drift:
    """The differences in neighbours between a run and the previous one.

    Attributes:
        kept: Number of each compared movie's ten neighbours that stayed, int64 of shape (movies,); empty if the runs
            have too few movies in common.
        changed: The movies with the most users whose neighbours changed most.
    """

    kept: NDArray[np.int64]
    changed: list[Change]

    @property
    def jaccard(self) -> float:
        """Return the mean Jaccard index of the neighbours before and now."""
        return float(measures.jaccard(self.kept).mean())

    @property
    def counts(self) -> list[int]:
        """The number of movies with 0, 1, ..., 10 neighbours that stayed."""
        return [int(count) for count in np.bincount(self.kept, minlength=measures.NEIGHBOURS + 1)]


def known_movies(connection: sa.Connection, arrays: RatingArrays) -> Movies:
    """Return ids, titles, genres, years and counts of the movies of extracted ratings and events."""
    columns = sa.select(tables.movies.c.movie_index, tables.movies.c.movie_id, tables.movies.c.title)
    known = {row.movie_index: row for row in connection.execute(columns)}
    rows = [known[index] for index in arrays.movie_indexes.tolist()]
    ratings, watched = np.bincount(arrays.movies, minlength=len(rows)), arrays.event_pairs()
    users = ratings if watched is None else ratings + np.bincount(watched.movies, minlength=len(rows))
    return Movies(
        [row.movie_id for row in rows],
        [row.title or row.movie_id for row in rows],
        arrays.movie_genres,
        arrays.movie_years,
        users,
        ratings,
        np.bincount(arrays.events.without_dislikes().movies, minlength=len(rows)),
    )


def neighbours_of(model: StoredModel, movies: Movies) -> list[Neighbours]:
    """Return the nearest neighbours of the movies with the most users."""
    known = _most_used(model, movies, len(movies.ids))
    near, cosines = similarity.nearest_rows(
        model.similarity[known], np.arange(min(_WELL_KNOWN, len(known))), _NEIGHBOURS_SHOWN
    )
    return [
        Neighbours(
            movies.titles[known[row]],
            [
                (movies.titles[known[position]], float(cosine))
                for position, cosine in zip(near[row], cosines[row], strict=True)
            ],
        )
        for row in range(len(near))
    ]


def drift_between(model: StoredModel, earlier: StoredModel, movies: Movies) -> Drift:
    """Compare the neighbours of the movies with the most users in two runs, among movies with vectors in both."""
    both = _most_used(model, movies, len(movies.ids))
    both = both[np.isfinite(earlier.similarity[both]).all(axis=1)]
    if len(both) < _FEWEST_TO_COMPARE:
        return Drift(np.empty(0, np.int64), [])
    asked = np.arange(min(len(both), projection.MAP_MOVIES))
    now, before = (
        similarity.nearest_rows(each.similarity[both], asked, measures.NEIGHBOURS)[0] for each in (model, earlier)
    )
    kept = measures.in_common(now, before)

    def first(near: NDArray[np.int64], row: int) -> list[str]:
        return [movies.titles[both[position]] for position in near[row, :3]]

    # Rows are sorted by number of users, and a stable sort keeps those with the most first among equal changes.
    changed = [
        Change(movies.titles[both[row]], int(kept[row]), first(before, row), first(now, row))
        for row in np.argsort(kept[:_CHANGED_AMONG], kind="stable")[:_CHANGED_SHOWN]
        if kept[row] < measures.NEIGHBOURS
    ]
    return Drift(kept, changed)


def map_points(model: StoredModel, movies: Movies) -> list[MapPoint]:
    """Return the points of the map, movies with the most users first."""
    mapped = _most_used(model, movies, projection.MAP_MOVIES)
    return [
        MapPoint(
            movies.ids[movie],
            movies.titles[movie],
            movies.genres[movie],
            movies.years[movie],
            int(movies.rating_counts[movie]),
            int(movies.event_counts[movie]),
            round(float(x), 2),
            round(float(y), 2),
        )
        for movie, (x, y) in zip(mapped, projection.project(model.similarity[mapped]), strict=True)
    ]


def _most_used(model: StoredModel, movies: Movies, most: int) -> NDArray[np.int64]:
    """Return positions of the movies with the most users and a vector in the run, those with the most first."""
    order = np.argsort(-movies.counts, kind="stable")
    return order[np.isfinite(model.similarity[order]).all(axis=1)][:most]

"""Ratings to evaluate on, from a data set or the database, and their splits for rating errors."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embrec import db, metrics, splits
from embrec.data.arrays import NO_TIME, key_order
from embrec.data.event_arrays import EventArrays, histories, place_among_ties
from embrec.data.extraction import extract, id_places
from embrec.data.files.sources import Source
from embrec.data.files.users import User
from embrec.data.reading import RatingRows, read_rows
from embrec.data.scale import check_for_training
from embrec.db import Bind
from embrec.errors import DataError
from embrec.models.base import Ratings
from embrec.models.features import UserFeatures, content_features, movie_features, user_features
from embrec.models.interactions import Interactions
from embrec.models.sequences import Sequences

FOLDS = 5
HELD_OUT = 0.2
_FEWEST_TO_SPLIT = 10


@dataclass(frozen=True)
class EvaluationData:
    """Ratings in their order, and side information on the movies.

    Attributes:
        name: The data set's name.
        ratings: All of them.
        rated_at: int64 of shape (n,), microseconds since 1970, ``NO_TIME`` if there is none.
        events: Events of the same users and movies.
        movie_ids: The movies' external ids.
        genres: Each movie's genres.
        digest: Digest of the ratings if they are the database's, as in the records of runs.
    """

    name: str
    ratings: Ratings
    rated_at: NDArray[np.int64]
    events: EventArrays
    movie_ids: list[str]
    genres: list[list[str]]
    digest: str = ""

    @functools.cached_property
    def interactions(self) -> Interactions:
        """The ratings, then the pairs of a user and a movie with events and no rating."""
        return Interactions.of(self.ratings)

    @property
    def liked(self) -> NDArray[np.bool_]:
        """A mask of the interactions that say that the movie was liked, by a high rating or an event."""
        pairs = self.interactions
        liked = pairs.ratings >= metrics.liked_from(*self.ratings.scale)
        return np.asarray(liked if pairs.interests is None else liked | (pairs.interests > 0))

    @property
    def disliked(self) -> NDArray[np.bool_]:
        """A mask of the interactions that say that the movie was disliked."""
        pairs = self.interactions
        disliked = pairs.ratings <= metrics.disliked_to(*self.ratings.scale)
        return np.asarray(disliked if pairs.interests is None else disliked | (pairs.interests < 0))

    def sequences(self) -> Sequences:
        """Return the histories of users, in order of time.

        Raises:
            DataError: Most steps are ratings without a time, so their order is unknown.
        """
        steps, unknown = len(self.rated_at) + len(self.events.users), (self.rated_at == NO_TIME).sum()
        if unknown > steps / 2:
            raise DataError(
                f"Of {steps} steps in {self.name}, {unknown} are ratings without a time, so their order is unknown. "
                "Load the ratings with a time, or events; without either evaluate the other tasks."
            )
        whole = self.ratings
        order = key_order(whole.users, whole.movies)
        users, movies, times = whole.users[order], whole.movies[order], self.rated_at[order]
        places = place_among_ties(users, movies)
        return histories(users, movies, times, places, self.events, whole.user_count, whole.movie_count)

    def part(self, positions: NDArray[np.int64]) -> Ratings:
        """Return some of the interactions as ratings and events, sorted by user, then movie, as in training."""
        whole = self.ratings
        rated = positions[positions < len(whole.ratings)]
        found = whole.part(rated[np.lexsort((whole.movies[rated], whole.users[rated]))])
        watched = np.sort(positions[positions >= len(whole.ratings)]) - len(whole.ratings)
        return replace(found, events=whole.events.part(watched) if whole.events and len(watched) else None)


def read_data(source: Source) -> EvaluationData:
    """Read a data set of ratings or events to evaluate on: its movies and users, and their side information."""
    rows, _ = read_rows(source)
    movie_ids = rows.movie_ids.to_pylist()
    known = {movie.movie_id: movie for movie in source.movies()}
    genres = [list((known[each].genres if each in known else None) or []) for each in movie_ids]
    years = [known[each].release_year if each in known else None for each in movie_ids]
    users, movies = len(rows.user_ids), len(movie_ids)
    of_movies, of_users = movie_features(genres, years), _user_features(source.users(), rows.user_ids.to_pylist())
    content = _content_features([known[each].content if each in known else None for each in movie_ids])
    about = (users, movies, of_movies, of_users, id_places(movie_ids), None, content)
    if isinstance(rows, RatingRows):
        ratings = Ratings(rows.users, rows.movies, rows.ratings, *about)
        return EvaluationData(source.name, ratings, rows.rated_at, EventArrays.none(), movie_ids, genres)
    none = np.empty(0, np.int32)
    ratings, untimed = Ratings(none, none, np.empty(0, np.float32), *about), np.empty(0, np.int64)
    events = EventArrays.of(rows.users, rows.movies, rows.types, rows.values, rows.occurred_at, rows.type_names)
    ratings = replace(ratings, events=events.pairs(none, none))
    return EvaluationData(source.name, ratings, untimed, events, movie_ids, genres)


def _content_features(content: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    """Return the features of content; vectors of another length than most are left out, as none is stored."""
    lengths = Counter(len(vector) for vector in content if vector is not None)
    length = lengths.most_common(1)[0][0] if lengths else 0
    none = np.full(length, np.nan, np.float32)
    rows = [none if vector is None or len(vector) != length else vector for vector in content]
    return content_features(np.array(rows, np.float32).reshape(len(rows), length))


def _user_features(users: Sequence[User], user_ids: Sequence[str]) -> UserFeatures | None:
    known = {user.user_id: user.labels for user in users}
    having: dict[str, list[int]] = {}
    for number, user_id in enumerate(user_ids):
        for label in known.get(user_id, ()):
            having.setdefault(label, []).append(number)
    return user_features({label: np.array(numbers, np.int32) for label, numbers in having.items()})


def database_data(bind: Bind) -> EvaluationData:
    """The ratings and events in the database, to evaluate on.

    Raises:
        DataError: There are no ratings or events, or a rating is not on the scale.
        SchemaError: The schema is absent or behind.
    """
    with db.begin(bind) as connection:
        arrays = extract(connection, with_times=True)
        if len(arrays.ratings):
            check_for_training(connection, arrays.ratings)
    ratings, events = arrays.for_models(), arrays.events
    about = (arrays.movie_ids, arrays.movie_genres, arrays.sha256)
    return EvaluationData("the database", ratings, arrays.rated_at, events, *about)


def rating_splits(data: EvaluationData, way: str, seed: int = 0) -> list[splits.Split]:
    """The splits for rating errors: ``official`` (blocks of the file), ``random`` (five folds) or ``time``.

    Raises:
        DataError: There are too few ratings, or they have no times or no order to split by.
    """
    count = len(data.ratings.ratings)
    if count < _FEWEST_TO_SPLIT:
        raise DataError(f"{data.name} has {count} ratings; evaluating needs {_FEWEST_TO_SPLIT} at least.")
    if way == "official":
        if data.digest:
            raise DataError("The database does not know the order of a file. Evaluate the file, or --split random.")
        return list(splits.blocks(count, FOLDS))
    if way == "random":
        return list(splits.random_folds(count, FOLDS, seed))
    if (data.rated_at == NO_TIME).any():
        raise DataError(f"{data.name} has ratings without a time; evaluate with --split random.")
    kept, held = splits.by_time(data.rated_at, HELD_OUT)
    if not len(kept):
        raise DataError(f"All ratings of {data.name} have the same time; evaluate with --split random.")
    return [(kept, held)]

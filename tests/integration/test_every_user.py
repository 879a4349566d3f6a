"""Recommendations for every user of MovieLens 100K, held against a reference in double precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import _temporary_database
from numpy.typing import NDArray

from embrec import db
from embrec.data.extraction import RatingArrays, extract
from embrec.models.base import RatingWeights
from embrec.runs import embeddings
from embrec.serving import recommend

pytestmark = pytest.mark.movielens
N = 10
SERVING = "SELECT model_run_id, lowest_rating, highest_rating, rating_power, dislike_weight FROM embrec.model_runs"
Rule = Callable[["Reference"], NDArray[np.bool_]]
# Filters with the movies that pass them, by the arrays.
FILTERS: list[tuple[dict[str, Any], Rule]] = [
    ({"genres": ["Film-Noir", "Western"]}, lambda it: it.has("Film-Noir") | it.has("Western")),
    (
        {"without_genres": ["Drama"], "released_from": 1980, "released_to": 1995},
        lambda it: ~it.has("Drama") & (it.years >= 1980) & (it.years <= 1995),
    ),
    (
        {"genres": ["Comedy"], "min_ratings": 50, "released_from": 1990},
        lambda it: it.has("Comedy") & (it.counts >= 50) & (it.years >= 1990),
    ),
]


@dataclass
class Reference:
    """The published run in double precision, with the movies in the order of ``arrays``."""

    arrays: RatingArrays
    weights: RatingWeights
    preference: NDArray[np.float64]
    profile: NDArray[np.float64]
    popularity: NDArray[np.float64]

    @property
    def counts(self) -> NDArray[np.int64]:
        return np.bincount(self.arrays.movies, minlength=len(self.arrays.movie_ids))

    @property
    def years(self) -> NDArray[np.float64]:
        return np.array([np.nan if year is None else year for year in self.arrays.movie_years])

    def has(self, genre: str) -> NDArray[np.bool_]:
        return np.array([genre in genres for genres in self.arrays.movie_genres])

    def scores(self, user: int) -> NDArray[np.float64]:
        own = self.arrays.users == user
        weights = self.weights.of(self.arrays.ratings[own])
        assert (weights > 0).any()
        return np.asarray(self.preference @ (weights @ self.profile[self.arrays.movies[own]]))

    def rated(self, user: int) -> NDArray[np.int32]:
        return self.arrays.movies[self.arrays.users == user]


@pytest.fixture(scope="module")
def engine(admin: sa.Engine, server_url: str, movielens_template: str) -> Iterator[sa.Engine]:
    with _temporary_database(admin, server_url, movielens_template) as url:
        engine = db.create_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture(scope="module")
def reference(engine: sa.Engine) -> Reference:
    arrays = extract(engine)
    with engine.connect() as connection:
        run, *parameters = connection.execute(sa.text(SERVING)).one()
        likes = dict(connection.execute(sa.text("SELECT movie_index, popularity_rank FROM embrec.movie_likes")).all())

    def part(name: embeddings.Part) -> NDArray[np.float64]:
        found = embeddings.read(engine, run, "movie", name)
        every = np.zeros((len(arrays.movie_indexes), found.vectors.shape[1]))
        every[np.searchsorted(arrays.movie_indexes, found.indexes)] = found.vectors
        return every

    popularity = np.array([likes.get(index, np.inf) for index in arrays.movie_indexes.tolist()])
    return Reference(arrays, RatingWeights(*parameters), part("preference"), part("profile"), popularity)


@pytest.fixture(scope="module")
def user_ids(engine: sa.Engine, reference: Reference) -> list[str]:
    with engine.connect() as connection:
        return embeddings.external_ids(connection, "user", reference.arrays.user_indexes)


def hold(connection: sa.Connection, reference: Reference, user_id: str, user: int, passing: NDArray[np.bool_], **given):
    """Compare a list with the reference's; returns whether the movies are the same in the same order."""
    scores = reference.scores(user)
    ids = np.array(reference.arrays.movie_ids)
    order = np.lexsort((ids, reference.popularity, -scores))
    best = [movie for movie in order if passing[movie]][:N]
    found = recommend.recommend_movies(connection, user_id, N, **given)
    assert (found.basis == "ratings").all()
    near = 1e-5 * np.abs(scores).max()
    np.testing.assert_allclose(found.score, scores[best], rtol=0, atol=near)
    at = {movie_id: place for place, movie_id in enumerate(reference.arrays.movie_ids)}
    own = [at[movie_id] for movie_id in found.movie_id]
    assert passing[own].all()
    np.testing.assert_allclose(found.score, scores[own], rtol=0, atol=near)
    return own == best


def test_every_user_gets_the_list_of_the_reference(
    engine: sa.Engine, reference: Reference, user_ids: list[str]
) -> None:
    same = []
    with engine.connect() as connection:
        for user, user_id in enumerate(user_ids):
            passing = np.ones(len(reference.preference), bool)
            passing[reference.rated(user)] = False
            same.append(hold(connection, reference, user_id, user, passing))
    assert len(same) == 943
    assert np.mean(same) > 0.995, "movies change places only if single precision cannot tell their scores apart"


@pytest.mark.parametrize("number", range(len(FILTERS)))
def test_every_twentieth_user_gets_it_with_filters(
    engine: sa.Engine, reference: Reference, user_ids: list[str], number: int
) -> None:
    given, rule = FILTERS[number]
    passing = rule(reference)
    assert 20 < passing.sum() < 600
    same = []
    with engine.connect() as connection:
        for user in range(0, len(user_ids), 20):
            same.append(hold(connection, reference, user_ids[user], user, passing, include_rated=True, **given))
            unseen = passing.copy()
            unseen[reference.rated(user)] = False
            same.append(hold(connection, reference, user_ids[user], user, unseen, **given))
    assert np.mean(same) > 0.98

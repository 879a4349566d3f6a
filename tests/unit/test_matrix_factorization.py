"""ALS against float64 numpy, and the model around it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from embrec import metrics, splits
from embrec.engines.threads import OnThreads
from embrec.errors import ConfigError, TrainingError
from embrec.models.als import model as als
from embrec.models.als.model import MatrixFactorization, Options
from embrec.models.base import FittedModel, RatingFactors, Ratings, Start
from embrec.models.recommender import recommender
from embrec.models.shards import layout

fit = MatrixFactorization().fit


def as_model(factors: RatingFactors) -> FittedModel:
    """A solver's factors as the fitted model that a rating of 1 to 5 would have."""
    return recommender(factors, 1.0, 5.0)


def made_up(users: int, movies: int, count: int, rank: int = 2, noise: float = 0.3, seed: int = 0) -> Ratings:
    """Make ratings of low rank with biases and noise, in no order; some users and movies may have none."""
    random = np.random.default_rng(seed)
    pairs = np.unique(random.integers(0, users * movies, count))
    random.shuffle(pairs)
    user, movie = pairs // movies, pairs % movies
    vectors = random.normal(size=(users, rank)), random.normal(size=(movies, rank))
    value = 3 + random.normal(0, 0.5, users)[user] + random.normal(0, 0.5, movies)[movie]
    value += (vectors[0][user] * vectors[1][movie]).sum(axis=1) + random.normal(0, noise, len(pairs))
    return Ratings(user.astype(np.int32), movie.astype(np.int32), value.astype(np.float32), users, movies)


def one_row(features: np.ndarray, biases: np.ndarray, ratings: np.ndarray, mean: float, penalty: float) -> np.ndarray:
    """Return the ridge solution of one row in float64: vector, then bias, with a quarter of the regularization."""
    x = np.column_stack([features, np.ones(len(ratings))]).astype(np.float64)
    weights = np.full(x.shape[1], penalty)
    weights[-1] /= 4
    return np.linalg.solve(x.T @ x + np.diag(weights), x.T @ (ratings - mean - biases).astype(np.float64))


@pytest.mark.parametrize(("dimensions", "per_rating"), [(3, 0.0), (15, 0.1), (20, 1.0)])
def test_users_and_movies_are_solved_as_by_numpy_row_by_row(dimensions: int, per_rating: float) -> None:
    """Two sweeps: users given random movies, then movies, then users; the last two agree with each other's ratings."""
    ratings = made_up(70, 40, 900)
    ratings = replace(ratings, user_count=72, movie_count=41)
    options = Options(dimensions=dimensions, penalty=2.0, penalty_per_rating=per_rating, epochs=2)
    unit = ratings.ratings.std() / 1.125
    found = als.factorize(ratings, None, options, 0)
    movies = found.movie_vectors / unit**0.5, found.movie_biases / unit
    values = (ratings.ratings - ratings.ratings.mean()) / unit
    for user in range(72):
        mine = ratings.users == user
        near = [each[ratings.movies[mine]] for each in movies]
        expected = one_row(*near, values[mine], 0.0, 2.0 + per_rating * mine.sum())
        solved = np.append(found.user_vectors[user] / unit**0.5, found.user_biases[user] / unit)
        assert np.allclose(solved, expected, atol=5e-4, rtol=2e-3), user
    assert not found.user_vectors[70:].any(), "a user without ratings is the average one"


def test_movies_are_solved_given_the_users() -> None:
    """The movies of the second sweep are the solution given the users of the first."""
    ratings = made_up(70, 40, 900)
    first, second = (als.factorize(ratings, None, Options(dimensions=3, epochs=each), 0) for each in (1, 2))
    unit = ratings.ratings.std() / 1.125
    values = (ratings.ratings - ratings.ratings.mean()) / unit
    users = first.user_vectors / unit**0.5, first.user_biases / unit
    for movie in range(40):
        mine = ratings.movies == movie
        near = [each[ratings.users[mine]] for each in users]
        expected = one_row(*near, values[mine], 0.0, 8.0 + 0.05 * mine.sum())
        solved = np.append(second.movie_vectors[movie] / unit**0.5, second.movie_biases[movie] / unit)
        assert np.allclose(solved, expected, atol=5e-4, rtol=2e-3), movie


def test_it_finds_what_made_the_ratings() -> None:
    everything = made_up(200, 100, 9000)
    kept, held = splits.random_split(len(everything.ratings), 0.2, 0)
    training, held_out = everything.part(kept), everything.part(held)
    fitted = fit(training, None, Options(dimensions=4, penalty=0.5, penalty_per_rating=0.01, epochs=15), seed=1)
    error = metrics.rmse(fitted.predict(held_out.users, held_out.movies), held_out.ratings)
    assert error < 0.45, "noise of 0.3, and little else"


def test_a_prediction_is_mean_biases_and_product() -> None:
    ratings = made_up(30, 20, 300)
    fitted = fit(ratings, None, Options(dimensions=3, epochs=2), seed=0)
    assert fitted.user_biases is not None
    assert fitted.movie_biases is not None
    users, movies = ratings.users, ratings.movies
    expected = fitted.mean + fitted.user_biases[users] + fitted.movie_biases[movies]
    expected += (fitted.user_vectors[users] * fitted.movie_vectors[movies]).sum(axis=1)
    assert np.allclose(fitted.predict(users, movies), expected, atol=1e-5)
    assert fitted.mean == pytest.approx(float(ratings.ratings.mean()), abs=1e-6)
    assert fitted.user_vectors.shape == (30, 3)
    assert fitted.movie_vectors.dtype == np.float32


def test_a_held_out_part_stops_the_fit_and_the_best_sweep_is_kept() -> None:
    training, held_out = made_up(40, 30, 400, noise=1.0), made_up(40, 30, 200, noise=1.0, seed=0)
    fitted = fit(training, held_out, Options(dimensions=15, penalty=0.01, penalty_per_rating=0, epochs=20), seed=0)
    errors = [epoch.held_out_rmse for epoch in fitted.history]
    assert fitted.kept_epoch == int(np.argmin(errors)) + 1
    assert len(errors) == fitted.kept_epoch + 1 < 20
    assert metrics.rmse(fitted.predict(held_out.users, held_out.movies), held_out.ratings) == pytest.approx(
        min(errors), rel=1e-5
    )


def test_the_order_of_the_ratings_changes_nothing_but_roundoff() -> None:
    ratings = made_up(30, 20, 300)
    order = np.random.default_rng(1).permutation(len(ratings.ratings))
    shuffled = ratings.part(order)
    first, second = (fit(each, None, Options(dimensions=3), seed=0) for each in (ratings, shuffled))
    assert np.allclose(first.movie_vectors, second.movie_vectors, atol=1e-4)


def test_among_many_ratings_the_most_active_users_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = made_up(400, 60, 8000)
    chosen = als._most_active(ratings)
    counts = np.bincount(ratings.users, minlength=400)
    assert 0.2 * len(ratings.ratings) <= len(chosen.ratings) <= 0.2 * len(ratings.ratings) + counts.max()
    assert np.bincount(chosen.users).min() >= np.sort(counts)[-chosen.user_count]
    options = Options(dimensions=4, penalty=1.0, penalty_per_rating=0.01, epochs=1)
    errors = []
    for many in (10**9, 1000):
        monkeypatch.setattr(als, "_MANY_RATINGS", many)
        fitted = fit(ratings, None, options, seed=0)
        errors.append(metrics.rmse(fitted.predict(ratings.users, ratings.movies), ratings.ratings))
    assert errors[1] < 0.8 * errors[0]


def test_vectors_are_the_same_bits_on_any_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shards are made small, so that there are many, and the first sweeps are of the most active users."""
    for name in ("_LEAST_USERS", "_LEAST_MOVIES", "_RATINGS_OF_MOVIE"):
        monkeypatch.setattr(layout, name, 4)
    monkeypatch.setattr(als, "_MANY_RATINGS", 3000)
    for ratings in (made_up(12, 7, 60), made_up(300, 40, 4000), made_up(60, 150, 900)):
        digests = set()
        for workers in {1, 2, 3, 5, 16} & set(range(layout.shard_count(ratings) + 1)):
            found = als.factorize(ratings, ratings, Options(epochs=3), 5, workers=OnThreads(workers))
            digests.add((found.user_vectors.tobytes(), found.movie_vectors.tobytes(), found.history[-1].rmse))
        assert len(digests) == 1


def test_more_workers_than_shards_are_an_error() -> None:
    ratings = made_up(200, 100, 2000)
    with pytest.raises(ConfigError, match="no more than 2 shards of users. Train with --workers 2"):
        als.factorize(ratings, None, Options(epochs=1), 0, workers=OnThreads(3))


def test_ratings_that_are_not_finite_stop_the_fit() -> None:
    ratings = made_up(10, 10, 50)
    ratings.ratings[3] = np.inf
    with pytest.raises(TrainingError, match="not finite"):
        fit(ratings, None, Options(dimensions=3), seed=0)


@pytest.mark.parametrize(
    ("times", "plus"), [(20.0, 0.0), (1e6, 0.0), (1e-6, 0.0), (1.0, -7.0), (-2.0, 100.0), (1e30, 0.0)]
)
def test_the_scale_of_the_ratings_changes_the_unit_alone(times: float, plus: float) -> None:
    ratings = made_up(40, 30, 500)
    values = ratings.ratings * np.float32(times) + np.float32(plus)
    scaled = Ratings(ratings.users, ratings.movies, values, ratings.user_count, ratings.movie_count)
    first, second = (fit(each, each, Options(dimensions=3, epochs=4), seed=0) for each in (ratings, scaled))
    expected = first.predict(ratings.users, ratings.movies) * times + plus
    found = second.predict(ratings.users, ratings.movies)
    assert np.allclose(found, expected, atol=1e-3 * abs(times) * ratings.ratings.std())
    assert second.history[-1].held_out_rmse == pytest.approx(first.history[-1].held_out_rmse * abs(times), rel=1e-3)
    assert first.fold_in is not None
    assert second.fold_in is not None
    assert second.fold_in.constant == pytest.approx(first.fold_in.constant * abs(times), rel=1e-5)


def test_a_warm_start_goes_on_in_the_unit_of_the_ratings() -> None:
    ratings = made_up(60, 40, 1500)
    scaled = Ratings(ratings.users, ratings.movies, ratings.ratings * 20, ratings.user_count, ratings.movie_count)
    earlier = fit(scaled, None, Options(dimensions=3, epochs=8), seed=0)
    assert earlier.movie_biases is not None
    start = Start(earlier.movie_vectors, earlier.movie_biases)
    one = Options(dimensions=3, epochs=1)
    cold, warm = (fit(scaled, None, one, seed=1, start=each).history[-1].rmse for each in (None, start))
    assert warm == pytest.approx(earlier.history[-1].rmse, rel=0.02)
    assert warm < 0.9 * cold

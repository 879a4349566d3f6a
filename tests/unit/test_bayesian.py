"""Bayesian matrix factorisation: draws against float64 numpy, the prior, the compressed mean, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from test_matrix_factorization import made_up

from embrec import metrics, splits
from embrec.models import Ratings, bayesian, linked_prior, matrix_factorization, ridge
from embrec.models.linked_prior import LinkedPrior
from embrec.models.posterior_mean import PosteriorMean


@pytest.mark.parametrize("count", [3, 20], ids=["fewer ratings than coordinates", "more"])
def test_draws_have_the_posteriors_mean_and_covariance(count: int) -> None:
    random = np.random.default_rng(count)
    width, rows, noise = 4, 4000, 0.7
    features = random.normal(size=(count, width)).astype(np.float32)
    offsets, ratings = random.normal(size=(2, count)).astype(np.float32)
    scales = random.uniform(0.5, 2, count).astype(np.float32)
    prior_mean = random.normal(size=width)
    # Every row has the same ratings and the same prior, so that the rows' draws are draws from one posterior.
    side = ridge.Rows.of(np.full(rows, count), np.tile(np.arange(count, dtype=np.int32), rows), np.tile(ratings, rows))
    priors = (prior_mean + random.standard_normal((rows, width))).astype(np.float32)
    target = tf.Variable(tf.zeros([rows, width + 1]))
    others = tf.constant(features), tf.constant(offsets), tf.constant(scales)
    ridge.draw(target, *others, side, tf.constant(priors), tf.fill([rows], noise), tf.constant([5, 0]))
    x = features.astype(np.float64)
    precisions = 1 / (noise * scales) ** 2
    covariance = np.linalg.inv(np.eye(width) + (x.T * precisions) @ x)
    mean = covariance @ (prior_mean + x.T @ (precisions * (ratings - offsets)))
    draws, squares = target.numpy()[:, :-1], target.numpy()[:, -1]
    left = ratings - offsets - draws @ features.T
    assert np.allclose(squares, ((left / scales) ** 2).sum(axis=1), rtol=1e-3, atol=1e-4)
    assert np.allclose(draws.mean(axis=0), mean, atol=5 * np.sqrt(covariance.max() / rows))
    assert np.allclose(np.cov(draws.T), covariance, atol=0.08 * covariance.max())


def test_each_row_is_drawn_with_its_own_noise() -> None:
    rows, noises = 4000, np.array([0.2, 2.0], np.float32)
    side = ridge.Rows.of(np.full(rows, 1), np.zeros(rows, np.int32), np.full(rows, 3.0, np.float32))
    random = np.random.default_rng(0)
    priors = tf.constant(random.standard_normal((rows, 1)), tf.float32)
    target = tf.Variable(tf.zeros([rows, 2]))
    of_rows = tf.constant(np.tile(noises, rows // 2))
    ridge.draw(target, tf.ones([1, 1]), tf.zeros([1]), tf.ones([1]), side, priors, of_rows, tf.constant([1, 0]))
    for number, noise in enumerate(noises):
        found = target.numpy()[number::2, 0]
        variance = noise**2 / (1 + noise**2)
        assert found.mean() == pytest.approx(3 / (1 + noise**2), abs=float(5 * np.sqrt(variance / len(found))))
        assert found.var() == pytest.approx(variance, rel=0.12)


def test_a_row_without_ratings_keeps_what_the_target_had() -> None:
    side = ridge.Rows.of(np.array([0, 1]), np.array([0], np.int32), np.array([3.0], np.float32))
    target = tf.Variable(tf.fill([2, 3], 7.0))
    others = tf.ones([1, 2]), tf.zeros([1]), tf.ones([1])
    ridge.draw(target, *others, side, tf.zeros([2, 2]), tf.ones([2]), tf.constant([0, 0]))
    assert (target[0] == 7).numpy().all()
    assert (target[1] != 7).numpy().all()


def test_the_prior_finds_what_the_features_say() -> None:
    random = np.random.default_rng(0)
    features = scipy.sparse.csr_array(random.normal(size=(2000, 6)))
    link = random.normal(size=(6, 3))
    rows = features @ link + [1, -1, 0.5] + 0.3 * random.normal(size=(2000, 3))
    prior = LinkedPrior(features, 3, random)
    for _ in range(20):
        prior.update(rows.astype(np.float32))
    assert np.allclose(prior.means(), features @ link + [1, -1, 0.5], atol=0.15)
    assert np.allclose(np.linalg.inv(prior.precision), 0.09 * np.eye(3), atol=0.02)


def test_conjugate_gradients_give_what_the_decomposition_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    features = scipy.sparse.random_array((300, 40), density=0.1, rng=0, format="csr")
    rows = np.random.default_rng(1).normal(size=(300, 3)).astype(np.float32)
    means = []
    for most in (10**9, 0):
        monkeypatch.setattr(linked_prior, "_DECOMPOSED_FEATURES", most)
        prior = LinkedPrior(features, 3, np.random.default_rng(2))
        for _ in range(3):
            prior.update(rows)
        means.append(prior.means())
    assert np.allclose(*means, atol=1e-2)


def test_features_that_are_none_leave_a_plain_prior() -> None:
    prior = LinkedPrior(scipy.sparse.csr_array((5, 0)), 2, np.random.default_rng(0))
    prior.update(np.ones((5, 2), np.float32))
    assert prior.means().shape in ((5, 2), (2,))


def test_the_compressed_mean_is_the_mean() -> None:
    random = np.random.default_rng(0)
    draws = [
        (random.normal(size=(60, 5)).astype(np.float32), random.normal(size=(40, 5)).astype(np.float32))
        for _ in range(300)  # 1,500 columns: it compresses on the way
    ]
    mean = PosteriorMean(rank=40)
    for users, movies in draws:
        mean.add(users, movies)
    users, movies = mean.factors()
    expected = np.mean([u @ m.T for u, m in draws], axis=0)
    assert np.allclose(users @ movies.T, expected, atol=1e-4)
    assert users.shape == (60, 40)


def test_a_mean_of_fewer_directions_is_padded() -> None:
    mean = PosteriorMean(rank=10)
    mean.add(np.ones((3, 2), np.float32), np.ones((4, 2), np.float32))
    users, movies = mean.factors()
    assert (users.shape, movies.shape) == ((3, 10), (4, 10))
    assert np.allclose(users @ movies.T, 2)


def parts(everything: Ratings, share: float = 0.2) -> list[Ratings]:
    return [everything.part(positions) for positions in splits.random_split(len(everything.ratings), share, 0)]


def test_it_predicts_better_than_one_pair_of_factors() -> None:
    training, held_out = parts(made_up(150, 100, 4000, noise=0.8))
    options = bayesian.Options(dimensions=20, draw_dimensions=5, draws=60)
    errors = [
        metrics.rmse(fitted.predict(held_out.users, held_out.movies), held_out.ratings)
        for fitted in (
            bayesian.fit(training, None, options, seed=0),
            matrix_factorization.fit(training, None, matrix_factorization.Options(dimensions=5), seed=0),
        )
    ]
    assert errors[0] < 0.98 * errors[1]


def test_users_and_movies_without_ratings_are_predicted_near_the_mean() -> None:
    training = made_up(40, 30, 500)
    wider = Ratings(training.users, training.movies, training.ratings, 42, 33)
    fitted = bayesian.fit(wider, None, bayesian.Options(dimensions=8, draw_dimensions=3, draws=30), seed=0)
    assert np.isfinite(fitted.user_vectors).all()
    assert fitted.predict(np.array([41]), np.array([32]))[0] == pytest.approx(fitted.mean, abs=1.5)


def test_the_same_seed_gives_the_same_vectors_and_another_does_not() -> None:
    training = made_up(40, 30, 500)
    options = bayesian.Options(dimensions=6, draw_dimensions=3, draws=5)
    first, again, other = (bayesian.fit(training, None, options, seed=seed) for seed in (1, 1, 2))
    assert first.user_vectors.tobytes() == again.user_vectors.tobytes()
    assert first.movie_vectors.tobytes() == again.movie_vectors.tobytes()
    assert first.movie_vectors.tobytes() != other.movie_vectors.tobytes()


def test_the_reported_error_is_of_the_draws_mean() -> None:
    training, held_out = parts(made_up(60, 40, 1500))
    options = bayesian.Options(dimensions=40, draw_dimensions=4, draws=20)
    fitted = bayesian.fit(training, held_out, options, seed=0)
    assert len(fitted.history) == 40
    assert fitted.history[-1].of == 40
    predicted = fitted.predict(held_out.users, held_out.movies)
    assert metrics.rmse(predicted, held_out.ratings) == pytest.approx(fitted.history[-1].held_out_rmse, abs=1e-3)


def test_what_is_known_of_movies_helps_where_ratings_are_few() -> None:
    random = np.random.default_rng(0)
    genre = random.integers(0, 4, 200)
    taste = random.normal(0, 1.5, (100, 4))
    users, movies = random.integers(0, 100, 1200), random.integers(0, 200, 1200)
    _, first = np.unique(users * 200 + movies, return_index=True)
    users, movies = users[first].astype(np.int32), movies[first].astype(np.int32)
    ratings = (3 + taste[users, genre[movies]] + random.normal(0, 0.3, len(users))).astype(np.float32)
    kept, held = splits.random_split(len(users), 0.2, 0)
    errors = []
    for known in (None, np.eye(4, dtype=np.float32)[genre]):
        training = Ratings(users[kept], movies[kept], ratings[kept], 100, 200, known)
        fitted = bayesian.fit(training, None, bayesian.Options(dimensions=12, draw_dimensions=5, draws=60), seed=0)
        errors.append(metrics.rmse(fitted.predict(users[held], movies[held]), ratings[held]))
    assert errors[1] < 0.9 * errors[0]


def test_fewer_draws_are_made_of_more_ratings() -> None:
    options = bayesian.Options()
    assert [options.epochs_for(count) for count in (1, 100_000, 1_000_000, 10**9)] == [320, 320, 120, 40]
    assert bayesian.Options(draws=7).epochs_for(10**9) == 27


@pytest.mark.parametrize("scale", [1e-3, 1000.0])
def test_the_unit_of_the_ratings_does_not_matter(scale: float) -> None:
    training = made_up(40, 30, 500)
    options = bayesian.Options(dimensions=6, draw_dimensions=3, draws=10)
    other = Ratings(training.users, training.movies, training.ratings * np.float32(scale), 40, 30)
    plain, scaled = (bayesian.fit(each, None, options, seed=0) for each in (training, other))
    predicted = [fitted.predict(training.users, training.movies) for fitted in (plain, scaled)]
    assert np.allclose(predicted[0], predicted[1] / scale, atol=0.02)
    assert scaled.history[-1].rmse == pytest.approx(plain.history[-1].rmse * scale, rel=0.02)

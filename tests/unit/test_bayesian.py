"""Bayesian matrix factorization: posterior draws against float64 numpy, the prior, the averaged factors, accuracy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from test_matrix_factorization import as_model, made_up

from embrec import metrics, splits
from embrec.errors import TrainingError
from embrec.models.als import model as als
from embrec.models.base import Ratings
from embrec.models.bayesian import average, gibbs, normal_equations, posterior, prior
from embrec.models.bayesian.average import PosteriorMean
from embrec.models.bayesian.normal_equations import Explained, Sums
from embrec.models.bayesian.prior import LinkedPrior
from embrec.models.features import user_features
from embrec.models.fold_in import with_fold_in


def sums_by_hand(explained: Explained, rated: np.ndarray, ratings: np.ndarray) -> Sums:
    """Return the sums of one row's ratings, in float64."""
    x, y = explained.features[rated].astype(np.float64), (ratings - explained.offsets[rated]).astype(np.float64)
    weighted = x * explained.weights[rated][:, np.newaxis]
    return Sums((weighted.T @ x)[np.tril_indices(x.shape[1])], weighted.T @ y, y @ (explained.weights[rated] * y))


def explaining(rows: int, width: int, random: np.random.Generator) -> Explained:
    return Explained(
        random.normal(size=(rows, width)).astype(np.float32),
        random.normal(size=rows).astype(np.float32),
        random.uniform(0.3, 3, rows).astype(np.float32),
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 12), st.integers(1, 200), st.integers(1, 50), st.integers(0, 2**16))
def test_sums_are_those_of_each_rating(users: int, movies: int, count: int, most: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    pairs = random.permutation(users * movies)[:count]
    ratings = random.normal(size=len(pairs)).astype(np.float32)
    training = Ratings((pairs // movies).astype(np.int32), (pairs % movies).astype(np.int32), ratings, users, movies)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normal_equations, "_BLOCK_RATINGS", most)
        patch.setattr(normal_equations, "_RATINGS_OF_ROW", 0.5)
        patch.setattr(normal_equations, "_BLOCK_MOVIES", most)
        equations = normal_equations.NormalEquations(training, map)
    for ways, own, others in (
        (equations.of_users, training.users, training.movies),
        (equations.of_movies, training.movies, training.users),
    ):
        explained = explaining(max(users, movies), 3, random)
        explained = explained.part(slice(0, movies if own is training.users else users))
        rows = 0
        for part, found in ways(explained, lambda rows, sums: (rows, sums)):
            assert part.start == rows, "in order, and none left out"
            rows = part.stop
            for row in range(part.start, part.stop):
                mine = own == row
                expected = sums_by_hand(explained, others[mine], ratings[mine])
                for each, by_hand in zip(
                    found.part(slice(row - part.start, row - part.start + 1)), expected, strict=True
                ):
                    assert np.allclose(each[0], by_hand, rtol=1e-4, atol=1e-4)
        assert rows == (users if own is training.users else movies)


@pytest.mark.parametrize("count", [0, 3, 20], ids=["no ratings", "fewer ratings than coordinates", "more"])
def test_draws_have_the_posteriors_mean_and_covariance(count: int) -> None:
    random = np.random.default_rng(count)
    width, rows, noise = 4, 4000, 0.7
    explained = explaining(20, width, random)
    rated, ratings = np.arange(count), random.normal(size=count).astype(np.float32)
    prior_mean, precision = random.normal(size=width), np.cov(random.normal(size=(width, 30)))
    # All rows have the same ratings and prior, so that their draws come from one posterior.
    one = sums_by_hand(explained, rated, ratings)
    sums = Sums(*(np.repeat(np.float32(each)[np.newaxis], rows, axis=0) for each in one))
    priors = np.repeat(np.float32(prior_mean)[np.newaxis], rows, axis=0)
    normal = random.standard_normal((rows, width), np.float32)
    noises = np.full(rows, noise, np.float32)
    drawn = posterior.draw(sums, priors, precision.astype(np.float32), noises, normal)
    x = explained.features[rated].astype(np.float64)
    precisions = explained.weights[rated] / noise**2
    covariance = np.linalg.inv(precision + (x.T * precisions) @ x)
    mean = covariance @ (precision @ prior_mean + x.T @ (precisions * (ratings - explained.offsets[rated])))
    left = ratings - explained.offsets[rated] - drawn.vectors @ x.T
    assert np.allclose(drawn.squares, (left**2 * explained.weights[rated]).sum(axis=1), rtol=1e-3, atol=1e-3)
    assert np.allclose(drawn.expected, mean, rtol=1e-3, atol=1e-4)
    assert np.allclose(drawn.vectors.mean(axis=0), mean, atol=5 * np.sqrt(covariance.max() / rows))
    assert np.allclose(np.cov(drawn.vectors.T), covariance, atol=0.08 * covariance.max())


def test_each_row_is_drawn_with_its_own_noise() -> None:
    rows, noises = 4000, np.array([0.2, 2.0], np.float32)
    ones = np.ones((rows, 1), np.float32)
    normal = np.random.default_rng(0).standard_normal((rows, 1)).astype(np.float32)
    sums = Sums(ones, 3 * ones, 9 * ones[:, 0])
    drawn = posterior.draw(sums, 0 * ones, np.ones((1, 1), np.float32), np.tile(noises, rows // 2), normal)
    for number, noise in enumerate(noises):
        found = drawn.vectors[number::2, 0]
        variance = noise**2 / (1 + noise**2)
        assert drawn.expected[number, 0] == pytest.approx(3 / (1 + noise**2), rel=1e-5)
        assert found.mean() == pytest.approx(3 / (1 + noise**2), abs=float(5 * np.sqrt(variance / len(found))))
        assert found.var() == pytest.approx(variance, rel=0.12)


def test_the_prior_finds_what_the_features_say() -> None:
    random = np.random.default_rng(0)
    features = scipy.sparse.csr_array(random.normal(size=(2000, 6)))
    link = random.normal(size=(6, 3))
    rows = features @ link + [1, -1, 0.5] + 0.3 * random.normal(size=(2000, 3))
    prior = LinkedPrior(features, 3, random)
    drawn = []
    for _ in range(50):
        prior.update(rows.astype(np.float32))
        drawn.append(prior.means())
    assert np.allclose(np.mean(drawn, axis=0), features @ link + [1, -1, 0.5], atol=0.12)
    assert np.allclose(np.linalg.inv(prior.precision), 0.09 * np.eye(3), atol=0.02)


@pytest.mark.parametrize("shape", [(120, 40), (100, 120)], ids=["more rows than features", "more features than rows"])
def test_conjugate_gradients_draw_what_the_decomposition_draws(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    features = scipy.sparse.random_array(shape, density=0.1, rng=0, format="csr")
    random = np.random.default_rng(1)
    rows = (features @ random.normal(size=(shape[1], 3)) + random.normal(size=(shape[0], 3))).astype(np.float32)
    found = []
    for most in (10**9, 0):
        monkeypatch.setattr(prior, "_DECOMPOSED", most)
        linked = LinkedPrior(features, 3, np.random.default_rng(2))
        drawn = []
        for _ in range(3000):
            linked.update(rows)
            drawn.append(linked.means())
        found.append((np.mean(drawn, axis=0), np.std(drawn, axis=0)))
    (mean, deviation), (other_mean, other_deviation) = found
    assert np.allclose(mean, other_mean, atol=0.15)
    assert np.allclose(deviation, other_deviation, atol=0.15)
    assert mean.std() > 0.8, "what is compared is not nothing"
    assert deviation.mean() > 0.3


def test_the_precision_is_drawn_from_a_wishart_distribution() -> None:
    prior = LinkedPrior(scipy.sparse.csr_array((5, 0)), 3, np.random.default_rng(0))
    scale = np.array([[2.0, 0.5, 0], [0.5, 1, -0.2], [0, -0.2, 0.3]])
    drawn = np.array([prior._wishart(7, scale) for _ in range(20_000)])
    assert np.allclose(drawn.mean(axis=0), 7 * scale, atol=0.15)
    diagonal = np.diag(scale)
    assert np.allclose(drawn.var(axis=0), 7 * (scale**2 + np.outer(diagonal, diagonal)), rtol=0.06, atol=0.01)


def test_features_that_are_none_leave_a_plain_prior() -> None:
    prior = LinkedPrior(scipy.sparse.csr_array((5, 0)), 2, np.random.default_rng(0))
    prior.update(np.ones((5, 2), np.float32))
    assert prior.means().shape == (5, 2)


@pytest.mark.parametrize("numbers", [0, 1 << 24], ids=["compressing on the way", "once"])
def test_the_compressed_mean_is_the_mean(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(average, "_NUMBERS", numbers)
    random = np.random.default_rng(0)
    draws = [
        (random.normal(size=(60, 5)).astype(np.float32), random.normal(size=(40, 5)).astype(np.float32))
        for _ in range(300)
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
    options = gibbs.Options(dimensions=20, draw_dimensions=5, draws=60)
    errors = [
        metrics.rmse(fitted.predict(held_out.users, held_out.movies), held_out.ratings)
        for fitted in (
            as_model(gibbs.factorize(training, None, options, seed=0)),
            als.MatrixFactorization().fit(training, None, als.Options(dimensions=5), seed=0),
        )
    ]
    assert errors[0] < 0.98 * errors[1]


def test_users_and_movies_without_ratings_are_predicted_near_the_mean() -> None:
    training = made_up(40, 30, 500)
    wider = Ratings(training.users, training.movies, training.ratings, 42, 33)
    fitted = as_model(gibbs.factorize(wider, None, gibbs.Options(dimensions=8, draw_dimensions=3, draws=30), seed=0))
    assert np.isfinite(fitted.user_vectors).all()
    assert fitted.predict(np.array([41]), np.array([32]))[0] == pytest.approx(fitted.mean, abs=1.5)


def test_the_same_seed_gives_the_same_vectors_and_another_does_not() -> None:
    training = made_up(40, 30, 500)
    options = gibbs.Options(dimensions=6, draw_dimensions=3, draws=5)
    first, again, other = (as_model(gibbs.factorize(training, None, options, seed=seed)) for seed in (1, 1, 2))
    assert first.user_vectors.tobytes() == again.user_vectors.tobytes()
    assert first.movie_vectors.tobytes() == again.movie_vectors.tobytes()
    assert first.movie_vectors.tobytes() != other.movie_vectors.tobytes()


def test_the_reported_error_is_of_the_draws_mean() -> None:
    training, held_out = parts(made_up(60, 40, 1500))
    options = gibbs.Options(dimensions=40, draw_dimensions=4, draws=20)
    fitted = as_model(gibbs.factorize(training, held_out, options, seed=0))
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
        fitted = as_model(
            gibbs.factorize(training, None, gibbs.Options(dimensions=12, draw_dimensions=5, draws=60), seed=0)
        )
        errors.append(metrics.rmse(fitted.predict(users[held], movies[held]), ratings[held]))
    assert errors[1] < 0.9 * errors[0]


def test_what_is_known_of_users_helps_where_ratings_are_few() -> None:
    random = np.random.default_rng(0)
    group = random.integers(0, 4, 200)
    taste = random.normal(0, 1.5, (4, 100))
    users, movies = random.integers(0, 200, 1200), random.integers(0, 100, 1200)
    _, first = np.unique(users * 100 + movies, return_index=True)
    users, movies = users[first].astype(np.int32), movies[first].astype(np.int32)
    ratings = (3 + taste[group[users], movies] + random.normal(0, 0.3, len(users))).astype(np.float32)
    kept, held = splits.random_split(len(users), 0.2, 0)
    having = {f"group {number}": np.flatnonzero(group == number).astype(np.int32) for number in range(4)}
    errors = []
    for known in (None, user_features(having)):
        everything = Ratings(users, movies, ratings, 200, 100, user_features=known)
        fitted = as_model(
            gibbs.factorize(
                everything.part(kept), None, gibbs.Options(dimensions=12, draw_dimensions=5, draws=60), seed=0
            )
        )
        errors.append(metrics.rmse(fitted.predict(users[held], movies[held]), ratings[held]))
    assert errors[1] < 0.9 * errors[0]


def test_what_is_known_stands_beside_who_rated_what() -> None:
    one = np.array([0, 0, 2], np.int32)
    known = user_features({"a": np.array([0, 1], np.int32), "b": np.array([1, 2], np.int32)})
    training = Ratings(one, np.array([0, 1, 1], np.int32), np.ones(3, np.float32), 3, 2, np.ones((2, 2)), known)
    of_users, of_movies = gibbs.features(training)
    half = 0.5**0.5
    assert np.allclose(of_users.toarray(), [[half, half, 1, 0], [0, 0, half, half], [0, 1, 0, 1]])
    assert np.allclose(of_movies.toarray(), [[1, 0, 0, half, half], [half, 0, half, half, half]])


def test_fewer_draws_are_made_of_more_ratings() -> None:
    options = gibbs.Options()
    assert [options.epochs_for(count) for count in (1, 100_000, 1_000_000, 10**9)] == [220, 220, 220, 40]
    assert gibbs.Options(draws=7).epochs_for(10**9) == 27


def test_fewer_draws_than_dimensions_leave_no_direction_of_rounding() -> None:
    training = made_up(150, 100, 4000)
    fitted = as_model(with_fold_in(gibbs.factorize(training, None, gibbs.Options(draws=1), seed=0), training))
    assert np.abs(fitted.movie_vectors).max() < 100
    assert not fitted.movie_vectors[:, 15:].any()


@pytest.mark.parametrize("of_movies", [0.0, 1.0], ids=["all equal", "one value for each movie"])
def test_ratings_without_any_noise_are_fitted(of_movies: float) -> None:
    random = np.random.default_rng(0)
    users, movies = (each.ravel().astype(np.int32) for each in np.meshgrid(np.arange(500), np.arange(100)))
    ratings = (3 + of_movies * random.normal(size=100)[movies]).astype(np.float32)
    fitted = as_model(gibbs.factorize(Ratings(users, movies, ratings, 500, 100), None, gibbs.Options(draws=20), seed=0))
    assert metrics.rmse(fitted.predict(users, movies), ratings) < 0.03


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_rating_that_is_not_finite_is_an_error(value: float) -> None:
    training = made_up(40, 30, 500)
    training.ratings[3] = value
    with pytest.raises(TrainingError, match="not finite"):
        as_model(gibbs.factorize(training, None, gibbs.Options(draws=1), seed=0))


@pytest.mark.parametrize("scale", [1e-3, 1000.0])
def test_the_unit_of_the_ratings_does_not_matter(scale: float) -> None:
    training = made_up(40, 30, 500)
    options = gibbs.Options(dimensions=6, draw_dimensions=3, draws=10)
    other = Ratings(training.users, training.movies, training.ratings * np.float32(scale), 40, 30)
    plain, scaled = (as_model(gibbs.factorize(each, None, options, seed=0)) for each in (training, other))
    predicted = [fitted.predict(training.users, training.movies) for fitted in (plain, scaled)]
    assert np.allclose(predicted[0], predicted[1] / scale, atol=0.02)
    assert scaled.history[-1].rmse == pytest.approx(plain.history[-1].rmse * scale, rel=0.02)

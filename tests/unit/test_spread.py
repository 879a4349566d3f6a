"""The noise of users and movies: scales against the true ones, and standard deviations against held-out ratings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import gammaln
from test_matrix_factorization import as_model, made_up

from embrec import splits
from embrec.models.als import model as als
from embrec.models.base import FittedModel, Ratings
from embrec.models.bayesian import gibbs
from embrec.models.bayesian.noise import Scales, draw_weight
from embrec.models.bayesian.spreads import Spread, moment, wide_movies, wide_users, wide_users_without_biases
from embrec.models.shards.tree import equal, total

OPTIONS = gibbs.Options(dimensions=16, draws=40)


def uneven(of_users: np.ndarray, of_movies: np.ndarray, count: int = 12_000) -> Ratings:
    """Make ratings whose noise is 0.5 * the user's scale * the movie's."""
    quiet = made_up(len(of_users), len(of_movies), count, noise=0.0)
    noise = np.random.default_rng(1).normal(0, 0.5, len(quiet.ratings))
    noise *= of_users[quiet.users] * of_movies[quiet.movies]
    return replace(quiet, ratings=(quiet.ratings + noise).astype(np.float32))


def errors(fitted: FittedModel, held_out: Ratings) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors of predictions, and their predicted standard deviations."""
    wrong = held_out.ratings - fitted.predict(held_out.users, held_out.movies)
    assert fitted.user_spreads is not None
    assert fitted.movie_spreads is not None
    return wrong, fitted.user_spreads[held_out.users] * fitted.movie_spreads[held_out.movies]


def test_scales_are_found_and_shrunk_where_ratings_are_few() -> None:
    random = np.random.default_rng(0)
    counts = np.repeat([0, 5, 400], 500)
    made = 1 / np.sqrt(random.gamma(6, 1 / 6, len(counts)))
    scales, every = Scales(counts), slice(0, len(counts))
    drawn = []
    for _ in range(60):
        squares = made**2 * random.chisquare(counts.clip(1)) * (counts > 0)
        weight = draw_weight(scales.log_likelihoods(every, squares), random)
        scales.draw(every, weight, random)
        drawn.append(scales.expected_squares.copy())
    found = np.mean(drawn, axis=0)
    assert scales.values.dtype == np.float32
    assert np.corrcoef(found[1000:], made[1000:] ** 2)[0, 1] > 0.99
    assert found[:500].std() < 1e-9, "nothing is known of those without ratings"
    # The prior of weight 12 has the mean square 12 / 10; the grid is half an octave.
    assert found[0] == pytest.approx(1.2, abs=0.1)
    middle = np.polyfit(made[500:1000] ** 2, found[500:1000], 1)[0]
    assert middle == pytest.approx(5 / (12 + 5 - 2), rel=0.35)


def test_spreads_tell_how_wrong_predictions_are() -> None:
    random = np.random.default_rng(3)
    of_users, of_movies = np.exp(random.normal(0, 0.5, 150)), np.exp(random.normal(0, 0.3, 100))
    everything = uneven(of_users, of_movies)
    training, held_out = (everything.part(each) for each in splits.random_split(len(everything.ratings), 0.3, 0))
    fitted = as_model(gibbs.factorize(training, None, OPTIONS, seed=0))
    wrong, claimed = errors(fitted, held_out)
    assert fitted.user_spreads.dtype == fitted.movie_spreads.dtype == np.float32
    for share, width in ((0.5, 0.6745), (0.8, 1.2816), (0.95, 1.96)):
        assert np.mean(np.abs(wrong) < width * claimed) == pytest.approx(share, abs=0.03)
    order = np.argsort(claimed)
    for part in np.array_split(order, 5):
        assert np.sqrt(np.mean(wrong[part] ** 2)) == pytest.approx(np.sqrt(np.mean(claimed[part] ** 2)), rel=0.15)
    truth = 0.5 * of_users[held_out.users] * of_movies[held_out.movies]
    assert np.corrcoef(np.log(claimed), np.log(truth))[0, 1] > 0.9
    # The most uncertain fifth has errors several times as large, so one deviation for all would fail the check above.
    assert np.std(wrong[order[-len(order) // 5 :]]) > 3 * np.std(wrong[order[: len(order) // 5]])


def test_even_noise_is_found_to_be_even() -> None:
    training = made_up(150, 100, 9000, noise=0.5)
    fitted = as_model(gibbs.factorize(training, None, OPTIONS, seed=0))
    rated = np.bincount(training.users, minlength=150) > 20
    assert np.std(np.log(fitted.user_spreads[rated])) < 0.1


def test_uneven_noise_is_weighed() -> None:
    """A third of the users rate almost at random; the others' ratings are still predicted well."""
    of_users = np.where(np.arange(150) % 3 == 0, 8.0, 0.5)
    everything = uneven(of_users, np.ones(100))
    training, held_out = (everything.part(each) for each in splits.random_split(len(everything.ratings), 0.3, 0))
    calm = held_out.part(np.flatnonzero(held_out.users % 3 > 0))
    wrong, _ = errors(as_model(gibbs.factorize(training, None, OPTIONS, seed=0)), calm)
    quick = als.MatrixFactorization().fit(training, None, als.Options(dimensions=3), seed=0)
    assert np.std(wrong) < 0.35, "the noise is 0.25"
    assert np.std(wrong) < 0.5 * np.std(calm.ratings - quick.predict(calm.users, calm.movies))


def test_few_ratings_make_a_prediction_uncertain() -> None:
    """The noise is the same for all; only the number of ratings of a movie differs."""
    everything = made_up(200, 100, 9000, noise=0.3)
    rare = np.flatnonzero((everything.movies >= 20) | (np.random.default_rng(0).random(len(everything.movies)) < 0.05))
    fitted = as_model(gibbs.factorize(everything.part(rare), None, OPTIONS, seed=0))
    assert np.median(fitted.movie_spreads[:20]) > 1.5 * np.median(fitted.movie_spreads[20:])


def test_one_draw_and_rows_without_ratings_have_spreads_too() -> None:
    known = made_up(40, 30, 500)
    wider = Ratings(known.users, known.movies, known.ratings, 42, 33)
    fitted = as_model(gibbs.factorize(wider, None, replace(OPTIONS, draws=1), seed=0))
    for spreads in (fitted.user_spreads, fitted.movie_spreads):
        assert np.isfinite(spreads).all()
        assert (spreads > 0).all()
    equal = replace(known, ratings=np.full(len(known.ratings), 3.0, np.float32))
    assert np.isfinite(as_model(gibbs.factorize(equal, None, replace(OPTIONS, draws=5), seed=0)).user_spreads).all()


def test_the_log_likelihood_is_that_of_scales_integrated_out() -> None:
    """Up to a constant, the marginal density of squares given counts, by quadrature."""
    counts, squares = np.array([3, 0, 10]), np.array([5.0, 0.0, 4.0])
    found = Scales(counts).log_likelihoods(slice(0, 3), squares)
    precisions = np.linspace(1e-4, 12, 200_000)
    for place, weight in ((0, 4.0), (4, 16.0)):
        prior = (weight / 2 - 1) * np.log(precisions) - weight / 2 * precisions
        prior -= gammaln(weight / 2) - weight / 2 * np.log(weight / 2)
        by_hand = 0.0
        for count, square in zip(counts, squares, strict=True):
            density = np.exp(prior + count / 2 * np.log(precisions) - square / 2 * precisions)
            by_hand += np.log(np.trapezoid(density, precisions)) - count / 2 * np.log(2)
        assert found[place] == pytest.approx(by_hand, rel=1e-3)


def test_the_variance_of_draws_is_added_to_the_noises() -> None:
    random = np.random.default_rng(0)
    counts = np.full(6, 4), np.full(4, 6)
    shares = [equal(len(each), 2, 2).share(0, 1) for each in counts]
    spreads = [Spread(share, len(each)) for share, each in zip(shares, counts, strict=True)]
    wide = wide_users, wide_movies

    def moments(*sides: np.ndarray) -> list[np.ndarray]:
        made = zip(shares, wide, sides, counts, strict=True)
        return [total([moment(share, widen, side, count)])[0] / 24 for share, widen, side, count in made]

    draws = [
        (random.normal(size=(6, 3)).astype(np.float32), random.normal(size=(4, 3)).astype(np.float32))
        for _ in range(2000)
    ]
    for users, movies in draws:
        varying = random.normal(size=movies.shape).astype(np.float32)
        of_users, of_movies = moments(users, movies)
        of_users_alone, of_variance = moments(users, varying)
        of_users_alone[-2] = of_users_alone[:, -2] = 0
        spreads[0].add(
            np.full(6, 0.49), (wide_users, users, of_movies), (wide_users_without_biases, users, of_variance)
        )
        spreads[1].add(np.full(4, 0.49), (wide_movies, movies, of_users), (wide_movies, varying, of_users_alone))
    none = [np.zeros((6, 3), np.float32), np.zeros((4, 3), np.float32)]  # the posterior mean is zero
    of_mean = moments(*none)
    variances = [
        spread.variances(2000, (widen, side, other))
        for spread, widen, side, other in zip(spreads, wide, none, of_mean[::-1], strict=True)
    ]
    predicted = np.array([u[:, :2] @ m[:, :2].T + u[:, 2:] + m[:, 2] for u, m in draws])
    # The draws of a movie add the squared length of a user's vector, and 1 for the bias: E |u|^2 + 1 = 3.
    added = np.array([(u[:, :2] ** 2).sum(axis=1) + 1 for u, _ in draws])
    expected = 0.7**2 + np.mean(predicted**2) + added.mean()
    for found in variances:
        assert found == pytest.approx(np.full(len(found), expected), rel=0.15)

"""Bayesian matrix factorization: posterior draws against float64 numpy, the prior, the averaged factors, accuracy."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from test_matrix_factorization import as_model, made_up

from embrec import metrics, splits
from embrec.engines.threads import OnThreads, Threads
from embrec.errors import TrainingError
from embrec.models.als import model as als
from embrec.models.base import Ratings
from embrec.models.bayesian import average, gibbs, link, share
from embrec.models.bayesian.columns import Columns
from embrec.models.bayesian.features import decompose, features
from embrec.models.bayesian.prior import DecomposedLink, Described, LinkedPrior, wishart
from embrec.models.features import content_features, user_features
from embrec.models.fold_in import with_fold_in
from embrec.models.shards import layout
from embrec.models.shards.tree import equal, total


def prior_of(features: scipy.sparse.csr_array, rows: np.ndarray, sweeps: int) -> tuple[LinkedPrior, list[np.ndarray]]:
    """Draw a prior's parameters a number of times, with a decomposed regression; return the means of all rows."""
    basis = decompose(features.astype(np.float32))
    width, random = rows.shape[1], np.random.default_rng(0)
    prior = LinkedPrior(width, len(rows), DecomposedLink(basis, width))
    described = Described(rows.sum(axis=0), rows.T @ rows, basis.vectors.T @ rows)
    drawn = []
    for sweep in range(sweeps):
        prior.update(sweep, described, random)
        drawn.append(prior.mean + basis.vectors @ prior.link.coefficients)
    return prior, drawn


def test_the_prior_finds_what_the_features_say() -> None:
    random = np.random.default_rng(0)
    features = scipy.sparse.csr_array(random.normal(size=(2000, 6)))
    link = random.normal(size=(6, 3))
    rows = features @ link + [1, -1, 0.5] + 0.3 * random.normal(size=(2000, 3))
    prior, drawn = prior_of(features, rows, 50)
    assert np.allclose(np.mean(drawn[5:], axis=0), features @ link + [1, -1, 0.5], atol=0.12)
    assert np.allclose(np.linalg.inv(prior.precision), 0.09 * np.eye(3), atol=0.02)


def test_the_precision_is_found_where_there_are_more_features_than_rows() -> None:
    """With the coefficients given, thousands of which no row has, the precision would hardly move from its start."""
    random = np.random.default_rng(0)
    features = scipy.sparse.csr_array(np.hstack([np.eye(200), np.zeros((200, 5000))]))
    prior, _ = prior_of(features, 0.01 * random.normal(size=(200, 3)), 20)
    assert np.diag(np.linalg.inv(prior.precision)).max() < 0.02


def known(users: int, movies: int, seed: int = 0) -> dict[str, Any]:
    """Make side information on users and movies."""
    random = np.random.default_rng(seed)
    having = {str(label): np.flatnonzero(random.random(users) < 0.3).astype(np.int32) for label in range(4)}
    genres = (random.random((movies, 5)) < 0.4).astype(np.float32)
    content = content_features(random.normal(size=(movies, 3)).astype(np.float32))
    return {"user_features": user_features(having), "movie_features": genres, "movie_content": content}


def added_to_rows(worker: share.Worker, side: str, drawn: Any) -> np.ndarray:
    """Return what the features add to each row."""
    rows = getattr(worker, side)
    every = slice(0, len(rows.vectors))
    if drawn.coefficients is not None:
        return rows.of_basis(drawn.coefficients, every)
    if side == "movies":
        return rows._added.copy()
    (coefficients,) = (each.result() for each in drawn.slices)
    return rows._incidence(coefficients, every) * rows.roots[:, np.newaxis]


@pytest.mark.parametrize("side", ["users", "movies"])
@pytest.mark.parametrize("shape", [(90, 30), (30, 90)], ids=["more users", "more movies"])
def test_conjugate_gradients_draw_what_the_decomposition_draws(
    shape: tuple[int, int], side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_LEFT_OVER", 1e-3)
    training = replace(made_up(*shape, 600), **known(*shape))
    random = np.random.default_rng(0)
    mean, lower = random.normal(size=16).astype(np.float32), np.tril(random.normal(size=(16, 16))).astype(np.float32)
    unexplained, found = [], []
    for most in (10**9, 0):
        monkeypatch.setattr(link, "_BASIS_NUMBERS", most)
        with Threads(share.Worker, 1) as engine:
            sampler = gibbs.GibbsSampler(training, None, gibbs.Options(), 0, engine)
            regression = getattr(sampler._chain, side).link
            described = Described(*total(engine.get(engine.all(f"{side}.describe"))))
            crossed = np.outer(described.sums, mean)
            residual = described.products - crossed - crossed.T + shape[side == "movies"] * np.outer(mean, mean)
            drawn = []
            for sweep in range(400):
                left = regression.unexplained(sweep, described, residual, mean, 3.0)
                sums = regression.draw(sweep, lower, 3.0, random)
                drawn.append(added_to_rows(engine._shares[0], side, regression))
            assert np.allclose(drawn[-1].sum(axis=0), sums.added, atol=1e-2 * np.abs(drawn[-1]).sum(axis=0).max())
            unexplained.append(left)
            found.append((np.mean(drawn, axis=0), np.std(drawn, axis=0)))
    assert np.allclose(*unexplained, atol=1e-3 * np.abs(unexplained[0]).max())
    assert np.trace(unexplained[0]) < 0.9 * np.trace(residual), "what is compared is not nothing"
    (mean_of_rows, deviation), (other_mean, other_deviation) = found
    assert np.allclose(mean_of_rows, other_mean, atol=5 * 2**0.5 * deviation.max() / 20)
    assert np.allclose(deviation, other_deviation, rtol=0.25, atol=0.02)


def test_conjugate_gradients_need_few_steps_with_many_movies_of_few_genres(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each genre has an eigenvalue of its own. Cut short, the errors grew from sweep to sweep until the fit failed."""
    monkeypatch.setattr(link, "_BASIS_NUMBERS", 0)
    random = np.random.default_rng(0)
    genres = (random.random((20_000, 40)) < 0.8 / np.arange(1, 41)).astype(np.float32)  # some are rare
    training = replace(made_up(300, 20_000, 40_000), movie_features=genres)
    steps: list[str] = []
    with Threads(share.Worker, 1) as engine:
        sampler = gibbs.GibbsSampler(training, None, gibbs.Options(), 0, engine)
        ask = engine.all

        def counted(method: str, *arguments: Any, **named: Any) -> list[Any]:
            steps.append(method)
            return ask(method, *arguments, **named)

        monkeypatch.setattr(engine, "all", counted)
        described = Described(*total(engine.get(ask("movies.describe"))))
        mean = np.zeros(64, np.float32)
        residual = described.products
        sampler._chain.movies.link.unexplained(0, described, residual, mean[: len(residual)], 10.0)
    assert 0 < steps.count("movies.step") <= 8


def test_the_precision_is_drawn_from_a_wishart_distribution() -> None:
    random = np.random.default_rng(0)
    scale = np.array([[2.0, 0.5, 0], [0.5, 1, -0.2], [0, -0.2, 0.3]])
    drawn = np.array([wishart(7, scale, random) for _ in range(20_000)])
    assert np.allclose(drawn.mean(axis=0), 7 * scale, atol=0.15)
    diagonal = np.diag(scale)
    assert np.allclose(drawn.var(axis=0), 7 * (scale**2 + np.outer(diagonal, diagonal)), rtol=0.06, atol=0.01)


def test_features_that_are_none_leave_a_plain_prior() -> None:
    prior, drawn = prior_of(scipy.sparse.csr_array((5, 0)), np.ones((5, 2)), 1)
    assert drawn[0].shape == (5, 2)
    assert prior.link.count == 0


@pytest.mark.parametrize("every", [4, 60], ids=["compressing on the way", "once"])
def test_the_compressed_mean_is_the_mean(every: int) -> None:
    random = np.random.default_rng(0)
    draws = [
        (random.normal(size=(60, 5)).astype(np.float32), random.normal(size=(40, 5)).astype(np.float32))
        for _ in range(60)
    ]
    sides = [Columns(equal(rows, 10, 4).share(0, 1)) for rows in (60, 40)]
    for number, draw in enumerate(draws, 1):
        for side, vectors in zip(sides, draw, strict=True):
            side.add(vectors)
        if number % every == 0:
            compress(sides, 40)
    users, movies = compressed(sides, 40)
    expected = np.mean([u @ m.T for u, m in draws], axis=0)
    assert np.allclose(users @ movies.T / 60, expected, atol=1e-4)
    assert np.allclose(np.linalg.norm(users, axis=0), np.linalg.norm(movies, axis=0), rtol=1e-3)


def test_columns_of_rounding_noise_are_dropped_and_missing_ones_are_zero() -> None:
    sides = [Columns(equal(rows, 10, 4).share(0, 1)) for rows in (3, 4)]
    for _ in range(2):
        sides[0].add(np.ones((3, 2), np.float32))
        sides[1].add(np.ones((4, 2), np.float32))
    users, movies = compressed(sides, 10)
    assert (users.shape, movies.shape) == ((3, 10), (4, 10))
    assert not users[:, 1:].any()
    assert np.allclose(users @ movies.T, 4)


def compress(sides: list[Columns], rank: int) -> None:
    rights = average.compressing(*(total([side.gram()])[0] for side in sides), rank)
    for side, right in zip(sides, rights, strict=True):
        side.turn(right)


def compressed(sides: list[Columns], rank: int) -> list[np.ndarray]:
    """Compress columns, and return them with zeros for missing ones."""
    compress(sides, rank)
    found = [np.zeros((side.share.rows.stop, rank), np.float32) for side in sides]
    for side, into in zip(sides, found, strict=True):
        side.move(np.float32(1), into)
    return found


def test_draws_are_compressed_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gibbs, "_BURN_IN", 1)
    with Threads(share.Worker, 2) as engine:
        sampler = gibbs.GibbsSampler(made_up(40, 30, 500), None, gibbs.Options(dimensions=8), 0, engine)
        for _ in range(9):
            sampler.sweep()
        sides = [side for worker in engine._shares for side in worker._columns]
        held = [sum(piece.shape[1] for piece in pieces) for side in sides for pieces in side._pieces]
    assert held
    assert max(held) <= 2 * 8 + 15, "twice the dimensions, and the last draw"


@pytest.mark.parametrize("most", [10**9, 0], ids=["decomposed", "conjugate gradients"])
@pytest.mark.parametrize(
    ("users", "movies", "count", "more"),
    [(9, 7, 40, 0), (300, 40, 4000, 3), (60, 150, 900, 20), (500, 20, 1500, 0)],
    ids=["one shard", "some without ratings", "more movies", "few ratings each"],
)
def test_vectors_are_the_same_bits_on_any_number_of_workers(
    users: int, movies: int, count: int, more: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shards are made small, so that there are many."""
    monkeypatch.setattr(link, "_BASIS_NUMBERS", most)
    monkeypatch.setattr(gibbs, "_BURN_IN", 2)
    for name in ("_LEAST_USERS", "_LEAST_MOVIES", "_RATINGS_OF_MOVIE"):
        monkeypatch.setattr(layout, name, 4)
    ratings = made_up(users, movies, count)
    wider = replace(ratings, user_count=users + more, movie_count=movies + more)
    for training in (wider, replace(wider, **known(users + more, movies + more))):
        digests = set()
        for workers in {1, 2, 3, 5, 16} & set(range(layout.shard_count(training) + 1)):
            found = gibbs.factorize(
                training, training, gibbs.Options(dimensions=8, draws=4), 1, workers=OnThreads(workers)
            )
            arrays = found.user_vectors, found.movie_vectors, found.user_biases, found.movie_biases
            arrays += found.user_spreads, found.movie_spreads  # type: ignore[operator]
            errors = [(epoch.rmse, epoch.held_out_rmse) for epoch in found.history]
            digests.add((b"".join(each.tobytes() for each in arrays), str(errors)))
        assert len(digests) == 1
        assert np.isfinite(arrays[0]).all()


def parts(everything: Ratings, share: float = 0.2) -> list[Ratings]:
    return [everything.part(positions) for positions in splits.random_split(len(everything.ratings), share, 0)]


def test_it_predicts_better_than_one_pair_of_factors() -> None:
    training, held_out = parts(made_up(150, 100, 4000, noise=0.8))
    options = gibbs.Options(dimensions=20, draws=60)
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
    fitted = as_model(gibbs.factorize(wider, None, gibbs.Options(dimensions=8, draws=30), seed=0))
    assert np.isfinite(fitted.user_vectors).all()
    assert fitted.predict(np.array([41]), np.array([32]))[0] == pytest.approx(fitted.mean, abs=1.5)


def test_the_same_seed_gives_the_same_vectors_and_another_does_not() -> None:
    training = made_up(40, 30, 500)
    options = gibbs.Options(dimensions=6, draws=5)
    first, again, other = (as_model(gibbs.factorize(training, None, options, seed=seed)) for seed in (1, 1, 2))
    assert first.user_vectors.tobytes() == again.user_vectors.tobytes()
    assert first.movie_vectors.tobytes() == again.movie_vectors.tobytes()
    assert first.movie_vectors.tobytes() != other.movie_vectors.tobytes()


def test_the_reported_error_is_of_the_draws_mean() -> None:
    training, held_out = parts(made_up(60, 40, 1500))
    options = gibbs.Options(dimensions=40, draws=20)
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
        fitted = as_model(gibbs.factorize(training, None, gibbs.Options(dimensions=12, draws=60), seed=0))
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
        fitted = as_model(gibbs.factorize(everything.part(kept), None, gibbs.Options(dimensions=12, draws=60), seed=0))
        errors.append(metrics.rmse(fitted.predict(users[held], movies[held]), ratings[held]))
    assert errors[1] < 0.9 * errors[0]


def test_what_is_known_stands_beside_who_rated_what() -> None:
    one = np.array([0, 0, 2], np.int32)
    known = user_features({"a": np.array([0, 1], np.int32), "b": np.array([1, 2], np.int32)})
    training = Ratings(one, np.array([0, 1, 1], np.int32), np.ones(3, np.float32), 3, 2, np.ones((2, 2)), known)
    of_users, of_movies = features(training)
    half = 0.5**0.5
    assert np.allclose(of_users.toarray(), [[half, half, 1, 0], [0, 0, half, half], [0, 1, 0, 1]])
    assert np.allclose(of_movies.toarray(), [[1, 0, 0, half, half], [half, 0, half, half, half]])


def test_fewer_draws_are_made_of_more_ratings() -> None:
    options = gibbs.Options()
    few = [options.epochs_for(count, 10) for count in (1, 100_000, 1_000_000, 10**9)]
    assert few == [220, 220, 220, 40]
    assert [options.epochs_for(count, count // 50) for count in (4_000_000, 5_000_000, 10**9)] == [70, 60, 30]
    assert [options.folds(count, count // 50) for count in (4_000_000, 5_000_000, 10**9)] == [False, True, True]
    assert not options.folds(5_000_000, 90_000), "users with so many ratings are known by their draws"
    assert gibbs.Options(draws=7).epochs_for(10**9, 10**8) == 27


def test_users_with_few_ratings_are_better_solved_for_than_drawn_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    users, movies = random.normal(0, 0.7, (6_000, 4)), random.normal(0, 0.7, (200, 4))
    pairs = np.unique(random.integers(0, 6_000, 40_000) * 200 + random.integers(0, 200, 40_000))
    of_users, of_movies = (each.astype(np.int32) for each in np.divmod(pairs, 200))
    values = 3 + (users[of_users] * movies[of_movies]).sum(axis=1) + random.normal(0, 0.7, len(pairs))
    whole = Ratings(of_users, of_movies, values.astype(np.float32), 6_000, 200)
    kept, held = splits.random_split(len(pairs), 0.2, 0)
    drawn = as_model(gibbs.factorize(whole.part(kept), None, gibbs.Options(draws=10), seed=0))
    monkeypatch.setattr(gibbs, "_VISITS", len(kept))
    solved = gibbs.factorize(whole.part(kept), None, gibbs.Options(), seed=0)
    assert len(solved.history) == 30
    assert solved.fold_in is not None
    errors = [
        metrics.rmse(each.predict(of_users[held], of_movies[held]), whole.ratings[held])
        for each in (drawn, as_model(solved))
    ]
    assert errors[1] < 0.99 * errors[0]


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
    options = gibbs.Options(dimensions=6, draws=10)
    other = Ratings(training.users, training.movies, training.ratings * np.float32(scale), 40, 30)
    plain, scaled = (as_model(gibbs.factorize(each, None, options, seed=0)) for each in (training, other))
    predicted = [fitted.predict(training.users, training.movies) for fitted in (plain, scaled)]
    assert np.allclose(predicted[0], predicted[1] / scale, atol=0.02)
    assert scaled.history[-1].rmse == pytest.approx(plain.history[-1].rmse * scale, rel=0.02)


@pytest.mark.parametrize("most", [10**9, 0], ids=["decomposed", "conjugate gradients"])
def test_a_sweep_leaves_nothing_to_the_garbage_collector(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Garbage that waits for it is as large as the sums of a sweep, and importing Keras switches it off."""
    training = made_up(400, 300, 5000)
    monkeypatch.setattr(link, "_BASIS_NUMBERS", most)
    with Threads(share.Worker, 2) as engine:
        sampler = gibbs.GibbsSampler(training, training, gibbs.Options(), 0, engine)
        sampler.sweep()
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                sampler.sweep()
            assert gc.collect() == 0
        finally:
            gc.enable()

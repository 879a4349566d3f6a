"""The block solver against float64 numpy, and the model around it."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec import metrics, splits
from embrec.errors import TrainingError
from embrec.models.als import model as als
from embrec.models.als import solver
from embrec.models.als.model import MatrixFactorization, Options
from embrec.models.base import FittedModel, RatingFactors, Ratings, Start
from embrec.models.recommender import recommender

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


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=30),
    width=st.integers(2, 17),
    constant=st.floats(0.5, 20),
    per_rating=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_the_solver_agrees_with_numpy_row_by_row(
    counts: list[int], width: int, constant: float, per_rating: float, seed: int
) -> None:
    check_solver(counts, width, constant, per_rating, seed)


@pytest.mark.parametrize("longest", [solver.PIECE_SLOTS, solver.PIECE_SLOTS + 1, 3 * solver.PIECE_SLOTS, 40_000])
def test_rows_of_many_ratings_are_summed_in_pieces(longest: int) -> None:
    check_solver([3, longest, 0, 500, solver.PIECE_SLOTS - 1], 8, 2.0, 0.1, 0)


def check_solver(counts: list[int], width: int, constant: float, per_rating: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    source = random.normal(size=(50, width)).astype(np.float32)
    others = random.integers(0, 50, sum(counts)).astype(np.int32)
    ratings = random.normal(3, 1, sum(counts)).astype(np.float32)
    before = random.normal(size=(len(counts), width)).astype(np.float32)
    target = tf.Variable(before)
    rows = solver.Rows.of(np.array(counts), others, ratings - 3)
    penalties = tf.constant([constant, per_rating], tf.float32)
    solver.solve(target, tf.constant(source), rows, penalties)
    begin = 0
    for row, count in enumerate(counts):
        mine = slice(begin, begin + count)
        begin += count
        if count == 0:
            assert np.array_equal(target[row], before[row]), "a row without ratings is left alone"
            continue
        near = source[others[mine]]
        expected = one_row(near[:, :-1], near[:, -1], ratings[mine], 3.0, constant + per_rating * count)
        assert np.allclose(target[row], expected, atol=2e-4, rtol=2e-3), (row, count)


@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=300))
@settings(deadline=None)
def test_chunks_take_every_row_once_and_stay_small(counts: list[int]) -> None:
    ordered = np.sort(np.array(counts))
    ends = solver._chunk_ends(ordered)
    assert ends[0] == 0
    assert ends[-1] == len(ordered)
    for begin, end in itertools.pairwise(ends):
        assert end > begin
        assert end == begin + 1 or (end - begin) * ordered[end - 1] <= solver.CHUNK_SLOTS


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


def digests_by_threads(code: str) -> set[str]:
    """Run code with 1, 2 and 4 threads, in three processes at the same time; return their SHA-256s."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, threads, __file__.rsplit("/", 1)[0]],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads},
            stdout=subprocess.PIPE,
            text=True,
        )
        for threads in ("1", "2", "4")
    ]
    printed = [process.communicate()[0].splitlines()[-1:] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert all(len(digest) == 64 for (digest,) in printed)
    return {digest for (digest,) in printed}


@pytest.mark.slow
def test_vectors_are_the_same_bits_on_any_number_of_threads() -> None:
    code = (
        "import sys, hashlib, tensorflow as tf; threads = int(sys.argv[1]);"
        "tf.config.threading.set_intra_op_parallelism_threads(threads);"
        "tf.config.threading.set_inter_op_parallelism_threads(threads);"
        "sys.path.insert(0, sys.argv[2]); from test_matrix_factorization import made_up;"
        "from embrec.models.als.model import MatrixFactorization, Options;"
        "f = MatrixFactorization().fit(made_up(3000, 40, 60_000), None, Options(epochs=3), seed=5);"
        "print(hashlib.sha256(f.user_vectors.tobytes() + f.movie_vectors.tobytes()).hexdigest())"
    )
    assert len(digests_by_threads(code)) == 1


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

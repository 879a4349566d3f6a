"""Fit one contender in a process of its own: ``python contenders.py NAME PARTS.npz '{"options": ...}'`` prints JSON.

Each takes training ratings and options, and returns a function that predicts. Only the fit is timed, from arrays in
memory. Imports are not part of it; for embrec and the article's script the tracing of the Keras functions is.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]


def embrec(
    users: np.ndarray, movies: np.ndarray, ratings: np.ndarray, shape: tuple[int, int], options: dict[str, Any]
) -> Predict:
    from embrec.models.als.model import MatrixFactorization, Options
    from embrec.models.base import Ratings

    training = Ratings(users, movies, ratings, *shape)
    return MatrixFactorization().fit(training, None, Options(**options), seed=0).predict


def libmf(
    users: np.ndarray, movies: np.ndarray, ratings: np.ndarray, shape: tuple[int, int], options: dict[str, Any]
) -> Predict:
    from libmf import mf

    cores = len(os.sched_getaffinity(0))
    model = mf.MF(
        k=options["k"],
        nr_iters=options["iterations"],
        nr_threads=cores,
        nr_bins=2 * cores + 20,
        lambda_p1=0,
        lambda_q1=0,
        lambda_p2=options["penalty"],
        lambda_q2=options["penalty"],
        quiet=True,
    )
    model.fit(np.stack([users, movies, ratings], axis=1).astype(np.float32))
    # Predict from the vectors: the package's own predict() disagrees with the error that it reports during the fit.
    fitted = model.model
    vectors = [
        np.ctypeslib.as_array(pointer, (count, fitted.k))
        for pointer, count in ((fitted.P, fitted.m), (fitted.Q, fitted.n))
    ]

    def predict(u: np.ndarray, m: np.ndarray) -> np.ndarray:
        found = np.einsum("nk,nk->n", vectors[0][u % fitted.m], vectors[1][m % fitted.n])
        return np.where(np.isfinite(found) & (u < fitted.m) & (m < fitted.n), found, fitted.b)

    return predict


def cmfrec(
    users: np.ndarray, movies: np.ndarray, ratings: np.ndarray, shape: tuple[int, int], options: dict[str, Any]
) -> Predict:
    import scipy.sparse
    from cmfrec import CMF

    model = CMF(
        k=options["k"],
        lambda_=options["penalty"],
        scale_lam=options["scaled"],
        niter=options["iterations"],
        nthreads=len(os.sched_getaffinity(0)),
        use_float=True,
        verbose=False,
        precompute_for_predictions=False,
    )
    model.fit(scipy.sparse.coo_matrix((ratings, (users, movies)), shape=shape))
    return model.predict


def surprise(
    users: np.ndarray, movies: np.ndarray, ratings: np.ndarray, shape: tuple[int, int], options: dict[str, Any]
) -> Predict:
    import pandas as pd
    from surprise import SVD, Dataset, Reader

    frame = pd.DataFrame({"user": users, "movie": movies, "rating": ratings})
    data = Dataset.load_from_df(frame, Reader(rating_scale=(0.5, 5))).build_full_trainset()
    model = SVD(
        n_factors=options["k"],
        n_epochs=options["iterations"],
        lr_all=options["rate"],
        reg_all=options["penalty"],
        random_state=0,
    )
    model.fit(data)
    return lambda u, m: np.array([model.predict(user, movie).est for user, movie in zip(u, m, strict=True)])


def myfm(
    users: np.ndarray, movies: np.ndarray, ratings: np.ndarray, shape: tuple[int, int], options: dict[str, Any]
) -> Predict:
    """Fit myFM's Bayesian matrix factorization, by a Gibbs sampler, with the ids alone."""
    import scipy.sparse
    from myfm import MyFMRegressor

    def rows(u: np.ndarray, m: np.ndarray) -> scipy.sparse.csr_matrix:
        columns = np.stack([u, m + shape[0]], axis=1).ravel()
        starts = np.arange(0, len(columns) + 1, 2)
        return scipy.sparse.csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(u), sum(shape)))

    model = MyFMRegressor(rank=options["rank"], random_seed=0)
    model.fit(
        rows(users, movies),
        ratings.astype(np.float64),
        n_iter=options["iterations"],
        n_kept_samples=1,
        group_shapes=list(shape),
    )
    return lambda u, m: model.predict(rows(u, m))


def implicit(
    users: np.ndarray, movies: np.ndarray, ratings: np.ndarray, shape: tuple[int, int], options: dict[str, Any]
) -> Predict:
    """Fit implicit's ALS, for speed only: it models preferences, not ratings."""
    import scipy.sparse
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=options["k"], iterations=options["iterations"], num_threads=len(os.sched_getaffinity(0)), random_state=0
    )
    model.fit(scipy.sparse.csr_matrix((ratings, (users, movies)), shape=shape), show_progress=False)
    return lambda u, m: np.full(len(u), np.nan, np.float32)


def article(
    users: np.ndarray, movies: np.ndarray, ratings: np.ndarray, shape: tuple[int, int], options: dict[str, Any]
) -> Predict:
    """Fit the article's model as its script does, with pandas and Keras."""
    import keras
    import pandas as pd

    frame = pd.DataFrame({"user": users, "movie": movies, "rating": ratings})
    user_in, article_in = keras.Input((1,), name="user_in"), keras.Input((1,), name="article_in")
    vectors = [
        keras.layers.Embedding(count, 32)(each) for count, each in zip(shape, (user_in, article_in), strict=True)
    ]
    hidden = keras.layers.Dense(500, activation="relu")(keras.layers.Flatten()(keras.layers.Dot(axes=1)(vectors)))
    model = keras.Model([user_in, article_in], keras.layers.Dense(1)(hidden))
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    model.fit([frame.user, frame.movie], frame.rating, epochs=options["iterations"], batch_size=128, verbose=0)
    return lambda u, m: model.predict([u[:, None], m[:, None]], batch_size=8192, verbose=0)[:, 0]


IMPORTS = {
    "embrec": "embrec.models.als.model",
    "libmf": "libmf.mf",
    "cmfrec": "cmfrec",
    "surprise": "surprise",
    "myfm": "myfm",
    "implicit": "implicit.als",
    "article": "keras",
}


def peak_megabytes() -> float:
    """Return the peak memory of this process; getrusage would include the parent's memory before it was started."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def main() -> None:
    """Fit, time, predict, and print the result."""
    name, path, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    with np.load(path) as parts:
        training = [parts[f"training_{column}"] for column in ("users", "movies", "ratings")]
        test = [parts[f"test_{column}"] for column in ("users", "movies", "ratings")]
    shape = tuple(int(max(training[side].max(), test[side].max())) + 1 for side in (0, 1))
    printed = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # libmf prints a message to stdout
    __import__(IMPORTS[name])
    begin, before = time.perf_counter(), time.process_time()
    predict = globals()[name](*training, shape, options)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - before
    peak = peak_megabytes()
    error = float(np.sqrt(np.mean((np.asarray(predict(test[0], test[1]), np.float64) - test[2]) ** 2)))
    result = {"seconds": seconds, "cpu": cpu, "rmse": error, "peak_mb": peak}
    os.write(printed, (json.dumps(result) + "\n").encode())


if __name__ == "__main__":
    main()

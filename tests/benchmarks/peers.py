"""Other libraries' models as contenders for embrec.evaluate, and their options to choose from."""

from __future__ import annotations

import json
import subprocess
import tempfile
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from elsa import elsa

from embrec.evaluation.contender import Compare, Contender, Predict, Score
from embrec.evaluation.contenders import by_cosine
from embrec.metrics import liked_from
from embrec.models.base import Ratings

# Libraries that need environments of their own, with the names of their distributions.
APART = {"lenskit": "lenskit", "lightfm": "rectools-lightfm"}
PROCESS = Path(__file__).with_name("peer_process.py")
Options = tuple[tuple[str, Any], ...]


def python_of(library: str) -> Path:
    """Return the interpreter of a library's own environment; it is absent if that has not been made."""
    return Path(__file__).resolve().parents[2] / f".venv-{library}" / "bin" / "python"


def versions() -> dict[str, str]:
    """Return the peers' versions, by distribution."""
    found = {name: version(name) for name in ("implicit", "scikit-surprise", "cmfrec", "myfm")}
    ask = "import sys; from importlib.metadata import version; print(version(sys.argv[1]), end='')"
    for library, name in APART.items():
        if python_of(library).exists():
            command = [str(python_of(library)), "-c", ask, name]
            found[name] = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return found


def apart(library: str, name: str, options: Options, training: Ratings, **more: np.ndarray) -> np.ndarray:
    """Fit a peer in its own environment; peer_process.py describes the result."""
    with tempfile.TemporaryDirectory() as directory:
        given, found = Path(directory) / "given.npz", Path(directory) / "found.npy"
        shape = (training.user_count, training.movie_count)
        arrays = {"users": training.users, "movies": training.movies, "ratings": training.ratings, "shape": shape}
        np.savez(given, **arrays, **more)
        files = [str(each) for each in (python_of(library), PROCESS, given, found)]
        subprocess.run([*files, library, name, json.dumps(dict(options))], check=True, capture_output=True)
        result: np.ndarray = np.load(found)
    return result


def matrix(training: Ratings, values: np.ndarray | None = None) -> scipy.sparse.csr_matrix:
    """Return the sparse matrix of ratings, or of other values, of users by movies."""
    shape = (training.user_count, training.movie_count)
    entries = training.ratings if values is None else values
    return scipy.sparse.csr_matrix((entries.astype(np.float64), (training.users, training.movies)), shape=shape)


def ease(penalty: float, of_ratings: bool) -> Contender:
    """Return EASE (Steck, WWW 2019), in numpy, on ratings or on binary events."""

    def weights(training: Ratings) -> np.ndarray:
        return matrix(training, training.ratings / 5 if of_ratings else np.ones(len(training.users))).toarray()

    def encoder(training: Ratings) -> np.ndarray:
        rows = weights(training)
        inverse = np.linalg.inv(rows.T @ rows + penalty * np.eye(training.movie_count))
        found = inverse / -np.diag(inverse)
        np.fill_diagonal(found, 0)
        return found

    def rank(training: Ratings, seed: int) -> Score:
        scores = weights(training) @ encoder(training)
        return lambda users: scores[users]

    def compare(training: Ratings, seed: int) -> Compare:
        found = encoder(training)
        return lambda movies: found[np.ix_(movies, movies)].T

    return Contender("EASE", rank=rank, compare=compare)


def item_knn(neighbours: int, shrinkage: float) -> Contender:
    """Return item-based k nearest neighbours (Sarwar et al., WWW 2001) by cosine similarity of ratings, in numpy."""

    def similarity(training: Ratings) -> np.ndarray:
        rows = matrix(training, training.ratings / 5).toarray()
        gram = rows.T @ rows
        lengths = np.sqrt(np.maximum(np.diag(gram), 1e-12))
        found = gram / (np.outer(lengths, lengths) + shrinkage)
        np.fill_diagonal(found, 0)
        return found

    def rank(training: Ratings, seed: int) -> Score:
        found = similarity(training)
        edge = -np.sort(-found, axis=0)[neighbours]
        scores = matrix(training, training.ratings / 5).toarray() @ np.where(found > edge, found, 0)
        return lambda users: scores[users]

    def compare(training: Ratings, seed: int) -> Compare:
        return by_cosine(matrix(training, training.ratings / 5).toarray().T)

    return Contender("item-kNN", rank=rank, compare=compare)


def implicit_als(factors: int, regularization: float, alpha: float) -> Contender:
    """Return implicit's alternating least squares (ALS)."""

    def fit(training: Ratings, seed: int) -> Any:
        from implicit.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=factors, regularization=regularization, alpha=alpha, iterations=15, random_state=seed, num_threads=1
        )
        model.fit(matrix(training).tocsr(), show_progress=False)
        return model

    def rank(training: Ratings, seed: int) -> Score:
        model = fit(training, seed)
        return lambda users: model.user_factors[users] @ model.item_factors.T

    return Contender("implicit ALS", None, rank, lambda training, seed: by_cosine(fit(training, seed).item_factors))


def surprise_svd(factors: int, epochs: int, rate: float, penalty: float) -> Contender:
    """Return Surprise's SVD."""

    def fit(training: Ratings, seed: int) -> Any:
        import pandas as pd
        from surprise import SVD, Dataset, Reader

        frame = pd.DataFrame({"user": training.users, "movie": training.movies, "rating": training.ratings})
        scale = (float(training.ratings.min()), float(training.ratings.max()))
        whole = Dataset.load_from_df(frame, Reader(rating_scale=scale)).build_full_trainset()
        model = SVD(n_factors=factors, n_epochs=epochs, lr_all=rate, reg_all=penalty, random_state=seed)
        return model.fit(whole)

    def predict(training: Ratings, seed: int) -> Predict:
        model = fit(training, seed)
        return lambda users, movies: np.array(
            [model.predict(user, movie).est for user, movie in zip(users, movies, strict=True)]
        )

    def compare(training: Ratings, seed: int) -> Compare:
        model = fit(training, seed)
        vectors = np.zeros((training.movie_count, factors))
        for movie in range(training.movie_count):
            if movie in model.trainset._raw2inner_id_items:
                vectors[movie] = model.qi[model.trainset.to_inner_iid(movie)]
        return by_cosine(vectors)

    return Contender("Surprise SVD", predict, None, compare)


def cmfrec(factors: int, penalty: float) -> Contender:
    """Return cmfrec's collective matrix factorization, on ratings alone."""

    def predict(training: Ratings, seed: int) -> Predict:
        from cmfrec import CMF

        model = CMF(k=factors, lambda_=penalty, niter=10, nthreads=1, verbose=False, random_state=seed)
        model.fit(matrix(training).tocoo())
        return model.predict

    return Contender("cmfrec", predict)


def my_fm(rank: int, draws: int, with_movies: bool = False) -> Contender:
    """Return myFM's Bayesian factorization machine, with implicit features of users and movies (as SVD++)."""

    def predict(training: Ratings, seed: int) -> Predict:
        import myfm

        who = matrix(training, np.ones(len(training.users)))
        sides = []
        for incidence in (who, who.T.tocsr()):
            counts = np.maximum(np.diff(incidence.indptr), 1)
            scaled = scipy.sparse.diags(counts**-0.5) @ incidence
            sides.append(scipy.sparse.hstack([scipy.sparse.identity(incidence.shape[0]), scaled], format="csr"))
        if with_movies and training.movie_features is not None:
            known = scipy.sparse.csr_matrix(training.movie_features.astype(np.float64))
            sides[1] = scipy.sparse.hstack([sides[1], known], format="csr")

        def blocks(users: np.ndarray, movies: np.ndarray) -> list[Any]:
            pairs = ((users, sides[0]), (movies, sides[1]))
            return [myfm.RelationBlock(list(map(int, index)), side) for index, side in pairs]

        groups = [side.shape[0] for side in sides]
        shapes = [
            groups[0],
            sides[0].shape[1] - groups[0],
            groups[1],
            training.user_count,
            sides[1].shape[1] - groups[1] - training.user_count,
        ]
        model = myfm.MyFMRegressor(rank=rank, random_seed=seed)
        model.fit(
            None,
            training.ratings.astype(np.float64),
            X_rel=blocks(training.users, training.movies),
            n_iter=draws + 20,
            n_kept_samples=draws,
            group_shapes=[each for each in shapes if each],
        )
        return lambda users, movies: model.predict(None, blocks(users, movies))

    return Contender("myFM with movies" if with_movies else "myFM", predict)


def lenskit_rank(name: str, options: Options) -> Contender:
    """Return a LensKit model that ranks."""

    def rank(training: Ratings, seed: int) -> Score:
        scores = apart("lenskit", name, options, training)
        return lambda users: scores[users]

    return Contender(f"LensKit {name}", rank=rank)


def lenskit_rate(name: str, options: Options) -> Contender:
    """Return a LensKit model that predicts ratings."""

    def rate(training: Ratings, seed: int) -> Predict:
        return lambda users, movies: apart("lenskit", name, options, training, test_users=users, test_movies=movies)

    return Contender(f"LensKit {name}", rate)


def lenskit_grid(name: str, **values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Return all combinations of options of a LensKit model."""
    return [(name, tuple(zip(values, chosen, strict=True))) for chosen in product(*values.values())]


def light_fm(components: int, penalty: float, of_likes: bool) -> Contender:
    """Return LightFM with WARP loss, without side information; positives are ratings of liked movies, or all."""

    def vectors(training: Ratings, seed: int) -> tuple[np.ndarray, np.ndarray]:
        if of_likes:
            edge = liked_from(float(training.ratings.min()), float(training.ratings.max()))
            training = training.part(np.flatnonzero(training.ratings >= edge))
        options = {"no_components": components, "item_alpha": penalty, "user_alpha": penalty, "random_state": seed}
        found = apart("lightfm", "warp", (*options.items(), ("epochs", 60), ("max_sampled", 30)), training)
        return found[: training.user_count], found[training.user_count :]

    def rank(training: Ratings, seed: int) -> Score:
        of_users, of_movies = vectors(training, seed)
        return lambda users: of_users[users] @ of_movies.T

    def compare(training: Ratings, seed: int) -> Compare:
        return by_cosine(vectors(training, seed)[1][:, :-1])

    return Contender("LightFM", None, rank, compare)


# For each peer that ranks, the options that are tried on a validation split.
RANKING_OPTIONS: dict[Any, list[tuple[Any, ...]]] = {
    ease: [(penalty, of_ratings) for penalty in (100.0, 200.0, 400.0, 800.0) for of_ratings in (True, False)],
    item_knn: [(neighbours, shrinkage) for neighbours in (20, 50, 100, 300) for shrinkage in (0.0, 2.0)],
    implicit_als: [
        (factors, penalty, alpha) for factors in (32, 64) for penalty in (1.0, 10.0) for alpha in (0.5, 2.0)
    ],
    elsa: list(product((30, 60), (0.5, 0.8), (True, False))),
}
# The same for each peer that predicts ratings; myFM's options are those of its own example for this data set.
RATING_OPTIONS: dict[Any, list[tuple[Any, ...]]] = {
    surprise_svd: [
        (100, epochs, rate, penalty) for epochs in (50, 80) for rate in (0.005, 0.01) for penalty in (0.08, 0.1, 0.12)
    ],
    cmfrec: [(factors, penalty) for factors in (8, 16, 32) for penalty in (8.0, 14.0, 20.0)],
    my_fm: [(10, 300)],
}
# LensKit's models, if its environment has been made.
LENSKIT_RANKING = [
    lenskit_grid("implicit ALS", embedding_size=(32, 64), weight=(1.0, 5.0, 40.0)),
    lenskit_grid("item-kNN of likes", max_nbrs=(20, 50, 100, 300)),
]
LENSKIT_RATING = [
    lenskit_grid("item-kNN", max_nbrs=(20, 40), min_sim=(1e-6, 0.05)),
    lenskit_grid("ALS", embedding_size=(16, 32), regularization=(0.1, 0.3, 1.0)),
]
# LightFM, if its environment has been made. Its defaults overfit here. These options are near the best on the same
# split, among other numbers of components and epochs, regularizations, learning rates and losses.
LIGHTFM_RANKING = list(product((64, 128), (0.001, 0.002), (True, False)))

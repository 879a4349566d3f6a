"""Other libraries' models as contenders for embrec.evaluate, and their options to choose from."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from elsa import elsa
from peers_apart import lenskit_grid, lenskit_rank, lenskit_rate, light_fm, python_of

from embrec import similarity
from embrec.evaluation.contender import Compare, Contender, Predict, Score
from embrec.evaluation.contenders import by_cosine
from embrec.evaluation.list_baselines import closed_form, nearest, ones
from embrec.models.base import Ratings
from embrec.models.interactions import Interactions

# Square matrices of more than 4,000 movies are in single precision.
LARGE = 4_000
# Dense rows of at most 20 million numbers are learned from by gradient descent.
MOST_DENSE = 20_000_000


def matrix(training: Ratings) -> scipy.sparse.csr_matrix:
    """Return the sparse matrix of ratings, of users by movies."""
    shape = (training.user_count, training.movie_count)
    entries = training.ratings.astype(np.float64), (training.users, training.movies)
    return scipy.sparse.csr_matrix(entries, shape=shape)


def rows(training: Ratings, of_weights: bool) -> scipy.sparse.csr_array:
    """Return users' rows of weights or of ones, of shape (users, movies).

    The weight of a rating is its share of the highest; that of events is the pair's interest. Disliked movies have no
    entry, for these peers know none.
    """
    if not of_weights:
        return ones(training)
    pairs = Interactions.of(training)
    highest = training.scale[1]
    weights = pairs.ratings.astype(np.float64) / (highest if highest > 0 else 1.0)
    if pairs.interests is not None:
        weights = np.where(np.isnan(weights), pairs.interests, weights)
    kept = weights > 0
    entries = weights[kept], (pairs.users[kept], pairs.movies[kept])
    return scipy.sparse.csr_array(entries, shape=(training.user_count, training.movie_count))


def ease(penalty: float, of_weights: bool) -> Contender:
    """Return EASE (Steck, WWW 2019), in numpy, on weights or on ones.

    With fewer users than movies the same scores come from the matrix of users, by the matrix inversion lemma: of rows X
    they are X - K^-1 X / diag(P), for K = X X' / penalty + 1 and P = 1 - X' K^-1 X / penalty.
    """

    def rank(training: Ratings, seed: int) -> Score:
        given = rows(training, of_weights)
        if given.shape[0] >= given.shape[1]:
            weights = closed_form(given.astype(precision(given.shape[1])), penalty)
            return lambda users: given[users] @ weights
        solved, columns = by_users(given, penalty)
        diagonal = 1 - np.einsum("um,um->m", columns, solved) / penalty
        return lambda users: columns[users] - solved[users] / diagonal

    def compare(training: Ratings, seed: int) -> Compare:
        given = rows(training, of_weights)
        if given.shape[0] >= given.shape[1]:
            found = closed_form(given.astype(precision(given.shape[1])), penalty)
            return lambda movies: found[np.ix_(movies, movies)].T
        solved, columns = by_users(given, penalty)

        def weights(movies: np.ndarray) -> np.ndarray:
            inverse = np.eye(len(movies)) - columns[:, movies].T @ solved[:, movies] / penalty
            found = inverse / -np.diag(inverse)
            np.fill_diagonal(found, 0)
            return np.asarray(found.T)

        return weights

    return Contender("EASE", rank=rank, compare=compare)


def by_users(given: scipy.sparse.csr_array, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Return K^-1 X and X, both dense, as :func:`ease` describes."""
    columns = given.toarray().astype(precision(given.shape[1]))
    of_users = (given @ given.T).toarray().astype(columns.dtype) / columns.dtype.type(penalty)
    of_users[np.diag_indices(len(of_users))] += 1
    return scipy.linalg.solve(of_users, columns, assume_a="pos", overwrite_a=True), columns


def precision(movies: int) -> type[np.floating[Any]]:
    """Return the dtype of square matrices: large ones are in single precision."""
    return np.float32 if movies > LARGE else np.float64


def item_knn(neighbours: int, shrinkage: float) -> Contender:
    """Return item-based k nearest neighbours (Sarwar et al., WWW 2001) by cosine similarity of weights, in numpy."""

    def rank(training: Ratings, seed: int) -> Score:
        given = rows(training, of_weights=True)
        near = nearest(given, neighbours, shrinkage)
        return lambda users: (given[users] @ near).toarray()

    def compare(training: Ratings, seed: int) -> Compare:
        columns = rows(training, of_weights=True).T.tocsr()
        return lambda movies: similarity.cosines(columns[movies].toarray())

    return Contender("item-kNN", rank=rank, compare=compare)


def implicit_als(factors: int, regularization: float, alpha: float, of_weights: bool) -> Contender:
    """Return implicit's alternating least squares (ALS), of ratings and weights of events, or of ones."""

    def fit(training: Ratings, seed: int) -> Any:
        from implicit.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=factors, regularization=regularization, alpha=alpha, iterations=15, random_state=seed, num_threads=1
        )
        given = training.scale[1] or 1.0  # the weights times this are the ratings
        model.fit(scipy.sparse.csr_matrix(rows(training, of_weights) * given), show_progress=False)
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

        who = scipy.sparse.csr_matrix(ones(training))
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


Tries = tuple[Any, list[tuple[Any, ...]]]


def ranking(training: Ratings) -> list[Tries]:
    """Return each peer that ranks, with the options to try on a validation split; of equal weights, ones alone.

    ELSA needs dense rows and many epochs, so it is left out of data whose rows are large. LensKit and LightFM are there
    if their environments have been made. LightFM's defaults overfit MovieLens 100K; its options are near the best
    there, among other numbers of components and epochs, regularizations, learning rates and losses.
    """
    weights = rows(training, of_weights=True).data
    kinds = (True, False) if len(weights) and weights.min() < weights.max() else (False,)
    found: list[Tries] = [
        (ease, list(product((25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0), kinds))),
        (item_knn, list(product((10, 20, 50, 100, 300), (0.0, 2.0, 10.0, 50.0)))),
        (
            implicit_als,
            list(product((32, 64, 128, 256), (1.0, 10.0, 30.0, 100.0), (0.5, 2.0, 8.0), kinds)),
        ),
    ]
    if training.user_count * training.movie_count <= MOST_DENSE:
        found.append((elsa, list(product((30, 60), (0.5, 0.8), (True, False)))))
    if python_of("lenskit").exists():
        found.append((lenskit_rank, lenskit_grid("implicit ALS", embedding_size=(32, 64), weight=(1.0, 5.0, 40.0))))
        found.append((lenskit_rank, lenskit_grid("item-kNN of likes", max_nbrs=(20, 50, 100, 300))))
    if python_of("lightfm").exists():
        found.append((light_fm, list(product((64, 128), (0.001, 0.002), (True, False)))))
    return found


def rating() -> list[Tries]:
    """Return each peer that predicts ratings, with the options to try; among myFM's are those of its own example."""
    found: list[Tries] = [
        (surprise_svd, list(product((100,), (20, 50, 80), (0.005, 0.01), (0.05, 0.08, 0.1, 0.12)))),
        (cmfrec, list(product((4, 8, 16, 32), (4.0, 8.0, 14.0, 20.0)))),
        (my_fm, [(5, 300), (10, 300), (20, 300)]),
    ]
    if python_of("lenskit").exists():
        found.append((lenskit_rate, lenskit_grid("item-kNN", max_nbrs=(20, 40), min_sim=(1e-6, 0.05))))
        grid = lenskit_grid("ALS", embedding_size=(8, 16, 32), regularization=(0.1, 0.3, 1.0))
        found.append((lenskit_rate, grid))
    return found

"""EASE, the ranking model: movie vectors from a linear autoencoder in closed form.

A user is the row of weights of the movies they rated. The autoencoder is the movies-by-movies matrix, with a diagonal
of zero, that best reconstructs each row from itself (Steck, Embarrassingly shallow autoencoders for sparse data, WWW
2019). Its penalty grows with a movie's popularity, as dropout of the input does (Steck, Autoencoders that don't overfit
towards the identity, NeurIPS 2020), and the rows of very active users are scaled down. All it needs of the ratings is
their Gram matrix. The singular vectors of its scores with the largest singular values are kept, the smaller ones
shrunk: this ranks better than using all of them, and gives one vector per movie. A user's vector is the weighted sum of
the profiles of the movies they rated, so a new rating, or a new user, needs no training.

The penalty is chosen by NDCG@10 on held-out ratings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

from embrec.metrics import disliked_to, liked_from, ndcg
from embrec.models.base import Preference, Ratings, RatingWeights
from embrec.models.ease import long_tail
from embrec.models.svd import largest

# A user's row is scaled by its number of ratings to this power, or very active users would dominate the Gram matrix.
_ROW_POWER = -0.25
# The search for a penalty starts here.
FIRST_PENALTY = 40.0
# The singular vector at 75 % of those kept is shrunk by half; later ones by more, because they carry more noise.
_HALF_AT = 0.75
_USERS_PER_BATCH = 1 << 16
_VALIDATION_USERS = 2_000
_MOST_VALIDATIONS = 3
_FEW_MOVIES = 4_000
# At most 12,000 movies: the dense solve needs about 5 GB and takes minutes.
_MOST_MOVIES = 12_000
# Above a share of 75 % low ratings, they are counts such as plays rather than opinions, and none is a dislike.
_MOST_DISLIKES = 0.75
# Relative tolerance: squared singular values below this fraction of the largest are rounding noise and are dropped.
_LEAST_SHARE = 1e-8


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        dimensions: Length of a vector.
        penalty: Regularization, in ratings; None to choose it on held-out ratings.
        dropout: Dropout of the input, as regularization that grows with popularity; 0 regularizes all movies alike.
        rating_power: Exponent of a rating's weight; the higher, the more a high rating weighs. 0 weighs all alike.
        dislike_weight: Weight of the lowest rating against its movie in a user's vector; 0 if no rating counts against.
    """

    dimensions: int = 64
    penalty: float | None = None
    dropout: float = 0.25
    rating_power: float = 1.5
    dislike_weight: float = 0.15


def gram_matrix(rows: scipy.sparse.csr_array) -> NDArray[np.float32]:
    """Sum up X'X of sparse rows over batches of users.

    Args:
        rows: Sparse, of shape (user_count, movie_count).

    Returns:
        float32 of shape (movie_count, movie_count).
    """
    rows = rows.astype(np.float32)
    gram = np.zeros((rows.shape[1],) * 2, np.float32)
    for begin in range(0, rows.shape[0], _USERS_PER_BATCH):
        # Few movies have users in common, so the product of sparse matrices is much faster than a dense one.
        batch = rows[begin : begin + _USERS_PER_BATCH]
        gram += (batch.T @ batch).toarray()
    return gram


@dataclass(frozen=True)
class _Rows:
    """The weights of ratings in their users' vectors, and for fitting, which knows no dislikes, scaled by activity.

    Users with dislikes alone weigh nothing, because nothing says what they like.
    """

    weights: scipy.sparse.csr_array
    scaled: scipy.sparse.csr_array = field(repr=False)
    unsigned: scipy.sparse.csr_array = field(repr=False)

    @classmethod
    def of(
        cls, ratings: Ratings, weighting: RatingWeights, positions: NDArray[np.bool_] | slice = slice(None)
    ) -> _Rows:
        given, users, movies = ratings.ratings[positions], ratings.users[positions], ratings.movies[positions]

        def matrix(values: NDArray[np.float64]) -> scipy.sparse.csr_array:
            found = scipy.sparse.csr_array((values, (users, movies)), shape=(ratings.user_count, ratings.movie_count))
            found.sort_indices()
            return found

        signed, unsigned = weighting.of(given), matrix(weighting.unsigned(given))
        likes_any = np.bincount(users, signed > 0, minlength=ratings.user_count) > 0
        counts = np.diff(unsigned.indptr)
        scaled = unsigned.copy()
        scaled.data *= np.repeat(np.maximum(counts, 1.0) ** _ROW_POWER, counts)
        # Keep the total weight, or the same penalty would regularize other data more or less.
        scaled *= np.sqrt((unsigned.data**2).sum() / max((scaled.data**2).sum(), 1e-30))
        return cls(matrix(signed * likes_any[users]), scaled, unsigned)


@dataclass(frozen=True)
class _Solution:
    """The leading singular vectors of the scores of EASE.

    Attributes:
        basis: float64 of shape (movie_count, dimensions).
        sizes: The singular values of the scores, float64 of shape (dimensions,), descending.
        profiles: Item profiles: the amount that a movie in a row adds to the scores' coordinates, float64 of shape
            (movie_count, dimensions).
    """

    basis: NDArray[np.float64]
    sizes: NDArray[np.float64]
    profiles: NDArray[np.float64]

    @property
    def shrinkage(self) -> NDArray[np.float64]:
        half = self.sizes[int(_HALF_AT * (len(self.sizes) - 1))] ** 2
        return np.asarray(self.sizes**2 / (self.sizes**2 + half))


def _solve(
    gram: NDArray[np.floating[Any]], penalty: float, options: Options, near: _Solution | None = None
) -> _Solution:
    """Solve in the precision of the Gram matrix; ``near`` is the solution for a similar penalty, to start from."""
    regularised = gram.copy()
    diagonal = np.einsum("mm->m", regularised)
    diagonal *= 1 + options.dropout / (1 - options.dropout)
    diagonal += penalty
    (inverse,) = scipy.linalg.get_lapack_funcs(("potri",), (gram,))
    encoder = inverse(scipy.linalg.cholesky(regularised, lower=True, overwrite_a=True), lower=1, overwrite_c=1)[0]
    encoder = np.tril(encoder) + np.tril(encoder, -1).T
    encoder /= -np.diag(encoder)[np.newaxis, :].copy()
    np.fill_diagonal(encoder, 0.0)
    # Single precision is enough for singular vectors, and twice as fast.
    narrow, plain = encoder.astype(np.float32, copy=False), gram.astype(np.float32, copy=False)
    values, basis = largest(
        lambda block: narrow.T @ (plain @ (narrow @ block)),
        len(gram),
        options.dimensions,
        None if near is None else near.basis,
    )
    values = np.maximum(values, 1e-30)
    real = values >= _LEAST_SHARE * values[0]  # smaller ones are rounding noise, and dividing by them would amplify it
    return _Solution(basis[:, real], np.sqrt(values[real]), encoder @ basis[:, real])


Finish = Callable[[NDArray[np.float32] | None], Preference]


def fit(
    training: Ratings, options: Options, seed: int, rating_vectors: NDArray[np.float32] | None = None
) -> Preference:
    """Fit the ranking model.

    Args:
        training: Ratings to learn from.
        options: Options of the fit.
        seed: Seeds the choice of held-out ratings for the penalty, and the vectors of unrated movies.
        rating_vectors: Movie vectors of the rating model, of shape (movie_count, any). They influence which movies are
            similar, because a user who likes a series rates all of it alike.
    """
    return begin(training, options, seed)(rating_vectors)


def begin(training: Ratings, options: Options, seed: int) -> Finish:
    """Do the part of :func:`fit` that needs no rating vectors; the returned function takes them and finishes."""
    weighting = _weighting(training, options)
    if training.movie_count <= _MOST_MOVIES:
        return _begin(training, weighting, options, seed)
    rows = _Rows.of(training, weighting)
    chosen, most_rated = long_tail.most_rated(training, _MOST_MOVIES)
    finish_chosen = _begin(most_rated, weighting, options, seed)

    def finish(rating_vectors: NDArray[np.float32] | None) -> Preference:
        fitted = finish_chosen(None if rating_vectors is None else rating_vectors[chosen])
        return long_tail.with_others(fitted, chosen, rows.weights, rows.unsigned)

    return finish


def _weighting(training: Ratings, options: Options) -> RatingWeights:
    lowest, highest = float(training.ratings.min()), float(training.ratings.max())
    against = np.mean(training.ratings <= disliked_to(lowest, highest))
    dislike = options.dislike_weight if against <= _MOST_DISLIKES else 0.0
    return RatingWeights(lowest, highest, options.rating_power, dislike)


def _begin(training: Ratings, weighting: RatingWeights, options: Options, seed: int) -> Finish:
    penalty = options.penalty or _best_penalty(training, weighting, options, seed)
    rows = _Rows.of(training, weighting)
    gram = gram_matrix(rows.scaled).astype(np.float64)
    solution = _solve(gram, penalty, options)
    # Any split of the singular values between the two sides gives the same scores. With this split the cosines of
    # movies agree best with their similarity.
    sizes = solution.sizes / solution.sizes[0]
    stretch = sizes**0.75 * solution.shrinkage**0.5
    profiles = solution.profiles * (solution.shrinkage / stretch)
    movies = solution.basis * stretch
    kinds = [(1.0, movies), (1.0, _rated_together(gram, penalty, options.dimensions))]

    def finish(rating_vectors: NDArray[np.float32] | None) -> Preference:
        more = [] if rating_vectors is None else [(0.5, rating_vectors.astype(np.float64))]
        return _finished(
            users=rows.weights @ profiles,
            movies=movies,
            profiles=profiles,
            similarity=_mixed([*kinds, *more], options.dimensions),
            penalty=penalty,
            weighting=weighting,
            seed=seed,
        )

    return finish


def _rated_together(gram: NDArray[np.float64], penalty: float, dimensions: int) -> NDArray[np.float64]:
    """Return vectors whose cosines approximate those of the movies' ratings, shrunk if there are few ratings."""
    roots = np.sqrt(np.diag(gram) + penalty / 10)[:, np.newaxis]
    values, basis = largest(lambda block: gram @ (block / roots) / roots, len(gram), dimensions)
    return np.asarray(basis * np.sqrt(np.maximum(values, 0.0)))


def _mixed(kinds: list[tuple[float, NDArray[np.float64]]], dimensions: int) -> NDArray[np.float64]:
    """Return vectors whose inner products approximate the weighted mean of the kinds' cosines."""
    together = np.hstack([np.sqrt(weight) * _unit(vectors) for weight, vectors in kinds])
    left, values, _ = np.linalg.svd(together, full_matrices=False)
    return np.asarray(left[:, :dimensions] * values[:dimensions])


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


class _Validation:
    """A validation split: a fifth of the ratings, held out to be ranked by a model of the others."""

    def __init__(self, training: Ratings, weighting: RatingWeights, random: np.random.Generator) -> None:
        held = random.random(len(training.ratings)) < 0.2
        rows = _Rows.of(training, weighting, ~held)
        self._gram = gram_matrix(rows.scaled)
        liked = held & (training.ratings >= liked_from(weighting.lowest, weighting.highest))
        users = np.unique(training.users[liked])
        users = np.sort(random.permutation(users)[:_VALIDATION_USERS])
        entries = (np.ones(liked.sum(), bool), (training.users[liked], training.movies[liked]))
        shape = (training.user_count, training.movie_count)
        self._relevant = scipy.sparse.csr_array(entries, shape=shape)[users].toarray()
        self._weights, self._seen = rows.weights[users], rows.unsigned[users]
        self._last: _Solution | None = None

    def quality(self, penalty: float, options: Options) -> NDArray[np.float64]:
        """Return each user's NDCG@10."""
        solution = self._last = _solve(self._gram, penalty, options, self._last)
        scores = (self._weights @ solution.profiles * solution.shrinkage) @ solution.basis.T
        scores[self._seen.nonzero()] = -np.inf
        return ndcg(scores, self._relevant, 10)


def _best_penalty(training: Ratings, weighting: RatingWeights, options: Options, seed: int) -> float:
    """Search by factors of two from the usual penalty, while NDCG@10 on held-out ratings improves.

    One split of few users is noisy, so fewer users get more splits. The result is the smallest penalty within one
    standard error of the best, because all ratings together need less regularization than the training split.
    """
    random = np.random.default_rng(seed)
    # At most 3 splits, and one if there are more than 4,000 movies: each split holds a movies-by-movies matrix.
    most = _MOST_VALIDATIONS if training.movie_count <= _FEW_MOVIES else 1
    count = min(max(_VALIDATION_USERS * 2 // training.user_count, 1), most)
    validations = [_Validation(training, weighting, random) for _ in range(count)]

    def quality(penalty: float) -> NDArray[np.float64]:
        return np.concatenate([validation.quality(penalty, options) for validation in validations])

    tried = {FIRST_PENALTY: quality(FIRST_PENALTY)}
    if not len(tried[FIRST_PENALTY]):
        return FIRST_PENALTY
    for factor in (0.5, 2.0):
        penalty = FIRST_PENALTY * factor
        while penalty not in tried and 1 < penalty < 10_000:
            tried[penalty] = quality(penalty)
            if tried[penalty].mean() < max(each.mean() for each in tried.values()):
                break
            penalty *= factor
    best = max(tried.values(), key=lambda each: float(each.mean()))
    return min(each for each, found in tried.items() if _as_good(best - found))


def _as_good(lacking: NDArray[np.float64]) -> bool:
    """Check that the mean loss of NDCG@10 over users is within one standard error of zero."""
    return bool(lacking.mean() <= lacking.std() / np.sqrt(len(lacking)))


def _finished(
    users: NDArray[np.float64],
    movies: NDArray[np.float64],
    profiles: NDArray[np.float64],
    similarity: NDArray[np.float64],
    penalty: float,
    weighting: RatingWeights,
    seed: int,
) -> Preference:
    """Return the vectors in float32; users without ratings get the average, unrated movies a short random vector."""
    random = np.random.default_rng(seed)
    unrated = ~profiles.any(axis=1) | ~movies.any(axis=1)
    for vectors in (movies, profiles, similarity):
        shortest = np.linalg.norm(vectors[~unrated], axis=1).min(initial=1.0)
        noise = random.standard_normal((int(unrated.sum()), vectors.shape[1]))
        vectors[unrated] = noise * (shortest / np.sqrt(vectors.shape[1]))
    users[~users.any(axis=1)] = users.mean(axis=0) if users.any() else 1.0
    return Preference(
        user_vectors=np.ascontiguousarray(users, np.float32),
        movie_vectors=np.ascontiguousarray(movies, np.float32),
        movie_profiles=np.ascontiguousarray(profiles, np.float32),
        similarity=np.ascontiguousarray(similarity, np.float32),
        penalty=penalty,
        weighting=weighting,
    )

"""EASE, the ranking model: movie vectors from a linear autoencoder in closed form.

A user is the row of weights of the movies they rated. The autoencoder is the movies-by-movies matrix, with a diagonal
of zero, that best reconstructs each row from itself (Steck, Embarrassingly shallow autoencoders for sparse data, WWW
2019). Its penalty grows with a movie's popularity, as dropout of the input does (Steck, Autoencoders that don't overfit
towards the identity, NeurIPS 2020), and the rows of very active users are scaled down. All it needs of the ratings is
their Gram matrix, in one of two forms (:mod:`embrec.models.ease.gram`). The singular vectors of its scores with the
largest singular values are kept, the smaller ones shrunk: this ranks better than using all of them, and gives one
vector per movie. A user's vector is the weighted sum of the profiles of the movies they rated, so a new rating, or a
new user, needs no training.

Events count as ratings do, by the interest of a pair (:mod:`embrec.models.event_pairs`). The penalty and the
number of dimensions are chosen by NDCG@10 on held-out interactions (:mod:`embrec.models.ease.penalty`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embrec.metrics import disliked_to
from embrec.models.base import Preference, Ratings, RatingWeights
from embrec.models.ease import alike, long_tail
from embrec.models.ease.components import components
from embrec.models.ease.gram import LARGEST, Gram, gram_of
from embrec.models.ease.penalty import FIRST_PENALTY, Choice, choose
from embrec.models.ease.rows import Rows
from embrec.models.ease.solution import solve
from embrec.similarity import has_length

# Above a share of 75 % low ratings, they are counts such as plays rather than opinions, and none is a dislike.
_MOST_DISLIKES = 0.75


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        dimensions: Length of a vector; None to choose 64, 128 or 256 on held-out interactions.
        penalty: Regularization, in ratings; None to choose it on held-out interactions.
        first_penalty: The penalty to begin choosing at.
        dropout: Dropout of the input, as regularization that grows with popularity; 0 regularizes all movies alike.
        rating_power: Exponent of a rating's weight; the higher, the more a high rating weighs. 0 weighs all alike.
        dislike_weight: Weight of the lowest rating against its movie in a user's vector; 0 if no rating counts against.
    """

    dimensions: int | None = None
    penalty: float | None = None
    first_penalty: float = FIRST_PENALTY
    dropout: float = 0.25
    rating_power: float = 1.5
    dislike_weight: float = 0.15


Finish = Callable[[NDArray[np.float32] | None], Preference]


def fit(
    training: Ratings, options: Options, seed: int, rating_vectors: NDArray[np.float32] | None = None
) -> Preference:
    """Fit the ranking model.

    Args:
        training: Ratings and events to learn from.
        options: Options of the fit.
        seed: Seeds the choice of held-out interactions.
        rating_vectors: Movie vectors of the rating model, of shape (movie_count, any). They influence which movies are
            similar, because a user who likes a series rates all of it alike.
    """
    with threadpool_limits(1, user_api="blas"):  # or the number of threads would change how it rounds
        return begin(training, options, seed)(rating_vectors)


def begin(training: Ratings, options: Options, seed: int) -> Finish:
    """Do the part of :func:`fit` that needs no rating vectors; the returned function takes them and finishes.

    BLAS must have one thread, or the vectors would depend on the number of threads.
    """
    weighting = _weighting(training, options)
    if min(training.user_count, training.movie_count) <= LARGEST:
        return _begin(training, weighting, options, seed)
    chosen, most_rated = long_tail.most_rated(training, LARGEST)
    finish_chosen = _begin(most_rated, weighting, options, seed)

    def finish(rating_vectors: NDArray[np.float32] | None) -> Preference:
        fitted = finish_chosen(None if rating_vectors is None else rating_vectors[chosen])
        return long_tail.with_others(fitted, chosen, Rows.of(training, weighting))

    return finish


def _weighting(training: Ratings, options: Options) -> RatingWeights:
    lowest, highest = training.scale
    against = np.count_nonzero(training.ratings <= disliked_to(lowest, highest))
    dislike = options.dislike_weight if against <= _MOST_DISLIKES * len(training.ratings) else 0.0
    return RatingWeights(lowest, highest, options.rating_power, dislike)


def scorers(training: Ratings, options: Options, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit what scores need and nothing else: no users and no similarity.

    Args:
        training: Ratings and events to learn from, of at most 12,000 movies or as few users.
        options: Options of the fit.
        seed: Seeds the choice of held-out interactions.

    Returns:
        The vectors and the profiles that :func:`fit` has, each float32 of shape (movie_count, dimensions). BLAS must
        have one thread, or they would depend on the number of threads.
    """
    found = _solved(training, _weighting(training, options), options, seed)
    return _single(found.movies), _single(found.profiles)


class _Solved(NamedTuple):
    """The closed form of some interactions, and what it came from."""

    rows: Rows
    gram: Gram
    labels: NDArray[np.int32]
    chosen: Choice
    movies: NDArray[np.float64]
    profiles: NDArray[np.float64]


def _solved(training: Ratings, weighting: RatingWeights, options: Options, seed: int) -> _Solved:
    chosen = choose(
        training, weighting, options.dropout, options.penalty, options.dimensions, seed, options.first_penalty
    )
    rows = Rows.of(training, weighting)
    gram, labels = gram_of(rows.scaled()), components(rows.ratings)
    solution = solve(gram, labels, chosen.penalty, options.dropout, chosen.dimensions)
    # Any split of the singular values between the two sides gives the same scores. With this split the cosines of
    # movies agree best with their similarity.
    sizes = solution.sizes / solution.sizes[0]
    stretch = sizes**0.75 * solution.shrinkage**0.5
    profiles = solution.profiles * (solution.shrinkage / stretch)
    return _Solved(rows, gram, labels, chosen, solution.basis * stretch, profiles)


def _begin(training: Ratings, weighting: RatingWeights, options: Options, seed: int) -> Finish:
    # The function below keeps what it names until it is called; the Gram matrix is not among it.
    rows, gram, labels, chosen, movies, profiles = _solved(training, weighting, options, seed)
    compared = options.dimensions or max(alike.DIMENSIONS, chosen.dimensions)
    kinds = [alike.unit(movies), alike.together(gram, labels, chosen.penalty, rows.ratings, compared)]
    if training.movie_features is not None:
        kinds.append(np.sqrt(alike.DESCRIBED) * alike.unit(training.movie_features.astype(np.float64)))
    known = np.bincount(rows.ratings.indices, minlength=training.movie_count)

    def finish(rating_vectors: NDArray[np.float32] | None) -> Preference:
        more = [] if rating_vectors is None else [np.sqrt(alike.RATED) * alike.unit(rating_vectors.astype(np.float64))]
        return Preference(
            user_vectors=_single(rows.signed() @ profiles.astype(np.float32)),
            movie_vectors=_single(movies),
            movie_profiles=_single(profiles),
            similarity=_single(alike.mixed([*kinds, *more], known, compared)),
            penalty=chosen.penalty,
            weighting=weighting,
            quality=chosen.quality,
        )

    return finish


def _single(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Return the vectors in float32; rounding noise becomes zero, which is no vector."""
    kept = has_length(vectors)[:, np.newaxis]
    return np.ascontiguousarray(np.where(kept, vectors, 0.0), np.float32)

"""Content regression: the vectors of a movie that nobody has rated, from what is known of it.

A ridge regression maps a movie's labels (genres and periods) and its content vector to the vectors that were learned of
movies with ratings (Gantner et al., Learning attribute-to-feature mappings for cold-start recommendations, ICDM 2010).
Its penalty is the one whose predictions of left-out movies have the least squared error, in closed form (Allen's
PRESS). SQL applies the map to movies that come later (``described_vectors``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embrec.models.features import movie_labels

# A movie with n interactions weighs n / (n + 10), because the vectors of rarely rated movies are mostly regularization.
_HALF_WEIGHT = 10.0
# Fewer movies than this with content teach nothing; they are described by their labels.
_FEWEST_MOVIES = 20
# At most 1,000 labels, those of most movies: pgvector's vectors end at 16,000 numbers.
_MOST_LABELS = 1_000
# At most 30 million numbers in the design matrix (240 MB): the most rated movies teach the map.
_DESIGN_NUMBERS = 30_000_000
# Penalties to try, in units of the features' mean squared singular value.
_PENALTIES = 2.0 ** np.arange(-8, 13)
# Relative tolerance: squared singular values below this fraction of the largest are rounding noise and are dropped.
_LEAST_SHARE = 1e-10
# Weights below this are rounding noise and are stored as zero.
_NOISE = 1e-12

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Descriptions:
    """The side information and content of the movies of a training.

    Attributes:
        genres: Each movie's genres.
        years: Each movie's release year, or None.
        content: Content vectors, float32 of shape (movie_count, dimensions), NaN for a movie without one; of no
            columns if no movie has one.
        counts: Interactions of each movie, int64 of shape (movie_count,).
    """

    genres: Sequence[Sequence[str]]
    years: Sequence[int | None]
    content: NDArray[np.float32]
    counts: NDArray[np.int64]

    def of(self, movies: NDArray[np.int64]) -> Descriptions:
        """Return the descriptions of some movies, in their order."""
        genres, years = [self.genres[movie] for movie in movies], [self.years[movie] for movie in movies]
        return Descriptions(genres, years, self.content[movies], self.counts[movies])


@dataclass(frozen=True)
class ContentMap:
    """Linear maps from what is known of a movie to its vectors.

    A movie's features are 1, then 0 or 1 for each label, then its content vector.

    Attributes:
        labels: The labels, in the order of the features.
        dimensions: Length of a content vector, or None if too few movies have one.
        weights: For each part its map by labels alone, float32 of shape (width, 1 + labels), named ``genres_PART``,
            and with content by both, of shape (width, 1 + labels + dimensions), named ``content_PART``.
    """

    labels: list[str]
    dimensions: int | None
    weights: Mapping[str, NDArray[np.float32]]


def fit(known: Descriptions, targets: Mapping[str, NDArray[np.float32]]) -> ContentMap:
    """Fit the maps of all parts.

    Args:
        known: What is known of the movies.
        targets: The movies' vectors of each part, float32 of shape (movie_count, width).
    """
    labels, indicators = _indicators(known)
    told = np.isfinite(known.content).all(axis=1) & (known.content.shape[1] > 0)
    weights = _maps("genres", indicators, np.ones(len(labels)), known.counts, targets)
    if told.sum() < _FEWEST_MOVIES:
        return ContentMap(labels, None, weights)
    content = known.content[told].astype(np.float64)
    features, scales = _side_by_side(indicators[told], content)
    some = {part: vectors[told] for part, vectors in targets.items()}
    weights |= _maps("content", features, scales, known.counts[told], some)
    return ContentMap(labels, content.shape[1], weights)


def _indicators(known: Descriptions) -> tuple[list[str], Matrix]:
    """Return the labels of most movies, in alphabetical order, and the movies that have each, as 0 or 1."""
    having = [set(movie_labels(genres, year)) for genres, year in zip(known.genres, known.years, strict=True)]
    numbers = Counter(label for mine in having for label in mine)
    # A label of one movie says nothing about others.
    shared = sorted((-number, label) for label, number in numbers.items() if number > 1)
    labels = sorted(label for _, label in shared[:_MOST_LABELS])
    places = {label: place for place, label in enumerate(labels)}
    indicators = np.zeros((len(having), len(labels)))
    for row, mine in enumerate(having):
        indicators[row, [places[label] for label in mine if label in places]] = 1
    return labels, indicators


def _side_by_side(indicators: Matrix, content: Matrix) -> tuple[Matrix, NDArray[np.float64]]:
    """Return both kinds of features, and the factor of each column, by which the kinds have the same variance."""
    spreads = [float(kind.var(axis=0).sum()) for kind in (indicators, content)]
    factor = np.sqrt((spreads[0] or 1.0) / (spreads[1] or 1.0))
    scales = np.concatenate([np.ones(indicators.shape[1]), np.full(content.shape[1], factor)])
    return np.hstack([indicators, content * factor]), scales


def _maps(
    name: str,
    features: Matrix,
    scales: NDArray[np.float64],
    counts: NDArray[np.int64],
    targets: Mapping[str, NDArray[np.float32]],
) -> dict[str, NDArray[np.float32]]:
    """Return the map of each part to its targets, for features that were multiplied by ``scales``."""
    most = max(_DESIGN_NUMBERS // (features.shape[1] + 1), 1)
    rows = np.sort(np.argsort(-counts, kind="stable")[:most])
    ridge = _Ridge(features[rows], counts[rows] / (counts[rows] + _HALF_WEIGHT))
    found = {}
    for part, vectors in targets.items():
        slopes, intercept = ridge.solve(vectors[rows].astype(np.float64))
        weights = np.vstack([intercept, slopes * scales[:, np.newaxis]]).T
        weights[np.abs(weights) < _NOISE] = 0.0
        found[f"{name}_{part}"] = np.ascontiguousarray(weights, np.float32)
    return found


class _Ridge:
    """Weighted ridge regressions on the same features, each with the penalty that predicts left-out rows best.

    Args:
        features: float64 of shape (n, columns).
        weights: The rows' weights, float64 of shape (n,).
    """

    def __init__(self, features: Matrix, weights: NDArray[np.float64]) -> None:
        self._weights = weights if weights.any() else np.ones(len(weights))
        self._roots = np.sqrt(self._weights)[:, np.newaxis]
        self._centre = np.average(features, axis=0, weights=self._weights)
        design = (features - self._centre) * self._roots
        with threadpool_limits(1, user_api="blas"):  # or the number of threads would change how it rounds
            self._squares, self._left, self._right = _decomposed(design)

    def solve(self, targets: Matrix) -> tuple[Matrix, NDArray[np.float64]]:
        """Return slopes of shape (columns, width) and the intercept of shape (width,)."""
        mean = np.average(targets, axis=0, weights=self._weights)
        centred = (targets - mean) * self._roots
        with threadpool_limits(1, user_api="blas"):
            projected = self._left.T @ centred
            penalties = _PENALTIES * (self._squares.mean() if len(self._squares) else 1.0)
            errors = [self._left_out(centred, projected, penalty) for penalty in penalties]
            penalty = penalties[int(np.argmin(errors))]
            slopes = self._right @ ((np.sqrt(self._squares) / (self._squares + penalty))[:, np.newaxis] * projected)
        return slopes, mean - self._centre @ slopes

    def _left_out(self, centred: Matrix, projected: Matrix, penalty: float) -> float:
        """Return the squared error of predicting each row without it."""
        kept = self._squares / (self._squares + penalty)
        leverage = np.square(self._left) @ kept + self._weights / self._weights.sum()
        residual = centred - self._left @ (kept[:, np.newaxis] * projected)
        return float(np.sum(np.square(residual / np.maximum(1 - leverage, 1e-3)[:, np.newaxis])))


def _decomposed(design: Matrix) -> tuple[NDArray[np.float64], Matrix, Matrix]:
    """Return the squared singular values, and the left and right singular vectors, by the smaller Gram matrix."""
    rows, columns = design.shape
    squares, vectors = scipy.linalg.eigh(design.T @ design if columns <= rows else design @ design.T)
    real = squares > _LEAST_SHARE * squares.max(initial=0.0)
    squares, vectors = squares[real], vectors[:, real]
    if columns <= rows:
        return squares, design @ (vectors / np.sqrt(squares)), vectors
    return squares, vectors, design.T @ (vectors / np.sqrt(squares))

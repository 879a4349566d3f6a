"""A model of the step that comes next in a history: a sum that SQL computes from the history at each question."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import scipy.sparse

# Factors below 0.01 are 0: such a step adds nothing that could be seen.
LEAST_FACTOR = 0.01
# The decay of the channel in which movies that come after the training get their rows.
NEW_MOVIES_DECAY = 0.5
# The number of strongest entries that count of a row, if it has as many, however old the step.
LEAST_ENTRIES = 10
# Rounding of a factor does not change how many entries of a row count.
ROUNDING = 1e-6


@dataclass(frozen=True)
class NewMovies:
    """The rule for rows of movies that come after the training: sequential rules stand in for all parts.

    SQL counts the rules (``fold_in_next``), in the channel of decay :data:`NEW_MOVIES_DECAY`.

    Attributes:
        weight: The weight of the rules.
        transitions: The number of transitions from each movie as rules count them, float64 of shape (movie_count,).
    """

    weight: float
    transitions: NDArray[np.float64]


@dataclass(frozen=True)
class NextModel:
    """The score of each movie as the next step of a history.

    Of a history only the newest ``length`` steps count. The newest has age 0, the one before it age 1, and so on. A
    movie's score is the sum, over steps and channels, of ``decay ** age * row[step's movie, movie]``, plus the product
    of the movie's vector with the history's. The history's vector is the sum, over steps and channels, of
    ``decay ** age / sqrt(max(1, sum of decay ** age over the steps))`` times the history vector of the step's movie.
    A decay of 0 counts the newest step alone. A factor ``decay ** age`` below 0.01 counts as 0. Of a row with n
    entries the strongest ``ceil(decay ** age * n - 1e-6)`` count, and at least 10: the weak ones of an old step change
    no list, and would cost SQL as much as any other.

    Attributes:
        length: The number of newest steps that count, at least 1.
        row_decays: The decay of each channel of rows, from 0 to 1.
        rows: For each such channel the weights of the strongest next movies of each movie, float32 of shape
            (movie_count, movie_count), in the order of :func:`strongest`.
        vector_decays: The decay of each channel of history vectors; empty without vectors.
        history_vectors: float32 of shape (channels, movie_count, dimensions), or None.
        movie_vectors: float32 of shape (movie_count, dimensions), or None.
        metrics: What was measured on validation steps, by name.
        new_movies: The rule for rows of movies that come later, or None: they get none.
    """

    length: int
    row_decays: tuple[float, ...]
    rows: Sequence[scipy.sparse.csr_array]
    vector_decays: tuple[float, ...] = ()
    history_vectors: NDArray[np.float32] | None = None
    movie_vectors: NDArray[np.float32] | None = None
    metrics: dict[str, float] | None = None
    new_movies: NewMovies | None = None

    def __post_init__(self) -> None:
        """Refuse rows whose entries are not in the order that old steps are cut in."""
        for rows in self.rows:
            within = np.ones(max(rows.nnz - 1, 0), bool)
            within[rows.indptr[(rows.indptr > 0) & (rows.indptr < rows.nnz)] - 1] = False
            if (np.diff(np.abs(rows.data))[within] > 0).any():
                raise ValueError("the weights of a row are in no order; take embrec.models.next.base.strongest")

    def score(self, history: NDArray[np.int32]) -> NDArray[np.float64]:
        """Score all movies as the next step.

        Args:
            history: Movies, oldest first, int32 of shape (n,). It may be empty.

        Returns:
            float64 of shape (movie_count,), in double precision throughout: the reference that SQL is compared with.
        """
        newest = history[::-1][: self.length]
        scores = np.zeros(self.rows[0].shape[1] if self.rows else len(_given(self.movie_vectors)))
        for decay, channel in zip(self.row_decays, self.rows, strict=True):
            factors = powers(decay, len(newest))
            starts, lengths = channel.indptr[newest], np.diff(channel.indptr)[newest]
            entries = np.maximum(np.ceil(factors * lengths - ROUNDING), LEAST_ENTRIES)
            entries = np.where(factors > 0, np.minimum(entries, lengths), 0).astype(np.int64)
            places = ranges(starts, entries)
            weights = np.repeat(factors, entries) * channel.data[places]
            scores += np.bincount(channel.indices[places], weights, minlength=len(scores))
        if self.vector_decays and len(newest):
            total = np.zeros(_given(self.movie_vectors).shape[1])
            for decay, vectors in zip(self.vector_decays, _given(self.history_vectors), strict=True):
                factors = powers(decay, len(newest))
                total += factors / np.sqrt(max(1.0, factors.sum())) @ vectors[newest].astype(np.float64)
            scores += _given(self.movie_vectors).astype(np.float64) @ total
        return scores


def strongest(rows: scipy.sparse.csr_array, number: int) -> scipy.sparse.csr_array:
    """Return the entries of each row with the largest absolute weights, largest first; equal ones by column.

    Args:
        rows: float32 of shape (n, m).
        number: Maximum number of entries of a row.

    Returns:
        float32 of shape (n, m). Its indices are in no order; operations of SciPy that sort them lose that of weights.
    """
    rows = _promising(rows, number).sorted_indices()
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    # The bits of a positive number are in its order. A stable sort leaves equal weights in order of column.
    order = np.argsort((row << 32) - np.abs(rows.data).view(np.int32), kind="stable")
    kept = order[np.arange(len(order)) - rows.indptr[row] < number]
    starts = np.concatenate([[0], np.cumsum(np.bincount(row[kept], minlength=rows.shape[0]))])
    return type(rows)((rows.data[kept], rows.indices[kept], starts), shape=rows.shape)


def _promising(rows: scipy.sparse.csr_array, number: int) -> scipy.sparse.csr_array:
    """Drop the entries of each row that are weaker than its strongest ``number``, so that few are sorted."""
    kept = np.ones(rows.nnz, bool)
    for begin, end in itertools.pairwise(rows.indptr):
        if end - begin > number:
            weights = np.abs(rows.data[begin:end])
            kept[begin:end] = weights >= np.partition(weights, -number)[-number]
    starts = np.concatenate([[0], np.cumsum(kept)])[rows.indptr]
    return type(rows)((rows.data[kept], rows.indices[kept], starts), shape=rows.shape)


def ranges(starts: NDArray[np.integer[Any]], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return start, start + 1, ..., as many numbers as its length, for each start after the other."""
    before = np.cumsum(lengths) - lengths
    return np.asarray(np.arange(lengths.sum()) + np.repeat(starts - before, lengths))


def stacked(blocks: Sequence[scipy.sparse.csr_array]) -> scipy.sparse.csr_array:
    """Put the rows of blocks with equally many columns below each other; their entries stay in their order."""
    starts = np.concatenate([[0], *(np.diff(block.indptr) for block in blocks)]).cumsum()
    data, indices = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("data", "indices"))
    return type(blocks[0])((data, indices, starts), shape=(len(starts) - 1, blocks[0].shape[1]))


def blocks_of_product(
    left: scipy.sparse.csr_array, right: scipy.sparse.csr_array, most: int
) -> Iterator[tuple[int, int]]:
    """Yield begin and end of blocks of rows of ``left`` whose product with ``right`` needs few multiplications.

    Args:
        left: Of shape (n, any).
        right: Of shape (any, m).
        most: The number of multiplications of a block; a single row may need more.
    """
    costs = np.concatenate([[0], np.cumsum(np.diff(right.indptr)[left.indices])])[left.indptr]
    begin = 0
    while begin < left.shape[0]:
        end = max(int(np.searchsorted(costs, costs[begin] + most, side="right")) - 1, begin + 1)
        yield begin, end
        begin = end


def powers(decay: float, number: int) -> NDArray[np.float64]:
    """Return the factors of steps by age, newest first: decay ** 0, decay ** 1, ..., float64 of shape (number,).

    The decay is rounded to single precision, as the database stores it.
    """
    factors = np.power(float(np.float32(decay)), np.arange(number))
    return np.where(factors < LEAST_FACTOR, 0.0, factors)


def _given(vectors: NDArray[np.float32] | None) -> NDArray[np.float32]:
    if vectors is None:
        raise ValueError("a model with vector_decays has history_vectors and movie_vectors")
    return vectors

"""Next movies by counting: sequential rules, cosine, and rules of two steps, as sparse matrices in bounded memory."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec.models.next.base import blocks_of_product, stacked, strongest
from embrec.models.next.lags import steps_left, transitions
from embrec.models.sequences import Sequences

# A rule counts the transitions at most 10 steps apart: the weight of the next distance would be below 0.03.
_RULE_DECAY, _FARTHEST = 0.7, 10
# Added to the number of transitions from a movie, so that one that was followed once promises little.
_SHRINKAGE = 1.0
# The row of an active user is scaled by its number of movies to this power, as in the ranking model.
_ROW_POWER = -0.25
# At most 400 entries of a row are kept: twice what a channel of a run has.
_KEPT = 400
# A rule of two steps takes the 10 strongest next movies first; 30 of its movies are kept.
_FIRST_STEP, _TWO_STEPS = 10, 30
# A product of sparse matrices is taken in blocks of 20 million products: 240 MB.
_PRODUCTS = 20_000_000


def rules(sequences: Sequences) -> scipy.sparse.csr_array:
    """Return sequential rules (Kamehkhosh et al., 2017): the share of each movie among those that came after another.

    A transition between steps d apart counts ``0.7 ** (d - 1)``. A movie after itself is a transition too.

    Returns:
        float32 of shape (movie_count, movie_count), a row for each earlier movie, in the order of
        :func:`embrec.models.next.base.strongest`.
    """
    total = transitions(sequences, np.array([_RULE_DECAY**gap for gap in range(_FARTHEST)]))
    scale = scipy.sparse.diags_array(1 / (total.sum(axis=1) + _SHRINKAGE))
    return strongest(scipy.sparse.csr_array(scale @ total).astype(np.float32), _KEPT)


def transition_counts(sequences: Sequences) -> NDArray[np.float64]:
    """Return the number of transitions from each movie as :func:`rules` counts, float64 of shape (movie_count,)."""
    counted = np.concatenate([[0.0], np.cumsum(_RULE_DECAY ** np.arange(_FARTHEST))])
    following = counted[np.minimum(steps_left(sequences), _FARTHEST)]
    return np.asarray(np.bincount(sequences.movies, following, sequences.movie_count), np.float64)


def two_steps(first: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Return the movies that rules reach in two steps, as :func:`rules` does: they help movies with few transitions."""
    return _product(first, strongest(first, _FIRST_STEP), None, _TWO_STEPS)


def cosine(sequences: Sequences) -> scipy.sparse.csr_array:
    """Return the cosines of the movies' users, shrunk if they are few; in the form of :func:`rules`.

    Each user counts a movie once. A movie is not like itself here: nobody needs to hear of it.
    """
    owners = np.repeat(np.arange(len(sequences.lengths)), sequences.lengths)
    shape = (len(sequences.lengths), sequences.movie_count)
    seen = scipy.sparse.csr_array((np.ones(len(owners)), (owners, sequences.movies)), shape=shape)
    seen.sum_duplicates()
    counts = np.diff(seen.indptr)
    seen.data = np.repeat(np.maximum(counts, 1.0) ** _ROW_POWER, counts)
    lengths = np.sqrt(np.asarray(seen.power(2).sum(axis=0)))
    scaled = scipy.sparse.csr_array(seen @ scipy.sparse.diags_array(1 / (lengths + _SHRINKAGE)))
    return _product(scipy.sparse.csr_array(scaled.T), scaled, 0.0, _KEPT)


def _product(
    left: scipy.sparse.csr_array, right: scipy.sparse.csr_array, diagonal: float | None, most: int
) -> scipy.sparse.csr_array:
    """Multiply two matrices, block by block of rows, and keep the strongest entries of each row.

    Args:
        left: Of shape (movie_count, any).
        right: Of shape (any, movie_count).
        diagonal: What the diagonal becomes, or None to leave it.
        most: Maximum number of entries of a row.
    """
    found = []
    for begin, end in blocks_of_product(left, right, _PRODUCTS):
        block = scipy.sparse.csr_array(left[begin:end] @ right)
        if diagonal is not None:
            rows = np.repeat(np.arange(begin, end), np.diff(block.indptr))
            block.data[block.indices == rows] = diagonal
            block.eliminate_zeros()
        found.append(strongest(block.astype(np.float32), most))
    return stacked(found)

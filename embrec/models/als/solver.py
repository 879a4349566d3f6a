"""The block solver of ALS: one ridge regression per row, in batches of thousands.

A row is a user (or a movie) with n ratings r, less their overall mean. Its vector p and bias b are the ridge solution
on the vectors q_i and biases c_i of the other side of each rating. They minimise sum (r_i - c_i - q_i . p - b)^2 +
(constant + per_rating * n) (|p|^2 + b^2 / 4). Rows are ordered by their number of ratings and cut into chunks,
because the padded arrays of a chunk must stay in the processor's cache. All solves of a chunk are one batched
Cholesky factorisation. A row with fewer ratings than coordinates is solved in the space of its ratings (the dual),
which is smaller. The operations on a row and their order do not depend on the number of threads, so the vectors are
the same, bit for bit.

Sources: Zhou, Wilkinson, Schreiber, Pan, Large-scale parallel collaborative filtering for the Netflix Prize (AAIM
2008), for weighting the penalty by the number of ratings; Saunders, Gammerman, Vovk, Ridge regression learning
algorithm in dual variables (ICML 1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

# At most 16,384 slots (ratings with padding) per chunk: at 32 dimensions 2 MB, the size of a core's own cache.
CHUNK_SLOTS = 16_384
# Rows of more than 2,048 ratings are summed in pieces of this length, or the result would depend on the number of
# threads, which split a longer sum differently.
PIECE_SLOTS = 2_048
# The bias is solved as a coordinate with feature 2, so its penalty is a quarter of the other coordinates'.
BIAS_FEATURE = 2.0
# At most 4 chunks are solved at once: each needs about 10 MB.
_PARALLEL_CHUNKS = 4


@dataclass(frozen=True)
class Rows:
    """One side's ratings, grouped by its rows and cut into chunks of rows with similar numbers of ratings.

    Attributes:
        chunk_ends: int32 of shape (chunks + 1,), the chunks' boundaries in ``rows``.
        rows: int32, the rows that have ratings, by ascending number of ratings.
        starts: int64, the position in ``others`` of each row's first rating.
        counts: int32, the number of ratings of each row.
        others: int32 of shape (n,), the other side of each rating, grouped by row.
        ratings: float32 of shape (n,).
    """

    chunk_ends: tf.Tensor
    rows: tf.Tensor
    starts: tf.Tensor
    counts: tf.Tensor
    others: tf.Tensor
    ratings: tf.Tensor

    @classmethod
    def of(cls, counts: NDArray[np.int64], others: NDArray[np.int32], ratings: NDArray[np.float32]) -> Rows:
        """Plan the chunks.

        Args:
            counts: Ratings of each row, int64 of shape (row_count,).
            others: The other side of each rating, grouped by row, int32 of shape (n,).
            ratings: float32 of shape (n,), in the same order.
        """
        rows = np.argsort(counts, kind="stable")
        rows = rows[np.searchsorted(counts[rows], 1) :]
        sorted_counts = counts[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])[rows]
        return cls(
            tf.constant(_chunk_ends(sorted_counts), tf.int32),
            tf.constant(rows, tf.int32),
            tf.constant(starts, tf.int64),
            tf.constant(sorted_counts, tf.int32),
            tf.constant(others),
            tf.constant(ratings),
        )


def _chunk_ends(counts: NDArray[np.int64]) -> list[int]:
    """Cut rows with ascending counts into chunks of at most CHUNK_SLOTS padded slots; a longer row is a chunk alone."""
    ends = [0]
    while ends[-1] < len(counts):
        begin = ends[-1]
        # The last row is the longest and sets the padding, so a binary search finds the largest chunk that fits.
        low, high = begin + 1, min(begin + max(CHUNK_SLOTS // int(counts[begin]), 1), len(counts))
        while low < high:
            middle = (low + high + 1) // 2
            if (middle - begin) * counts[middle - 1] <= CHUNK_SLOTS:
                low = middle
            else:
                high = middle - 1
        ends.append(low)
    return ends


def solve(target: tf.Variable, source: tf.Tensor, side: Rows, penalties: tf.Tensor) -> None:
    """Set every row of ``target`` that has ratings to its ridge solution on ``source``.

    Args:
        target: float32 of shape (row_count, width); the last column is the bias.
        source: float32 of shape (other_count, width).
        side: The target's ratings, less the rating that biases are relative to.
        penalties: float32 of shape (2,): the constant penalty of a row, and the penalty per rating.
    """
    # Pass tensors only: then one trace serves both sides and every later fit of the process.
    arrays = (side.chunk_ends, side.rows, side.starts, side.counts, side.others, side.ratings)
    _solve(target.handle, source, *arrays, penalties)


@tf.function(  # type: ignore[untyped-decorator]  # tensorflow has no types
    autograph=False,  # there is nothing to convert, and looking for it takes longer than a small fit
    input_signature=[
        tf.TensorSpec([], tf.resource),
        tf.TensorSpec([None, None], tf.float32),
        *(tf.TensorSpec([None], tf.int32) for _ in ("chunk_ends", "rows")),
        tf.TensorSpec([None], tf.int64),
        *(tf.TensorSpec([None], tf.int32) for _ in ("counts", "others")),
        tf.TensorSpec([None], tf.float32),
        tf.TensorSpec([2], tf.float32),
    ],
)
def _solve(
    target: tf.Tensor,
    source: tf.Tensor,
    chunk_ends: tf.Tensor,
    rows: tf.Tensor,
    starts: tf.Tensor,
    counts: tf.Tensor,
    others: tf.Tensor,
    ratings: tf.Tensor,
    penalties: tf.Tensor,
) -> None:
    padding, width = tf.shape(source)[0], tf.shape(source)[1]
    # The regression's features are the other side's vector and a constant for the row's own bias. Padding is zero.
    features = tf.concat([source[:, :-1], tf.fill([padding, 1], BIAS_FEATURE)], axis=1)
    features = tf.concat([features, tf.zeros([1, width])], axis=0)
    biases = tf.concat([source[:, -1], [0.0]], axis=0)
    scale = tf.concat([tf.ones([width - 1]), [BIAS_FEATURE]], axis=0)

    def chunk(number: tf.Tensor) -> tuple[tf.Tensor]:
        begin, end = chunk_ends[number], chunk_ends[number + 1]
        each = counts[begin:end]
        slots, pieces = _slots(each[-1])
        within = tf.range(slots)[tf.newaxis, :]
        used = within < each[:, tf.newaxis]
        positions = tf.where(used, starts[begin:end][:, tf.newaxis] + tf.cast(within, tf.int64), 0)
        near = tf.where(used, tf.gather(others, positions), padding)
        x = tf.gather(features, near)
        y = tf.where(used, tf.gather(ratings, positions) - tf.gather(biases, near), 0.0)
        penalty = penalties[0] + penalties[1] * tf.cast(each, tf.float32)
        solution = tf.cond(slots < width, lambda: _dual(x, y, penalty), lambda: _primal(x, y, penalty, pieces))
        tf.raw_ops.ResourceScatterUpdate(resource=target, indices=rows[begin:end], updates=solution * scale)
        return (number + 1,)

    chunks = tf.shape(chunk_ends)[0] - 1
    tf.while_loop(lambda number: number < chunks, chunk, (0,), parallel_iterations=_PARALLEL_CHUNKS)


def _slots(longest: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the slots per row of a chunk, and the number of pieces, equally long, that its sums are made of."""
    pieces = (longest + PIECE_SLOTS - 1) // PIECE_SLOTS
    return tf.where(pieces > 1, pieces * PIECE_SLOTS, longest), pieces


def _primal(x: tf.Tensor, y: tf.Tensor, penalty: tf.Tensor, pieces: tf.Tensor) -> tf.Tensor:
    """Solve (X'X + penalty I) p = X'y for each row."""
    width = tf.shape(x)[2]
    length = tf.shape(x)[1] // pieces
    x = tf.reshape(x, [-1, length, width])
    gram = tf.matmul(x, x, transpose_a=True)
    moment = tf.matmul(x, tf.reshape(y, [-1, length, 1]), transpose_a=True)
    gram, moment = tf.cond(
        pieces > 1,
        lambda: (
            tf.reduce_sum(tf.reshape(gram, [-1, pieces, width, width]), axis=1),
            tf.reduce_sum(tf.reshape(moment, [-1, pieces, width, 1]), axis=1),
        ),
        lambda: (gram, moment),
    )
    factor = tf.linalg.cholesky(gram + penalty[:, tf.newaxis, tf.newaxis] * tf.eye(width))
    return tf.linalg.cholesky_solve(factor, moment)[:, :, 0]


def _dual(x: tf.Tensor, y: tf.Tensor, penalty: tf.Tensor) -> tf.Tensor:
    """Solve p = X'(XX' + penalty I)^-1 y for each row: the same solution from a ratings-by-ratings matrix."""
    kernel = tf.matmul(x, x, transpose_b=True) + penalty[:, tf.newaxis, tf.newaxis] * tf.eye(tf.shape(x)[1])
    weights = tf.linalg.cholesky_solve(tf.linalg.cholesky(kernel), y[:, :, tf.newaxis])
    return tf.matmul(x, weights, transpose_a=True)[:, :, 0]

"""The weighted sum of parts, as one model of the next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec.models.next.base import NextModel, strongest
from embrec.models.next.parts import Matrix, Part, Rows, Vectors

# Rows of a dense matrix are cut 4 million numbers at a time: 16 MB.
_NUMBERS = 4_000_000


def mixture(parts: Sequence[Part], weights: Mapping[str, float], length: int, most: int) -> NextModel:
    """Return the weighted sum of parts as a model; rows of the same decay become one channel.

    Args:
        parts: The parts, of which those without a weight are left out.
        weights: Weights by the parts' names.
        length: Newest steps of a history that count.
        most: Entries that are kept of each row of next movies.
    """
    used = [(weights[part.name], part) for part in parts if part.name in weights]
    rows: dict[float, list[Matrix]] = {}
    for weight, part in used:
        for decay, matrix in part.by_decay.items() if isinstance(part, Rows) else ():
            rows.setdefault(_stored(decay), []).append(matrix * np.float32(weight))
    decays = tuple(sorted(rows))
    cut = [_strongest(_sum(rows.pop(decay)), most) for decay in decays]
    vectors = [(weight, part) for weight, part in used if isinstance(part, Vectors)]
    return NextModel(length, decays, cut, *(_joined(vectors) if vectors else ()))


def _stored(decay: float) -> float:
    """Return a decay as the database keeps it, in single precision."""
    return float(np.float32(decay))


def _sum(matrices: list[Matrix]) -> Matrix:
    """Add up matrices; the sum is sparse if all are."""
    counted = [each for each in matrices if not isinstance(each, np.ndarray)]
    total = sum(counted[1:], counted[0]) if counted else None
    if len(counted) == len(matrices):
        return total
    dense = np.zeros(matrices[0].shape, np.float32) if total is None else total.toarray()
    for each in matrices:
        if isinstance(each, np.ndarray):
            dense += each
    return dense


def _strongest(matrix: Matrix, most: int) -> scipy.sparse.csr_array:
    """Return the strongest entries of each row, as :func:`embrec.models.next.base.strongest` does."""
    if scipy.sparse.issparse(matrix):
        return strongest(scipy.sparse.csr_array(matrix), most)
    count, columns = matrix.shape
    kept = np.empty((count, min(most, columns)), np.int32)
    size = max(1, _NUMBERS // columns)
    for begin in range(0, count, size):
        block = -np.abs(matrix[begin : begin + size])
        kept[begin : begin + size] = np.argpartition(block, kept.shape[1] - 1, axis=1)[:, : kept.shape[1]]
    starts = np.arange(count + 1) * kept.shape[1]
    cut = scipy.sparse.csr_array((np.take_along_axis(matrix, kept, 1).ravel(), kept.ravel(), starts), matrix.shape)
    cut.eliminate_zeros()
    return strongest(cut, most)


def _joined(
    vectors: list[tuple[float, Vectors]],
) -> tuple[tuple[float, ...], NDArray[np.float32], NDArray[np.float32]]:
    """Return decays, history vectors and movie vectors of several parts side by side.

    Parts with the same movie vectors share their dimensions.
    """
    decays = sorted({_stored(decay) for _, part in vectors for decay in part.decays})
    own = list({id(part.movie_vectors): part.movie_vectors for _, part in vectors}.values())
    begins = dict(zip(map(id, own), np.cumsum([0, *(each.shape[1] for each in own)]).tolist(), strict=False))
    movies = np.ascontiguousarray(np.hstack(own))
    histories = np.zeros((len(decays), *movies.shape), np.float32)
    for weight, part in vectors:
        begin = begins[id(part.movie_vectors)]
        columns = slice(begin, begin + part.movie_vectors.shape[1])
        for decay, each in zip(part.decays, part.history_vectors, strict=True):
            histories[decays.index(_stored(decay)), :, columns] += np.float32(weight) * each
    return tuple(decays), histories, movies

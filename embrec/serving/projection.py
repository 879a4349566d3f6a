"""A map of vectors: points on a plane, near each other where the vectors point the same way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embrec import similarity

# Of more movies, the most rated are mapped: more points are no longer seen apart, nor computed while somebody waits.
MAP_MOVIES = 3_000
_SEED = 0
_PERPLEXITY = 30.0
# Of fewer, neighbourhoods say nothing that the two main directions do not.
_FEWEST_NEIGHBOURHOODS = 12


def project(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Place vectors on a plane by t-SNE on their cosine distances (van der Maaten, Hinton, JMLR 2008).

    What is near on the plane is alike; how far apart distant groups are, and the axes, mean nothing. The same vectors
    give the same points on the same machine. Fewer than a dozen are placed by their two principal components.

    Args:
        vectors: float32 of shape (n, dimensions).

    Returns:
        float64 of shape (n, 2).
    """
    # Two columns at least, for a plane.
    columns = max(2 - vectors.shape[1], 0)
    units = np.pad(similarity.unit(vectors).astype(np.float64), ((0, 0), (0, columns)))
    if len(units) < _FEWEST_NEIGHBOURHOODS or np.allclose(units, units[:1]):
        return _principal(units)

    from sklearn.manifold import TSNE  # heavy, and an extra
    from threadpoolctl import threadpool_limits

    perplexity = min(_PERPLEXITY, (len(units) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, metric="cosine", init="pca", random_state=_SEED)
    # Several threads gain little, and where the machine is busy they wait for each other six times as long.
    with threadpool_limits(1):
        return np.asarray(tsne.fit_transform(units), np.float64)


def _principal(units: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first two principal components, zeros where there are fewer."""
    points = np.zeros((len(units), 2))
    if len(units) > 1:
        left, lengths, _ = np.linalg.svd(units - units.mean(axis=0), full_matrices=False)
        points[:, : min(2, len(lengths))] = (left * lengths)[:, :2]
    return points

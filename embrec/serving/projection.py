"""A two-dimensional map of vectors by t-SNE: points are near each other if their cosine similarity is high."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embrec import similarity

# At most 3,000 movies, the most rated ones: more points overlap, and take longer to compute than a reader waits.
MAP_MOVIES = 3_000
_SEED = 0
_PERPLEXITY = 30.0
# With fewer than 12 vectors, t-SNE's neighbourhoods add nothing to the two principal components.
_FEWEST_NEIGHBOURHOODS = 12


def project(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Place vectors on a plane by t-SNE on their cosine distances (van der Maaten, Hinton, JMLR 2008).

    Points near each other are similar; the axes, and the distances between far groups, mean nothing. The same vectors
    give the same points on the same machine. Fewer than 12 vectors are placed by their two principal components.

    Args:
        vectors: Vectors to place, float32 of shape (n, dimensions).

    Returns:
        Points on the plane, float64 of shape (n, 2).
    """
    # Pad to two columns, because t-SNE starts from two principal components.
    columns = max(2 - vectors.shape[1], 0)
    units = np.pad(similarity.unit(vectors).astype(np.float64), ((0, 0), (0, columns)))
    if len(units) < _FEWEST_NEIGHBOURHOODS or np.allclose(units, units[:1]):
        return _principal(units)

    from sklearn.manifold import TSNE  # slow to import, and an optional dependency
    from threadpoolctl import threadpool_limits

    perplexity = min(_PERPLEXITY, (len(units) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, metric="cosine", init="pca", random_state=_SEED)
    # One thread: several gain little, and on a busy machine they wait for each other and take six times as long.
    with threadpool_limits(1):
        return np.asarray(tsne.fit_transform(units), np.float64)


def _principal(units: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first two principal components, or zeros for those that do not exist."""
    points = np.zeros((len(units), 2))
    if len(units) > 1:
        left, lengths, _ = np.linalg.svd(units - units.mean(axis=0), full_matrices=False)
        points[:, : min(2, len(lengths))] = (left * lengths)[:, :2]
    return points

"""Compare answers by users' vectors in half precision with those in single precision, on MovieLens 100K.

A row has the largest change of a predicted rating, in stars, the share of the ten best movies by predicted rating that
both have in common, and that of the ten most similar users.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embrec import metrics, similarity
from embrec.data.files.movielens import fetch_ml_100k
from embrec.data.files.sources import open_source
from embrec.evaluation.data import read_data
from embrec.models import registry
from embrec.runs import half_precision

N = 10


def common(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> float:
    """Return the share of each row's numbers that the same row of another array has too."""
    return float((ours[:, :, np.newaxis] == theirs[:, np.newaxis]).any(axis=2).mean())


def main() -> None:
    """Print a table."""
    ratings = read_data(open_source(fetch_ml_100k())).ratings
    print("| model | rating moves by, stars | best movies in common | similar users in common |\n|---|---|---|---|")
    for name in ("two-part", "matrix-factorization"):
        model = registry.get(name)
        fitted = model.fit(ratings, None, registry.make_options(model, {}), 0, lambda epoch: None)
        compared = fitted.user_vectors if fitted.user_similarity is None else fitted.user_similarity
        scores, near = [], []
        for rounded in (lambda vectors: vectors, half_precision.rounded):
            scores.append(rounded(fitted.user_vectors) @ fitted.movie_vectors.T + fitted.movie_biases)
            near.append(similarity.nearest(similarity.cosines(rounded(compared)), N))
        moved = np.abs(scores[1] - scores[0]).max()
        best = [metrics.top(each, N) for each in scores]
        print(f"| {name} | {moved:.4f} | {common(*best):.4f} | {common(*near):.4f} |")


if __name__ == "__main__":
    main()

"""Compare numbers of principal components for user similarity, by lists of nearest users on MovieLens 100K.

Each of three random splits holds out a fifth. A user's list has the unrated movies that the thirty nearest users
liked, by the sum of their cosine similarities. Its quality is recall@20 of the liked held-out movies.
"""

from __future__ import annotations

import numpy as np

from embrec import metrics, similarity, splits
from embrec.data.files.movielens import fetch_ml_100k
from embrec.data.files.sources import open_source
from embrec.evaluation.data import read_data
from embrec.models import hybrid

DIRECTIONS = (4, 8, 16, 24, 32, 64)
NEIGHBOURS, LISTED, LIKED = 30, 20, 4


def main() -> None:
    """Print a table."""
    data = read_data(open_source(fetch_ml_100k()))
    print("| split | " + " | ".join(str(count) for count in DIRECTIONS) + " |")
    for seed in range(3):
        kept, held = splits.random_split(len(data.ratings.ratings), 0.2, seed)
        training, test = data.part(kept), data.part(held)
        preference = hybrid.TwoPart().fit(training, None, hybrid.Options(draws=0), seed).preference
        assert preference is not None
        shape = training.user_count, training.movie_count
        seen, liked, wanted = (np.zeros(shape, bool) for _ in range(3))
        seen[training.users, training.movies] = True
        liked[training.users, training.movies] = training.ratings >= LIKED
        wanted[test.users, test.movies] = test.ratings >= LIKED
        asked = wanted.any(axis=1)
        unit = similarity.unit(preference.user_vectors)
        directions = np.linalg.eigh((unit.T @ unit).astype(np.float64))[1][:, ::-1]
        row = []
        for count in DIRECTIONS:
            cosines = similarity.cosines(unit @ directions[:, :count])
            near = similarity.nearest(cosines, NEIGHBOURS)
            weights = np.take_along_axis(cosines, near, 1)
            scores = np.where(seen, -np.inf, np.einsum("un,unm->um", weights, liked[near]))
            row.append(metrics.recall(scores[asked], wanted[asked], LISTED).mean())
        print(f"| {seed} | " + " | ".join(f"{value:.4f}" for value in row) + " |")


if __name__ == "__main__":
    main()

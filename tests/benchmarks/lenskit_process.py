"""Fits a LensKit model in an environment of its own: ``python lenskit_process.py IN.npz OUT.npy NAME OPTIONS``.

With pairs to predict in the file it writes their ratings, else every user's scores of all movies: of the best 100, by
rank.
"""

import json
import sys
import warnings

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")

from lenskit import batch  # noqa: E402
from lenskit.als import BiasedMFConfig, BiasedMFScorer, ImplicitMFConfig, ImplicitMFScorer  # noqa: E402
from lenskit.data import ItemListCollection, from_interactions_df  # noqa: E402
from lenskit.knn import ItemKNNConfig, ItemKNNScorer  # noqa: E402
from lenskit.pipeline import predict_pipeline, topn_pipeline  # noqa: E402

MODELS = {
    "item-kNN": lambda options: ItemKNNScorer(ItemKNNConfig(feedback="explicit", **options)),
    "item-kNN of likes": lambda options: ItemKNNScorer(ItemKNNConfig(feedback="implicit", **options)),
    "ALS": lambda options: BiasedMFScorer(BiasedMFConfig(**options)),
    "implicit ALS": lambda options: ImplicitMFScorer(ImplicitMFConfig(**options)),
}


def main() -> None:
    """Fit and write."""
    parts = np.load(sys.argv[1])
    frame = pd.DataFrame({"user_id": parts["users"], "item_id": parts["movies"], "rating": parts["ratings"]})
    data = from_interactions_df(frame)
    scorer = MODELS[sys.argv[3]](json.loads(sys.argv[4]))
    if "test_users" in parts:
        pipe = predict_pipeline(scorer, fallback=True)
        pipe.train(data)
        test = pd.DataFrame({"user_id": parts["test_users"], "item_id": parts["test_movies"]})
        found = batch.predict(pipe, ItemListCollection.from_df(test, ["user_id"]), n_jobs=1).to_df()
        scores = test.merge(found, on=["user_id", "item_id"], how="left")["score"].to_numpy()
    else:
        pipe = topn_pipeline(scorer)
        pipe.train(data)
        users = np.unique(parts["users"])
        found = batch.recommend(pipe, users, n=100, n_jobs=1).to_df()
        scores = np.full(tuple(parts["shape"]), -1000.0)
        scores[found["user_id"], found["item_id"]] = -found["rank"]
    np.save(sys.argv[2], scores)


if __name__ == "__main__":
    main()

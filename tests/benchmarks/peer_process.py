"""Fit a peer in its library's own environment: ``python peer_process.py IN.npz OUT.npy LIBRARY NAME OPTIONS``."""

import json
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

warnings.simplefilter("ignore")


def lenskit(parts: Mapping[str, np.ndarray], name: str, options: dict[str, Any]) -> np.ndarray:
    """Return predicted ratings if there are pairs to predict, or every user's scores: of the top 100, by rank."""
    import pandas as pd
    from lenskit import batch
    from lenskit.als import BiasedMFConfig, BiasedMFScorer, ImplicitMFConfig, ImplicitMFScorer
    from lenskit.data import ItemListCollection, from_interactions_df
    from lenskit.knn import ItemKNNConfig, ItemKNNScorer
    from lenskit.pipeline import predict_pipeline, topn_pipeline

    models = {
        "item-kNN": lambda: ItemKNNScorer(ItemKNNConfig(feedback="explicit", **options)),
        "item-kNN of likes": lambda: ItemKNNScorer(ItemKNNConfig(feedback="implicit", **options)),
        "ALS": lambda: BiasedMFScorer(BiasedMFConfig(**options)),
        "implicit ALS": lambda: ImplicitMFScorer(ImplicitMFConfig(**options)),
    }
    frame = pd.DataFrame({"user_id": parts["users"], "item_id": parts["movies"], "rating": parts["ratings"]})
    data = from_interactions_df(frame)
    scorer = models[name]()
    if "test_users" in parts:
        pipe = predict_pipeline(scorer, fallback=True)
        pipe.train(data)
        test = pd.DataFrame({"user_id": parts["test_users"], "item_id": parts["test_movies"]})
        found = batch.predict(pipe, ItemListCollection.from_df(test, ["user_id"]), n_jobs=1).to_df()
        return test.merge(found, on=["user_id", "item_id"], how="left")["score"].to_numpy()
    pipe = topn_pipeline(scorer)
    pipe.train(data)
    users = np.unique(parts["users"])
    found = batch.recommend(pipe, users, n=100, n_jobs=1).to_df()
    scores = np.full(tuple(parts["shape"]), -1000.0)
    scores[found["user_id"], found["item_id"]] = -found["rank"]
    return scores


def lightfm(parts: Mapping[str, np.ndarray], name: str, options: dict[str, Any]) -> np.ndarray:
    """Return vectors of users, then of movies, with the movies' biases last; all given ratings are positives."""
    import scipy.sparse
    from lightfm import LightFM

    epochs = options.pop("epochs")
    positives = (np.ones(len(parts["users"]), np.float32), (parts["users"], parts["movies"]))
    model = LightFM(loss=name, **options)
    features = None
    if "movie_features" in parts:  # beside a feature of each rated movie's own: that of another would be random
        rated = np.bincount(parts["movies"], minlength=tuple(parts["shape"])[1]) > 0
        own = scipy.sparse.diags(rated.astype(np.float32))
        features = scipy.sparse.hstack([own, scipy.sparse.csr_matrix(parts["movie_features"])], format="csr")
    shape = tuple(parts["shape"])
    model.fit(scipy.sparse.coo_matrix(positives, shape=shape), item_features=features, epochs=epochs, num_threads=1)
    # A movie's bias adds the same for all users; a user's own bias changes no ranking, and is left out.
    users = np.column_stack([model.user_embeddings, np.ones(len(model.user_embeddings))])
    biases, vectors = model.get_item_representations(features)
    return np.vstack([users, np.column_stack([vectors, biases])])


def main() -> None:
    """Fit the peer, and write its result."""
    fit = {"lenskit": lenskit, "lightfm": lightfm}[sys.argv[3]]
    with np.load(sys.argv[1]) as parts:
        np.save(sys.argv[2], fit(parts, sys.argv[4], json.loads(sys.argv[5])))


if __name__ == "__main__":
    main()

"""The accuracy of SQL's answers from current ratings (fold-in), on MovieLens 100K, through the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from servers import server

from embrec import metrics, similarity, splits
from embrec.data import loading, ratings
from embrec.data.files import sources
from embrec.data.files.movielens import fetch_ml_100k
from embrec.data.files.sources import open_source
from embrec.db import schema
from embrec.evaluation.data import EvaluationData, rating_splits, read_data
from embrec.serving import predict, recommend
from embrec.training import train

SEEDS = (0, 1, 2)
DIVERSITIES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)
NEW_SHARE = 0.1
Table = dict[str, dict[str, list[float]]]


@contextmanager
def trained(frame: pd.DataFrame, movies: list[Any]) -> Iterator[sa.Engine]:
    """A database with these ratings and the default model."""
    with server() as postgres:
        schema.upgrade(postgres.engine)
        loading.load(postgres.engine, sources.from_frame(frame, movies))
        train(postgres.engine)
        yield postgres.engine


def everything() -> tuple[pd.DataFrame, list[Any], EvaluationData]:
    """The ratings in the order of the file, the movies, and both as data to evaluate on."""
    source = open_source(fetch_ml_100k())
    data = read_data(source)
    frame = pd.DataFrame(
        {
            "user_id": data.ratings.users.astype(str),
            "movie_id": np.array(data.movie_ids)[data.ratings.movies],
            "rating": data.ratings.ratings.astype(float),
        }
    )
    return frame, source.movies(), data


def error(engine: sa.Engine, test: pd.DataFrame, predicted: Callable[[sa.Engine, pd.DataFrame], pd.Series]) -> float:
    """Return the RMSE of pairs with a prediction; a movie without a vector has none."""
    joined = test.merge(predicted(engine, test).rename("predicted"), on=["user_id", "movie_id"])
    return metrics.rmse(joined.predicted.to_numpy(np.float32), joined.rating.to_numpy(np.float32))


def stored(engine: sa.Engine, test: pd.DataFrame) -> pd.Series:
    """Predict from the vectors that the training stored."""
    found = predict.predict_ratings(engine, test.user_id, test.movie_id)
    return found.set_index(["user_id", "movie_id"]).predicted_rating


def live(engine: sa.Engine, test: pd.DataFrame) -> pd.Series:
    """Predict from vectors that SQL solves for, by making all users of the run look changed."""
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.user_embeddings SET fingerprint = 0"))
        rows = [
            predict.predict_rating(connection, user, movie) if known else np.nan
            for user, movie, known in zip(test.user_id, test.movie_id, known_movies(connection, test), strict=True)
        ]
        connection.rollback()
    return pd.Series(rows, pd.MultiIndex.from_frame(test[["user_id", "movie_id"]])).dropna()


def known_movies(connection: sa.Connection, test: pd.DataFrame) -> pd.Series:
    """Return whether each movie has a vector."""
    return test.movie_id.isin(
        list(connection.scalars(sa.text("SELECT movie_id FROM embrec.published_movie_embeddings")))
    )


def live_vectors(progress: Callable[[str], None]) -> Table:
    """Measure the errors of stored and of live vectors on the official folds."""
    frame, movies, data = everything()
    found: Table = {"stored": {"RMSE": []}, "live": {"RMSE": []}}
    for number, (kept, held) in enumerate(rating_splits(data, "official")):
        progress(f"live vectors, fold {number + 1}")
        with trained(frame.iloc[kept], movies) as engine:
            test = frame.iloc[held]
            found["stored"]["RMSE"].append(error(engine, test, stored))
            found["live"]["RMSE"].append(error(engine, test, live))
    return found


def newcomers(side: str, progress: Callable[[str], None]) -> Table:
    """Measure errors for new users or movies (cold start): a tenth of them is unknown to the training.

    Half of their ratings are added after it, and the other half is predicted. A training with the first half is
    beside it.
    """
    frame, movies, _ = everything()
    found: Table = {}
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        names = np.sort(frame[f"{side}_id"].unique())
        new = frame[f"{side}_id"].isin(random.permutation(names)[: int(NEW_SHARE * len(names))])
        late = new & (random.random(len(frame)) < 0.5)
        test = frame[new & ~late]
        progress(f"new {side}s, seed {seed}")
        with trained(frame[~new | late], movies) as engine:
            add(found, "trained with them", error(engine, test, stored))
        with trained(frame[~new], movies) as engine:
            if side == "movie":
                ratings.refresh(engine)
                add(found, "before any rating", error(engine, test, stored))
            loading.load(engine, sources.from_frame(frame[late], []))
            if side == "movie":
                ratings.refresh(engine)
            add(found, "without training", error(engine, test, stored))
    return found


def add(found: Table, name: str, value: float) -> None:
    """Record an error."""
    found.setdefault(name, {"RMSE": []})["RMSE"].append(value)


def diversity(progress: Callable[[str], None]) -> Table:
    """Measure the quality of lists and the similarity of the movies in them, for each weight of diversity."""
    frame, movies, data = everything()
    found: Table = {}
    for seed in SEEDS:
        kept, held = splits.per_user(data.ratings.users, 0.2, seed)
        progress(f"diversity, seed {seed}")
        liked = frame.iloc[held][data.liked[held]].groupby("user_id").movie_id.agg(set)
        with trained(frame.iloc[kept], movies) as engine, engine.connect() as connection:
            query = "SELECT movie_id, embedding FROM embrec.published_movie_embeddings"
            vectors = {
                row.movie_id: np.fromstring(row.embedding[1:-1], sep=",") for row in connection.execute(sa.text(query))
            }
            for share in DIVERSITIES:
                lists = [
                    recommend.recommend_movies(connection, user, 10, diversity=share).movie_id.tolist()
                    for user in liked.index
                ]
                of_share = found.setdefault(f"diversity {share:g}", {})
                for name, value in quality(lists, list(liked), vectors, len(movies)).items():
                    of_share.setdefault(name, []).append(value)
    return found


def quality(
    lists: list[list[str]], liked: list[set[str]], vectors: dict[str, np.ndarray], movie_count: int
) -> dict[str, float]:
    """Return NDCG@10, the mean cosine similarity of a list's movies, and catalogue coverage."""
    gains = 1 / np.log2(np.arange(2, 12))
    scores, similarities = [], []
    for mine, wanted in zip(lists, liked, strict=True):
        hits = np.array([movie in wanted for movie in mine])
        scores.append(gains[hits].sum() / gains[: min(len(wanted), 10)].sum())
        cosines = similarity.cosines(np.array([vectors[movie] for movie in mine]))
        similarities.append((cosines.sum() - len(mine)) / (len(mine) * (len(mine) - 1)))
    return {
        "NDCG@10": float(np.mean(scores)),
        "similarity within a list": float(np.mean(similarities)),
        "coverage": len(set().union(*map(set, lists))) / movie_count,
    }


TASKS = {
    "live": live_vectors,
    "new-users": partial(newcomers, "user"),
    "new-movies": partial(newcomers, "movie"),
    "diversity": diversity,
}

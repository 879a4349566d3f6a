"""Rebuild a stored run: its rows, its Keras model, and what it knows of the order of steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import similarity
from embrec.data.extraction import extract
from embrec.errors import RunError
from embrec.models import outer_product
from embrec.models.base import FoldIn, Preference, RatingFactors
from embrec.models.recommender import recommender
from embrec.runs import embeddings, ranking_vectors, stored
from embrec.runs import next as next_steps
from embrec.runs.embeddings import Part, Side
from embrec.runs.next_files import Order
from embrec.runs.records import ModelRun
from embrec.runs.store import Rows

Columns = tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.float32] | None]


def rows_of(connection: sa.Connection, run: ModelRun) -> Rows:
    """Return the users and movies of a run, in the order of their indexes; no movie that came after its training."""
    indexes = {}
    for side, kept in (("user", "true"), ("movie", "NOT folded_in")):
        query = (
            f"SELECT {side}_index FROM embrec.{side}_embeddings"
            f" WHERE model_run_id = :run AND part = 'rating' AND ({kept}) ORDER BY {side}_index"
        )
        indexes[side] = np.array(connection.scalars(sa.text(query), {"run": run.model_run_id}).all(), np.int32)
    prints = sa.text(
        "SELECT coalesce(fingerprint, 0) FROM embrec.user_embeddings"
        " WHERE model_run_id = :run AND part = 'rating' ORDER BY user_index"
    )
    fingerprints = np.array(connection.scalars(prints, {"run": run.model_run_id}).all(), np.int64)
    return Rows(indexes["user"], indexes["movie"], fingerprints, run.lowest_rating, run.highest_rating)


def keras_model_of(connection: sa.Connection, run: ModelRun, rows: Rows) -> Any:
    """Return the Keras model of a run, from what is stored of it.

    Args:
        connection: The transaction to read in.
        run: A trained run.
        rows: Its users and movies, by :func:`rows_of`.

    Raises:
        RunError: SQL serves only its similarities.
    """
    if run.serving == "similarity_only":
        raise RunError(
            f"Of model run {run.model_run_id} only vectors are in the database, for SQL cannot predict as its model "
            "does. Save the model where it is trained: embrec.train(...).keras_model.save(FILE)"
        )
    indexes: dict[Side, NDArray[np.int32]] = {"user": rows.users, "movie": rows.movies}
    arrays = {(side, part): _vectors(connection, run, side, part, indexes[side]) for side, part in _parts(run)}
    if head := stored.dense_head(connection, run.model_run_id):
        return outer_product.from_layers(arrays["user", "rating"][0], arrays["movie", "rating"][0], *head)
    factors = _factors(run, arrays) if run.predicts_ratings else None
    lowest, highest = run.lowest_rating or 0.0, run.highest_rating or 0.0
    preference = None
    if run.serving == "two_part":
        compared = arrays["movie", "similarity"][0]
        preference = Preference(
            user_vectors=_ranking_vectors(connection, run, rows),
            movie_vectors=arrays["movie", "preference"][0],
            movie_profiles=arrays["movie", "profile"][0],
            similarity=compared if run.shrunk_similarity else similarity.unit(compared),
            penalty=run.metrics.get("penalty") or 0.0,
            weighting=run.weighting,
            quality={
                int(name.removeprefix("ranking_ndcg_")): quality
                for name, quality in run.metrics.items()
                if name.startswith("ranking_ndcg_") and quality is not None
            },
        )
    model = recommender(factors, lowest, highest, preference).keras_model
    if preference is not None:  # as trained, for ratings may have changed
        model.user_similarity.set_weights([arrays["user", "similarity"][0]])
    return model


def _factors(run: ModelRun, arrays: Mapping[tuple[Side, Part], Columns]) -> RatingFactors:
    """Return the rating part of a run."""
    users, user_biases, user_spreads = arrays["user", "rating"]
    movies, movie_biases, movie_spreads = arrays["movie", "rating"]
    folds_in = run.bias_feature is not None
    return RatingFactors(
        user_vectors=users,
        movie_vectors=movies,
        user_biases=np.zeros(len(users), np.float32) if user_biases is None else user_biases,
        movie_biases=np.zeros(len(movies), np.float32) if movie_biases is None else movie_biases,
        mean=run.mean or 0.0,
        history=[],
        kept_epoch=0,
        user_spreads=user_spreads,
        movie_spreads=movie_spreads,
        fold_in=FoldIn(run.bias_feature or 0, run.ridge_constant or 0, run.ridge_per_rating or 0) if folds_in else None,
    )


def _ranking_vectors(connection: sa.Connection, run: ModelRun, rows: Rows) -> NDArray[np.float32]:
    """Users' ranking vectors, which no run stores, from current ratings and events; zeros for users without one."""
    ratings = extract(connection)
    profiles = embeddings.read(connection, run.model_run_id, "movie", "profile")
    found = ranking_vectors.of_all_users(run, ratings, profiles)
    return np.nan_to_num(stored.aligned(embeddings.Vectors(ratings.user_indexes, found), rows.users)[0])


def _parts(run: ModelRun) -> list[tuple[Side, Part]]:
    parts: list[tuple[Side, Part]] = [("user", "rating"), ("movie", "rating")]
    if run.serving == "two_part":
        parts += [("user", "similarity"), ("movie", "preference"), ("movie", "profile"), ("movie", "similarity")]
    return parts


def _vectors(connection: sa.Connection, run: ModelRun, side: Side, part: Part, indexes: NDArray[np.int32]) -> Columns:
    """Vectors, biases and uncertainties of a part, in the order of the indexes; zeros for rows without a vector."""
    found = embeddings.read(connection, run.model_run_id, side, part)
    _, here, there = np.intersect1d(indexes, found.indexes, assume_unique=True, return_indices=True)
    vectors = np.zeros((len(indexes), max(found.vectors.shape[1], 1)), np.float32)
    vectors[here] = found.vectors[there]
    # Parts with biases and uncertainties have all rows.
    biases, spreads = (None if each is None else each[there] for each in (found.biases, found.spreads))
    return vectors, biases, spreads


def order_of(connection: sa.Connection, run: ModelRun, rows: Rows) -> Order:
    """Return what a run knows of the order and the company of movies, without those that came after its training."""
    every = np.array(connection.scalars(sa.text("SELECT movie_index FROM embrec.movies ORDER BY 1")).all(), np.int32)
    return Order(*next_steps.read_trained(connection, run, every)).of(np.searchsorted(every, rows.movies))

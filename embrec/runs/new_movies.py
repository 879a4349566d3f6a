"""The maps by which a run gives vectors to movies that come after its training, from what is known of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec.data.extraction import RatingArrays
from embrec.models import content
from embrec.models.base import FittedModel
from embrec.models.content import ContentMap, Descriptions
from embrec.runs import embeddings

# The ranking vector is shortened to this share of the regression's, and the profile with it. A list is made of the
# largest of many scores, and of uncertain ones the largest are too large. On MovieLens 100K lists of all movies are as
# good as without new movies up to this share, on splits that no report uses.
CAUTION = 0.7


def descriptions(arrays: RatingArrays, movie_indexes: NDArray[np.int32]) -> Descriptions:
    """Return what is known of movies that have ratings or events.

    Args:
        arrays: The extracted ratings.
        movie_indexes: The movies' indexes, int32 of shape (n,), ascending.
    """
    counts = np.bincount(arrays.movies, minlength=len(arrays.movie_indexes))
    if (pairs := arrays.event_pairs()) is not None:
        counts += np.bincount(pairs.movies, minlength=len(counts))
    places = np.searchsorted(arrays.movie_indexes, movie_indexes)
    return Descriptions(arrays.movie_genres, arrays.movie_years, arrays.movie_content, counts).of(places)


def content_map(known: Descriptions, model: FittedModel) -> ContentMap | None:
    """Fit the maps from what is known of movies to a model's vectors; None if these are not finite: refused later."""
    biases = np.zeros(len(model.movie_vectors), np.float32) if model.movie_biases is None else model.movie_biases
    targets = {"rating": np.column_stack([model.movie_vectors, biases])}
    if not np.isfinite(targets["rating"]).all():
        return None
    ranking = model.preference
    if ranking is None:
        return content.fit(known, targets)
    found = content.fit(known, targets | {"preference": ranking.movie_vectors, "similarity": ranking.similarity})
    share = _mean_length(ranking.movie_profiles) / (_mean_length(ranking.movie_vectors) or 1.0)
    weights = dict(found.weights)
    for basis in ("genres", "content"):
        if (learned := found.weights.get(f"{basis}_preference")) is not None:
            weights[f"{basis}_preference"] = np.asarray(CAUTION * learned, np.float32)
            weights[f"{basis}_profile"] = np.asarray(CAUTION * share * learned, np.float32)
    return dataclasses.replace(found, weights=weights)


def store(connection: sa.Connection, model_run_id: int, found: ContentMap) -> None:
    """Write the maps, in the transaction that stores the run's vectors."""
    for name, weights in found.weights.items():
        embeddings.store_matrix(connection, model_run_id, name, weights)


def _mean_length(vectors: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(vectors, axis=1).mean(dtype=np.float64))

"""Store a fitted model as a run: its vectors, its record, its indexes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embrec import db, similarity
from embrec.db.binary_copy import Progress
from embrec.errors import NoPublishedRunError, RunError
from embrec.models.base import FittedModel, Preference
from embrec.models.content import ContentMap, Descriptions
from embrec.models.ease.long_tail import PENALTY_USERS
from embrec.models.next.along import Along
from embrec.runs import embeddings, half_precision, neighbours, new_movies, records
from embrec.runs import next as next_steps
from embrec.runs.embeddings import Part, Vectors
from embrec.runs.records import TrainedRun

# The name of the matrix by which SQL folds movies in.
FOLD_IN = "fold_in"
# Users whose products are summed at a time, in float64.
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Rows:
    """The users and movies that the rows of a model's vectors belong to.

    Attributes:
        users: Their indexes in the database, int32 of shape (user_count,).
        movies: The movies' indexes, int32 of shape (movie_count,).
        fingerprints: Fingerprint of the ratings that each user's vector was learned from, int64 of shape (user_count,).
        lowest: The lowest rating of the scale, or None without ratings.
        highest: The highest, or None.
    """

    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    fingerprints: NDArray[np.int64]
    lowest: float | None
    highest: float | None


def store_model(
    engine: sa.Engine,
    model_run_id: int,
    rows: Rows,
    model: FittedModel,
    metrics: Mapping[str, float],
    progress: Progress = lambda done, of: None,
    half: bool = False,
    along: Along | None = None,
    known: Descriptions | None = None,
) -> None:
    """Store a run's vectors, and record it as trained, in one transaction; a second try changes nothing.

    Args:
        engine: The database.
        model_run_id: A run that was recorded by :func:`embrec.runs.records.start`.
        rows: Users and movies of the model's rows.
        model: The model.
        metrics: Metrics by name.
        progress: Called with the vectors of a part that are written, and all of that part.
        half: Whether to store the users' vectors in half precision.
        along: The movies that users of each movie also watched.
        known: What is known of the movies, by which those that come later get vectors.

    Raises:
        RunError: The run was deleted, or its vectors are not finite or out of the range of half precision. Nothing is
            stored.
    """
    users, movies = _user_parts(rows, model, half), _movie_parts(rows, model)
    compared = _with_length(movies[_compared_parts(model)[0]])
    nearest = neighbours.nearest(compared.vectors if model.preference else similarity.unit(compared.vectors))
    maps = None if known is None else new_movies.content_map(known, model)
    with db.begin(engine) as connection:
        if not records.reopen(connection, model_run_id):
            return
        embeddings.store(connection, model_run_id, "user", users, progress, half)
        embeddings.store(connection, model_run_id, "movie", movies, progress)
        neighbours.store(connection, model_run_id, compared.indexes, nearest)
        for name, weights, biases in _dense_head(model):
            embeddings.store_matrix(connection, model_run_id, name, weights, biases)
        if model.preference:
            embeddings.store_matrix(connection, model_run_id, FOLD_IN, fold_in_matrix(model.preference.user_vectors))
        if maps is not None:
            new_movies.store(connection, model_run_id, maps)
        if along is not None:
            rules = model.next.new_movies if model.next else None
            next_steps.store_along(connection, model_run_id, rows.movies, along, rules)
        if model.next:
            next_steps.store(connection, model_run_id, rows.movies, model.next)
        records.finish(connection, model_run_id, _outcome(rows, model, metrics, maps))


def index_model(
    engine: sa.Engine, model_run_id: int, model: FittedModel, progress: Progress = lambda done, of: None
) -> None:
    """Make the approximate indexes of a run's movies, if there are so many that comparing all takes long.

    Args:
        engine: The database.
        model_run_id: The run.
        model: Its model.
        progress: Called with the blocks of an index that are done, and all of that index.
    """
    embeddings.index(engine, model_run_id, "movie", _compared_parts(model)[0], progress)


def index_users(engine: sa.Engine, model_run_id: int | None = None, progress: Progress = lambda done, of: None) -> bool:
    """Make the approximate index by which similar_users finds the nearest of many users.

    No training makes it by itself: for a million users it takes as long as the training.

    Args:
        engine: The database.
        model_run_id: A trained run; None for the published one.
        progress: Called with the blocks of the index that are done, and all.

    Returns:
        Whether there are 50,000 users or more; fewer are compared in milliseconds, and get no index.

    Raises:
        NoPublishedRunError: No run is published, and none is named.
        UnknownRunError: There is no such run.
        RunError: The run is not trained.
        DatabaseError: This role may not, or the server cannot make the index.
    """
    db.require_engine(engine)
    with db.begin(engine) as connection:
        number = records.published_run_id(connection) if model_run_id is None else model_run_id
        if number is None:
            raise NoPublishedRunError()
        run = records.get_run(connection, number)
    if run.status != "trained":
        raise RunError(f"Model run {number} is {run.status}, so it has no vectors. See: embrec runs list")
    return embeddings.index(engine, number, "user", cast("Part", run.user_similarity), progress)


def _user_parts(rows: Rows, model: FittedModel, half: bool) -> dict[Part, Vectors]:
    vectors, compared = model.user_vectors, model.user_similarity
    if half:
        vectors = half_precision.rounded(vectors)
        compared = None if compared is None else half_precision.rounded(compared)
    rating = vectors, model.user_biases, model.user_spreads, rows.fingerprints
    parts: dict[Part, Vectors] = {"rating": _with_zeros(Vectors(rows.users, *rating))}
    if compared is not None:
        parts["similarity"] = _with_length(Vectors(rows.users, compared))
    return parts


def _movie_parts(rows: Rows, model: FittedModel) -> dict[Part, Vectors]:
    rating = model.movie_vectors, model.movie_biases, model.movie_spreads
    parts: dict[Part, Vectors] = {"rating": _with_zeros(Vectors(rows.movies, *rating))}
    if model.preference:
        parts["preference"] = _with_length(Vectors(rows.movies, model.preference.movie_vectors))
        parts["profile"] = _with_length(Vectors(rows.movies, model.preference.movie_profiles))
        parts["similarity"] = _with_length(Vectors(rows.movies, model.preference.similarity))
    return parts


def _with_zeros(found: Vectors) -> Vectors:
    """Return vectors whose rounding noise is zero: such rows are kept for their biases, and are in no comparison."""
    if (real := similarity.has_length(found.vectors)).all() or not np.isfinite(found.vectors).all():
        return found
    return found._replace(vectors=np.where(real[:, np.newaxis], found.vectors, np.float32(0)))


def _with_length(found: Vectors) -> Vectors:
    """Return the rows that are vectors, without those that are rounding noise; what is not finite is refused later."""
    if not np.isfinite(found.vectors).all():
        return found
    real = similarity.has_length(found.vectors)
    return Vectors(found.indexes[real], found.vectors[real])


def _compared_parts(model: FittedModel) -> tuple[Part, Part]:
    """The parts by which movies and users are compared."""
    return "similarity" if model.preference else "rating", "rating" if model.user_similarity is None else "similarity"


def _dense_head(model: FittedModel) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.float32]]]:
    """The layers of a dense head as the SQL function dense_ratings reads them.

    A unit of the first, whose weights are those of an outer product, is cut into a row for each of the user's
    coordinates, and its bias stands beside the first of them.
    """
    for number, (name, layer) in enumerate(model.head.items()):
        weights = layer.weights.reshape(-1, model.user_vectors.shape[1]) if number == 0 else layer.weights
        biases = np.zeros(len(weights), np.float32)
        biases[:: len(weights) // len(layer.biases)] = layer.biases
        yield name, weights, biases


def fold_in_matrix(users: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the matrix that solves for the ranking vector of a movie that comes after the training.

    It is the inverse of U'U + penalty * I, with U the users' ranking vectors and the penalty of
    :mod:`embrec.models.ease.long_tail`. Its product with the weighted sum of the vectors of those who rated the movie
    is the ridge regression of the ratings, which the SQL function ``solved_movie_preference`` computes.

    Args:
        users: Ranking vectors, float32 of shape (user_count, dimensions); rounding noise is no vector.

    Returns:
        float32 of shape (dimensions, dimensions), symmetric; zeros if no user has a vector.
    """
    known = np.flatnonzero(similarity.has_length(users))
    width = users.shape[1]
    gram = np.zeros((width, width))
    with threadpool_limits(1, user_api="blas"):  # or the number of threads would change how it rounds
        for begin in range(0, len(known), _BLOCK):
            block = users[known[begin : begin + _BLOCK]].astype(np.float64)
            gram += block.T @ block
        if not gram.any():
            return np.zeros((width, width), np.float32)
        gram += PENALTY_USERS * np.trace(gram) / len(known) / width * np.eye(width)
        return np.asarray(np.linalg.inv(gram), np.float32)


def _outcome(rows: Rows, model: FittedModel, metrics: Mapping[str, float], maps: ContentMap | None) -> TrainedRun:
    fold_in, (movie_similarity, user_similarity) = model.fold_in, _compared_parts(model)
    ranking = model.preference
    users, movies = (
        (ranking.user_vectors, ranking.movie_vectors) if ranking else (model.user_vectors, model.movie_vectors)
    )
    return TrainedRun(
        dimensions=(model.movie_vectors if model.predicts_ratings else movies).shape[1],
        serving=model.serving,
        user_vectors=model.user_rule,
        mean=model.mean,
        lowest_rating=rows.lowest,
        highest_rating=rows.highest,
        rating_power=model.preference.weighting.power if model.preference else None,
        dislike_weight=model.preference.weighting.dislike if model.preference else None,
        bias_feature=fold_in.bias_feature if fold_in else None,
        ridge_constant=fold_in.constant if fold_in else None,
        ridge_per_rating=fold_in.per_rating if fold_in else None,
        user_spread=_typical(model.user_spreads),
        movie_spread=_typical(model.movie_spreads),
        movie_similarity=movie_similarity,
        user_similarity=user_similarity,
        shrunk_similarity=True if ranking else None,
        least_length=similarity.least_length(users),
        lone_users=int(np.count_nonzero(~similarity.has_length(users))),
        lone_movies=int(np.count_nonzero(~similarity.has_length(movies))),
        history_length=model.next.length if model.next else None,
        row_decays=list(model.next.row_decays) if model.next else None,
        vector_decays=list(model.next.vector_decays) if model.next else None,
        new_movies_weight=model.next.new_movies.weight if model.next and model.next.new_movies else None,
        content_labels=maps.labels if maps else None,
        content_dimensions=maps.dimensions if maps else None,
        parameters=model.parameters,
        metrics=_finite(
            {
                **((model.next and model.next.metrics) or {}),
                **metrics,
                "kept_epoch": model.kept_epoch,
                **(_chosen(ranking) if ranking else {}),
            }
        ),
        history=[
            _finite({key: value for key, value in dataclasses.asdict(epoch).items() if key != "of"})
            for epoch in model.history
        ],
    )


def _chosen(ranking: Preference) -> dict[str, float | None]:
    """Return the options that the ranking model chose, and the quality of each length of vectors that it tried."""
    return {
        "penalty": ranking.penalty,
        "ranking_dimensions": ranking.movie_vectors.shape[1],
        **{f"ranking_ndcg_{dimensions}": quality for dimensions, quality in ranking.quality.items()},
    }


def _typical(spreads: NDArray[np.float32] | None) -> float | None:
    """The uncertainty of somebody who comes later.

    They are like one of those who came before, each counted once, not each of their ratings: those who rate much, and
    are rated much, are known better than a newcomer will be.
    """
    return None if spreads is None else float(np.sqrt(np.mean(np.square(spreads, dtype=np.float64))))


def _finite(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """The values, None for what JSON has no number for."""
    return {name: None if value is None or not np.isfinite(value) else value for name, value in values.items()}

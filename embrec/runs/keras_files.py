"""Take runs out of a database as Keras files, and Keras models in as runs.

A file is what ``keras.Model.save`` writes, with one more member, ``embrec.json``: the run's record, and the external
ids of the users and movies that the rows of its Embedding layers belong to. Keras leaves that member alone.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import db
from embrec.data.extraction import extract
from embrec.db import Bind
from embrec.errors import DataError, RunError
from embrec.last_acts import last_act, replaced
from embrec.models import outer_product, reading
from embrec.models.base import FittedModel, FoldIn, Preference, RatingFactors
from embrec.models.recommender import recommender
from embrec.runs import embeddings, ranking_vectors, records, stored
from embrec.runs.answers import check_answers
from embrec.runs.embeddings import Part, Side
from embrec.runs.records import ModelRun, NewRun
from embrec.runs.store import Rows, index_model, store_model

RECORD = "embrec.json"
_KEPT = ("architecture", "options", "seed", "library_versions", "ratings_sha256", "rating_count")
# A file of an earlier version has none of these.
_KEPT_OF_EVENTS = ("event_count", "events_sha256")
# A file is refused if this database knows less than this share of its movies.
_LEAST_KNOWN = 0.5

Columns = tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.float32] | None]


def export_run(bind: Bind, model_run_id: int, path: str | Path) -> None:
    """Write a run as a Keras file, which ``keras.models.load_model`` reads after ``import embrec.models.recommender``.

    Args:
        bind: An engine or a connection.
        model_run_id: A trained run.
        path: The file, ending in ``.keras``; one that is there is replaced.

    Raises:
        UnknownRunError: There is no such run.
        RunError: The run is not trained, or SQL serves only its similarities, so its model is not in the database.
        DataError: The file's name does not end in ``.keras``.
    """
    path = _keras_path(path)
    with db.begin(bind) as connection:
        run = _trained(connection, model_run_id)
        rows = _rows_of(connection, run)
        model = _model_of(connection, run, rows)
        record = {name: getattr(run, name) for name in _KEPT + _KEPT_OF_EVENTS} | {
            "lowest": rows.lowest,
            "highest": rows.highest,
            "metrics": run.metrics,
            "user_ids": embeddings.external_ids(connection, "user", rows.users),
            "movie_ids": embeddings.external_ids(connection, "movie", rows.movies),
            "fingerprints": rows.fingerprints.tolist(),
        }
    with replaced(path) as unfinished:
        model.save(unfinished)
        with zipfile.ZipFile(unfinished, "a", zipfile.ZIP_DEFLATED) as file:
            file.writestr(RECORD, json.dumps(record))


def import_run(engine: sa.Engine, path: str | Path) -> int:
    """Store a file that :func:`export_run` wrote as a new run; its model may have been fine-tuned since.

    Users and movies are found by their external ids; those that this database does not know are left out.

    Args:
        engine: The database.
        path: The file. It is loaded in Keras's safe mode, in which it can run no code of its own.

    Returns:
        The new run's number. It is trained, and not published.

    Raises:
        DataError: The file is none of embrec's, or this database knows too few of its movies.
        RunError: The model's vectors cannot be used.
        TrainingError: The model lacks a layer that SQL needs.
    """
    db.require_engine(engine)
    path = _keras_path(path)
    try:
        with zipfile.ZipFile(path) as file:
            record = json.loads(file.read(RECORD))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise DataError(
            f"{path} is no Keras file with a run of embrec ({error}). Write one with: embrec runs export RUN FILE, or "
            "store a Keras model with embrec.add_run"
        ) from error
    model = reading.load(path)
    fitted = reading.read(model, len(record["user_ids"]), len(record["movie_ids"]))
    with db.begin(engine) as connection:
        kept_users, users = _known(connection, "user", record["user_ids"])
        kept_movies, movies = _known(connection, "movie", record["movie_ids"])
    if len(movies) < max(_LEAST_KNOWN * len(record["movie_ids"]), 1) or not len(users):
        raise DataError(
            f"This database knows {len(movies)} of the {len(record['movie_ids'])} movies of {path}, and {len(users)} "
            f"of its {len(record['user_ids'])} users. Load the ratings it was trained on, or train here: embrec train"
        )
    prints = np.array(record["fingerprints"], np.int64)[kept_users]
    rows = Rows(users, movies, prints, record["lowest"], record["highest"])
    new = _new_run({**record, "options": {**record["options"], "imported_from": path.name}}, rows)
    return _store(engine, new, rows, _part(fitted, kept_users, kept_movies), record["metrics"])


def add_run(engine: sa.Engine, keras_model: Any, like: int) -> int:
    """Store a Keras model as a new run, such as a run's own after it was fine-tuned by ``compile`` and ``fit``.

    Args:
        engine: The database.
        keras_model: A ``keras.Model`` whose rows are the users and movies of ``like``, in its order.
        like: The run whose users, movies and scale these are.

    Returns:
        The new run's number. It is trained, and not published.

    Raises:
        UnknownRunError: There is no run ``like``.
        RunError: That run is not trained, or the model's vectors cannot be used.
        TrainingError: The model lacks a layer that SQL needs, or has another number of rows.
    """
    db.require_engine(engine)
    with db.begin(engine) as connection:
        run = _trained(connection, like)
        rows = _rows_of(connection, run)
    fitted = reading.read(keras_model, len(rows.users), len(rows.movies))
    if (len(fitted.user_vectors), len(fitted.movie_vectors)) != (len(rows.users), len(rows.movies)):
        raise RunError(
            f"The model has {len(fitted.user_vectors)} users and {len(fitted.movie_vectors)} movies, run {like} "
            f"{len(rows.users)} and {len(rows.movies)}. Name the run that the model began as"
        )
    new = _new_run({**vars(run), "options": {**run.options, "continued_from": like}}, rows)
    return _store(engine, new, rows, fitted, {})


def _new_run(record: Mapping[str, Any], rows: Rows) -> NewRun:
    kept: dict[str, Any] = {name: record[name] for name in _KEPT}
    kept |= {name: record.get(name) for name in _KEPT_OF_EVENTS}
    return NewRun(**kept, user_count=len(rows.users), movie_count=len(rows.movies))


def _store(engine: sa.Engine, new: NewRun, rows: Rows, model: FittedModel, metrics: Mapping[str, Any]) -> int:
    model_run_id = records.start(engine, new)
    # A Keras file has no model of the next step, so its metrics are left out too.
    known = {name: each for name, each in metrics.items() if each is not None and not name.startswith("next_")}
    try:
        with last_act(lambda reason: records.fail(engine, model_run_id, reason)):
            store_model(engine, model_run_id, rows, model, known, half=bool(new.options.get("half")))
    except BaseException as error:
        records.fail(engine, model_run_id, str(error) or type(error).__name__)
        raise
    check_answers(engine, model_run_id, rows, model)
    index_model(engine, model_run_id, model)
    return model_run_id


def _keras_path(path: str | Path) -> Path:
    if Path(path).suffix != ".keras":
        raise DataError(f"{path} does not end in .keras, as Keras wants of its files. Name one that does.")
    return Path(path)


def _trained(connection: sa.Connection, model_run_id: int) -> ModelRun:
    run = records.get_run(connection, model_run_id)
    if run.status != "trained":
        raise RunError(f"Model run {model_run_id} is {run.status}, so it has no vectors. See: embrec runs list")
    return run


def _rows_of(connection: sa.Connection, run: ModelRun) -> Rows:
    """The users and movies of a run, in the order of their indexes; no movie that came after its training."""
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


def _model_of(connection: sa.Connection, run: ModelRun, rows: Rows) -> Any:
    """The Keras model of a run, from what is stored of it."""
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
        preference = Preference(
            user_vectors=_ranking_vectors(connection, run, rows),
            movie_vectors=arrays["movie", "preference"][0],
            movie_profiles=arrays["movie", "profile"][0],
            similarity=arrays["movie", "similarity"][0],
            penalty=run.metrics.get("penalty") or 0.0,
            weighting=run.weighting,
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


def _known(connection: sa.Connection, side: Side, ids: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The rows whose ids this database knows, and their indexes in it."""
    query = sa.text(f"SELECT {side}_id, {side}_index FROM embrec.{side}s WHERE {side}_id = ANY (:ids)")
    there = {row[0]: row[1] for row in connection.execute(query, {"ids": ids})}
    rows = np.array([row for row, each in enumerate(ids) if each in there], np.int64)
    return rows, np.array([there[ids[row]] for row in rows], np.int32)


def _part(model: FittedModel, users: NDArray[np.int64], movies: NDArray[np.int64]) -> FittedModel:
    """The model of some of its users and movies, which are numbered anew."""
    ranking = model.preference

    def some(array: NDArray[np.float32] | None, rows: NDArray[np.int64]) -> Any:
        return None if array is None else array[rows]

    return dataclasses.replace(
        model,
        user_vectors=model.user_vectors[users],
        movie_vectors=model.movie_vectors[movies],
        user_biases=some(model.user_biases, users),
        movie_biases=some(model.movie_biases, movies),
        user_spreads=some(model.user_spreads, users),
        movie_spreads=some(model.movie_spreads, movies),
        user_similarity=some(model.user_similarity, users),
        preference=ranking
        and dataclasses.replace(
            ranking,
            user_vectors=ranking.user_vectors[users],
            movie_vectors=ranking.movie_vectors[movies],
            movie_profiles=ranking.movie_profiles[movies],
            similarity=ranking.similarity[movies],
        ),
        predict=lambda asked, of: model.predict(users[asked].astype(np.int32), movies[of].astype(np.int32)),
    )

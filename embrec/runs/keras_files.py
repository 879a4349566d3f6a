"""Take runs out of a database as Keras files, and Keras models in as runs.

A file is what ``keras.Model.save`` writes, with two more members. ``embrec.json`` has the run's record, and the
external ids of the users and movies that the rows of its Embedding layers belong to. ``embrec_next.npz`` has what the
run knows of the order of steps, which is no part of the Keras model. Keras leaves both alone.
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
from embrec.models import reading
from embrec.models.base import FittedModel
from embrec.runs import embeddings, new_movies, next_files, records
from embrec.runs.answers import check_answers
from embrec.runs.embeddings import Side
from embrec.runs.next_files import Order
from embrec.runs.rebuilding import keras_model_of, order_of, rows_of
from embrec.runs.records import ModelRun, NewRun
from embrec.runs.store import Rows, index_model, store_model

RECORD = "embrec.json"
_KEPT = ("architecture", "options", "seed", "library_versions", "ratings_sha256", "rating_count")
# A file of an earlier version has none of these.
_KEPT_OF_EVENTS = ("event_count", "events_sha256")
# A file is refused if this database knows less than this share of its movies.
_LEAST_KNOWN = 0.5


def export_run(bind: Bind, model_run_id: int, path: str | Path) -> None:
    """Write a run as a Keras file, which ``keras.models.load_model`` reads after ``import embrec.models.recommender``.

    Args:
        bind: An engine or a connection.
        model_run_id: A trained run; movies that came after its training are left out.
        path: The file, ending in ``.keras``; one that is there is replaced.

    Raises:
        UnknownRunError: There is no such run.
        RunError: The run is not trained, or SQL serves only its similarities, so its model is not in the database.
        DataError: The file's name does not end in ``.keras``.
    """
    path = _keras_path(path)
    with db.begin(bind) as connection:
        run = _trained(connection, model_run_id)
        rows = rows_of(connection, run)
        model, order = keras_model_of(connection, run, rows), order_of(connection, run, rows)
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
            next_files.write(file, order)


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
            order = next_files.read(file, len(record["movie_ids"]))
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
    fitted = _part(fitted, kept_users, kept_movies)
    return _store(engine, new, rows, fitted, order.of(kept_movies), record["metrics"])


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
        rows, metrics = rows_of(connection, run), _of_order(run.metrics)
        order = order_of(connection, run, rows)
    fitted = reading.read(keras_model, len(rows.users), len(rows.movies))
    if (len(fitted.user_vectors), len(fitted.movie_vectors)) != (len(rows.users), len(rows.movies)):
        raise RunError(
            f"The model has {len(fitted.user_vectors)} users and {len(fitted.movie_vectors)} movies, run {like} "
            f"{len(rows.users)} and {len(rows.movies)}. Name the run that the model began as"
        )
    new = _new_run({**vars(run), "options": {**run.options, "continued_from": like}}, rows)
    return _store(engine, new, rows, fitted, order, metrics)


def _of_order(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of what comes next, which a fine-tuned model leaves as it is."""
    return {name: each for name, each in metrics.items() if name.startswith("next_")}


def _new_run(record: Mapping[str, Any], rows: Rows) -> NewRun:
    kept: dict[str, Any] = {name: record[name] for name in _KEPT}
    kept |= {name: record.get(name) for name in _KEPT_OF_EVENTS}
    return NewRun(**kept, user_count=len(rows.users), movie_count=len(rows.movies))


def _store(
    engine: sa.Engine, new: NewRun, rows: Rows, model: FittedModel, order: Order, metrics: Mapping[str, Any]
) -> int:
    model_run_id = records.start(engine, new)
    model = dataclasses.replace(model, next=order.next)
    known = {name: each for name, each in metrics.items() if each is not None}
    half = bool(new.options.get("half"))
    try:
        with last_act(lambda reason: records.fail(engine, model_run_id, reason)):
            described = new_movies.descriptions(extract(engine), rows.movies)
            store_model(engine, model_run_id, rows, model, known, half=half, along=order.along, known=described)
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


def _known(connection: sa.Connection, side: Side, ids: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the rows whose ids this database knows, and their indexes in it, ascending."""
    query = sa.text(f"SELECT {side}_id, {side}_index FROM embrec.{side}s WHERE {side}_id = ANY (:ids)")
    there = {row[0]: row[1] for row in connection.execute(query, {"ids": ids})}
    rows = np.array([row for row, each in enumerate(ids) if each in there], np.int64)
    indexes = np.array([there[ids[row]] for row in rows], np.int32)
    order = np.argsort(indexes)
    return rows[order], indexes[order]


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

"""Trains a model run: extract, fit, store, publish. The one module beside the models that loads Keras."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import db, metrics, splits, validation
from embrec.data.extraction import RatingArrays, extract
from embrec.data.ratings import refresh_statistics
from embrec.errors import ConfigError, DatabaseError, DataError, RunError, WithheldError
from embrec.models import hybrid, outer_product
from embrec.models.als import model as als
from embrec.models.base import Epoch, FittedModel, Ratings, Start
from embrec.runs import embeddings, neighbours, publishing, records
from embrec.runs.embeddings import Part, Vectors

DEFAULT_ARCHITECTURE = "two-part"
ARCHITECTURES: Mapping[str, Any] = {
    DEFAULT_ARCHITECTURE: hybrid,
    "matrix-factorization": als,
    "outer-product": outer_product,
}


@dataclass(frozen=True)
class TrainResult:
    """A finished model run.

    Attributes:
        model_run_id: The run's number.
        published: Whether it was published.
        withheld: Why it was not, where it should have been; None else.
        model: The fitted model: vectors, history, prediction.
        metrics: ``train_rmse``, and with a held-out part ``held_out_rmse`` and ``held_out_mae``, in the ratings' unit.
        seconds: Time spent in each step.
    """

    model_run_id: int
    published: bool
    model: FittedModel
    metrics: dict[str, float]
    seconds: dict[str, float]
    withheld: str | None = None


def train(
    engine: sa.Engine,
    architecture: str = DEFAULT_ARCHITECTURE,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    holdout: float = 0.0,
    publish: bool = True,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    warm_start: bool = False,
    force: bool = False,
    on_step: Callable[[str], None] = lambda step: None,
) -> TrainResult:
    """Train a model on the ratings in the database, and publish its vectors.

    No connection is open while fitting, and a server that is restarted meanwhile is waited for. The run is recorded
    when it begins, and shows while it goes on that its process is alive; when it fails or is interrupted, the record
    says so and nothing of it is stored. The run replaces the one that was published when training began: where another
    was published meanwhile, or where :func:`embrec.runs.publishing.publish` withholds it for its metrics, it is stored
    and not published, and the result says why.

    Args:
        engine: The database.
        architecture: A key of ``ARCHITECTURES``.
        options: Options of the architecture where they differ from its defaults.
        seed: The same seed, ratings and library versions give bit-identical vectors.
        holdout: Share of the ratings to hold out, to report the error on and, for a model of one part, to keep the
            best epoch by; 0 for none.
        publish: Whether to publish the run.
        on_epoch: Called after each epoch.
        warm_start: Begin with the published run's movies, where one or two epochs bring a model up to date.
        force: Publish the run also where it would be withheld.
        on_step: Called when a step begins: ``extract``, ``fit``, ``evaluate``, ``store``, ``publish``, ``index``.

    Raises:
        ConfigError: There is no such architecture or option, or the architecture cannot begin with a run.
        DataError: There are no ratings, or too few to hold a part out.
        TrainingError: The fit went wrong.
        RunError: The vectors cannot be used, or no run is published that a warm start could begin with.
    """
    module, chosen = _options(architecture, options or {}, holdout)
    clock = _Clock(on_step)
    with db.begin(engine) as connection:
        replacing = records.published_run_id(connection)
    clock.begin("extract")
    arrays = extract(engine)
    training, held_out = _split(arrays.for_models(), holdout, seed)
    record = _record(architecture, chosen, seed, holdout, arrays)
    start: dict[str, Start] = {}
    if warm_start:
        record["options"]["begin_with"], start["start"] = _published_start(engine, architecture, chosen, arrays)
    model_run_id = records.start(engine, **record)
    engine.dispose()  # a pooled connection would stay open through the fit, and be dead after a server's restart
    try:
        with records.heartbeats(engine, model_run_id) as tell:

            def follow(epoch: Epoch) -> None:
                tell(epoch.epoch / epoch.of)
                on_epoch(epoch)

            clock.begin("fit")
            model = module.fit(training, held_out, chosen, seed, follow, **start)
            clock.begin("evaluate")
            errors = _errors(model, training, held_out)
            clock.begin("store")
            serving = _serving(model, training)
            near = neighbours.nearest(model.preference.similarity if model.preference else model.movie_vectors)
            db.retrying(lambda: _store(engine, model_run_id, arrays, model, near, errors, serving))
    except BaseException as error:  # also a Ctrl-C: the record must not say "training" for ever
        reason = str(error) or type(error).__name__
        with contextlib.suppress(DatabaseError, RunError):  # the first error is the one to show
            db.retrying(lambda: records.finish(engine, model_run_id, "failed", error=reason))
        raise
    withheld = None
    if publish:
        clock.begin("publish")
        try:
            db.retrying(lambda: publishing.publish(engine, model_run_id, replacing, force))
        except WithheldError as error:
            withheld = str(error)
        db.retrying(lambda: refresh_statistics(engine))
    # Last, for among very many it takes minutes, and answers are right without.
    clock.begin("index")
    db.retrying(lambda: _index(engine, model_run_id, model))
    clock.end()
    return TrainResult(model_run_id, publish and not withheld, model, errors, clock.seconds, withheld)


def _store(
    engine: sa.Engine,
    model_run_id: int,
    arrays: RatingArrays,
    model: FittedModel,
    near: NDArray[np.int32] | None,
    errors: Mapping[str, float],
    serving: Mapping[str, float],
) -> None:
    prints = arrays.fingerprints()
    rating_users = model.user_vectors, model.user_biases, model.user_spreads, prints
    rating_movies = model.movie_vectors, model.movie_biases, model.movie_spreads
    users: dict[Part, Vectors] = {"rating": Vectors(arrays.user_indexes, *rating_users)}
    movies: dict[Part, Vectors] = {"rating": Vectors(arrays.movie_indexes, *rating_movies)}
    if model.preference:
        users["preference"] = Vectors(arrays.user_indexes, model.preference.user_vectors)
        users["similarity"] = Vectors(arrays.user_indexes, model.preference.user_similarity())
        movies["preference"] = Vectors(arrays.movie_indexes, model.preference.movie_vectors)
        movies["profile"] = Vectors(arrays.movie_indexes, model.preference.movie_profiles)
        movies["similarity"] = Vectors(arrays.movie_indexes, model.preference.similarity)
    with db.begin(engine) as connection:
        if not records.reopen(connection, model_run_id):
            return
        embeddings.store(connection, model_run_id, "user", users)
        embeddings.store(connection, model_run_id, "movie", movies)
        neighbours.store(connection, model_run_id, arrays.movie_indexes, near)
        for name, rows, biases in _head(model):
            embeddings.store_matrix(connection, model_run_id, name, rows, biases)
        outcome = {**_outcome(model, errors), **serving, "vectors_sha256": embeddings.digest(connection, model_run_id)}
        records.finish(connection, model_run_id, "trained", **outcome)


def _index(engine: sa.Engine, model_run_id: int, model: FittedModel) -> None:
    embeddings.index(engine, model_run_id, "movie", _compared(model)["movie_similarity"])
    embeddings.index(engine, model_run_id, "user", _compared(model)["user_similarity"])
    if model.preference:
        embeddings.index_ranking(engine, model_run_id)


def _head(model: FittedModel) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.float32]]]:
    """The layers of a dense head as the SQL function dense_ratings reads them.

    A unit of the first, whose weights are those of an outer product, is cut into a row for each of the user's
    coordinates, and its bias stands beside the first of them.
    """
    for number, (name, layer) in enumerate(model.head.items()):
        rows = layer.weights.reshape(-1, model.user_vectors.shape[1]) if number == 0 else layer.weights
        biases = np.zeros(len(rows), np.float32)
        biases[:: len(rows) // len(layer.biases)] = layer.biases
        yield name, rows, biases


class _Clock:
    """Seconds of each step; somebody is told when one begins."""

    def __init__(self, on_step: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._on_step = on_step
        self._step, self._since = "", 0.0

    def begin(self, step: str) -> None:
        self.end()
        self._step, self._since = step, time.perf_counter()
        self._on_step(step)

    def end(self) -> None:
        if self._step:
            self.seconds[self._step] = time.perf_counter() - self._since


def _options(architecture: str, options: Mapping[str, Any], holdout: float) -> tuple[Any, Any]:
    module = ARCHITECTURES.get(architecture)
    if module is None:
        meant = validation.did_you_mean(architecture, ARCHITECTURES)
        raise ConfigError(f"There is no architecture {architecture}.{meant} Choose one of: {', '.join(ARCHITECTURES)}")
    known = {field.name for field in dataclasses.fields(module.Options)}
    if unknown := set(options) - known:
        raise ConfigError(
            f"The architecture {architecture} has no option {', '.join(sorted(unknown))}. "
            f"It has: {', '.join(sorted(known))}"
        )
    if not 0 <= holdout < 1:
        raise ConfigError(f"holdout is {holdout}; give a share of the ratings, at least 0 and less than 1.")
    return module, module.Options(**options)


def _published_start(engine: sa.Engine, architecture: str, options: Any, arrays: RatingArrays) -> tuple[int, Start]:
    """The published run, and its movies to begin a fit with."""
    if architecture != "matrix-factorization":
        raise ConfigError(f"The architecture {architecture} cannot begin with a run. Train it without --warm-start.")
    with db.begin(engine) as connection:
        published = records.published_run_id(connection)
        if published is None:
            raise RunError("No run is published that a warm start could begin with. Train without --warm-start.")
        run = records.get_run(connection, published)
        if (run.architecture, run.dimensions) != (architecture, options.dimensions):
            raise RunError(
                f"Published run {published} is of {run.architecture} with {run.dimensions} dimensions; a warm start"
                f" wants {architecture} with {options.dimensions}. Train without --warm-start."
            )
        earlier = embeddings.read(connection, published, "movie")
    vectors = np.full((len(arrays.movie_indexes), options.dimensions), np.nan, np.float32)
    biases = np.full(len(vectors), np.nan, np.float32)
    _, ours, its = np.intersect1d(arrays.movie_indexes, earlier.indexes, assume_unique=True, return_indices=True)
    vectors[ours] = earlier.vectors[its]
    biases[ours] = 0.0 if earlier.biases is None else earlier.biases[its]
    return published, Start(vectors, biases)


def _split(ratings: Ratings, holdout: float, seed: int) -> tuple[Ratings, Ratings | None]:
    if holdout == 0:
        return ratings, None
    if len(ratings.ratings) < 2:
        raise DataError("One rating cannot be split. Load more ratings, or train without --holdout.")
    kept, held = splits.random_split(len(ratings.ratings), holdout, seed)
    return ratings.part(kept), ratings.part(held)


def _record(architecture: str, options: Any, seed: int, holdout: float, arrays: RatingArrays) -> dict[str, Any]:
    packages = ("embrec", "keras", "tensorflow", "numpy")
    return {
        "architecture": architecture,
        "options": {**dataclasses.asdict(options), "holdout": holdout},
        "seed": seed,
        "library_versions": {
            "python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in packages},
        },
        "user_count": len(arrays.user_indexes),
        "movie_count": len(arrays.movie_indexes),
        "rating_count": len(arrays.ratings),
        "newest_rating_at": arrays.newest_rating_at,
        "ratings_sha256": arrays.sha256,
    }


def _errors(model: FittedModel, training: Ratings, held_out: Ratings | None) -> dict[str, float]:
    found = {"train_rmse": metrics.rmse(model.predict(training.users, training.movies), training.ratings)}
    if held_out is not None:
        predicted = model.predict(held_out.users, held_out.movies)
        found["held_out_rmse"] = metrics.rmse(predicted, held_out.ratings)
        found["held_out_mae"] = metrics.mae(predicted, held_out.ratings)
    return found


def _serving(model: FittedModel, training: Ratings) -> dict[str, float]:
    """What SQL needs to know to answer from ratings as they are."""
    found = {"lowest_rating": float(training.ratings.min()), "highest_rating": float(training.ratings.max())}
    if model.preference:
        found["rating_power"] = model.preference.weighting.power
    if model.fold_in:
        found["bias_feature"] = model.fold_in.bias_feature
        found["ridge_constant"], found["ridge_per_rating"] = model.fold_in.constant, model.fold_in.per_rating
    for name, spreads in (("user_spread", model.user_spreads), ("movie_spread", model.movie_spreads)):
        if spreads is not None:
            # Who comes later is like one of those who came before, each counted once, not each of their ratings: those
            # who rate much, and are rated much, are known better than a newcomer will be.
            found[name] = float(np.sqrt(np.mean(np.square(spreads, dtype=np.float64))))
    return found


def _compared(model: FittedModel) -> dict[str, Part]:
    """The parts by which movies and users are compared."""
    if model.preference:
        return {"movie_similarity": "similarity", "user_similarity": "similarity"}
    return {"movie_similarity": "rating", "user_similarity": "rating"}


def _outcome(model: FittedModel, errors: Mapping[str, float]) -> dict[str, Any]:
    return {
        "dimensions": model.movie_vectors.shape[1],
        "mean": model.mean,
        **_compared(model),
        "parameters": model.parameters,
        "metrics": _finite({**errors, "kept_epoch": model.kept_epoch}),
        "history": [
            _finite({key: value for key, value in dataclasses.asdict(epoch).items() if key != "of"})
            for epoch in model.history
        ],
    }


def _finite(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """The values, None for what JSON has no number for."""
    return {name: None if value is None or not np.isfinite(value) else value for name, value in values.items()}

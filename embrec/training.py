"""Train a model run: extract, fit, evaluate, store, index, publish."""

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

from embrec import db, metrics, splits
from embrec.data.extraction import RatingArrays, extract
from embrec.data.ratings import apply_followed, refresh_statistics
from embrec.data.scale import are_counts, check_for_training, shown
from embrec.engines import choice
from embrec.engines.protocol import Pool
from embrec.errors import ConfigError, DatabaseError, DataError, RunError, WithheldError
from embrec.last_acts import last_act
from embrec.models import keras_import, registry
from embrec.models.base import Epoch, FittedModel, Ratings, Start
from embrec.models.memory import enough_memory
from embrec.models.next import along
from embrec.models.protocol import Model
from embrec.runs import embeddings, lists, new_movies, next_fit, publishing, records, store
from embrec.runs.answers import check_answers
from embrec.runs.cleanup import KEPT_RUNS, delete_old
from embrec.runs.records import NewRun
from embrec.runs.store import Rows, index_model, store_model

_PACKAGES = ("embrec", "keras", "tensorflow", "numpy")
# The epochs count as 0.9 of the progress on record: the ranking model, which may take longer, and storing follow.
_FIT_SHARE = 0.9


@dataclass(frozen=True)
class TrainResult:
    """A finished model run.

    Attributes:
        model_run_id: The run's number.
        published: Whether it was published.
        withheld: Why it was not, where it should have been; None else.
        model: The fitted model: vectors, history, prediction.
        metrics: With a rating part ``train_rmse``, and with a held-out part ``held_out_rmse`` and ``held_out_mae``, in
            the ratings' unit; ``list_ndcg``, NDCG@10 on hidden ratings and events, and with a published run
            ``published_list_ndcg``, and ``list_ndcg_margin``, by which the two may differ by chance; where the run
            says what comes next ``next_ndcg`` and ``next_hit_rate``, NDCG@10 and HR@10 on validation steps.
        seconds: Time spent in each step.
        deleted: The old runs that were deleted.
        advice: What is odd about the ratings, and what to do; None if nothing is.
    """

    model_run_id: int
    published: bool
    model: FittedModel
    metrics: dict[str, float]
    seconds: dict[str, float]
    withheld: str | None = None
    deleted: tuple[int, ...] = ()
    advice: str | None = None

    @property
    def keras_model(self) -> Any:
        """The run as a ``keras.Model``: call it with users and movies, numbered as in the extracted ratings."""
        return self.model.keras_model


def train(
    engine: sa.Engine,
    model: str | Model = registry.DEFAULT,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    holdout: float = 0.0,
    publish: bool = True,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    warm_start: bool = False,
    force: bool = False,
    on_step: Callable[[str], None] = lambda step: None,
    keep: int | None = KEPT_RUNS,
    progress: Callable[[int, int], None] = lambda done, of: None,
    index_users: bool = False,
    half: bool = False,
    what_next: bool | None = None,
    next_learned: bool = False,
    workers: int | None = None,
    fit_engine: str = choice.DEFAULT,
    address: str | None = None,
) -> TrainResult:
    """Train a model on the ratings and events in the database, and publish its vectors.

    No connection is open while fitting, and a server that is restarted meanwhile is waited for. The run is recorded
    when it begins, and shows while it goes on that its process is alive; when it fails or is interrupted, the record
    says so and nothing of it is stored. The run replaces the one that was published when training began: where another
    was published meanwhile, or where :func:`embrec.runs.publishing.publish` withholds it for its metrics or because SQL
    does not answer as the model does, it is stored and not published, and the result says why.

    Args:
        engine: The database.
        model: A model's name, ``package.module:object``, or a model as :class:`embrec.models.protocol.Model` describes.
        options: Options of the model where they differ from its defaults.
        seed: The same seed, ratings and library versions give bit-identical vectors.
        holdout: Share of the ratings to hold out, to report the error on and, for a model of one part, to keep the
            best epoch by; 0 for none.
        publish: Whether to publish the run.
        on_epoch: Called after each epoch.
        warm_start: Begin with the published run's movies, where one or two epochs bring a model up to date.
        force: Publish the run also where it would be withheld.
        on_step: Called when a step begins: ``extract``, ``fit``, ``order``, ``evaluate``, ``store``, ``index``,
            ``publish``.
        keep: Number of the newest trained runs to keep, or None for all. Older ones are deleted at the end, if the
            role owns them, but never the published run, the one that a rollback would publish, or the two of a running
            experiment.
        progress: Called while vectors are stored and indexed, with what is done, and all there is to do: vectors of a
            part, blocks of an index.
        index_users: Whether to make the index of :func:`embrec.runs.store.index_users` too.
        half: Whether to store the users' vectors in half precision, which takes a third less storage.
        what_next: Whether to learn what comes next (:mod:`embrec.models.next.model`); None to learn it if there are
            events, or most ratings have a time, and at most 5 million of both.
        next_learned: Whether Keras learns one more part of what comes next (:mod:`embrec.models.next.decays`), which
            gets a weight if it helps on validation steps. It takes minutes, and implies ``what_next``.
        workers: Number of workers that share the fit of ratings; None for as many threads as make it quickest, or
            one for each processor of a Ray cluster. The vectors are the same bits for any number, on either engine.
        fit_engine: What the workers are: ``threads``, or processes on a Ray cluster, ``ray``.
        address: The Ray cluster: ``HOST:PORT`` of its head, or ``auto`` to find it as Ray does. None starts a Ray of
            this machine's own for the fit.

    Raises:
        ArgumentError: The database is no Engine.
        ConfigError: There is no such model or option, or the model cannot begin with a run or share its work among
            workers, or not among so many; or the engine cannot be used here; or ``next_learned`` is True, and
            ``what_next`` is False.
        DataError: There are no ratings and no events, too few ratings to hold a part out, or one that is not on the
            scale; or there are no ratings, or all are the same, where the model or a held-out part needs them; or the
            order is unknown, and what comes next is asked for.
        TrainingError: The fit went wrong.
        RunError: The vectors cannot be used, or no run is published that a warm start could begin with.
    """
    db.require_engine(engine)
    chosen = registry.get(model)
    settings = registry.make_options(chosen, options or {})
    if not 0 <= holdout < 1:
        raise ConfigError(f"holdout is {holdout}; give a share of the ratings, at least 0 and less than 1.")
    if next_learned and what_next is False:
        raise ConfigError(
            "A learned part of what comes next needs the others: train without --no-next (what_next=False)."
        )
    what_next = next_learned or what_next
    pool = _pool(chosen, workers, fit_engine, address)
    keras_import.begin()
    clock = _Clock(on_step)
    with db.begin(engine) as connection:
        replacing = records.published_run_id(connection)
        settings = _continued(connection, chosen, settings, replacing)
    clock.begin("extract")
    apply_followed(engine)
    arrays = extract(engine, with_times=next_fit.reads_order(engine, what_next))
    check_for_training(engine, arrays.ratings, settle=True)
    known = arrays.for_models()
    _check_ratings(chosen, known, holdout)
    training, held_out = _split(known, holdout, seed)
    what_next = next_fit.knows_order(arrays, what_next)
    on_record = dataclasses.asdict(settings) | {"holdout": holdout, "half": half}
    on_record |= {"next": what_next, "next_learned": next_learned}
    run = _new_run(chosen.name, on_record, seed, arrays)
    more: dict[str, Any] = {"workers": pool} if _in_shards(chosen) else {}
    if warm_start:
        begin_with, more["start"] = _published_start(engine, chosen, settings, arrays)
        run = dataclasses.replace(run, options={**run.options, "begin_with": begin_with})
    model_run_id = records.start(engine, run)
    engine.dispose()  # a pooled connection would stay open through the fit, and be dead after a server's restart
    with _recorded(engine, model_run_id, on_epoch) as follow, enough_memory(chosen.name, training):
        clock.begin("fit")
        with pool:
            fitted = chosen.fit(training, held_out, settings, seed, follow, **more)
        if what_next:
            clock.begin("order")
            fitted = next_fit.with_next(fitted, arrays, seed, next_learned)
        clock.begin("evaluate")
        errors = _errors(fitted, training, held_out) | _lists(engine, fitted, arrays, training) | _next(fitted)
        clock.begin("store")
        rows = _rows(arrays, training)
        others, known_of_movies = _along(arrays, seed), new_movies.descriptions(arrays, rows.movies)
        db.retrying(
            lambda: store_model(engine, model_run_id, rows, fitted, errors, progress, half, others, known_of_movies)
        )
    db.retrying(lambda: check_answers(engine, model_run_id, rows, fitted))
    clock.begin("index")
    _index(engine, model_run_id, fitted, index_users, progress)
    withheld = None
    if publish:
        clock.begin("publish")
        # Only deleting old runs comes after publishing: whoever stops a training before its end has published nothing.
        db.retrying(lambda: refresh_statistics(engine))
        withheld = _publish(engine, model_run_id, replacing, force)
    clock.end()
    deleted = () if keep is None else tuple(delete_old(engine, keep))
    published, advice = publish and not withheld, _advice(known)
    return TrainResult(model_run_id, published, fitted, errors, clock.seconds, withheld, deleted, advice)


@contextlib.contextmanager
def _recorded(
    engine: sa.Engine, model_run_id: int, on_epoch: Callable[[Epoch], None]
) -> Iterator[Callable[[Epoch], None]]:
    """Show in the record that the run is alive, and how it failed; yields what is to be called after each epoch."""
    try:
        with (
            last_act(lambda reason: records.fail(engine, model_run_id, reason)),
            records.heartbeats(engine, model_run_id) as tell,
        ):

            def follow(epoch: Epoch) -> None:
                tell(_FIT_SHARE * epoch.epoch / epoch.of)
                on_epoch(epoch)

            yield follow
    except BaseException as error:  # also a Ctrl-C: the record must not say "training" for ever
        reason = str(error) or type(error).__name__
        # Whoever stops a training does not wait for a server that is away.
        seconds = db.RETRY_SECONDS if isinstance(error, Exception) else 0.0
        with contextlib.suppress(DatabaseError, RunError):  # the first error is the one to show
            db.retrying(lambda: records.fail(engine, model_run_id, reason), seconds)
        raise


def _index(
    engine: sa.Engine, model_run_id: int, fitted: FittedModel, users: bool, progress: Callable[[int, int], None]
) -> None:
    """Make a run's approximate indexes before it is published, or its first answers would take long."""
    try:
        db.retrying(lambda: index_model(engine, model_run_id, fitted, progress))
        if users:
            db.retrying(lambda: store.index_users(engine, model_run_id, progress))
    except DatabaseError as error:
        raise type(error)(
            f"Model run {model_run_id} is trained, and not published, because its index could not be made: {error} "
            f"To publish it without: embrec runs publish {model_run_id}"
        ) from error


def _publish(engine: sa.Engine, model_run_id: int, replacing: int | None, force: bool) -> str | None:
    """Publish a run; returns why it was withheld, or None."""
    try:
        db.retrying(lambda: publishing.publish(engine, model_run_id, replacing, force))
    except WithheldError as error:
        return str(error)
    return None


class _Clock:
    """Measure the seconds of each step, and tell somebody when one begins."""

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


def _continued(connection: sa.Connection, model: Model, options: Any, published: int | None) -> Any:
    """Return the options to train with after the published run, if that is of the same model."""
    if published is None or not hasattr(model, "continued"):
        return options
    run = records.get_run(connection, published)
    return model.continued(options, run.metrics) if run.architecture == model.name else options


def _in_shards(model: Model) -> bool:
    return getattr(model, "in_shards", False)


def _pool(model: Model, workers: int | None, fit_engine: str, address: str | None) -> Pool:
    """Return what starts the workers of a fit."""
    if (workers is not None or fit_engine != choice.DEFAULT) and not _in_shards(model):
        raise ConfigError(
            f"The architecture {model.name} cannot share its work among workers. Train it without --workers and "
            "--engine."
        )
    return choice.choose(fit_engine, workers, address)


def _published_start(engine: sa.Engine, model: Model, options: Any, arrays: RatingArrays) -> tuple[int, Start]:
    """The published run, and its movies to begin a fit with."""
    if not getattr(model, "warm_start", False):
        raise ConfigError(f"The architecture {model.name} cannot begin with a run. Train it without --warm-start.")
    with db.begin(engine) as connection:
        published = records.published_run_id(connection)
        if published is None:
            raise RunError("No run is published that a warm start could begin with. Train without --warm-start.")
        run = records.get_run(connection, published)
        if (run.architecture, run.dimensions) != (model.name, options.dimensions):
            raise RunError(
                f"Published run {published} is of {run.architecture} with {run.dimensions} dimensions; a warm start"
                f" wants {model.name} with {options.dimensions}. Train without --warm-start."
            )
        earlier = embeddings.read(connection, published, "movie")
    vectors = np.full((len(arrays.movie_indexes), options.dimensions), np.nan, np.float32)
    biases = np.full(len(vectors), np.nan, np.float32)
    _, ours, its = np.intersect1d(arrays.movie_indexes, earlier.indexes, assume_unique=True, return_indices=True)
    vectors[ours] = earlier.vectors[its]
    biases[ours] = 0.0 if earlier.biases is None else earlier.biases[its]
    return published, Start(vectors, biases)


def _check_ratings(model: Model, given: Ratings, holdout: float) -> None:
    """Refuse a model of ratings if there are none, and to measure errors of ratings that do not differ."""
    if not len(given.ratings) and not getattr(model, "learns_events", False):
        raise DataError(
            f"There are no ratings, only events, and {model.name} learns from ratings. Train a model that learns what "
            f"people watch: embrec train --model {registry.DEFAULT}"
        )
    if holdout and not given.differ:
        found = f"All ratings are {shown(given.ratings[0])}" if len(given.ratings) else "There are no ratings"
        raise DataError(
            f"{found}, so no error of predicted ratings can be measured. Train without --holdout; to measure lists: "
            "embrec evaluate --task top-n"
        )


def _advice(given: Ratings) -> str | None:
    """Return what is odd about the ratings, if they do not differ or are counts such as plays."""
    if len(given.ratings) and not given.differ:
        return (
            f"All ratings are {shown(given.ratings[0])}, so the run ranks movies and predicts no ratings. If they say "
            "that something was watched, load them as events: embrec load FILE --event-type NAME"
        )
    if are_counts(given.ratings):
        return (
            f"The ratings are whole numbers, most of them low, up to {shown(given.ratings.max())}. They look like"
            " counts, which rank better as events: embrec load FILE --value-column NAME"
        )
    return None


def _split(ratings: Ratings, holdout: float, seed: int) -> tuple[Ratings, Ratings | None]:
    if holdout == 0:
        return ratings, None
    if len(ratings.ratings) < 2:
        raise DataError("One rating cannot be split. Load more ratings, or train without --holdout.")
    kept, held = splits.random_split(len(ratings.ratings), holdout, seed)
    return ratings.part(kept), ratings.part(held)


def _new_run(name: str, options: Mapping[str, Any], seed: int, arrays: RatingArrays) -> NewRun:
    return NewRun(
        architecture=name,
        options=options,
        seed=seed,
        library_versions=library_versions(),
        user_count=len(arrays.user_indexes),
        movie_count=len(arrays.movie_indexes),
        rating_count=len(arrays.ratings),
        ratings_sha256=arrays.sha256,
        newest_rating_at=arrays.newest_rating_at,
        event_count=len(arrays.events.users) or None,
        events_sha256=arrays.events.sha256,
        newest_event_at=arrays.events.newest_at,
    )


def library_versions() -> dict[str, str]:
    """The versions of Python and of the packages that decide which bits a training gives."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in _PACKAGES}


def _rows(arrays: RatingArrays, training: Ratings) -> Rows:
    scale = training.scale if len(training.ratings) else (None, None)
    return Rows(arrays.user_indexes, arrays.movie_indexes, arrays.fingerprints(), *scale)


def _along(arrays: RatingArrays, seed: int) -> along.Along:
    """Return the movies that users of each movie also rated or watched; a dislike is no reason."""
    watched = arrays.events.without_dislikes()
    users, movies = np.concatenate([arrays.users, watched.users]), np.concatenate([arrays.movies, watched.movies])
    return along.excesses(users, movies, len(arrays.user_indexes), len(arrays.movie_indexes), seed)


def _lists(engine: sa.Engine, model: FittedModel, arrays: RatingArrays, training: Ratings) -> dict[str, float]:
    """Measure the model's lists and the published run's on what is hidden.

    Lists that are compared with none are measured only if nothing else of the model is.
    """
    hidden = None if model.serving == "similarity_only" else lists.hide(training)

    def published() -> lists.Scores | None:
        with db.begin(engine) as connection:
            number = records.published_run_id(connection)
            run = None if number is None else records.get_run(connection, number)
            if run is None or run.serving == "similarity_only":
                return None
            return lists.of_run(connection, run, arrays)

    before = db.retrying(published) if hidden is not None else None
    if hidden is None or (before is None and model.predicts_ratings):
        return {}
    own = lists.of_model(model)
    if before is None:
        return {"list_ndcg": float(lists.quality(own, hidden).mean())}
    own, before = lists.as_wide(own, before)
    return lists.compared(lists.quality(own, hidden), lists.quality(before, hidden))


def _next(model: FittedModel) -> dict[str, float]:
    """Return the metrics of what comes next, without the weights of its parts."""
    measured = (model.next and model.next.metrics) or {}
    return {name: value for name, value in measured.items() if name in {"next_ndcg", "next_hit_rate"}}


def _errors(model: FittedModel, training: Ratings, held_out: Ratings | None) -> dict[str, float]:
    """Return the errors of predicted ratings; empty without a rating part."""
    if not model.predicts_ratings:
        return {}
    found = {"train_rmse": metrics.rmse(model.predict(training.users, training.movies), training.ratings)}
    if held_out is not None:
        predicted = model.predict(held_out.users, held_out.movies)
        found["held_out_rmse"] = metrics.rmse(predicted, held_out.ratings)
        found["held_out_mae"] = metrics.mae(predicted, held_out.ratings)
    return found

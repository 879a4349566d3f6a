"""embrec: a movie recommender that lives in PostgreSQL.

Each name here loads its module when it is first used, so ``import embrec`` loads neither TensorFlow nor Alembic. Names
are stable or provisional (docs/promises.md); whatever is not named here may change in any release.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embrec.data.describing import MoviesReport as MoviesReport
    from embrec.data.describing import load_movies as load_movies
    from embrec.data.events import add_event as add_event
    from embrec.data.events import delete_events as delete_events
    from embrec.data.events import remove_event as remove_event
    from embrec.data.files.movies import Movie as Movie
    from embrec.data.files.sources import from_frame as from_frame
    from embrec.data.files.sources import open_source as open_source
    from embrec.data.loading import load as load
    from embrec.data.merge import LoadReport as LoadReport
    from embrec.data.ratings import add_rating as add_rating
    from embrec.data.ratings import forget_user as forget_user
    from embrec.data.ratings import refresh as refresh
    from embrec.data.ratings import refresh_statistics as refresh_statistics
    from embrec.data.ratings import remove_rating as remove_rating
    from embrec.data.scale import get_rating_scale as get_rating_scale
    from embrec.data.scale import set_rating_scale as set_rating_scale
    from embrec.data.table_loading import load_from_table as load_from_table
    from embrec.data.table_source import TableSource as TableSource
    from embrec.db.connection import create_engine as create_engine
    from embrec.db.connection import open_engine as open_engine
    from embrec.db.schema import upgrade as upgrade
    from embrec.errors import EmbrecError as EmbrecError
    from embrec.evaluation.table import evaluate as evaluate
    from embrec.models.base import FittedModel as FittedModel
    from embrec.models.base import Ratings as Ratings
    from embrec.models.keras_model import keras_model as keras_model
    from embrec.models.protocol import Model as Model
    from embrec.models.protocol import Range as Range
    from embrec.models.protocol import Search as Search
    from embrec.monitoring.status import Status as Status
    from embrec.monitoring.status import read_status as read_status
    from embrec.runs.keras_files import add_run as add_run
    from embrec.runs.keras_files import export_run as export_run
    from embrec.runs.keras_files import import_run as import_run
    from embrec.runs.publishing import publish as publish
    from embrec.runs.publishing import rollback as rollback
    from embrec.runs.records import ModelRun as ModelRun
    from embrec.runs.records import list_runs as list_runs
    from embrec.runs.store import index_users as index_users
    from embrec.serving.catalogue import known_genres as known_genres
    from embrec.serving.catalogue import map_movies as map_movies
    from embrec.serving.catalogue import movie_details as movie_details
    from embrec.serving.catalogue import user_ratings as user_ratings
    from embrec.serving.explain import explain_for as explain_for
    from embrec.serving.explain import explain_recommendation as explain_recommendation
    from embrec.serving.next import also_watched as also_watched
    from embrec.serving.next import continue_watching as continue_watching
    from embrec.serving.next import explain_next as explain_next
    from embrec.serving.next import next_after as next_after
    from embrec.serving.next import recommend_next as recommend_next
    from embrec.serving.next import recommend_next_for as recommend_next_for
    from embrec.serving.next import user_history as user_history
    from embrec.serving.predict import predict_rating as predict_rating
    from embrec.serving.predict import predict_ratings as predict_ratings
    from embrec.serving.predict import rating_uncertainty as rating_uncertainty
    from embrec.serving.preview import answering_from as answering_from
    from embrec.serving.preview import trained_runs as trained_runs
    from embrec.serving.recommend import best_rated_movies as best_rated_movies
    from embrec.serving.recommend import popular_movies as popular_movies
    from embrec.serving.recommend import recommend_for as recommend_for
    from embrec.serving.recommend import recommend_movies as recommend_movies
    from embrec.serving.recommend import trending_movies as trending_movies
    from embrec.serving.search import find_movies as find_movies
    from embrec.serving.search import suggest_movies as suggest_movies
    from embrec.serving.similar import similar_movies as similar_movies
    from embrec.serving.similar import similar_users as similar_users
    from embrec.serving.vectors import vectors as vectors
    from embrec.training import TrainResult as TrainResult
    from embrec.training import train as train

    __version__: str

# Names by module that change in a major release alone.
STABLE = {
    "data.files.movies": ("Movie",),
    "data.files.sources": ("from_frame", "open_source"),
    "data.loading": ("load",),
    "data.merge": ("LoadReport",),
    "data.ratings": ("add_rating", "forget_user", "refresh", "refresh_statistics", "remove_rating"),
    "data.scale": ("get_rating_scale", "set_rating_scale"),
    "data.table_loading": ("load_from_table",),
    "data.table_source": ("TableSource",),
    "db.connection": ("create_engine", "open_engine"),
    "db.schema": ("upgrade",),
    "errors": ("EmbrecError",),
    "evaluation.table": ("evaluate",),
    "monitoring.status": ("Status", "read_status"),
    "runs.publishing": ("publish", "rollback"),
    "runs.records": ("ModelRun", "list_runs"),
    "serving.catalogue": ("known_genres", "map_movies", "movie_details", "user_ratings"),
    "serving.explain": ("explain_for", "explain_recommendation"),
    "serving.predict": ("predict_rating", "predict_ratings", "rating_uncertainty"),
    "serving.preview": ("answering_from", "trained_runs"),
    "serving.recommend": (
        "best_rated_movies",
        "popular_movies",
        "recommend_for",
        "recommend_movies",
        "trending_movies",
    ),
    "serving.search": ("find_movies", "suggest_movies"),
    "serving.similar": ("similar_movies", "similar_users"),
    "serving.vectors": ("vectors",),
    "training": ("TrainResult", "train"),
}
# Names that may change in a minor release, with a note in the CHANGELOG.
PROVISIONAL = {
    "data.describing": ("MoviesReport", "load_movies"),
    "data.events": ("add_event", "delete_events", "remove_event"),
    "models.base": ("FittedModel", "Ratings"),
    "models.keras_model": ("keras_model",),
    "models.protocol": ("Model", "Range", "Search"),
    "runs.keras_files": ("add_run", "export_run", "import_run"),
    "runs.store": ("index_users",),
    "serving.next": (
        "also_watched",
        "continue_watching",
        "explain_next",
        "next_after",
        "recommend_next",
        "recommend_next_for",
        "user_history",
    ),
}
# Former names and the present ones, for one minor release.
RENAMED: dict[str, str] = {}
_MODULE_OF = {name: module for table in (STABLE, PROVISIONAL) for module, names in table.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("embrec")
    if name in RENAMED:
        import warnings

        warnings.warn(f"embrec.{name} is now embrec.{RENAMED[name]}", DeprecationWarning, stacklevel=2)
        name = RENAMED[name]
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'embrec' has no attribute {name!r}")
    return getattr(importlib.import_module(f"embrec.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

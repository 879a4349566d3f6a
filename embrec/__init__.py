"""embrec: a movie recommender that lives in PostgreSQL.

The names here need neither TensorFlow nor Alembic, and each loads its module when it is first used; training is
:mod:`embrec.training`, migrations are :mod:`embrec.db.schema`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embrec.data.files.movies import Movie
    from embrec.data.files.sources import from_frame, open_source
    from embrec.data.loading import load
    from embrec.data.merge import LoadReport
    from embrec.data.ratings import add_rating, forget_user, refresh, refresh_statistics, remove_rating
    from embrec.data.table_loading import load_from_table
    from embrec.data.table_source import TableSource
    from embrec.db import create_engine, open_engine
    from embrec.errors import EmbrecError
    from embrec.monitoring.status import Status, read_status
    from embrec.runs.publishing import publish, rollback
    from embrec.runs.records import ModelRun, list_runs
    from embrec.serving.catalogue import known_genres, map_movies, movie_details, user_ratings
    from embrec.serving.explain import explain_for, explain_recommendation
    from embrec.serving.predict import predict_rating, predict_ratings, rating_uncertainty
    from embrec.serving.preview import answering_from, trained_runs
    from embrec.serving.recommend import popular_movies, recommend_for, recommend_movies, trending_movies
    from embrec.serving.search import find_movies, suggest_movies
    from embrec.serving.similar import similar_movies, similar_users

__all__ = [
    "EmbrecError",
    "LoadReport",
    "ModelRun",
    "Movie",
    "Status",
    "TableSource",
    "add_rating",
    "answering_from",
    "create_engine",
    "explain_for",
    "explain_recommendation",
    "find_movies",
    "forget_user",
    "from_frame",
    "known_genres",
    "list_runs",
    "load",
    "load_from_table",
    "map_movies",
    "movie_details",
    "open_engine",
    "open_source",
    "popular_movies",
    "predict_rating",
    "predict_ratings",
    "publish",
    "rating_uncertainty",
    "read_status",
    "recommend_for",
    "recommend_movies",
    "refresh",
    "refresh_statistics",
    "remove_rating",
    "rollback",
    "similar_movies",
    "similar_users",
    "suggest_movies",
    "trained_runs",
    "trending_movies",
    "user_ratings",
]

_MODULES = {
    "data.files.movies": ("Movie",),
    "data.files.sources": ("from_frame", "open_source"),
    "data.loading": ("load",),
    "data.merge": ("LoadReport",),
    "data.ratings": ("add_rating", "forget_user", "refresh", "refresh_statistics", "remove_rating"),
    "data.table_loading": ("load_from_table",),
    "data.table_source": ("TableSource",),
    "db": ("create_engine", "open_engine"),
    "errors": ("EmbrecError",),
    "monitoring.status": ("Status", "read_status"),
    "runs.publishing": ("publish", "rollback"),
    "runs.records": ("ModelRun", "list_runs"),
    "serving.catalogue": ("known_genres", "map_movies", "movie_details", "user_ratings"),
    "serving.explain": ("explain_for", "explain_recommendation"),
    "serving.predict": ("predict_rating", "predict_ratings", "rating_uncertainty"),
    "serving.preview": ("answering_from", "trained_runs"),
    "serving.recommend": ("popular_movies", "recommend_for", "recommend_movies", "trending_movies"),
    "serving.search": ("find_movies", "suggest_movies"),
    "serving.similar": ("similar_movies", "similar_users"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'embrec' has no attribute {name!r}")
    return getattr(importlib.import_module(f"embrec.{_MODULE_OF[name]}"), name)

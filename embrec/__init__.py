"""embrec: a movie recommender that lives in PostgreSQL.

The names here need neither TensorFlow nor Alembic, and each loads its module when it is first used; training is
:mod:`embrec.train`, migrations are :mod:`embrec.schema`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embrec.browse import answering_from, known_genres, map_movies, movie_details, trained_runs, user_ratings
    from embrec.database import create_engine, open_engine
    from embrec.errors import EmbrecError
    from embrec.in_database import load_from_table
    from embrec.loading import LoadReport, load
    from embrec.movies import Movie
    from embrec.predict import (
        explain_for,
        explain_recommendation,
        predict_rating,
        predict_ratings,
        rating_uncertainty,
    )
    from embrec.ratings import add_rating, forget_user, refresh, refresh_statistics, remove_rating
    from embrec.recommend import (
        find_movies,
        popular_movies,
        recommend_for,
        recommend_movies,
        similar_movies,
        similar_users,
        suggest_movies,
        trending_movies,
    )
    from embrec.runs import ModelRun, list_runs, publish, rollback
    from embrec.sources import from_frame, open_source
    from embrec.status import Status, read_status
    from embrec.table_source import TableSource

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
    "browse": ("answering_from", "known_genres", "map_movies", "movie_details", "trained_runs", "user_ratings"),
    "database": ("create_engine", "open_engine"),
    "errors": ("EmbrecError",),
    "movies": ("Movie",),
    "in_database": ("load_from_table",),
    "loading": ("LoadReport", "load"),
    "predict": ("explain_for", "explain_recommendation", "predict_rating", "predict_ratings", "rating_uncertainty"),
    "ratings": ("add_rating", "forget_user", "refresh", "refresh_statistics", "remove_rating"),
    "recommend": (
        "find_movies",
        "popular_movies",
        "recommend_for",
        "recommend_movies",
        "similar_movies",
        "similar_users",
        "suggest_movies",
        "trending_movies",
    ),
    "runs": ("ModelRun", "list_runs", "publish", "rollback"),
    "sources": ("from_frame", "open_source"),
    "status": ("Status", "read_status"),
    "table_source": ("TableSource",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'embrec' has no attribute {name!r}")
    return getattr(importlib.import_module(f"embrec.{_MODULE_OF[name]}"), name)

"""embrec: a movie recommender that lives in PostgreSQL.

The names here need neither TensorFlow nor Alembic; training is :mod:`embrec.train`, migrations are
:mod:`embrec.schema`.
"""

from embrec.database import create_engine, open_engine
from embrec.errors import EmbrecError
from embrec.ratings import LoadReport, load
from embrec.recommend import find_movies, similar_movies, similar_users
from embrec.runs import ModelRun, list_runs, publish, rollback
from embrec.sources import from_frame, open_source

__all__ = [
    "EmbrecError",
    "LoadReport",
    "ModelRun",
    "create_engine",
    "find_movies",
    "from_frame",
    "list_runs",
    "load",
    "open_engine",
    "open_source",
    "publish",
    "rollback",
    "similar_movies",
    "similar_users",
]

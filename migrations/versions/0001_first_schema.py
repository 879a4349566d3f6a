"""Ratings, id mappings, model runs, tuning trials, embeddings, the published run, and the functions that answer.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, JSONB, REAL

from embrec.db.resources import executable

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "embrec"
PART = ENUM(name="part", schema=SCHEMA, create_type=False)
TYPES = ("types/similar_movie_v01", "types/similar_user_v01", "types/found_movie_v01")
VIEWS = (
    "views/published_run_v01",
    "views/published_movie_embeddings_v01",
    "views/published_user_embeddings_v01",
)
FUNCTIONS = ("functions/similar_movies_v01", "functions/similar_users_v01", "functions/find_movies_v01")


def upgrade() -> None:
    op.execute(executable("types/part_v01"))
    op.create_table(
        "users",
        sa.Column("user_index", sa.Integer, autoincrement=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("user_index", name="users_pkey"),
        sa.UniqueConstraint("user_id", name="users_user_id_key"),
        schema=SCHEMA,
    )
    op.create_table(
        "movies",
        sa.Column("movie_index", sa.Integer, autoincrement=False),
        sa.Column("movie_id", sa.Text, nullable=False),
        sa.Column("title", sa.Text),
        sa.Column("genres", ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("release_year", sa.SmallInteger),
        sa.PrimaryKeyConstraint("movie_index", name="movies_pkey"),
        sa.UniqueConstraint("movie_id", name="movies_movie_id_key"),
        schema=SCHEMA,
    )
    op.create_table(
        "ratings",
        sa.Column("user_index", sa.Integer, nullable=False),
        sa.Column("movie_index", sa.Integer, nullable=False),
        sa.Column("rating", REAL, nullable=False),
        sa.Column("rated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("user_index", "movie_index", name="ratings_pkey"),
        sa.ForeignKeyConstraint(["user_index"], ["embrec.users.user_index"], name="ratings_user_index_fkey"),
        sa.ForeignKeyConstraint(["movie_index"], ["embrec.movies.movie_index"], name="ratings_movie_index_fkey"),
        # NaN compares greater than every number, so this refuses it too.
        sa.CheckConstraint("rating > '-Infinity' AND rating < 'Infinity'", name="ratings_rating_check"),
        sa.CheckConstraint("isfinite(rated_at)", name="ratings_rated_at_check"),
        schema=SCHEMA,
    )
    op.create_table(
        "model_runs",
        sa.Column("model_run_id", sa.Integer, sa.Identity(always=True)),
        sa.Column("architecture", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="training"),
        sa.Column("options", JSONB, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("library_versions", JSONB, nullable=False),
        sa.Column("user_count", sa.Integer, nullable=False),
        sa.Column("movie_count", sa.Integer, nullable=False),
        sa.Column("rating_count", sa.BigInteger, nullable=False),
        sa.Column("newest_rating_at", sa.DateTime(timezone=True)),
        sa.Column("ratings_sha256", sa.Text, nullable=False),
        sa.Column("dimensions", sa.SmallInteger),
        sa.Column("mean", REAL),
        sa.Column("movie_similarity", PART, nullable=False, server_default="rating"),
        sa.Column("user_similarity", PART, nullable=False, server_default="rating"),
        sa.Column("parameters", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("metrics", JSONB, nullable=False, server_default="{}"),
        sa.Column("history", JSONB, nullable=False, server_default="[]"),
        sa.Column("error", sa.Text),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("model_run_id", name="model_runs_pkey"),
        sa.CheckConstraint("status IN ('training', 'trained', 'failed', 'deleted')", name="model_runs_status_check"),
        schema=SCHEMA,
    )
    op.create_table(
        "publications",
        sa.Column("publication_id", sa.Integer, sa.Identity(always=True)),
        sa.Column("model_run_id", sa.Integer, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("publication_id", name="publications_pkey"),
        sa.ForeignKeyConstraint(
            ["model_run_id"], ["embrec.model_runs.model_run_id"], name="publications_model_run_id_fkey"
        ),
        sa.CheckConstraint("action IN ('publish', 'rollback')", name="publications_action_check"),
        schema=SCHEMA,
    )
    op.create_table(
        "tuning_trials",
        sa.Column("trial_id", sa.Integer, sa.Identity(always=True)),
        sa.Column("architecture", sa.Text, nullable=False),
        sa.Column("ratings_sha256", sa.Text, nullable=False),
        sa.Column("options", JSONB, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("trial_id", name="tuning_trials_pkey"),
        schema=SCHEMA,
    )
    for side in ("movie", "user"):
        op.create_table(
            f"{side}_embeddings",
            sa.Column("model_run_id", sa.Integer, autoincrement=False),
            sa.Column("part", PART),
            sa.Column(f"{side}_index", sa.Integer, autoincrement=False),
            sa.Column("bias", REAL),
            sa.Column("embedding", VECTOR(), nullable=False),
            sa.PrimaryKeyConstraint("model_run_id", "part", f"{side}_index", name=f"{side}_embeddings_pkey"),
            schema=SCHEMA,
            postgresql_partition_by="LIST (model_run_id)",
        )
    for name in (*TYPES, *VIEWS, *FUNCTIONS):
        op.execute(executable(name))


def downgrade() -> None:
    for function, ids in (("similar_movies", ("bigint", "text")), ("similar_users", ("bigint", "text"))):
        for kind in ids:
            op.execute(f"DROP FUNCTION embrec.{function}({kind}, integer)")
    op.execute("DROP FUNCTION embrec.find_movies(text, integer)")
    for view in ("published_user_embeddings", "published_movie_embeddings", "published_run"):
        op.execute(f"DROP VIEW embrec.{view}")
    for kind in ("found_movie", "similar_user", "similar_movie"):
        op.execute(f"DROP TYPE embrec.{kind}")
    for table in (
        "user_embeddings",
        "movie_embeddings",
        "tuning_trials",
        "publications",
        "model_runs",
        "ratings",
        "movies",
        "users",
    ):
        op.drop_table(table, schema=SCHEMA)
    op.execute("DROP TYPE embrec.part")

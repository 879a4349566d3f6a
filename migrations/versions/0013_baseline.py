"""The baseline: tables, types, indexes, and the statistics of movies.

It takes the place of the revisions 0001 to 0012, which no release had, and goes on from their numbers, so that a
database at one of those is never taken for one at this. Functions and views are not of a revision: every upgrade
installs them (sql/install.sql).

Revision ID: 0013
Revises:
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, JSONB, REAL

from embrec.db.resources import executable, uninstall

revision = "0013"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "embrec"
PART = ENUM(name="part", schema=SCHEMA, create_type=False)
# In the order in which they are dropped: a table goes after those that refer to it.
TABLES = (
    "outcomes",
    "exposures",
    "experiments",
    "load_watermarks",
    "movie_neighbours",
    "run_matrices",
    "user_embeddings",
    "movie_embeddings",
    "tuning_trials",
    "publications",
    "model_runs",
    "ratings",
    "movies",
    "users",
)
TYPES = (
    "similar_movie",
    "similar_user",
    "found_movie",
    "recommended_movie",
    "predicted_rating",
    "contribution",
    "popular_movie",
    "trending_movie",
    "movie_detail",
    "rated_movie",
    "trained_run",
    "mapped_movie",
    "genre_count",
    "part",
)


def upgrade() -> None:
    op.execute(executable("baseline/types"))
    op.create_table(
        "users",
        sa.Column("user_index", sa.Integer, autoincrement=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("forgotten_at", sa.DateTime(timezone=True)),
        sa.Column("labels", ARRAY(sa.Text)),
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
    op.create_index("ratings_rated_at_idx", "ratings", ["rated_at"], schema=SCHEMA, postgresql_using="brin")
    _create_run_tables()
    _create_experiment_tables()
    op.create_table(
        "load_watermarks",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("watermark_column", sa.Text, nullable=False),
        sa.Column("watermark", sa.DateTime(timezone=True), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("source", "watermark_column", name="load_watermarks_pkey"),
        schema=SCHEMA,
    )
    op.execute(executable("baseline/movie_statistics"))


def _create_run_tables() -> None:
    """Create the tables of model runs, their publications, and their vectors."""
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
        sa.Column("serving", sa.Text),
        sa.Column("user_vectors", sa.Text),
        sa.Column("movie_similarity", PART, nullable=False, server_default="rating"),
        sa.Column("user_similarity", PART, nullable=False, server_default="rating"),
        sa.Column("parameters", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("metrics", JSONB, nullable=False, server_default="{}"),
        sa.Column("history", JSONB, nullable=False, server_default="[]"),
        sa.Column("error", sa.Text),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("lowest_rating", REAL),
        sa.Column("highest_rating", REAL),
        sa.Column("rating_power", REAL),
        sa.Column("bias_feature", REAL),
        sa.Column("ridge_constant", REAL),
        sa.Column("ridge_per_rating", REAL),
        sa.Column("user_spread", REAL),
        sa.Column("movie_spread", REAL),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("vectors_sha256", sa.Text),
        sa.Column("progress", REAL),
        sa.PrimaryKeyConstraint("model_run_id", name="model_runs_pkey"),
        sa.CheckConstraint("status IN ('training', 'trained', 'failed', 'deleted')", name="model_runs_status_check"),
        sa.CheckConstraint(
            "serving IN ('dot_product', 'two_part', 'dense_head', 'similarity_only')",
            name=op.f("model_runs_serving_check"),
        ),
        sa.CheckConstraint("user_vectors IN ('stored', 'fold_in')", name=op.f("model_runs_user_vectors_check")),
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
    own = {
        "movie": [sa.Column("folded_in", sa.Boolean, nullable=False, server_default=sa.false())],
        "user": [sa.Column("fingerprint", sa.BigInteger)],
    }
    for side, columns in own.items():
        op.create_table(
            f"{side}_embeddings",
            sa.Column("model_run_id", sa.Integer, autoincrement=False),
            sa.Column("part", PART),
            sa.Column(f"{side}_index", sa.Integer, autoincrement=False),
            sa.Column("bias", REAL),
            sa.Column("embedding", VECTOR(), nullable=False),
            *columns,
            sa.Column("spread", REAL),
            sa.PrimaryKeyConstraint("model_run_id", "part", f"{side}_index", name=f"{side}_embeddings_pkey"),
            schema=SCHEMA,
            postgresql_partition_by="LIST (model_run_id)",
        )
    op.create_table(
        "run_matrices",
        sa.Column("model_run_id", sa.Integer, nullable=False),
        sa.Column("matrix", sa.Text, nullable=False),
        sa.Column("row_number", sa.Integer, nullable=False),
        sa.Column("bias", REAL),
        sa.Column("embedding", VECTOR(), nullable=False),
        sa.PrimaryKeyConstraint("model_run_id", "matrix", "row_number", name="run_matrices_pkey"),
        sa.ForeignKeyConstraint(
            ["model_run_id"], ["embrec.model_runs.model_run_id"], name="run_matrices_model_run_id_fkey"
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "movie_neighbours",
        sa.Column("model_run_id", sa.Integer, nullable=False),
        sa.Column("movie_index", sa.Integer, nullable=False),
        sa.Column("neighbours", ARRAY(sa.Integer)),
        sa.PrimaryKeyConstraint("model_run_id", "movie_index", name="movie_neighbours_pkey"),
        sa.ForeignKeyConstraint(
            ["model_run_id"], ["embrec.model_runs.model_run_id"], name="movie_neighbours_model_run_id_fkey"
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "movie_neighbours_later_idx",
        "movie_neighbours",
        ["model_run_id", "movie_index"],
        schema=SCHEMA,
        postgresql_where=sa.text("neighbours IS NULL"),
    )


def _create_experiment_tables() -> None:
    """Create the tables of experiments, exposures and outcomes."""
    op.create_table(
        "experiments",
        sa.Column("experiment_id", sa.Integer, sa.Identity(always=True)),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("control_run", sa.Integer, nullable=False),
        sa.Column("treatment_run", sa.Integer, nullable=False),
        sa.Column("treatment_share", sa.Double, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("experiment_id", name="experiments_pkey"),
        sa.UniqueConstraint("name", name="experiments_name_key"),
        sa.ForeignKeyConstraint(
            ["control_run"], ["embrec.model_runs.model_run_id"], name="experiments_control_run_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["treatment_run"], ["embrec.model_runs.model_run_id"], name="experiments_treatment_run_fkey"
        ),
        sa.CheckConstraint("treatment_share > 0 AND treatment_share < 1", name="experiments_treatment_share_check"),
        schema=SCHEMA,
    )
    op.create_index(
        "experiments_running_idx",
        "experiments",
        ["ended_at"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("ended_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "exposures",
        sa.Column("experiment_id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("variant", sa.Text, nullable=False),
        sa.Column("model_run_id", sa.Integer, nullable=False),
        sa.Column("exposed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("experiment_id", "user_id", name="exposures_pkey"),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["embrec.experiments.experiment_id"], name="exposures_experiment_id_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["model_run_id"], ["embrec.model_runs.model_run_id"], name="exposures_model_run_id_fkey"
        ),
        sa.CheckConstraint("variant IN ('control', 'treatment')", name="exposures_variant_check"),
        schema=SCHEMA,
    )
    op.create_table(
        "outcomes",
        sa.Column("experiment_id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("outcome_id", sa.BigInteger, sa.Identity(always=True)),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("experiment_id", "user_id", "outcome_id", name="outcomes_pkey"),
        sa.ForeignKeyConstraint(
            ["experiment_id", "user_id"],
            ["embrec.exposures.experiment_id", "embrec.exposures.user_id"],
            name="outcomes_experiment_id_user_id_fkey",
        ),
        sa.CheckConstraint("value > '-Infinity' AND value < 'Infinity'", name="outcomes_value_check"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.execute(uninstall())
    op.execute("DROP MATERIALIZED VIEW embrec.movie_statistics")
    for table in TABLES:
        op.drop_table(table, schema=SCHEMA)
    for kind in TYPES:
        op.execute(f"DROP TYPE embrec.{kind}")

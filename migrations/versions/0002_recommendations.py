"""Recommendations: answers from ratings as they are now, the statistics of movies, and what they need of a run.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects.postgresql import REAL

from embrec.db.resources import executable

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "embrec"
TYPES = ("recommended_movie", "predicted_rating", "contribution", "popular_movie", "trending_movie")
FILTERS = "text[], text[], integer, integer, integer"
# Each function's file, and what it makes, for taking it away again.
FUNCTIONS = {
    "ratings_fingerprint": ("ratings_fingerprint(integer)",),
    "refresh_statistics": ("refresh_statistics()",),
    "movies_within": (f"movies_within({FILTERS}, text[])",),
    "serving_run": ("serving_run(text)",),
    "rating_weight": ("rating_weight(real, real, real, real)",),
    "preference_vector": ("preference_vector(integer, integer[], real[])",),
    "ridge": ("ridge(vector[], vector, vector)",),
    "rating_vector": ("rating_vector(integer, integer[], real[])",),
    "user_rating_vector": ("user_rating_vector(integer, integer)",),
    "dense_ratings": ("dense_ratings(integer, vector, integer[])",),
    "predict_rating": ("predict_rating(text, text)", "predict_rating(bigint, bigint)"),
    "rating_uncertainty": ("rating_uncertainty(text, text)", "rating_uncertainty(bigint, bigint)"),
    "predict_ratings": ("predict_ratings(text[], text[])",),
    "diversified": ("diversified(integer, integer[], double precision[], integer, double precision)",),
    "best_movies": (f"best_movies(integer, embrec.part, vector, integer[], boolean, {FILTERS}, text[], bigint)",),
    "ranked_movies": (
        f"ranked_movies(integer, integer, integer[], real[], integer, {FILTERS}, text[], boolean, double precision)",
    ),
    "recommend_movies": tuple(
        f"recommend_movies({kind}, integer, {FILTERS}, text[], boolean, double precision)"
        for kind in ("text", "bigint")
    ),
    "recommend_for": (f"recommend_for(jsonb, integer, {FILTERS}, text[], boolean, double precision)",),
    "explain_recommendation": tuple(f"explain_recommendation({kind}, {kind}, integer)" for kind in ("text", "bigint")),
    "popular_movies": (f"popular_movies(integer, {FILTERS})",),
    "trending_movies": (f"trending_movies(timestamptz, integer, {FILTERS})",),
    "index_of": ("user_index_of(text)", "movie_index_of(text)"),
    "add_rating": ("add_rating(text, text, real, timestamptz)", "add_rating(bigint, bigint, real, timestamptz)"),
    "remove_rating": ("remove_rating(text, text)", "remove_rating(bigint, bigint)"),
    "movies_like": ("movies_like(integer, integer)",),
    "mean_movie": ("mean_movie(integer, embrec.part, integer[], double precision[])",),
    "solved_movie": (
        "solved_movie_rating(integer, vector, integer[], real[])",
        "solved_movie_preference(integer, integer[], real[])",
    ),
    "folded_in_movie": ("folded_in_movie(integer, integer, integer[], real[])",),
    "refresh": ("refresh_run(integer)", "refresh()"),
}
RUN_COLUMNS = (
    "lowest_rating",
    "highest_rating",
    "rating_power",
    "bias_feature",
    "ridge_constant",
    "ridge_per_rating",
    "user_spread",
    "movie_spread",
)


def upgrade() -> None:
    for column in RUN_COLUMNS:
        op.add_column("model_runs", sa.Column(column, REAL), schema=SCHEMA)
    # Runs trained before: their scale is that of the ratings there are; how to solve for a user is in the options of
    # matrix factorisation alone.
    op.execute(
        "UPDATE embrec.model_runs SET lowest_rating = s.lowest, highest_rating = s.highest,"
        " rating_power = (options ->> 'rating_power')::real,"
        " bias_feature = CASE WHEN options ? 'penalty_per_rating' THEN 2 END,"
        " ridge_constant = (options ->> 'penalty')::real,"
        " ridge_per_rating = (options ->> 'penalty_per_rating')::real"
        " FROM (SELECT min(rating) AS lowest, max(rating) AS highest FROM embrec.ratings) AS s".replace("::", r"\:\:")
    )
    op.add_column("user_embeddings", sa.Column("fingerprint", sa.BigInteger), schema=SCHEMA)
    folded_in = sa.Column("folded_in", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("movie_embeddings", folded_in, schema=SCHEMA)
    for side in ("user", "movie"):
        op.add_column(f"{side}_embeddings", sa.Column("spread", REAL), schema=SCHEMA)
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
    op.create_index("ratings_rated_at_idx", "ratings", ["rated_at"], schema=SCHEMA, postgresql_using="brin")
    op.execute(executable("views/movie_statistics_v01"))
    op.execute(executable("views/published_movie_preferences_v01"))
    for name in TYPES:
        op.execute(executable(f"types/{name}_v01"))
    for name in FUNCTIONS:
        op.execute(executable(f"functions/{name}_v01"))


def downgrade() -> None:
    for made in reversed(FUNCTIONS.values()):
        # The last of a file may be made of the first.
        for function in reversed(made):
            op.execute(f"DROP FUNCTION embrec.{function}")
    for name in TYPES:
        op.execute(f"DROP TYPE embrec.{name}")
    op.execute("DROP VIEW embrec.published_movie_preferences")
    op.execute("DROP MATERIALIZED VIEW embrec.movie_statistics")
    op.drop_index("ratings_rated_at_idx", table_name="ratings", schema=SCHEMA)
    op.drop_table("run_matrices", schema=SCHEMA)
    op.execute("DELETE FROM embrec.movie_embeddings WHERE folded_in")
    op.drop_column("movie_embeddings", "folded_in", schema=SCHEMA)
    for side in ("user", "movie"):
        op.drop_column(f"{side}_embeddings", "spread", schema=SCHEMA)
    op.drop_column("user_embeddings", "fingerprint", schema=SCHEMA)
    for column in RUN_COLUMNS:
        op.drop_column("model_runs", column, schema=SCHEMA)

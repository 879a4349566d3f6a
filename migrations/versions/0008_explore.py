"""Exploring: asking a run before it is published, reasons for visitors, and what a page of movies needs to show.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

from embrec.db.resources import executable

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TYPES = ("movie_detail", "rated_movie", "trained_run", "mapped_movie", "genre_count")
# Each new function's file, and what it makes, for taking it away again.
FUNCTIONS = {
    "contributions": ("contributions(integer, integer[], real[], text, integer)",),
    "explain_for": ("explain_for(jsonb, text, integer)", "explain_for(jsonb, bigint, integer)"),
    "movie_details": ("movie_details(text)", "movie_details(bigint)"),
    "user_ratings": ("user_ratings(text, integer)", "user_ratings(bigint, integer)"),
    "trained_runs": ("trained_runs()",),
    "map_movies": ("map_movies(integer)",),
    "known_genres": ("known_genres()",),
}
# Functions that stay where they are, with the version before and the one that asks the previewed run.
REPLACED = (
    ("serving_run_v02", "serving_run_v03"),
    ("has_index_v01", "has_index_v02"),
    ("nearest_by_index_v01", "nearest_by_index_v02"),
    ("similar_movies_v02", "similar_movies_v03"),
    ("similar_users_v02", "similar_users_v03"),
    ("recommend_for_v01", "recommend_for_v02"),
    ("predict_ratings_v01", "predict_ratings_v02"),
    ("known_id_v01", "known_id_v02"),
)


def upgrade() -> None:
    op.execute(executable("functions/previewed_run_v01"))
    op.execute(executable("views/answering_run_v01"))
    for name in TYPES:
        op.execute(executable(f"types/{name}_v01"))
    for name in FUNCTIONS:
        op.execute(executable(f"functions/{name}_v01"))
    for _, name in REPLACED:
        op.execute(executable(f"functions/{name}"))
    op.execute(executable("functions/explain_recommendation_v02"))


def downgrade() -> None:
    op.execute(executable("functions/explain_recommendation_v01", replacing=True))
    for name, _ in reversed(REPLACED):
        op.execute(executable(f"functions/{name}", replacing=True))
    for made in reversed(FUNCTIONS.values()):
        for function in reversed(made):
            op.execute(f"DROP FUNCTION embrec.{function}")
    for name in TYPES:
        op.execute(f"DROP TYPE embrec.{name}")
    op.execute("DROP VIEW embrec.answering_run")
    op.execute("DROP FUNCTION embrec.previewed_run()")

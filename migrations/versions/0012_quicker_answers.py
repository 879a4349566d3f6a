"""Quicker answers: lists of each movie's nearest, the best sorted out before they are sorted, filters asked of few.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from embrec.db.resources import executable

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SCHEMA = "embrec"
# Functions that stay where they are, with the version before.
REPLACED = (
    ("movies_within_v01", "movies_within_v02"),
    ("popular_movies_v01", "popular_movies_v02"),
    ("best_movies_v02", "best_movies_v03"),
    ("nearest_by_index_v02", "nearest_by_index_v03"),
    ("similar_movies_v03", "similar_movies_v04"),
)


def upgrade() -> None:
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
    for _, name in REPLACED:
        op.execute(executable(f"functions/{name}"))
    for name in ("refresh_run_v02", "index_run_v02"):
        op.execute(executable(f"functions/{name}"))


def downgrade() -> None:
    for name in ("index_run_v01", "refresh_v01"):
        op.execute(executable(f"functions/{name}", replacing=True))
    op.execute(executable("functions/refresh_v02"))
    for name, _ in reversed(REPLACED):
        op.execute(executable(f"functions/{name}", replacing=True))
    op.drop_table("movie_neighbours", schema=SCHEMA)

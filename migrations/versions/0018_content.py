"""Content: what a movie is, as a vector, and the maps by which a run knows movies that nobody has rated.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects.postgresql import ARRAY

from embrec.db.resources import statement, uninstall

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "movie_content",
        sa.Column("movie_index", sa.Integer, autoincrement=False),
        sa.Column("embedding", VECTOR(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("movie_index", name="movie_content_pkey"),
        sa.ForeignKeyConstraint(["movie_index"], ["embrec.movies.movie_index"], name="movie_content_movie_index_fkey"),
        schema="embrec",
    )
    # The new form takes what is known of the movie.
    op.execute("DROP FUNCTION IF EXISTS embrec.solved_movie_preference(integer, integer, integer[])")
    for column in (
        sa.Column("content_labels", ARRAY(sa.Text)),
        sa.Column("content_dimensions", sa.SmallInteger),
    ):
        op.add_column("model_runs", column, schema="embrec")


# The maps are matrices of their run.
FORGET_MAPS = "DELETE FROM embrec.run_matrices WHERE matrix ~ '^(genres|content)_'"


def downgrade() -> None:
    op.execute(uninstall())
    op.execute(statement(FORGET_MAPS))
    for column in ("content_labels", "content_dimensions"):
        op.drop_column("model_runs", column, schema="embrec")
    op.drop_table("movie_content", schema="embrec")

"""Approximate indexes: similar users and movies, and the best movies, are found by one where there are very many.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

from embrec.db.resources import executable

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("has_index_v01", "nearest_by_index_v01", "similar_movies_v02", "similar_users_v02", "best_movies_v02"):
        op.execute(executable(f"functions/{name}"))


def downgrade() -> None:
    for name in ("similar_movies_v01", "similar_users_v01", "best_movies_v01"):
        op.execute(executable(f"functions/{name}", replacing=True))
    op.execute("DROP FUNCTION embrec.nearest_by_index(text, integer, integer)")
    op.execute("DROP FUNCTION embrec.has_index(text)")

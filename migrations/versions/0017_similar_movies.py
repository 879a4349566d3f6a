"""Similar movies: a movie that few users know is near nobody by chance, and filters.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

from embrec.db.resources import statement, uninstall

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # NULL for the runs that there are: they go on to compare by cosine alone, and their digests stay the same.
    op.add_column("model_runs", sa.Column("shrunk_similarity", sa.Boolean), schema="embrec")
    op.execute(statement(CHANGED_FUNCTIONS))


def downgrade() -> None:
    op.execute(uninstall())
    op.drop_column("model_runs", "shrunk_similarity", schema="embrec")


# Functions whose parameters change; every upgrade installs those of today.
CHANGED_FUNCTIONS = """
DROP FUNCTION IF EXISTS embrec.nearest_of_all(text, integer, embrec.part, integer, vector, integer);
DROP FUNCTION IF EXISTS embrec.similar_movies(anynonarray, integer);
DROP FUNCTION IF EXISTS embrec.similar_movies(text, integer);
"""

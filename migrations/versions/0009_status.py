"""Status: views that say how everything is and what should be seen to, how far a training is, and mistyped titles.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import REAL

from embrec.db.resources import executable

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SCHEMA = "embrec"
# In the order of what they are made of.
VIEWS = ("run_indexes", "run_status", "status", "warnings")


def upgrade() -> None:
    op.add_column("model_runs", sa.Column("progress", REAL), schema=SCHEMA)
    for name in VIEWS:
        op.execute(executable(f"views/{name}_v01"))
    op.execute(executable("functions/suggest_movies_v01"))


def downgrade() -> None:
    op.execute("DROP FUNCTION embrec.suggest_movies(text, integer)")
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW embrec.{name}")
    op.drop_column("model_runs", "progress", schema=SCHEMA)

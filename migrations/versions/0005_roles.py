"""Roles: what a trainer needs from its owner, forgetting users, and answers for those who may read no table.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from embrec.db.resources import executable

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = "embrec"
# Each function's file, and what it makes.
FUNCTIONS = {
    "open_run": ("open_run(integer, text, embrec.part[])",),
    "close_run": ("close_run(integer, text)",),
    "index_run": ("index_run(integer, text, embrec.part)", "index_ranking(integer)"),
    "forget_user": ("forget_user(text)", "forget_user(bigint)"),
    "known_id": ("known_id(text, text)",),
    "movie_named": ("movie_named(text)",),
}


def upgrade() -> None:
    op.add_column("users", sa.Column("forgotten_at", sa.DateTime(timezone=True)), schema=SCHEMA)
    for name in FUNCTIONS:
        op.execute(executable(f"functions/{name}_v01"))


def downgrade() -> None:
    for made in FUNCTIONS.values():
        for function in reversed(made):
            op.execute(f"DROP FUNCTION embrec.{function}")
    op.drop_column("users", "forgotten_at", schema=SCHEMA)

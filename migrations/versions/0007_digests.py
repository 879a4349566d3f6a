"""Digests: whether the vectors that are to be published are those that were trained.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from embrec.db.resources import executable

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SCHEMA = "embrec"


def upgrade() -> None:
    op.add_column("model_runs", sa.Column("vectors_sha256", sa.Text), schema=SCHEMA)
    op.execute(executable("functions/run_digest_v01"))


def downgrade() -> None:
    op.execute("DROP FUNCTION embrec.run_digest(integer)")
    op.drop_column("model_runs", "vectors_sha256", schema=SCHEMA)

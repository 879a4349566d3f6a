"""Heartbeats: when each training run last showed that its process is alive.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "embrec"


def upgrade() -> None:
    # A run that trains while this is migrated counts as alive from now on, as long as any other.
    op.add_column(
        "model_runs",
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_column("model_runs", "heartbeat_at", schema=SCHEMA)

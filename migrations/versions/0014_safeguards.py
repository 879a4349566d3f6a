"""Safeguards: what keeps people, their data and the server from what went wrong before.

Revision ID: 0014
Revises: 0013
"""

from alembic import op

from embrec.db.resources import uninstall

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    op.execute(uninstall())

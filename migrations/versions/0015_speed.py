"""Speed: what answers, counts and trainings read and write less for.

Revision ID: 0015
Revises: 0014
"""

from alembic import op

from embrec.db.resources import uninstall

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet: the tables of the parts that follow."""


def downgrade() -> None:
    op.execute(uninstall())

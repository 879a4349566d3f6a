"""Labels: what a model may know of users beside their ratings.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from embrec.db.resources import executable

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SCHEMA = "embrec"


def upgrade() -> None:
    op.add_column("users", sa.Column("labels", ARRAY(sa.Text)), schema=SCHEMA)
    op.execute(executable("functions/forget_user_v02"))


def downgrade() -> None:
    op.execute(executable("functions/forget_user_v01", replacing=True))
    op.drop_column("users", "labels", schema=SCHEMA)

"""Safeguards: what keeps people, their data and the server from what went wrong before.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, REAL

from embrec.db.resources import uninstall

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_followed_changes()


def downgrade() -> None:
    op.execute(uninstall())
    op.drop_table("followed_changes", schema="embrec")


def _create_followed_changes() -> None:
    """Create the table of the changes of followed tables that are not applied yet."""
    op.create_table(
        "followed_changes",
        sa.Column("change_id", sa.BigInteger, sa.Identity(always=True)),
        sa.Column("transaction_id", sa.BigInteger, nullable=False, server_default=sa.text("txid_current()")),
        sa.Column("waiting", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("user_ids", ARRAY(sa.Text), nullable=False),
        sa.Column("movie_ids", ARRAY(sa.Text), nullable=False),
        sa.Column("ratings", ARRAY(REAL), nullable=False),
        sa.Column("times", ARRAY(sa.DateTime(timezone=True)), nullable=False),
        sa.PrimaryKeyConstraint("change_id", name="followed_changes_pkey"),
        schema="embrec",
    )
    op.create_index("followed_changes_transaction_id_idx", "followed_changes", ["transaction_id"], schema="embrec")
    op.create_index(
        "followed_changes_waiting_idx",
        "followed_changes",
        ["change_id"],
        schema="embrec",
        postgresql_where=sa.text("waiting"),
    )
    # The planner's statistics would keep the ids of users who were forgotten.
    op.execute("ALTER TABLE embrec.followed_changes ALTER user_ids SET STATISTICS 0, ALTER movie_ids SET STATISTICS 0")

"""Ratings from tables of the same database: how far each was read, and a trigger that keeps in step.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

from embrec.db.resources import executable

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SCHEMA = "embrec"


def upgrade() -> None:
    op.create_table(
        "load_watermarks",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("watermark_column", sa.Text, nullable=False),
        sa.Column("watermark", sa.DateTime(timezone=True), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("source", "watermark_column", name="load_watermarks_pkey"),
        schema=SCHEMA,
    )
    for name in ("ratings_of_table", "follow_ratings", "follow_table"):
        op.execute(executable(f"functions/{name}_v01"))


def downgrade() -> None:
    op.execute("DROP FUNCTION embrec.follow_table(regclass, text, text, text, text)")
    op.execute("DROP FUNCTION embrec.follow_ratings() CASCADE")  # with the triggers that it is
    op.execute("DROP FUNCTION embrec.ratings_of_table(regclass, text[], text)")
    op.drop_table("load_watermarks", schema=SCHEMA)

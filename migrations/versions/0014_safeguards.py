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
    _add_lengths()


def downgrade() -> None:
    op.execute(uninstall())
    _remove_lengths()


# The length below which a user's vector to rank by is no vector, and the numbers of users and movies without one; NULL
# for runs of before.
_LENGTHS = {"least_length": "real", "lone_users": "integer", "lone_movies": "integer"}


def _add_lengths() -> None:
    op.execute("ALTER TABLE embrec.model_runs " + ", ".join(f"ADD COLUMN {n} {kind}" for n, kind in _LENGTHS.items()))


def _remove_lengths() -> None:
    op.execute("ALTER TABLE embrec.model_runs " + ", ".join(f"DROP COLUMN {name}" for name in _LENGTHS))

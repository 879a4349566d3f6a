"""${message}.

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}

The author's rules:
- Name the file NNNN_slug.py and the revision NNNN: revisions are compared as text. Raise
  embrec.db.connection.SCHEMA_REVISION in the same commit.
- Write tables out here. Import nothing from embrec but embrec.resources: a released revision never changes,
  and embrec.tables will.
- A function, view or type is a new file sql/functions/NAME_vNN.sql, run by op.execute(executable(...)). A released
  file is never edited; downgrade() runs the version before.
- No ACCESS EXCLUSIVE lock for long on ratings, users or movies: add columns without a volatile default, add
  constraints NOT VALID and validate them in a second revision, create indexes CONCURRENTLY in an
  op.get_context().autocommit_block().
- Who may call a new function, or use a new table, is said in sql/schema/rights.sql, which every upgrade ends with.
- Write the record of the schema anew, and the revision's dump: see tests/migrations/test_frozen.py.
- Write downgrade() too. `make test` runs every revision up, down and up again, online and offline.
"""

from alembic import op
import sqlalchemy as sa

from embrec.db.resources import executable

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}

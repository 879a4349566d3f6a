"""${message}.

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}

The author's rules:
- A revision is for tables, types, indexes and data. A changed function or view needs none: edit its file under
  sql/functions or sql/views, and every upgrade installs it after the revisions (sql/install.sql).
- Name the file NNNN_slug.py and the revision NNNN: revisions are compared as text. Raise
  embrec.db.requirements.SCHEMA_REVISION in the same commit.
- Write tables out here. Import nothing from embrec but embrec.db.resources: a released revision never changes,
  and embrec.db.tables will.
- Where a function's parameters or result change, or a view's columns other than by new ones at its end, or where one
  is in the way of a change to a table, the revision drops it (and what is made of it); the upgrade then installs it.
- A function or view that goes, goes from sql/install.sql and is dropped by a revision: the downgrade to base drops
  what install.sql names.
- sql/baseline is the baseline's: a released file there is never edited, a new type is written out in its revision.
- No ACCESS EXCLUSIVE lock for long on ratings, users or movies: add columns without a volatile default, add
  constraints NOT VALID and validate them in a second revision, create indexes CONCURRENTLY in an
  op.get_context().autocommit_block().
- Who may call a new function, or use a new table, is said in sql/schema/rights.sql, which every upgrade ends with.
- Write the record of the schema anew: see tests/migrations/test_install.py.
- Write downgrade() too. `make test` runs every revision up, down and up again, online and offline.
"""

from alembic import op
import sqlalchemy as sa

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}

"""Databases made before the baseline, at the revisions 0001 to 0012: recognised, and taken over.

To go with the release after 1.0, as migrations/0012.txt, which has the lines of :data:`LINES` at 0012.
"""

from __future__ import annotations

import sqlalchemy as sa

from embrec import db
from embrec.db import resources
from embrec.errors import SchemaError

BASELINE = "0013"
LAST = "0012"
# The newest commit whose migrations end at LAST.
COMMIT = "89b23c3"

# The objects of a schema, a line each: columns of tables, views and rows, constraints, indexes, types, and functions'
# signatures. The bodies of functions and views are left out, because both are installed anew. Partitions of runs are
# data. From PostgreSQL 18 on NOT NULL is a constraint too.
LINES = """
WITH relations AS (
    SELECT c.oid, c.relname, c.relkind
    FROM pg_class AS c
    WHERE c.relnamespace = 'embrec'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'c') AND NOT c.relispartition
)
SELECT format('%s %s', c.relname, c.relkind) AS line
FROM relations AS c
UNION ALL
SELECT format('column %s.%s %s', c.relname, a.attname, concat_ws(
    ' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END, a.attidentity,
    'default ' || pg_get_expr(d.adbin, d.adrelid)
))
FROM relations AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL
SELECT format('constraint %s.%s %s', c.relname, k.conname, pg_get_constraintdef(k.oid))
FROM relations AS c
JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype <> 'n'
UNION ALL
SELECT format('index %s %s', pg_get_indexdef(i.indexrelid), CASE WHEN i.indisvalid THEN 'valid' ELSE 'invalid' END)
FROM relations AS c
JOIN pg_index AS i ON i.indrelid = c.oid
UNION ALL
SELECT format('type %s %s', t.typname, array_agg(e.enumlabel ORDER BY e.enumsortorder))
FROM pg_type AS t
JOIN pg_enum AS e ON e.enumtypid = t.oid
WHERE t.typnamespace = 'embrec'::regnamespace
GROUP BY t.typname
UNION ALL
SELECT format('function %s(%s) %s', p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid))
FROM pg_proc AS p
WHERE p.pronamespace = 'embrec'::regnamespace
"""

# Fill the column serving, which replaces guesses from columns that are NULL.
SERVING = """
ALTER TABLE embrec.model_runs
    ADD COLUMN serving text CONSTRAINT model_runs_serving_check
        CHECK (serving IN ('dot_product', 'two_part', 'dense_head', 'similarity_only')),
    ADD COLUMN user_vectors text CONSTRAINT model_runs_user_vectors_check CHECK (user_vectors IN ('stored', 'fold_in'));
UPDATE embrec.model_runs AS r
SET user_vectors = CASE WHEN r.bias_feature IS NULL THEN 'stored' ELSE 'fold_in' END,
    serving = CASE
        WHEN r.rating_power IS NOT NULL THEN 'two_part'
        WHEN r.mean IS NOT NULL THEN 'dot_product'
        WHEN EXISTS (SELECT FROM embrec.run_matrices AS x WHERE x.model_run_id = r.model_run_id) THEN 'dense_head'
        ELSE 'similarity_only'
    END
WHERE r.status IN ('trained', 'deleted')
"""


def take_over(connection: sa.Connection) -> None:
    """Give a database at the last revision before the baseline the baseline's, if its schema is the one expected.

    Args:
        connection: A connection that holds the migration lock and has the search_path of schema/prepare.sql.

    Raises:
        SchemaError: The database is at an older revision, or its schema is another.
    """
    revision = db.current_revision(connection)
    if revision is None or revision >= BASELINE:
        return
    if revision != LAST:
        raise SchemaError(
            f"The embrec schema is at revision {revision}, which this release does not know; it goes on from {LAST}. "
            f"With embrec at commit {COMMIT} run: embrec db upgrade; then with this release again"
        )
    if found := differences(connection):
        raise SchemaError(
            f"The embrec schema is at revision {LAST}, but is not what that revision makes. Nothing was changed. Undo "
            "the following, then run: embrec db upgrade\n" + "\n".join(found)
        )
    connection.execute(resources.statement(SERVING))
    connection.execute(sa.text(f"UPDATE embrec.alembic_version SET version_num = '{BASELINE}'"))


def differences(connection: sa.Connection) -> list[str]:
    """Return what a schema at the last revision before the baseline lacks, and has too much, a line each.

    Indexes, functions and whole tables that are not embrec's are ignored here.
    """
    text = (resources.migrations_directory() / f"{LAST}.txt").read_text(encoding="utf-8")
    expected = set(text.splitlines())
    there = set(connection.scalars(resources.statement(LINES)))
    ours = {line.split()[1].partition(".")[0] for line in expected if line.startswith("column ")}
    more = [
        line
        for line in there - expected
        if line.startswith(("column ", "constraint ")) and line.split()[1].partition(".")[0] in ours
    ]
    return [f"missing: {line}" for line in sorted(expected - there)] + [f"not known: {line}" for line in sorted(more)]

"""The catalogue of a database as text to compare, and psql."""

from __future__ import annotations

import subprocess

import sqlalchemy as sa

from embrec import config

# All objects in the database except PostgreSQL's own, each as a line of text.
CATALOGUE = """
WITH mine AS (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
extension_members AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
SELECT concat_ws(' ', 'schema', nspname, obj_description(oid)) FROM pg_namespace WHERE oid IN (SELECT oid FROM mine)
UNION ALL SELECT concat_ws(' ', 'extension', extname, 'in', extnamespace::regnamespace, obj_description(oid))
    FROM pg_extension
UNION ALL SELECT concat_ws(' ', 'relation', c.oid::regclass, c.relkind, pg_get_partkeydef(c.oid), c.reloptions)
    FROM pg_class AS c WHERE relnamespace IN (SELECT oid FROM mine)
UNION ALL SELECT concat_ws(' ', 'column', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod),
    a.attnotnull, a.attidentity, pg_get_expr(d.adbin, d.adrelid))
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace IN (SELECT oid FROM mine) AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace IN (SELECT oid FROM mine)
UNION ALL SELECT 'index ' || pg_get_indexdef(i.indexrelid) || i.indisvalid
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE c.relnamespace IN (SELECT oid FROM mine)
UNION ALL SELECT 'view ' || pg_get_viewdef(oid) FROM pg_class
    WHERE relkind = 'v' AND relnamespace IN (SELECT oid FROM mine)
UNION ALL SELECT 'function ' || pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '') FROM pg_proc AS p
    WHERE pronamespace IN (SELECT oid FROM mine) AND prokind = 'f'
    AND NOT EXISTS (SELECT FROM extension_members AS m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
ORDER BY 1
"""


def catalogue(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        # So that names have their schema, whatever the role's own search_path is.
        connection.execute(sa.text("SET LOCAL search_path = pg_catalog"))
        return list(connection.scalars(sa.text(CATALOGUE.replace(":", r"\:"))))


def psql(url: str, text: str) -> subprocess.CompletedProcess[str]:
    """Run a script as psql does: through the simple protocol, statement by statement, stopping at an error."""
    from embrec.db.server_binaries import find_binaries

    command = [str(find_binaries() / "psql"), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-f", "-", url]
    return subprocess.run(command, input=text, capture_output=True, text=True, env=config.server_environment())

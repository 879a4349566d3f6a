"""The reference has all objects of the database: functions with their parameters, tables with their columns."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from embrec.db import resources

ROOT = Path(resources.__file__).parents[2]
sys.path.append(str(ROOT / "docs" / "extensions"))
FUNCTIONS = """
SELECT p.proname, ARRAY(
    SELECT name FROM unnest(p.proargnames, CAST(p.proargmodes AS text[])) WITH ORDINALITY AS a (name, mode, place)
    WHERE mode IS DISTINCT FROM 't' ORDER BY place
) AS parameters
FROM pg_proc AS p
WHERE p.pronamespace = to_regnamespace('embrec')
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')
"""
COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' *' ELSE '' END
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = to_regnamespace('embrec') AND c.relkind IN ('r', 'p', 'v', 'm', 'c') AND a.attnum > 0
    AND NOT a.attisdropped AND c.relname <> 'alembic_version'
"""
SHORT = {"timestamp with time zone": "timestamptz", "embrec.part": "part"}


def test_every_function_is_listed_with_its_parameters_and_nothing_else(shared_engine: sa.Engine) -> None:
    from sql_declarations import functions

    with shared_engine.connect() as connection:
        rows = connection.execute(sa.text(FUNCTIONS))
        there = Counter((row.proname, tuple(row.parameters)) for row in rows)
    words = ((each.name, [text.removeprefix("OUT ").split()[0] for text in each.parameters]) for each in functions())
    listed = Counter((name, tuple(parameters)) for name, parameters in words)
    assert listed == there
    assert all(any(each.remark for each in functions() if each.name == name) for name, _ in listed)


def test_every_table_view_and_row_is_listed_with_its_columns_and_nothing_else(shared_engine: sa.Engine) -> None:
    with shared_engine.connect() as connection:
        there = {tuple(row) for row in connection.execute(sa.text(COLUMNS))}
    page = (ROOT / "docs" / "reference" / "tables.md").read_text()
    listed = set()
    for section in page.split("\n## ")[1:]:
        for column, kind, remark in re.findall(r"^\| `(\w+)` \| (.+?) \| (.*)\|$", section, re.MULTILINE):
            assert remark.strip(), f"what {column} is"
            listed.add((section.split("\n")[0], column, kind))
    found = {(table, column, re.sub("|".join(SHORT), lambda it: SHORT[it[0]], kind)) for table, column, kind in there}
    assert listed == found

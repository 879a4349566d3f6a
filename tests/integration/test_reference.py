"""The reference has all objects of the database: functions with their parameters, tables with their columns."""

from __future__ import annotations

import inspect
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

import embrec
from embrec.db import resources
from embrec.runs import experiments
from embrec.serving.recommend import Filters

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
# Functions that an application may call; those of any id, which call the function that takes text, are left out.
CALLED = """
SELECT DISTINCT p.proname, p.proargnames AS parameters
FROM pg_proc AS p
WHERE p.pronamespace = to_regnamespace('embrec') AND has_function_privilege('embrec_api', p.oid, 'EXECUTE')
    AND NOT 'anynonarray'::regtype::oid = ANY (p.proargtypes)
"""
# Parts of other functions: answers without rows look up whether an id is known, and commands look up titles.
PARTS = {"known_id", "movie_named"}
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


@pytest.fixture(scope="module")
def called(shared_engine: sa.Engine) -> dict[str, set[str]]:
    """The parameters of each function that an application may call, of all its overloads."""
    found: dict[str, set[str]] = {}
    with shared_engine.connect() as connection:
        for name, parameters in connection.execute(sa.text(CALLED)):
            found[name] = found.get(name, set()) | set(parameters or ())
    return {name: parameters for name, parameters in found.items() if name not in PARTS}


def test_every_function_that_an_application_calls_has_a_twin_in_python(called: dict[str, set[str]]) -> None:
    assert {"recommend_movies", "recommend_next", "add_event"} <= set(called)
    for name, parameters in called.items():
        twin = getattr(embrec, name, None) or getattr(experiments, name)
        ours = set(inspect.signature(twin).parameters) - {"bind"}
        assert (ours - {"filters"} | set(Filters.__annotations__) if "filters" in ours else ours) == parameters, name


def test_the_sql_page_names_every_function_with_its_twin_and_its_command(called: dict[str, set[str]]) -> None:
    table = (ROOT / "docs" / "sql.md").read_text().split("\n\n")[2]
    named = {}
    for _, functions, python, command in (line.strip("|").split("|") for line in table.splitlines()[2:]):
        for names in re.findall(r"\[([\w, ]+)\]", functions):
            for name in names.split(", "):
                named[name] = "the same names" in python or f"`{name}`" in python, "`embrec " in command
    assert set(called) <= set(named)
    without = {name for name, (twin, command) in named.items() if not (twin and command)}
    # A trigger is for SQL alone, a visitor's score and many pairs are for applications.
    assert without == {"follow_table", "explain_for", "predict_ratings"}

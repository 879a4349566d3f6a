"""No function with its owner's rights runs anything that its caller made, whatever the caller's role."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from data import FAKE_RUN, load_frame, named_movies, rating_frame, two_part_run

from embrec.data import ratings
from embrec.runs import experiments, records

# Arguments by type; text is a user's, a movie's or any other name.
VALUES = {
    "text": "'u1'",
    "bigint": "7",
    "integer": "1",
    "real": "3",
    "double precision": "0.5",
    "boolean": "true",
    "jsonb": """'{"100": 5}'""",
    "text[]": "'{u1,100}'",
    "bigint[]": "'{7}'",
    "integer[]": "'{1}'",
    "timestamp with time zone": "now()",
    "interval": "'7 days'",
    "smallint": "1990",
    "embrec.part": "'rating'",
    "embrec.part[]": "'{rating}'",
    "embrec.model_runs": "(SELECT r FROM embrec.model_runs AS r LIMIT 1)",
}
NAMED = {"movie_id": "'100'", "movie_ids": "'{100,101}'", "side": "'movie'", "genres": "'{Comedy}'", "query": "'movie'"}
DEFINERS = """
SELECT p.oid::regprocedure::text AS name, coalesce(p.proargnames, '{}') AS names,
    ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n) ORDER BY n) AS types
FROM pg_proc AS p
WHERE p.pronamespace = to_regnamespace('embrec') AND p.prosecdef AND p.prorettype <> 'trigger'::regtype
    AND has_function_privilege(p.oid, 'EXECUTE')
ORDER BY 1
"""
# Every name that a body could look up: relations, functions, and what transition tables are called.
TRAPS = """
DO $$
DECLARE
    trap record;
BEGIN
    CREATE FUNCTION pg_temp.alarm() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN
        IF current_user <> session_user THEN
            RAISE EXCEPTION ''trap: called as %'', current_user;
        END IF;
        RETURN true;
    END';
    FOR trap IN
        SELECT c.relname AS name,
            string_agg(format('NULL::%s AS %I', format_type(a.atttypid, NULL), a.attname), ', ') AS columns
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'embrec'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
        GROUP BY c.relname
        UNION ALL
        SELECT name, '''u1''::text AS user_id, ''100''::text AS movie_id, 1::real AS rating, now() AS rated_at'
        FROM unnest('{before_rows,after_rows,added}'::text[]) AS name
    LOOP
        EXECUTE format('CREATE TEMP VIEW %I AS SELECT %s WHERE pg_temp.alarm()', trap.name, trap.columns);
        EXECUTE format('GRANT ALL ON pg_temp.%I TO PUBLIC', trap.name);
    END LOOP;
    FOR trap IN
        SELECT DISTINCT p.proname AS name, oidvectortypes(p.proargtypes) AS arguments
        FROM pg_proc AS p
        WHERE (p.pronamespace = 'embrec'::regnamespace AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype)
            OR p.proname IN ('hashtext', 'to_regclass', 'vector_dims', 'vector_norm', 'l2_normalize', 'upper')
    LOOP
        EXECUTE format(
            'CREATE FUNCTION pg_temp.%I(%s) RETURNS boolean LANGUAGE sql AS ''SELECT pg_temp.alarm()''',
            trap.name, trap.arguments
        );
    END LOOP;
    CREATE OPERATOR pg_temp.= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq);
END
$$
"""


def call(name: str, names: list[str], types: list[str], run: int) -> str:
    """Return a call of a function with an argument for each parameter."""
    named = NAMED | {"model_run_id": str(run)}
    given = [named.get(each, VALUES[kind]) for each, kind in zip([*names, *types][: len(types)], types, strict=True)]
    if len(names) < len(types):
        given = [VALUES[kind] for kind in types]
    typed = ", ".join(f"CAST({value} AS {kind})" for value, kind in zip(given, types, strict=True))
    return f"SELECT {name.partition('(')[0]}({typed})"


@pytest.mark.parametrize("group", ["loader", "trainer", "publisher", "reader", "api"])
def test_no_function_with_its_owners_rights_runs_what_its_caller_made(engine: sa.Engine, login, group: str) -> None:
    load_frame(engine, rating_frame(), named_movies())
    two_part_run(engine)
    two_part_run(engine, seed=2)
    experiments.start(engine, "one", 1, 2)
    ratings.add_rating(engine, "u1", "newer", 4)
    called, sprung, others = 0, [], []
    role = login(group)
    run = records.start(role, FAKE_RUN) if group == "trainer" else 1
    with role.connect() as connection:
        functions = connection.execute(sa.text(DEFINERS.replace(":", r"\:"))).all()
        connection.execute(sa.text(TRAPS.replace(":", r"\:")))
        connection.exec_driver_sql("SET search_path = pg_temp, embrec, public")
        connection.commit()
        with pytest.raises(sa.exc.DBAPIError, match="permission denied"):
            connection.exec_driver_sql("UPDATE embrec.publications SET action = 'publish'")
        connection.rollback()
        assert connection.exec_driver_sql("SELECT count(*) FROM pg_temp.model_runs").scalar() == 1, "the traps are set"
        connection.rollback()
        for row in functions:
            statement = call(row.name, row.names, row.types, run)
            try:
                connection.exec_driver_sql(statement)
                called += 1
            except sa.exc.DBAPIError as error:
                (sprung if "trap" in str(error.orig) else others).append(f"{statement}: {error.orig}")
            connection.rollback()
        connection.exec_driver_sql("DISCARD TEMP")
        connection.commit()
    assert sprung == []
    assert called >= 3, others

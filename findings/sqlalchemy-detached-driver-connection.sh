#!/usr/bin/env bash
# Ask a detached SQLAlchemy connection for the driver's connection.
#
# Version:    SQLAlchemy 2.1.9, with Python's sqlite3. embrec is not used.
# Guess:      Connection.detach() takes the connection out of the pool and leaves it usable, so that
#             connection.connection.driver_connection is still the driver's connection, as dbapi_connection is.
# Behaviour:  driver_connection is None, without an error, because it is asked of the pool's record, which is gone.
#             dbapi_connection and the connection itself still work, and is_valid is True. The dialect's
#             get_driver_connection(dbapi_connection) gives the driver's connection before and after.
# Output:     before: driver_connection is dbapi_connection: True
#             after: is_detached: True
#             after: is_valid: True
#             after: SELECT by the connection: 1
#             after: SELECT by dbapi_connection: 1
#             after: driver_connection: None
#             after: get_driver_connection is dbapi_connection: True
#
# Exit status: 0 as stated, 1 changed, 2 it could not be tried. Run: bash findings/sqlalchemy-detached-driver-connection.sh
set -uo pipefail

skip() { echo "Not tried: $*" >&2; exit 2; }

work=$(mktemp -d) || skip "no temporary folder"
trap 'rm -rf "$work"' EXIT
cd "$work" || skip "the temporary folder cannot be used"

{
    python3 -m venv venv \
        && venv/bin/python -m pip install --quiet --no-deps sqlalchemy==2.1.9 typing-extensions==4.16.0 \
        && venv/bin/python -c "import sqlalchemy, sqlite3"
} > log 2>&1 || skip "the packages cannot be installed: $(tail -n 1 log)"

cat > seen.py <<'PYTHON'
import sqlalchemy

engine = sqlalchemy.create_engine("sqlite://")
with engine.connect() as connection:
    pooled = connection.connection
    print("before: driver_connection is dbapi_connection:", pooled.driver_connection is pooled.dbapi_connection)
    connection.detach()
    pooled = connection.connection
    driver = engine.dialect.get_driver_connection(pooled.dbapi_connection)
    print("after: is_detached:", pooled.is_detached)
    print("after: is_valid:", pooled.is_valid)
    print("after: SELECT by the connection:", connection.exec_driver_sql("SELECT 1").scalar())
    print("after: SELECT by dbapi_connection:", pooled.dbapi_connection.execute("SELECT 1").fetchone()[0])
    print("after: driver_connection:", pooled.driver_connection)
    print("after: get_driver_connection is dbapi_connection:", driver is pooled.dbapi_connection)
PYTHON

cat > stated <<'TEXT'
before: driver_connection is dbapi_connection: True
after: is_detached: True
after: is_valid: True
after: SELECT by the connection: 1
after: SELECT by dbapi_connection: 1
after: driver_connection: None
after: get_driver_connection is dbapi_connection: True
TEXT

venv/bin/python seen.py > seen 2>&1  # an error of a call is a change too
cat seen
diff stated seen || exit 1

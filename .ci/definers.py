"""Prints the definitions of the functions that run with their owner's rights, as a database has them.

Those whose bodies are bound when they are made are left out, and so is pgvector's schema from the paths: nobody but its
owner may create things there, which embrec doctor checks. A parameter's default is bound when its function is made,
too, so the type of a NULL is left out.
"""

import re

import sqlalchemy as sa

from embrec import db
from embrec.db import schema

QUERY = """
SELECT pg_get_functiondef(oid) FROM pg_proc
WHERE pronamespace = to_regnamespace('embrec') AND prosecdef AND prosqlbody IS NULL
ORDER BY proname
"""


def main() -> None:
    engine = db.open_engine()
    schema.upgrade(engine)
    with engine.connect() as connection:
        place = db.extension_schema(connection)
        for definition in connection.scalars(sa.text(QUERY)):
            text = definition.replace(f"'pg_catalog', '{place}', 'pg_temp'", "'pg_catalog', 'pg_temp'")
            print(re.sub(r"DEFAULT NULL::\w+(\[\])?", "DEFAULT NULL", text).rstrip() + ";")
    engine.dispose()


if __name__ == "__main__":
    main()

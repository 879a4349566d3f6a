"""What the doctor says of a database that should be otherwise, and that its statements mend it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from conftest import with_database

from embrec import config


@pytest.fixture
def stranger(admin: sa.Engine) -> Iterator[str]:
    name = f"embrec_stranger_{os.getpid()}"
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE ROLE {name} LOGIN PASSWORD 'p'"))
    yield name
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP ROLE {name}"))


def test_a_schema_that_others_may_write_to_is_named_with_the_statement(embrec, engine: sa.Engine, url: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("GRANT CREATE ON SCHEMA public TO PUBLIC"))
    code, out, _ = embrec("doctor", "--database-url", url)
    assert code == 0
    found = re.search(r"warn  pgvector's schema: .*its owner runs: (.*)", out)
    assert found
    with engine.begin() as connection:
        connection.execute(sa.text(found[1]))
    assert "ok    pgvector's schema: public" in embrec("doctor", "--database-url", url)[1]


def test_a_role_without_a_group_gets_the_grant_to_ask_for(
    embrec, admin: sa.Engine, engine: sa.Engine, url: str, stranger: str
) -> None:
    name = config.parse_database_url(url, "test").parameters["dbname"]
    own = with_database(url, name, user=stranger, password="p")
    code, out, _ = embrec("doctor", "--database-url", own)
    assert code == 1
    assert f"GRANT embrec_api TO {stranger}" in out
    with admin.connect() as connection:
        connection.execute(sa.text(f"GRANT embrec_reader TO {stranger}"))
    code, out, _ = embrec("doctor", "--database-url", own)
    assert f"ok    rights: {stranger} has those of embrec_reader" in out
    assert code == 0, out


def test_a_damaged_schema_is_seen(embrec, engine: sa.Engine, url: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("DROP INDEX embrec.ratings_rated_at_idx"))
    code, out, _ = embrec("doctor", "--database-url", url)
    assert code == 1
    assert "FAIL  schema: 1 differences from this release, see them with: embrec db check" in out

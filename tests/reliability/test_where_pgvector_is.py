"""pgvector in another schema than at the last upgrade, and in schemas with fewer rights than usual."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from conftest import with_database
from data import load_frame, rating_frame, two_part_run

from embrec import config, db
from embrec.db import schema
from embrec.errors import RequirementError, SchemaError
from embrec.serving import predict, recommend, similar

Run = Callable[..., tuple[int, str, str]]


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def answers(engine: sa.Engine) -> list[object]:
    """One answer of every kind."""
    return [
        similar.similar_movies(engine, 100).to_dict(),
        similar.similar_users(engine, "u1").to_dict(),
        recommend.recommend_movies(engine, "u1", diversity=0.3).to_dict(),
        recommend.recommend_for(engine, {100: 5, 101: 1}).to_dict(),
        predict.predict_ratings(engine, ["u1"], [100]).to_dict(),
    ]


@pytest.fixture
def served(engine: sa.Engine) -> sa.Engine:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    return engine


@pytest.fixture
def role(admin: sa.Engine, url: str) -> Iterator[Callable[[str], sa.Engine]]:
    """A function that makes a role which is a member of a group, or of none, and returns an engine for it."""
    name, made = f"embrec_placed_{os.getpid()}", []
    run(admin, f"CREATE ROLE {name} LOGIN PASSWORD 'p'")
    database = config.parse_database_url(url, "test").parameters["dbname"]

    def login(group: str = "", to: str = database) -> sa.Engine:
        if group:
            run(admin, f"GRANT {group} TO {name}")
        made.append(db.create_engine(with_database(url, to, user=name, password="p")))
        return made[-1]

    yield login
    for each in made:
        each.dispose()
    owned = db.create_engine(url)
    run(owned, f"DROP OWNED BY {name} CASCADE")
    owned.dispose()
    run(admin, f"DROP ROLE {name}")


@pytest.mark.parametrize(
    "moves",
    [
        ("CREATE SCHEMA extensions", "ALTER EXTENSION vector SET SCHEMA extensions"),
        ('ALTER SCHEMA public RENAME TO "Odd name"',),
    ],
    ids=["moved", "renamed"],
)
def test_pgvector_that_was_moved_is_noticed_and_an_upgrade_mends_it(
    embrec: Run, served: sa.Engine, url: str, role: Callable[..., sa.Engine], moves: tuple[str, ...]
) -> None:
    before = answers(served)
    api = role("embrec_api")
    assert schema.check(served) == []
    run(served, *moves)
    served.dispose()  # as of an application that was started since
    with pytest.raises(SchemaError, match="do not find pgvector.*run: embrec db upgrade.*embrec doctor"):
        answers(served)
    difference = schema.check(served)[0]
    assert re.search(r"functions look for pgvector elsewhere .* run: embrec db upgrade", difference)
    assert embrec("db", "check", "--database-url", url)[0] == 1
    code, out, _ = embrec("doctor", "--database-url", url)
    assert code == 1
    assert "FAIL  pgvector's schema: " in out
    assert "FAIL  answers: The functions of embrec do not find pgvector" in out
    assert embrec("db", "upgrade", "--database-url", url)[0] == 0
    assert answers(served) == before == answers(api)
    code, out, _ = embrec("doctor", "--database-url", url)
    assert (code, schema.check(served)) == (0, []), out
    assert "ok    answers: similar movies, a visitor's recommendations, a user's" in out


@pytest.mark.parametrize("group", ["embrec_api", "embrec_reader", "embrec_owner"])
def test_taking_pgvectors_schema_from_public_breaks_no_answer(
    served: sa.Engine, role: Callable[..., sa.Engine], group: str
) -> None:
    before = answers(served)
    run(served, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    assert answers(role(group)) == before
    assert schema.check(served) == []


def test_an_owner_without_usage_is_named_with_the_grant(
    embrec: Run, served: sa.Engine, url: str, role: Callable[..., sa.Engine]
) -> None:
    api = role("embrec_api")
    before = answers(api)
    run(served, "REVOKE ALL ON SCHEMA public FROM PUBLIC, embrec_owner")
    api.dispose()
    with pytest.raises(SchemaError, match="GRANT USAGE ON SCHEMA .* TO embrec_owner"):
        answers(api)
    code, out, _ = embrec("doctor", "--database-url", url)
    assert code == 1
    found = re.search(r"FAIL  pgvector's schema: .*its owner runs: (GRANT .*)", out)
    assert found
    run(served, found[1])
    api.dispose()
    assert answers(api) == before


def test_the_role_that_migrates_is_told_of_its_grant(
    empty_engine: sa.Engine, empty_url: str, role: Callable[..., sa.Engine]
) -> None:
    database = str(config.parse_database_url(empty_url, "test").parameters["dbname"])
    deployer, name = role(to=database), f"embrec_placed_{os.getpid()}"
    run(empty_engine, "CREATE SCHEMA ext", "CREATE EXTENSION vector SCHEMA ext")
    run(empty_engine, f"GRANT CREATE ON DATABASE {database} TO {name}")
    with pytest.raises(RequirementError, match=f"needs USAGE on schema ext.*: (GRANT USAGE ON SCHEMA ext TO {name})$"):
        schema.upgrade(deployer)
    run(empty_engine, f"GRANT USAGE ON SCHEMA ext TO {name}")
    assert schema.upgrade(deployer) == db.SCHEMA_REVISION
    run(empty_engine, f"DROP OWNED BY {name} CASCADE")


def test_a_database_without_public_is_told_where_pgvector_could_be(empty_engine: sa.Engine) -> None:
    run(empty_engine, "DROP SCHEMA public")
    with pytest.raises(RequirementError, match=r"no schema public.* runs: (CREATE SCHEMA .*)") as refused:
        schema.upgrade(empty_engine)
    run(empty_engine, *str(refused.value).partition("runs: ")[2].split("; "))
    assert schema.upgrade(empty_engine) == db.SCHEMA_REVISION
    assert schema.check(empty_engine) == []
    assert schema.downgrade(empty_engine, "base") is None


def test_the_grants_on_pgvectors_schema_go_with_the_rest(empty_engine: sa.Engine) -> None:
    grants = "SELECT CAST(nspacl AS text) FROM pg_namespace WHERE nspname = 'public'"
    with empty_engine.connect() as connection:
        before = connection.scalar(sa.text(grants))
    schema.upgrade(empty_engine)
    schema.downgrade(empty_engine, "base")
    with empty_engine.connect() as connection:
        assert connection.scalar(sa.text(grants)) == before


def test_a_role_that_only_asks_sees_in_doctor_that_it_is_answered(
    embrec: Run, served: sa.Engine, url: str, role: Callable[..., sa.Engine]
) -> None:
    role("embrec_api").dispose()
    database = str(config.parse_database_url(url, "test").parameters["dbname"])
    own = with_database(url, database, user=f"embrec_placed_{os.getpid()}", password="p")
    run(served, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    code, out, _ = embrec("doctor", "--database-url", own)
    assert code == 0, out
    assert "ok    answers: similar movies, a visitor's recommendations" in out

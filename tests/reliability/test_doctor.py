"""The problems that embrec doctor finds in a database, and the statements that fix them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from conftest import with_database
from data import load_frame, rating_frame

from embrec import config
from embrec.errors import RunError
from embrec.kernels import choice, compiled, fallback
from embrec.runs import publishing

OUTER_PRODUCT = ("--model", "outer-product", "--epochs", "1", "--hidden-units", "3")


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


def test_vectors_that_were_changed_are_seen_and_not_published(embrec, engine: sa.Engine, url: str) -> None:
    load_frame(engine, rating_frame())
    for _ in range(2):
        assert embrec("train", *OUTER_PRODUCT, "--database-url", url)[0] == 0
    assert (
        "ok    published run: 2, whose vectors are those that were trained"
        in embrec("doctor", "--database-url", url)[1]
    )
    for table in ("movie_embeddings", "run_matrices"):
        for run in (1, 2):
            publishing.publish(engine, run)
        publishing.rollback(engine)
        with engine.begin() as connection:
            connection.execute(sa.text(f"CREATE TABLE public.kept AS SELECT * FROM embrec.{table}"))
            connection.execute(sa.text(f"UPDATE embrec.{table} SET bias = 0.125 WHERE model_run_id = 2"))
        with pytest.raises(RunError, match="are not those that were trained.*embrec train"):
            publishing.publish(engine, 2, force=True)
        with engine.begin() as connection:
            connection.execute(sa.text(f"UPDATE embrec.{table} SET bias = 0.125 WHERE model_run_id = 1"))
        code, out, _ = embrec("doctor", "--database-url", url)
        assert code == 1
        assert "FAIL  published run: the vectors of model run 1 are not those that were trained" in out
        with engine.begin() as connection:
            connection.execute(sa.text(f"DELETE FROM embrec.{table}"))
            connection.execute(sa.text(f"INSERT INTO embrec.{table} SELECT * FROM public.kept"))
            connection.execute(sa.text("DROP TABLE public.kept"))
        assert embrec("doctor", "--database-url", url)[0] == 0


def test_what_a_training_computes_with_is_named(embrec, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = ("doctor", "--database-url", "postgresql://127.0.0.1:1/x")
    for each in compiled.variants():
        monkeypatch.setattr(choice, "kernels", each)
        assert re.search(rf"^ok    training: .*, kernels {re.escape(each.name)}$", embrec(*nowhere)[1], re.MULTILINE)
    monkeypatch.setattr(choice, "kernels", fallback)
    found = re.search(
        r"^warn  training: .* install a C compiler \(gcc or clang\), then run: (.*)$", embrec(*nowhere)[1], re.MULTILINE
    )
    assert found
    assert found[1] == config.install_command("train")

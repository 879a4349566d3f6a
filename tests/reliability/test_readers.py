"""A deleted run stays readable for transactions that began before."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from asking import another_run, catalogue

import embrec
from embrec.runs import publishing, records


def test_a_reader_who_began_before_a_run_was_replaced_is_answered_from_it_while_it_is_being_deleted(
    engine: sa.Engine,
) -> None:
    old = catalogue(engine)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        assert records.published_run_id(reader) == old  # and no vectors yet
        another_run(engine, seed=2)
        deleting = threading.Thread(target=publishing.delete, args=[engine, old])
        deleting.start()
        deleting.join(0.5)
        answer = embrec.similar_movies(reader, "100")
        assert deleting.is_alive()
    deleting.join(10)
    assert not deleting.is_alive()
    assert (len(answer), set(answer.model_run_id)) == (10, {old})
    assert records.get_run(engine, old).status == "deleted"


def test_a_reader_who_never_ends_does_not_hold_up_a_deletion_for_ever(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embrec.runs.embeddings.READERS_SECONDS", 0.3)
    old = catalogue(engine)
    another_run(engine, seed=2)
    with engine.connect() as idle:
        assert records.published_run_id(idle) != old
        publishing.delete(engine, old)
    assert records.get_run(engine, old).status == "deleted"

"""Locks that an answer takes: those of its own run's tables, however many runs are kept."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame, stored_run, two_part_run

from embrec.runs import publishing
from embrec.training import train

ANSWERS = [
    "SELECT * FROM embrec.similar_movies('101', 3)",
    "SELECT * FROM embrec.similar_movies('101', 15)",
    "SELECT * FROM embrec.similar_users('1', 3)",
    "SELECT * FROM embrec.recommend_movies('1', 3)",
    "SELECT * FROM embrec.recommend_movies('1', 3, diversity => 0.5)",
    "SELECT * FROM embrec.recommend_movies('nobody', 3)",
    """SELECT * FROM embrec.recommend_for('{"101": 5}', 3)""",
    "SELECT * FROM embrec.explain_recommendation('1', '101', 3)",
    """SELECT * FROM embrec.explain_for('{"101": 5}', '102', 3)""",
    "SELECT embrec.predict_rating('1', '101')",
    "SELECT * FROM embrec.predict_ratings(ARRAY['1', '2'], ARRAY['101', '102'])",
    "SELECT embrec.rating_uncertainty('1', '101')",
    "SELECT * FROM embrec.known_id('user', '1')",
    "SELECT * FROM embrec.map_movies(5)",
    "SELECT * FROM embrec.popular_movies(3)",
]


def two_part(engine: sa.Engine) -> None:
    two_part_run(engine)


def folded_in(engine: sa.Engine) -> None:
    train(engine, "matrix-factorization", {"dimensions": 3, "epochs": 1})


def dense(engine: sa.Engine) -> None:
    vectors = np.random.default_rng(1).normal(size=(20, 4))
    publishing.publish(engine, stored_run(engine, vectors, np.ones((30, 4))))


def locks(engine: sa.Engine, answer: str) -> list[str]:
    """Return the tables and indexes that a query has locked when it was asked often enough for a generic plan."""
    with engine.connect() as connection:
        for _ in range(7):
            connection.execute(sa.text(answer.replace(":", r"\:")))
            connection.rollback()
        connection.execute(sa.text(answer.replace(":", r"\:")))
        held = connection.scalars(
            sa.text(
                "SELECT relation::regclass::text FROM pg_locks"
                " WHERE pid = pg_backend_pid() AND relation::regclass::text LIKE 'embrec.%' ORDER BY 1"
            )
        )
        return list(held)


@pytest.mark.parametrize("publish", [two_part, folded_in, dense])
def test_an_answer_locks_no_table_of_another_run(engine: sa.Engine, publish) -> None:
    load_frame(engine, rating_frame())
    publish(engine)
    for seed in range(5):
        stored_run(engine, np.random.default_rng(seed).normal(size=(20, 4)))
    for answer in ANSWERS:
        runs = {name.split("_run_")[1].split("_")[0] for name in locks(engine, answer) if "_run_" in name}
        assert runs <= {"1"}, answer

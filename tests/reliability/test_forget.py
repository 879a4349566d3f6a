"""A forgotten user is in no table, run or answer any more, whatever runs concurrently."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import FAKE_RUN, load_frame, rating_frame, two_part_run

from embrec.data import ratings
from embrec.errors import UnknownUserError
from embrec.runs import embeddings, experiments, records
from embrec.runs.embeddings import Vectors
from embrec.serving import recommend, similar


@pytest.fixture
def served(engine: sa.Engine) -> sa.Engine:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    two_part_run(engine, seed=2)
    return engine


def count(engine: sa.Engine, query: str) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(query)))


def test_nothing_of_a_forgotten_user_is_left_in_any_table(served: sa.Engine) -> None:
    ratings.add_rating(served, "Zaphod", 100, 5)
    ratings.add_rating(served, "Zaphod", 101, 1)
    experiments.start(served, "one", 1, 2)
    experiments.record_exposure(served, "Zaphod")
    experiments.record_outcome(served, "Zaphod", 1)
    index = count(served, "SELECT user_index FROM embrec.users WHERE user_id = 'Zaphod'")
    vectors = Vectors(np.array([index], np.int32), np.ones((1, 5), np.float32))
    run = records.start(served, FAKE_RUN)
    with served.begin() as connection:
        embeddings.store(connection, run, "user", {"rating": vectors, "preference": vectors})
    load_frame(served, rating_frame().head(1), users=pd.DataFrame({"user_id": ["Zaphod"], "planet": ["Zaphod's own"]}))
    assert count(served, "SELECT count(*) FROM embrec.users WHERE labels = '{\"planet Zaphod''s own\"}'") == 1
    assert ratings.forget_user(served, "Zaphod")
    with served.connect() as connection:
        kinds = "relnamespace = to_regnamespace('embrec') AND relkind IN ('r', 'p', 'm')"
        tables = connection.scalars(sa.text(f"SELECT relname FROM pg_class WHERE {kinds}")).all()
        assert len(tables) > 15
        for table in tables:
            rows = connection.scalars(sa.text(f"SELECT CAST(t AS text) FROM embrec.{table} AS t"))
            assert "Zaphod" not in " ".join(rows), table
    assert count(served, f"SELECT count(*) FROM embrec.ratings WHERE user_index = {index}") == 0
    assert count(served, f"SELECT count(*) FROM embrec.user_embeddings WHERE user_index = {index}") == 0
    assert not ratings.forget_user(served, "Zaphod")


def test_other_users_answers_stay_and_the_forgotten_is_in_none(served: sa.Engine) -> None:
    before = recommend.recommend_movies(served, "u2", 20).to_dict()
    assert "u1" in set(similar.similar_users(served, "u2", 100).user_id)
    assert ratings.forget_user(served, "u1")
    assert recommend.recommend_movies(served, "u2", 20).to_dict() == before
    others = set(similar.similar_users(served, "u2", 100).user_id)
    assert len(others) == 28
    assert not {each for each in others if each == "u1" or each.startswith("forgotten")}
    with pytest.raises(UnknownUserError):
        similar.similar_users(served, "u1")
    assert set(recommend.recommend_movies(served, "u1", 5).basis) == {"popularity"}


def test_who_comes_back_is_somebody_new(served: sa.Engine) -> None:
    last = count(served, "SELECT max(user_index) FROM embrec.users")
    with served.connect() as connection:
        name = connection.scalar(sa.text(f"SELECT user_id FROM embrec.users WHERE user_index = {last}"))
    assert ratings.forget_user(served, name)
    ratings.add_rating(served, name, 100, 4)
    assert count(served, f"SELECT user_index FROM embrec.users WHERE user_id = '{name}'") == last + 1
    load_frame(served, rating_frame(seed=3))
    assert count(served, "SELECT count(*) - 1 - max(user_index) FROM embrec.users") == 0


def test_a_user_forgotten_while_a_run_trains_gets_no_vector_in_it(served: sa.Engine) -> None:
    index = count(served, "SELECT user_index FROM embrec.users WHERE user_id = 'u1'")
    vectors = Vectors(np.arange(30, dtype=np.int32), np.ones((30, 3), np.float32))
    first, second = (records.start(served, FAKE_RUN) for _ in range(2))
    with served.begin() as storing:  # forgotten before the vectors are stored, and while they are
        embeddings.store(storing, first, "user", {"rating": vectors})
        forgetting = threading.Thread(target=ratings.forget_user, args=(served, "u1"))
        forgetting.start()
        forgetting.join(0.5)
        assert forgetting.is_alive(), "it waits for the run that is being stored"
    forgetting.join()
    with served.begin() as storing:
        embeddings.store(storing, second, "user", {"rating": vectors})
    for run in (1, 2, first, second):
        query = f"SELECT count(*) FROM embrec.user_embeddings WHERE model_run_id = {run} AND user_index = {index}"
        assert count(served, query) == 0
    assert count(served, f"SELECT count(*) FROM embrec.user_embeddings WHERE model_run_id = {second}") == 29


def test_who_is_forgotten_while_an_index_is_made_waits_for_nothing_and_is_gone_with_it(served: sa.Engine) -> None:
    index = count(served, "SELECT user_index FROM embrec.users WHERE user_id = 'u1'")
    left = f"SELECT count(*) FROM embrec.user_embeddings WHERE user_index = {index}"
    with served.begin() as indexing:
        indexing.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('embrec.index_run'), 2)"))
        indexing.execute(
            sa.text("LOCK TABLE embrec.user_embeddings_run_2_rating IN SHARE MODE")
        )  # as CREATE INDEX does
        with served.begin() as forgetting:
            forgetting.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
            assert ratings.forget_user(forgetting, "u1")
        assert count(served, f"{left} AND model_run_id = 1") == 0
        assert count(served, f"{left} AND model_run_id = 2") > 0
        indexing.execute(sa.text("SELECT embrec.index_run(2, 'user', 'rating')"))
        before_the_end = threading.Thread(target=ratings.forget_user, args=(served, "u2"))
        before_the_end.start()
        before_the_end.join(0.5)
        assert before_the_end.is_alive(), "it would leave its vectors behind"
    before_the_end.join()
    for user in ("u1", "u2"):
        assert count(served, f"SELECT count(*) FROM embrec.users WHERE user_id = '{user}'") == 0
    forgotten = "SELECT count(*) FROM embrec.user_embeddings JOIN embrec.users USING (user_index)"
    assert count(served, f"{forgotten} WHERE forgotten_at IS NOT NULL") == 0


def test_a_rating_that_comes_at_the_same_moment_is_nobodys(served: sa.Engine) -> None:
    index = count(served, "SELECT user_index FROM embrec.users WHERE user_id = 'u1'")
    with served.connect() as forgetting, served.connect() as rating:
        forgetting.execute(sa.text("SELECT embrec.forget_user('u1')"))

        def rate() -> None:  # it looked the index up before
            rating.execute(sa.text(f"INSERT INTO embrec.ratings VALUES ({index}, 3, 5) ON CONFLICT DO NOTHING"))
            rating.commit()

        thread = threading.Thread(target=rate)
        thread.start()
        thread.join(0.3)
        forgetting.commit()
        thread.join()
    query = f"SELECT count(*) FROM embrec.ratings JOIN embrec.users USING (user_index) WHERE user_index = {index}"
    assert count(served, f"{query} AND user_id NOT LIKE 'forgotten %'") == 0


def test_the_command_asks_first(embrec, url: str, served: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.confirm", lambda *arguments, **options: (_ for _ in ()).throw(KeyboardInterrupt))
    assert embrec("forget", "u1", "--database-url", url)[0] == 130
    assert similar.similar_users(served, "u1", 1).shape[0] == 1
    assert embrec("forget", "u1", "--yes", "--database-url", url)[0] == 0
    code, out, err = embrec("forget", "u1", "--yes", "--database-url", url)
    assert (code, out) == (1, "")
    assert err == "embrec: There is no user with the id 'u1'.\n"

"""The approximate indexes (HNSW): high recall, never a short list, and an exact search if they find too few."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame, stored_run, two_part_run

from embrec.errors import NoPublishedRunError, RunError
from embrec.runs import embeddings, half_precision, index_progress, publishing
from embrec.runs.store import index_users
from embrec.serving import similar
from embrec.training import train


def no_sorting(engine: sa.Engine) -> None:
    """Forbid sorting, or the planner would not use an index for so few rows."""
    with engine.begin() as connection:
        name = connection.scalar(sa.text("SELECT current_database()"))
        for setting in ("enable_seqscan", "enable_sort"):
            connection.execute(sa.text(f"ALTER DATABASE {name} SET {setting} = off"))
    engine.dispose()


@pytest.fixture
def indexed(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> dict[str, np.ndarray]:
    """A published run over 2,000 movies and users, with approximate indexes; returns its vectors."""
    monkeypatch.setattr(embeddings, "INDEXED_FROM", 2_000)
    random = np.random.default_rng(5)
    frame = pd.DataFrame({"user_id": range(2_000), "movie_id": range(2_000), "rating": 3.0})
    load_frame(engine, frame)
    vectors = {side: random.normal(size=(2_000, 8)).astype(np.float32) for side in ("movie", "user")}
    if half := getattr(request, "param", False):
        vectors["user"] = half_precision.rounded(vectors["user"])
    run = stored_run(engine, vectors["movie"], vectors["user"], half)
    publishing.publish(engine, run)
    for side in ("movie", "user"):
        assert embeddings.index(engine, run, side, "rating")
    no_sorting(engine)
    return vectors


@pytest.mark.parametrize(
    ("indexed", "side", "function"),
    [
        (False, "movie", similar.similar_movies),
        (False, "user", similar.similar_users),
        (True, "user", similar.similar_users),
    ],
    indirect=["indexed"],
)
def test_with_an_index_answers_are_nearly_all_numpys_and_never_short(
    engine: sa.Engine, indexed, side: str, function
) -> None:
    found = []
    for number in range(0, 2_000, 50):
        unit = indexed[side] / np.linalg.norm(indexed[side], axis=1, keepdims=True)
        similarity = unit @ unit[number]
        similarity[number] = -2
        expected = np.argsort(-similarity, kind="stable")[:10]
        frame = function(engine, number, 10)
        assert frame["rank"].tolist() == list(range(1, 11))
        assert frame.similarity.is_monotonic_decreasing
        assert str(number) not in set(frame[f"{side}_id"])
        assert np.allclose(frame.similarity, similarity[frame[f"{side}_id"].astype(int)], atol=1e-6)
        found.append(len(set(frame[f"{side}_id"].astype(int)) & set(expected)) / 10)
    assert np.mean(found) > 0.95
    assert len(function(engine, 7, 500)) == 500
    everybody = function(engine, 7, 5_000)
    assert sorted(everybody[f"{side}_id"].astype(int)) == [other for other in range(2_000) if other != 7]
    assert function(engine, 7, 0).empty


def test_who_began_before_there_was_an_index_is_answered_all_the_same(engine: sa.Engine, indexed) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("DROP INDEX embrec.user_embeddings_run_1_rating_hnsw"))
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as earlier:
        assert similar.similar_users(earlier, 8, 1)["rank"].tolist() == [1]
        assert embeddings.index(engine, 1, "user", "rating")
        exact = similar.similar_users(earlier, 7, 3_000)
        assert len(exact) == 1_999
        pd.testing.assert_frame_equal(similar.similar_users(earlier, 7, 10), exact[:10])


@pytest.mark.parametrize("indexed", [False, True], indirect=True, ids=["single", "half"])
def test_the_index_is_used_and_its_settings_stay_inside(engine: sa.Engine, indexed) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("LOAD 'vector'"))
        connection.execute(sa.text("SET hnsw.ef_search = 33"))
        before = connection.scalar(
            sa.text("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname LIKE 'user%hnsw'")
        )
        similar.similar_users(connection, 7)
        assert connection.scalar(sa.text("SHOW hnsw.ef_search")) == "33"
        assert connection.scalar(sa.text("SHOW hnsw.iterative_scan")) == "off"
        connection.commit()
        connection.execute(sa.text("SELECT pg_stat_force_next_flush()"))
        connection.commit()
        query = (
            "EXPLAIN SELECT user_index FROM embrec.user_embeddings_run_1_rating"
            " ORDER BY l2_normalize(coalesce(embedding, half\\:\\:vector))\\:\\:halfvec(8) <=> ("
        )
        plan = connection.scalars(
            sa.text(query + "SELECT embedding\\:\\:halfvec(8) FROM embrec.published_user_embeddings LIMIT 1) LIMIT 11")
        )
        assert "user_embeddings_run_1_rating_hnsw" in "\n".join(plan)
        after = connection.scalar(
            sa.text("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname LIKE 'user%hnsw'")
        )
        assert after == before + 1


def test_users_are_indexed_if_somebody_asks_for_it(
    engine: sa.Engine, url: str, embrec, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_frame(engine, rating_frame(60, 20, 500))
    with pytest.raises(NoPublishedRunError):
        index_users(engine)
    run = train(engine, "matrix-factorization", {"epochs": 1}).model_run_id
    exact = similar.similar_users(engine, "u1", 50)
    few = f"Model run {run} has fewer than 50,000 users: comparing all is quick, and no index was made.\n"
    assert embrec("runs", "index-users", str(run), "--database-url", url) == (0, "", few)
    monkeypatch.setattr(embeddings, "INDEXED_FROM", 60)
    with engine.connect() as connection:
        made = sa.text("SELECT indexrelname FROM pg_stat_user_indexes WHERE indexrelname LIKE 'user%hnsw' ORDER BY 1")
        assert connection.scalars(made).all() == []
        told = f"The users of model run {run} are indexed.\n"
        assert embrec("runs", "index-users", str(run), "--database-url", url) == (0, "", told)
        pd.testing.assert_frame_equal(similar.similar_users(engine, "u1", 50), exact)
        arguments = ("--model", "matrix-factorization", "--epochs", "1", "--database-url", url)
        assert embrec("train", *arguments)[0] == embrec("train", "--index-users", *arguments)[0] == 0
        names = [f"user_embeddings_run_{number}_rating_hnsw" for number in (run, run + 2)]
        assert connection.scalars(made).all() == names
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE embrec.model_runs SET status = 'failed' WHERE model_run_id = {run}"))
    with pytest.raises(RunError, match=f"Model run {run} is failed"):
        index_users(engine, run)


def test_few_vectors_get_no_index(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    assert not embeddings.index(engine, 1, "movie", "similarity")


def test_an_index_in_progress_is_followed(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_progress, "_EVERY_SECONDS", 0.02)
    seen = []
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE public.many AS SELECT generate_series(1, 300) AS a, repeat('x', 2000) AS b")
        )
        body = "BEGIN PERFORM pg_sleep(0.005); RETURN a; END"
        connection.execute(
            sa.text(f"CREATE FUNCTION public.slow(a integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS '{body}'")
        )
    with index_progress.followed(engine, "public.many", lambda *blocks: seen.append(blocks)), engine.begin() as making:
        making.execute(sa.text("CREATE INDEX ON public.many (public.slow(a))"))
    assert len({of for _, of in seen}) == 1
    assert sorted(seen) == seen
    assert seen[0] < seen[-1]


def test_a_training_tells_how_far_storing_is(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    told = []
    train(engine, "matrix-factorization", {"epochs": 1}, progress=lambda *rows: told.append(rows))
    assert told == [(30, 30), (20, 20)]

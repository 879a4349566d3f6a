"""The preview of a run before it is published, explanations for visitors, and the catalogue queries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame, stored_run
from web import two_runs

from embrec import db
from embrec.errors import DatabaseError, UnknownMovieError, UnknownRunError, UnknownUserError, UnreachableError
from embrec.runs import experiments, publishing
from embrec.serving import catalogue, explain, predict, preview, recommend, similar

Ask = Callable[[sa.Connection], object]
ANSWERS: dict[str, Ask] = {
    "similar_movies": lambda c: similar.similar_movies(c, 100),
    "similar_users": lambda c: similar.similar_users(c, "u1"),
    "recommend_movies": lambda c: recommend.recommend_movies(c, "u1", diversity=0.3),
    "recommend_for": lambda c: recommend.recommend_for(c, {"100": 5, "101": 2}),
    "predict_rating": lambda c: predict.predict_rating(c, "u1", 100),
    "predict_ratings": lambda c: predict.predict_ratings(c, ["u1", "u2"], [100, 101]),
    "rating_uncertainty": lambda c: predict.rating_uncertainty(c, "u1", 100),
    "explain_recommendation": lambda c: explain.explain_recommendation(c, "u1", 100),
    "explain_for": lambda c: explain.explain_for(c, {"100": 5, "101": 2}, 102),
    "map_movies": catalogue.map_movies,
}


@pytest.fixture(scope="module")
def engine(shared_engine: sa.Engine) -> sa.Engine:
    """Two runs, of which the first is published; the tests leave it so."""
    two_runs(shared_engine)
    return shared_engine


def plain(answer: object) -> object:
    return answer.to_dict() if isinstance(answer, pd.DataFrame) else answer


@pytest.mark.parametrize("name", ANSWERS)
def test_a_previewed_run_answers_as_it_will_when_it_is_published(engine: sa.Engine, name: str) -> None:
    ask = ANSWERS[name]
    with engine.connect() as connection:
        published = plain(ask(connection))
        with preview.answering_from(connection, 2):
            previewed = plain(ask(connection))
            with preview.answering_from(connection, 1):
                assert plain(ask(connection)) == published
            assert plain(ask(connection)) == previewed
        assert plain(ask(connection)) == published != previewed
        publishing.publish(connection, 2)
        assert plain(ask(connection)) == previewed
        connection.rollback()


def test_a_preview_goes_before_an_experiment_and_ends_with_its_transaction(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        experiments.start(connection, "both", 1, 2, treatment_share=0.999999)
        assert set(recommend.recommend_movies(connection, "u1")["model_run_id"]) == {2}
        with preview.answering_from(connection, 1):
            assert set(recommend.recommend_movies(connection, "u1")["model_run_id"]) == {1}
        connection.rollback()
        with pytest.raises(DatabaseError), db.translated_errors(), preview.answering_from(connection, 2):
            connection.execute(sa.text("SELECT 1 / 0"))
        connection.rollback()
        assert set(similar.similar_movies(connection, 100)["model_run_id"]) == {1}


def test_a_connection_that_is_lost_while_a_run_is_asked_is_reported_as_that(engine: sa.Engine) -> None:
    def lose_and_ask(connection: sa.Connection) -> None:
        own = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        with engine.connect() as other:
            other.execute(sa.text("SELECT pg_terminate_backend(:own, 5000)"), {"own": own})
        similar.similar_movies(connection, 100)

    with engine.connect() as connection, pytest.raises(UnreachableError), preview.answering_from(connection, 2):
        lose_and_ask(connection)


@pytest.mark.parametrize("value", ["9", "0", "-1", "abc", "99999999999999"])
def test_what_is_no_trained_run_is_refused_by_its_value(engine: sa.Engine, value: str) -> None:
    for statement in ("SELECT * FROM embrec.similar_movies(100)", "SELECT * FROM embrec.recommend_movies('u1')"):
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT set_config('embrec.model_run_id', :value, true)"), {"value": value})
            with pytest.raises(sa.exc.DBAPIError, match=f"embrec.model_run_id is {value}, and no trained run has that"):
                connection.execute(sa.text(statement))


def test_a_run_that_is_not_trained_cannot_be_previewed(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("UPDATE embrec.model_runs SET status = 'deleted' WHERE model_run_id = 2"))
        for number in (2, 3):
            with pytest.raises(
                UnknownRunError, match=f"no trained model run {number}. See those there are: embrec runs"
            ):
                preview.answering_from(connection, number).__enter__()
        assert preview.trained_runs(connection)["model_run_id"].tolist() == [1]
        connection.rollback()
    found = preview.trained_runs(engine)
    assert found[["model_run_id", "published", "lowest_rating"]].values.tolist() == [[2, False, 1.0], [1, True, 1.0]]


def test_a_visitor_gets_the_reasons_that_a_user_with_the_same_ratings_gets(engine: sa.Engine) -> None:
    own = catalogue.user_ratings(engine, "u1", 100)
    ratings = dict(zip(own["movie_id"], own["rating"], strict=True))
    expected = explain.explain_recommendation(engine, "u1", 100, None)
    found = explain.explain_for(engine, ratings, 100, None)
    pd.testing.assert_frame_equal(found, expected)
    assert len(found) == len(own)
    assert explain.explain_for(engine, {"nowhere": 5}, 100).empty
    with pytest.raises(UnknownMovieError, match="no movie with the id 'nowhere'"):
        explain.explain_for(engine, ratings, "nowhere")


def test_a_movie_is_described_by_what_was_loaded_and_counted(engine: sa.Engine) -> None:
    frame = rating_frame()
    of_movie = frame[frame["movie_id"] == 103]
    found = catalogue.movie_details(engine, 103).iloc[0]
    assert found[["movie_id", "title", "genres", "release_year", "rating_count"]].tolist() == [
        "103", "Movie 03 of 1983", ["Sci-Fi"], 1983, len(of_movie)
    ]  # fmt: skip
    assert found["mean_rating"] == pytest.approx(of_movie["rating"].mean())
    with pytest.raises(UnknownMovieError, match="no movie with the id '7'"):
        catalogue.movie_details(engine, 7)


def test_a_users_ratings_come_newest_first(engine: sa.Engine) -> None:
    frame = rating_frame()
    of_user = frame[frame["user_id"] == "u3"].sort_values("rated_at", ascending=False)
    found = catalogue.user_ratings(engine, "u3", 4)
    assert found["movie_id"].tolist() == of_user["movie_id"].astype(str).tolist()[:4]
    assert found["rank"].tolist() == [1, 2, 3, 4]
    with pytest.raises(UnknownUserError, match="no user with the id 'nobody'"):
        catalogue.user_ratings(engine, "nobody")


def test_the_map_has_the_most_rated_movies_with_the_vectors_that_are_compared(engine: sa.Engine) -> None:
    found = catalogue.map_movies(engine, 5)
    counts = rating_frame()["movie_id"].value_counts()
    assert found["rating_count"].tolist() == sorted(counts, reverse=True)[:5]
    one, other = (np.array(found["embedding"][row]) for row in (0, 1))
    likeness = one @ other / np.linalg.norm(one)
    near = similar.similar_movies(engine, found["movie_id"][0], 100).set_index("movie_id")
    assert near["similarity"][found["movie_id"][1]] == pytest.approx(likeness, abs=1e-6)


def test_genres_are_counted(engine: sa.Engine) -> None:
    found = catalogue.known_genres(engine)
    assert found.values.tolist() == [
        ["Comedy", 10, 1980, 1998],
        ["Drama", 10, 1981, 1998],
        ["Sci-Fi", 5, 1983, 1999],
    ]


def test_without_anything_there_is_nothing_and_no_error(url: str) -> None:
    empty = db.create_engine(url)
    try:
        for ask in (preview.trained_runs, catalogue.known_genres, catalogue.map_movies):
            assert ask(empty).empty
        load_frame(empty, rating_frame())
        run = stored_run(empty, np.eye(20))
        with empty.connect() as connection, preview.answering_from(connection, run):
            assert len(similar.similar_movies(connection, 100, 3)) == 3
    finally:
        empty.dispose()

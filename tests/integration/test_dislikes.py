"""Dislikes count against movies: in SQL, for every built-in model, in batches and in explanations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame

from embrec import metrics
from embrec.data import ratings
from embrec.models.base import RatingWeights
from embrec.serving import explain, recommend
from embrec.serving.batch import recommend_all
from embrec.training import train

# Quick options of each built-in model.
MODELS = {
    "two-part": {"draws": 20, "dimensions": 16},
    "matrix-factorization": {"dimensions": 7},
    "outer-product": {"epochs": 3, "hidden_units": 20},
}
HORROR = {f"horror {number}": 1 for number in range(8)}


def two_genres(of_own: int = 8, of_other: int = 1) -> pd.DataFrame:
    """Make ratings of 20 horror films and 20 comedies by 120 users, who watch one genre and mostly like it."""
    random = np.random.default_rng(0)
    rows = []
    for user in range(120):
        own, other = ("horror", "comedy") if user % 3 else ("comedy", "horror")
        rows += [(f"u{user}", f"{own} {movie}", random.integers(3, 6)) for movie in random.permutation(20)[:of_own]]
        rows += [(f"u{user}", f"{other} {movie}", random.integers(1, 4)) for movie in random.permutation(20)[:of_other]]
    return pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"]).astype({"rating": float})


@pytest.fixture
def trained(engine: sa.Engine) -> sa.Engine:
    load_frame(engine, two_genres())
    train(engine, "two-part", MODELS["two-part"])
    return engine


def horrors(frame: pd.DataFrame) -> int:
    return int(frame.movie_id.str.startswith("horror").sum())


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3, 4, 5],
        np.arange(0.5, 5.5, 0.5),
        range(1, 11),
        range(1, 101),
        [0.1, 0.2, 0.3, 0.4, 0.5],
        [0, 1],
        [3],
        [-9, 9],
    ],
    ids=str,
)
@pytest.mark.parametrize("dislike", [0.2, 0.0, None])
def test_sql_weighs_ratings_as_the_model_does(
    shared_engine: sa.Engine, values: list[float], dislike: float | None
) -> None:
    given = np.array([*values, min(values) - 1, max(values) + 1], np.float32)
    low, high = float(given[:-2].min()), float(given[:-2].max())
    query = (
        "SELECT embrec.rating_weight(r, CAST(:low AS real), CAST(:high AS real), CAST(1.5 AS real),"
        " CAST(:dislike AS real)) FROM unnest(CAST(:given AS real[])) AS r"
    )
    asked = {"low": low, "high": high, "dislike": dislike, "given": given.tolist()}
    with shared_engine.connect() as connection:
        found = np.array(connection.scalars(sa.text(query), asked).all())
    assert np.allclose(found, RatingWeights(low, high, 1.5, dislike or 0.0).of(given), atol=1e-6)
    assert ((found < 0) == (bool(dislike) & (given <= metrics.disliked_to(low, high)))).all()


@pytest.mark.parametrize("model", MODELS)
def test_what_is_disliked_counts_against_what_resembles_it(engine: sa.Engine, model: str) -> None:
    # Predicted ratings learn taste only from people who rate what they dislike, too.
    load_frame(engine, two_genres(15, 10) if model == "matrix-factorization" else two_genres())
    train(engine, model, MODELS[model])
    loved = recommend.recommend_for(engine, dict.fromkeys(HORROR, 5), 8)
    hated = recommend.recommend_for(engine, HORROR, 8)
    assert not set(hated.movie_id) & set(HORROR)
    if model != "outer-product":  # which learns from no rating that comes after its training
        assert horrors(loved) > 4
        assert horrors(hated) < 2
    basis = "ratings" if model == "matrix-factorization" else "popularity"
    assert set(hated.basis) == {basis}


def test_a_visitor_with_dislikes_alone_gets_what_others_like_and_not_what_resembles_them(trained: sa.Engine) -> None:
    popular = recommend.popular_movies(trained, 100).movie_id.tolist()
    assert horrors(pd.DataFrame({"movie_id": popular[:10]})) > 5, (
        "a newcomer gets the horror films that most people like"
    )
    frame = recommend.recommend_for(trained, HORROR, 100)
    comedies = [movie for movie in popular if movie.startswith("comedy")]
    assert frame.movie_id[:20].tolist() == comedies
    assert frame.score.is_monotonic_decreasing
    assert (frame.score[20:] < 0).all()
    assert len(frame) == 40 - len(HORROR)
    assert horrors(recommend.recommend_for(trained, {"unknown": 1}, 10)) > 5, "nothing is known of what it resembles"
    assert horrors(recommend.recommend_for(trained, {**HORROR, "unknown": 5}, 10)) == 0
    assert set(recommend.recommend_for(trained, HORROR, 3, diversity=0.5).basis) == {"popularity"}


def test_a_like_among_dislikes_ranks_again(trained: sa.Engine) -> None:
    frame = recommend.recommend_for(trained, {**HORROR, "comedy 1": 5}, 10)
    assert (set(frame.basis), horrors(frame)) == ({"ratings"}, 0)
    with_dislikes = recommend.recommend_for(trained, {"horror 1": 5, "comedy 1": 3, "horror 2": 1}, 40)
    without = recommend.recommend_for(trained, {"horror 1": 5, "comedy 1": 3}, 40)
    scores = [each.set_index("movie_id").score for each in (with_dislikes, without)]
    near = [movie for movie in scores[0].index if movie.startswith("horror")]
    assert (scores[0][near] - scores[1][near]).mean() < 0


def test_a_users_batch_and_answer_agree_and_dislikes_alone_get_no_rows(trained: sa.Engine, tmp_path: Path) -> None:
    for movie in HORROR:
        ratings.add_rating(trained, "hater", movie, 1)
    ratings.add_rating(trained, "u1", "comedy 1", 1)
    report = recommend_all(trained, tmp_path / "lists.csv", 5)
    lists = pd.read_csv(tmp_path / "lists.csv")
    assert "hater" not in set(lists.user_id)
    assert report.without == 1
    assert set(recommend.recommend_movies(trained, "hater", 5).basis) == {"popularity"}
    for user in ("u0", "u1", "u2"):
        expected = recommend.recommend_movies(trained, user, 5)
        found = lists[lists.user_id == user]
        assert found.movie_id.tolist() == expected.movie_id.tolist()
        assert np.allclose(found.score, expected.score, atol=1e-5)


def test_a_dislike_is_an_although_and_never_a_because(trained: sa.Engine) -> None:
    given = {"horror 1": 5, "horror 2": 1, "horror 3": 2, "comedy 1": 4, "comedy 2": 1}
    frame = explain.explain_for(trained, given, "horror 4", None).set_index("movie_id")
    assert frame.relation["horror 1"] == "because"
    assert frame.relation[["horror 2", "horror 3"]].tolist() == ["although", "although"]
    assert (frame.contribution[["horror 2", "horror 3"]] < 0).all()
    for movie in ("horror 5", "comedy 5"):
        rows = explain.explain_for(trained, given, movie, None)
        dislikes = rows.rating <= 2
        assert not (rows.relation[dislikes] == "because").any()
        assert (rows.relation[rows.contribution < 0] == "although").all()
        assert rows.relation[dislikes & (rows.contribution > 0)].isna().all()
    scored = recommend.recommend_for(trained, given, 40).set_index("movie_id").score
    assert frame.contribution.sum() == pytest.approx(scored["horror 4"], abs=1e-5)


def test_a_run_that_predicts_ratings_explains_likewise(engine: sa.Engine) -> None:
    load_frame(engine, two_genres())
    train(engine, "matrix-factorization", MODELS["matrix-factorization"])
    rows = explain.explain_for(engine, {"horror 1": 1, "horror 2": 5, "comedy 1": 1}, "horror 3", None)
    assert pd.isna(rows.relation.iloc[0]), "the part of no rating"
    assert not (rows.relation[rows.rating == 1] == "because").any()


def test_an_earlier_run_answers_as_before(trained: sa.Engine) -> None:
    with trained.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.model_runs SET dislike_weight = NULL"))
    loved = recommend.recommend_for(trained, dict.fromkeys(HORROR, 5), 10)
    hated = recommend.recommend_for(trained, HORROR, 10)
    assert hated.movie_id.tolist() == loved.movie_id.tolist()
    assert set(hated.basis) == {"ratings"}


@pytest.mark.parametrize("value", [1.0, 3.0])
def test_ratings_of_one_value_are_all_likes(engine: sa.Engine, value: float) -> None:
    load_frame(engine, two_genres().assign(rating=value))
    train(engine, "two-part", MODELS["two-part"])
    frame = recommend.recommend_for(engine, dict.fromkeys(HORROR, value), 8)
    assert set(frame.basis) == {"ratings"}
    assert horrors(frame) == 8

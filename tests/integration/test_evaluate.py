"""The evaluation: on the real MovieLens 100K, from a file and from the database, and the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame

from embrec import metrics, splits
from embrec.data.arrays import NO_TIME
from embrec.data.files import sources
from embrec.data.files.movies import Movie
from embrec.errors import DataError
from embrec.evaluation import contenders, evaluate
from embrec.evaluation.contender import Contender, Score
from embrec.evaluation.data import EvaluationData, database_data, rating_splits, read_data
from embrec.evaluation.outcome import Outcome, summary
from embrec.models.base import Ratings
from embrec.models.hybrid import TwoPart
from embrec.serving import recommend

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def movielens(ml_100k: Path) -> EvaluationData:
    return read_data(sources.open_source(ml_100k))


@pytest.mark.movielens
def test_the_default_model_predicts_far_better_than_averages_on_fold_u1(movielens: EvaluationData) -> None:
    kept, held = rating_splits(movielens, "official")[0]
    assert held.tolist() == list(range(20_000))
    training, test = movielens.part(kept), movielens.part(held)
    errors = []
    for contender in (contenders.of_model(TwoPart(), draws=60), contenders.biases()):
        assert contender.rate is not None
        predicted = np.clip(contender.rate(training, 0)(test.users, test.movies), 1, 5)
        errors.append(metrics.rmse(predicted, test.ratings))
    assert errors[0] < 0.9, "and .882 with all draws"
    assert 0.95 < errors[1] < 0.97


@pytest.mark.slow
@pytest.mark.movielens
def test_the_default_model_ranks_and_compares_far_better_than_popularity(movielens: EvaluationData) -> None:
    two_part, popularity = contenders.of_model(TwoPart(), draws=30), contenders.popularity()
    ours, most_rated = evaluate.rank(movielens, [two_part, popularity], (0,))
    assert ours.values["NDCG@10"][0] > 0.395
    assert ours.values["Recall@20"][0] > 0.43
    assert 0.15 < most_rated.values["NDCG@10"][0] < 0.19
    assert ours.values["coverage"][0] > 4 * most_rated.values["coverage"][0]
    wars = dict.fromkeys(("50", "172", "181"), "star wars")
    (alike,) = evaluate.compare(movielens, [two_part], (0,), wars)
    assert alike.values["genre Jaccard@10"][0] > 0.37
    assert alike.values["same group, hit@10"] == [1.0]
    assert alike.values["liked along (cosine)"][0] > 0.22
    assert alike.values["liked along (lift)"][0] > 0.09


def test_the_database_gives_the_same_data_as_the_file(engine: sa.Engine) -> None:
    frame = rating_frame()
    movies = [Movie("103", "One", ["Comedy"], 1999), Movie("104", "Two", ["Drama"], None)]
    load_frame(engine, frame, movies)
    found = database_data(engine)
    expected = read_data(sources.from_frame(frame, movies))
    known = dict(zip(expected.movie_ids, expected.genres, strict=True))
    assert dict(zip(found.movie_ids, found.genres, strict=True)) == known
    for way in ("random", "time"):
        errors = [evaluate.rate(data, [contenders.biases()], way)[0].values["RMSE"] for data in (found, expected)]
        if way == "time":  # the split does not depend on the order of the ratings
            assert errors[0] == pytest.approx(errors[1])
        assert len(errors[0]) == (1 if way == "time" else 5)


def test_movies_keep_their_genres_where_others_were_deleted(engine: sa.Engine) -> None:
    frame = rating_frame()
    movies = [Movie("unrated", "None", ["Horror"], 1950)]
    movies += [
        Movie(str(number), f"Film {number}", [f"genre {number}"], 1990) for number in sorted(set(frame.movie_id))
    ]
    load_frame(engine, frame, movies)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM embrec.ratings WHERE movie_index = 3"))
        connection.execute(sa.text("DELETE FROM embrec.movies WHERE movie_index = 3 OR movie_id = 'unrated'"))
    found = database_data(engine)
    assert len(found.movie_ids) == 19
    assert found.genres == [[f"genre {movie}"] for movie in found.movie_ids]


def test_the_order_of_a_file_is_not_in_the_database(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    with pytest.raises(DataError, match="Evaluate the file, or --split random"):
        evaluate.rate(database_data(engine), [contenders.biases()], "official")


def test_too_little_data_is_said() -> None:
    few = read_data(sources.from_frame(rating_frame().head(5), []))
    with pytest.raises(DataError, match="has 5 ratings; evaluating needs 10"):
        evaluate.rate(few, [contenders.biases()], "random")
    with pytest.raises(DataError, match="No held-out movie was liked or watched"):
        evaluate.rank(few, [contenders.popularity()], (0,))


def test_ratings_without_times_cannot_be_split_by_time() -> None:
    data = read_data(sources.from_frame(rating_frame().drop(columns="rated_at"), []))
    assert (data.rated_at == NO_TIME).all()
    with pytest.raises(DataError, match="--split random"):
        evaluate.rate(data, [contenders.biases()], "time")


def test_too_few_movies_cannot_be_compared() -> None:
    data = read_data(sources.from_frame(rating_frame(), []))
    with pytest.raises(DataError, match="3 movies that 20 users rated or watched; too few"):
        evaluate.compare(data, [contenders.of_model(TwoPart())], (0,))


def test_what_was_seen_is_not_recommended_and_the_test_part_is_not_shown() -> None:
    """A contender that knows the training part by heart ranks nothing right; one that cheats is right everywhere."""
    data = read_data(sources.from_frame(rating_frame(), []))
    liked = data.liked

    def by_heart(training: Ratings, seed: int) -> Score:
        assert len(training.ratings) < len(data.ratings.ratings)
        scores = np.zeros((training.user_count, training.movie_count))
        scores[training.users, training.movies] = 1
        return lambda users: scores[users]

    def cheating(training: Ratings, seed: int) -> Score:
        scores = np.zeros((training.user_count, training.movie_count))
        scores[data.ratings.users[liked], data.ratings.movies[liked]] = 1
        return lambda users: scores[users]

    cheat, heart = evaluate.rank(data, [Contender("cheat", rank=cheating), Contender("heart", rank=by_heart)], (0, 1))
    assert cheat.values["NDCG@10"] == [1.0, 1.0]
    assert max(heart.values["NDCG@10"]) < 0.6


def test_the_share_of_held_out_dislikes_in_lists_is_counted() -> None:
    random = np.random.default_rng(0)
    rows = [(f"u{user}", f"m{movie:02}") for user in range(40) for movie in random.permutation(60)[:30]]
    frame = pd.DataFrame(rows, columns=["user_id", "movie_id"])
    frame["rating"] = 1.0 + 2 * (frame.movie_id.str[1:].astype(int) // 20)
    frame.loc[frame.user_id == "u0", "rating"] = 1.0  # who likes nothing counts too
    data = read_data(sources.from_frame(frame, []))
    number = np.array([int(each[1:]) for each in data.movie_ids])
    kept, held = splits.per_user(data.ratings.users, 0.2, 0)
    training, test = data.part(kept), data.part(held)
    for sign in (-1, 1):
        contender = Contender(
            "by number", rank=lambda _training, _seed, sign=sign: lambda users: np.tile(sign * number, (len(users), 1))
        )
        (outcome,) = evaluate.rank(data, [contender], (0,))
        shown = []
        for user in range(40):
            unseen = np.setdiff1d(np.arange(60), training.movies[training.users == user])
            best = sorted(unseen, key=lambda movie: -sign * number[movie])[:10]
            mine = test.users == user
            shown += [movie in best for movie in test.movies[mine & (test.ratings <= 2)]]
        assert outcome.values["dislikes@10"] == [pytest.approx(np.mean(shown))]
        assert (np.mean(shown) > 0.2) == (sign == -1), "the lowest numbers are disliked"


def test_no_share_of_dislikes_is_reported_where_nothing_is_disliked() -> None:
    data = read_data(sources.from_frame(rating_frame().assign(rating=1.0), []))
    (outcome,) = evaluate.rank(data, [contenders.popularity()], (0,))
    assert "dislikes@10" not in outcome.values


@pytest.mark.parametrize("constant", [False, True])
def test_the_popularity_baseline_is_what_newcomers_get(engine: sa.Engine, constant: bool) -> None:
    frame = rating_frame(movies=40, count=200)
    if constant:
        frame["rating"] = 3.0
    load_frame(engine, frame)
    newcomers = recommend.recommend_movies(engine, "nobody", 100).movie_id.tolist()
    for data in (database_data(engine), read_data(sources.from_frame(frame, []))):
        rank = contenders.popularity().rank
        assert rank is not None
        scores = rank(data.ratings, 0)(np.array([0], np.int32))[0]
        assert [data.movie_ids[movie] for movie in np.argsort(-scores)] == newcomers
    counts = frame.groupby("movie_id").size()
    assert counts.nunique() < len(counts), "some are equal"
    if constant:
        expected = sorted(counts.index, key=lambda movie: (-counts[movie], str(movie)))
        assert newcomers == [str(movie) for movie in expected]


def test_equal_scores_are_ranked_by_popularity() -> None:
    data = read_data(sources.from_frame(rating_frame(movies=40, count=400), []))
    flat = Contender("flat", rank=lambda training, seed: lambda users: np.zeros((len(users), 40)))
    found, popular = evaluate.rank(data, [flat, contenders.popularity()], (0,))
    assert found.values == popular.values


def test_lists_are_measured_by_the_movies_that_they_show() -> None:
    """The shares that rank() reports are those of lists made here, movie by movie."""
    data = read_data(sources.from_frame(rating_frame(movies=40, count=400), []))
    kept, held = splits.per_user(data.ratings.users, 0.2, 0)
    training = data.part(kept)
    shares = np.bincount(training.movies, minlength=40) / training.user_count
    number = Contender(
        "by number", rank=lambda _training, _seed: lambda users: np.tile(-np.arange(40.0), (len(users), 1))
    )
    (outcome,) = evaluate.rank(data, [number], (0,))
    asked = np.unique(data.ratings.users[held[data.liked[held]]])
    lists = [np.setdiff1d(np.arange(40), training.movies[training.users == user])[:10] for user in asked]
    assert min(map(len, lists)) < 10, "a list may be short, and then has no movie that the user knows"
    popularity = np.mean([shares[each].mean() for each in lists])
    assert outcome.values["popularity"] == [pytest.approx(popularity)]
    assert outcome.values["coverage"] == [pytest.approx(len(np.unique(np.concatenate(lists))) / 40)]
    own = [shares[training.movies[training.users == user]].mean() for user in asked]
    assert outcome.values["lift"] == [pytest.approx(popularity / np.mean(own) - 1)]
    assert {"light NDCG@10", "heavy NDCG@10", "novelty", "Gini", "distance"} < set(outcome.values)


def test_differences_are_paired() -> None:
    outcomes = [Outcome("t", "a", {"x": [1.0, 2.0, 4.0]}), Outcome("t", "b", {"x": [2.0, 3.0, 5.0], "y": [1.0] * 3})]
    first, second = summary(outcomes)
    assert first["x"] == pytest.approx((7 / 3, np.std([1, 2, 4], ddof=1), 0, 0))
    assert second["x"][2:] == pytest.approx((1, 0)), "the same on every split"
    assert np.isnan(second["y"][2])


def test_one_part_models_rank_by_what_they_predict(movielens_like: EvaluationData) -> None:
    contender = contenders.named("matrix-factorization")
    assert contender.rate is not None
    assert contender.rank is not None
    training = movielens_like.ratings
    predict, score = contender.rate(training, 0), contender.rank(training, 0)
    users = np.array([3, 5], np.int32)
    movies = np.arange(training.movie_count, dtype=np.int32)
    assert np.allclose(score(users)[1], predict(np.full(len(movies), 5, np.int32), movies), atol=1e-5)


@pytest.fixture
def movielens_like() -> EvaluationData:
    return read_data(sources.from_frame(rating_frame(), []))


def test_movies_may_be_unknown_to_the_model(movielens_like: EvaluationData) -> None:
    known = replace(movielens_like, ratings=replace(movielens_like.ratings, movie_features=None))
    (outcome,) = evaluate.rate(known, [contenders.of_model(TwoPart(), draws=2)], "random")
    assert len(outcome.values["RMSE"]) == 5


def test_a_task_that_the_data_do_not_allow_is_left_out_unless_it_was_asked_for(embrec: Run, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    rating_frame().to_csv(path, index=False)
    code, out, err = embrec("evaluate", str(path), "--model", "matrix-factorization", "--seeds", "1")
    assert code == 0
    assert "top-N" in out
    assert "similar: left out. " in err


def test_the_command_prints_a_table_for_each_task(embrec: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = [f"u{user},m{movie},{random.integers(1, 6)}" for user in range(60) for movie in random.permutation(15)]
    path = tmp_path / "ratings.csv"
    path.write_text("user_id,movie_id,rating\n" + "\n".join(lines) + "\n")
    groups = tmp_path / "groups.csv"
    groups.write_text("group,movie_id\na,m1\na,m2\n")
    code, out, err = embrec(
        "evaluate", str(path), "--model", "matrix-factorization", "--seeds", "2", "--groups", str(groups)
    )
    assert code == 0, err
    for expected in (
        "ratings, random",
        "top-N, beyond accuracy",
        "similar movies",
        "biases",
        "popularity",
        "RMSE",
        "NDCG@10",
        "hit@10",
    ):
        assert expected in out
    (line,) = err.splitlines()
    assert line.startswith("next: left out. Of 900 steps"), "and progress is for terminals"
    code, out, err = embrec("evaluate", str(path), "--task", "top-n", "--model", "matrix-factorization", "--json")
    found = json.loads(out)
    assert [each["model"] for each in found] == ["matrix-factorization", "biases", "popularity"]
    assert len(found[0]["values"]["NDCG@10"]) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/no/such/file"], "no file or folder"),
        (["{csv}", "--split", "time", "--task", "ratings"], "--split random"),
        (["{csv}", "--task", "similar", "--groups", "{csv}"], "no CSV file with the columns group and movie_id"),
        (["{csv}", "--groups", "{groups}"], "without its group"),
        (["{csv}", "--task", "similar"], "too few to compare"),
    ],
)
def test_errors_are_one_line(embrec: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user_id,movie_id,rating\n" + "".join(f"u{n % 4},{n},{1 + n % 5}\n" for n in range(12)))
    groups = tmp_path / "groups.csv"
    groups.write_text("movie_id,group\n1\n")
    code, _, err = embrec("evaluate", *(each.format(csv=path, groups=groups) for each in arguments))
    assert code == 1
    assert message in err.splitlines()[-1]

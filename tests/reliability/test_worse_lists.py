"""A run whose lists are much worse than the published run's is withheld, also if its error on ratings hardly moves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame

from embrec.data.extraction import extract
from embrec.data.scale import set_rating_scale
from embrec.errors import WithheldError
from embrec.models.base import Ratings
from embrec.models.ease import model as ease
from embrec.runs import lists, publishing, records
from embrec.serving import recommend
from embrec.training import train

OPTIONS = {"draws": 1, "dimensions": 8, "penalty": 5.0}


def camps(users: int = 120, movies: int = 60) -> pd.DataFrame:
    """Make ratings in six groups: users mostly rate the movies of their own, and rate those higher."""
    random = np.random.default_rng(0)
    own = np.arange(users)[:, np.newaxis] % 6 == np.arange(movies) % 6
    user, movie = np.nonzero(random.random((users, movies)) < np.where(own, 0.8, 0.08))
    rating = np.where(own[user, movie], 4.0, 2.0) + random.integers(0, 2, len(user))
    return pd.DataFrame({"user_id": user.astype(str), "movie_id": movie.astype(str), "rating": rating})


def test_a_run_with_much_worse_lists_is_withheld_unless_forced(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_frame(engine, camps())
    first = train(engine, options=OPTIONS)
    assert first.published
    assert "list_ndcg" not in first.metrics, "there was nothing to compare with"
    again = train(engine, options=OPTIONS)
    assert again.published
    assert again.metrics["list_ndcg"] == pytest.approx(again.metrics["published_list_ndcg"], abs=1e-6)
    good = recommend.recommend_movies(engine, "1", 5).movie_id.tolist()
    preference = ease.Preference

    def shuffled(**parts: object) -> object:
        parts["movie_vectors"] = np.random.default_rng(0).permutation(parts["movie_vectors"])  # type: ignore[call-overload]
        return preference(**parts)  # type: ignore[arg-type]

    monkeypatch.setattr(ease, "Preference", shuffled)
    bad = train(engine, options=OPTIONS)
    assert not bad.published
    assert bad.metrics["train_rmse"] == first.metrics["train_rmse"]
    assert "its lists are much worse than those of the run that was published when it was trained: NDCG@10 is" in str(
        bad.withheld
    )
    with pytest.raises(WithheldError, match="--force"):
        publishing.publish(engine, bad.model_run_id)
    assert recommend.recommend_movies(engine, "1", 5).movie_id.tolist() == good
    assert train(engine, options=OPTIONS, force=True).published


@pytest.mark.parametrize("off", [500.0, 3e6])
def test_one_absurd_rating_does_not_spoil_everybodys_lists(engine: sa.Engine, off: float) -> None:
    """Either the lists are nearly as good as before, or the run is withheld."""
    load_frame(engine, camps())
    train(engine, options=OPTIONS)
    with engine.begin() as connection:
        spoilt = "UPDATE embrec.ratings SET rating = :off WHERE (user_index, movie_index) = (0, 0)"
        assert connection.execute(sa.text(spoilt), {"off": off}).rowcount == 1
    set_rating_scale(engine, 1, off)  # or the training would name the rating
    result = train(engine, options=OPTIONS)
    enough = publishing.WORST_LISTS * result.metrics["published_list_ndcg"] - result.metrics["list_ndcg_margin"]
    assert result.published == (result.metrics["list_ndcg"] >= enough)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("two-part", OPTIONS),
        ("matrix-factorization", {"dimensions": 5}),
        ("outer-product", {"epochs": 1, "hidden_units": 20}),
    ],
)
def test_a_fitted_model_and_its_stored_run_have_the_same_lists(
    engine: sa.Engine, model: str, options: dict[str, float]
) -> None:
    load_frame(engine, camps())
    result = train(engine, model, options)
    arrays = extract(engine)
    hidden = lists.hide(arrays.for_models())
    assert hidden is not None
    with engine.begin() as connection:
        stored = lists.of_run(connection, records.get_run(connection, result.model_run_id), arrays)
    assert np.allclose(lists.quality(stored, hidden), lists.quality(lists.of_model(result.model), hidden))


def test_hidden_ratings_are_a_fifth_of_each_users_and_few_users_say_too_little() -> None:
    frame = camps()
    ratings = Ratings(
        frame.user_id.to_numpy().astype(np.int32),
        frame.movie_id.to_numpy().astype(np.int32),
        frame.rating.to_numpy(np.float32),
        120,
        60,
    )
    hidden = lists.hide(ratings)
    assert hidden is not None
    for place, user in enumerate(hidden.users):
        own = frame[frame.user_id == str(user)]
        left = hidden.left.movies[hidden.left.users == place]
        assert len(left) == len(own) - round(0.2 * len(own))
        relevant = np.flatnonzero(hidden.relevant[place])
        assert not set(relevant) & set(left)
        assert set(relevant) <= set(own.movie_id.astype(int))
    assert lists.hide(ratings.part(np.flatnonzero(ratings.users < 40))) is None


def test_runs_of_other_dimensions_are_compared_by_those_that_both_have(engine: sa.Engine) -> None:
    """A run with more dimensions remembers more of the ratings that are hidden, which both were trained on."""
    load_frame(engine, camps())
    wide = train(engine, options=OPTIONS | {"dimensions": 50})
    narrow = train(engine, options=OPTIONS | {"dimensions": 6})
    assert narrow.published, narrow.withheld
    hidden = lists.hide(extract(engine).for_models())
    assert hidden is not None
    whole, part = (lists.quality(lists.of_model(each.model), hidden).mean() for each in (wide, narrow))
    assert whole > part + 0.05
    assert narrow.metrics["list_ndcg"] == pytest.approx(part)
    assert narrow.metrics["published_list_ndcg"] < whole - 0.05


def test_the_lists_of_few_users_withhold_nothing(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(40, 30, 700))
    train(engine, options=OPTIONS)
    assert "list_ndcg" not in train(engine, "matrix-factorization").metrics

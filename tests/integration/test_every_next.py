"""The next movies of every user of MovieLens 100K, held against a reference in double precision."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import _temporary_database
from data import transitions, two_part_run
from numpy.typing import NDArray

from embrec import db
from embrec.data import loading
from embrec.data.extraction import RatingArrays, extract
from embrec.data.files import sources
from embrec.models.next.base import NextModel
from embrec.models.sequences import Sequences
from embrec.runs import embeddings

pytestmark = pytest.mark.movielens
N = 10


@dataclass
class Reference:
    """The model in double precision, with the movies in the order of ``arrays``."""

    arrays: RatingArrays
    histories: Sequences
    model: NextModel
    popularity: NDArray[np.float64]
    user_ids: list[str]

    def best(self, history: NDArray[np.int32], passing: NDArray[np.bool_]) -> tuple[list[str], NDArray[np.float64]]:
        """Return the first movies that pass, and the scores of all."""
        scores = self.model.score(history)
        ids = np.array(self.arrays.movie_ids)
        order = np.lexsort((ids, self.popularity, -scores))
        return ids[order[passing[order]][:N]].tolist(), scores

    def hold(self, connection: sa.Connection, user: int, passing: NDArray[np.bool_], **given: Any) -> None:
        """Compare the answer for a user; only movies that single precision cannot tell apart may change places."""
        history = self.histories.history(user)
        if "since" in given:
            days = self.histories.days[self.histories.starts[user] : self.histories.starts[user + 1]]
            history = history[days >= given["since"].timestamp() / 86_400]
        wanted, scores = self.best(history, passing)
        named = "".join(f", {name} => :{name}" for name in given)
        statement = sa.text(f"SELECT movie_id, score FROM embrec.recommend_next(CAST(:user AS text), {N}{named})")
        found = connection.execute(statement, {"user": self.user_ids[user], **given}).all()
        at = {movie_id: place for place, movie_id in enumerate(self.arrays.movie_ids)}
        own = [at[row.movie_id] for row in found]
        assert passing[own].all()
        np.testing.assert_allclose([row.score for row in found], scores[own], rtol=0, atol=1e-6)
        if [row.movie_id for row in found] != wanted:
            np.testing.assert_allclose([row.score for row in found], scores[[at[each] for each in wanted]], atol=1e-6)


@pytest.fixture(scope="module", params=[True, False], ids=["rows and vectors", "rows"])
def movielens(
    request: pytest.FixtureRequest, admin: sa.Engine, server_url: str, migrated_template: str, ml_100k: Path
) -> Iterator[tuple[sa.Engine, Reference]]:
    with _temporary_database(admin, server_url, migrated_template) as url:
        engine = db.create_engine(url)
        loading.load(engine, sources.open_source(ml_100k))
        arrays = extract(engine, with_times=True)
        model = transitions(arrays.sequences(), vectors=request.param)
        two_part_run(engine, following=model)
        with engine.connect() as connection:
            likes = dict(
                connection.execute(sa.text("SELECT movie_index, popularity_rank FROM embrec.movie_likes")).all()
            )
            ids = embeddings.external_ids(connection, "user", arrays.user_indexes)
        popularity = np.array([likes.get(index, np.inf) for index in arrays.movie_indexes.tolist()])
        yield engine, Reference(arrays, arrays.sequences(), model, popularity, ids)
        engine.dispose()


def unseen(reference: Reference, user: int) -> NDArray[np.bool_]:
    passing = np.ones(len(reference.arrays.movie_ids), bool)
    passing[reference.histories.history(user)] = False
    return passing


def test_every_user_gets_the_list_of_the_reference(movielens: tuple[sa.Engine, Reference]) -> None:
    engine, reference = movielens
    with engine.connect() as connection:
        for user in range(len(reference.user_ids)):
            reference.hold(connection, user, unseen(reference, user))
    assert len(reference.user_ids) == 943


def test_every_fifth_user_gets_it_with_filters_repeats_and_since(movielens: tuple[sa.Engine, Reference]) -> None:
    engine, reference = movielens
    arrays = reference.arrays
    noir = np.array([bool({"Film-Noir", "Western"} & set(genres)) for genres in arrays.movie_genres])
    years = np.array([np.nan if year is None else year for year in arrays.movie_years])
    often = np.bincount(arrays.movies, minlength=len(arrays.movie_ids)) >= 50
    since = dt.datetime(1998, 1, 1, tzinfo=dt.UTC)
    some = arrays.movie_ids[100:400]
    named = np.isin(arrays.movie_ids, some)
    with engine.connect() as connection:
        for user in range(0, 943, 5):
            new = unseen(reference, user)
            every = np.ones(len(new), bool)
            reference.hold(connection, user, new & noir, genres=["Film-Noir", "Western"])
            recent = (years >= 1980) & (years <= 1995) & often
            reference.hold(connection, user, new & recent, released_from=1980, released_to=1995, min_ratings=50)
            reference.hold(connection, user, every, repeats="allowed")
            reference.hold(connection, user, ~new, repeats="only")
            reference.hold(connection, user, ~new & noir, repeats="only", genres=["Film-Noir", "Western"])
            reference.hold(connection, user, new & named, movie_ids=some)
            reference.hold(connection, user, new, since=since)


def test_the_parts_of_explain_next_add_up_to_the_score(movielens: tuple[sa.Engine, Reference]) -> None:
    engine, reference = movielens
    statement = sa.text(
        "SELECT r.score, sum(e.contribution), min(e.score) FROM embrec.recommend_next(CAST(:user AS text), 3) AS r"
        " CROSS JOIN embrec.explain_next(CAST(:user AS text), r.movie_id, NULL) AS e GROUP BY r.rank, r.score"
    )
    with engine.connect() as connection:
        rows = [row for user in reference.user_ids[::40] for row in connection.execute(statement, {"user": user})]
    assert len(rows) > 60
    score, parts, told = np.array(rows, float).T
    np.testing.assert_allclose(parts, score, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(told, score, rtol=1e-5, atol=1e-7)

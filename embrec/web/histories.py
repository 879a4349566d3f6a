"""The answers about histories: what a user did, what comes next, and why, under the names of the SQL columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from embrec.db.answer import answer, plain
from embrec.serving import next as following
from embrec.serving.query import explain_unknown
from embrec.web.asking import Asking

Row = dict[str, Any]
# Each movie is explained by at most three movies or steps for it, and by one against it.
REASONS = 3


def history(asking: Asking, user_id: str, n: int) -> Row:
    """Return a user's newest ratings and events."""
    with asking.connection() as connection:
        found = plain(following.user_history)(connection, user_id, n)
    return {"user_id": user_id, "history": found.records()}


def next_for_user(asking: Asking, user_id: str, n: int, **others: Any) -> Row:
    """Recommend what a user wants next, with explanations."""
    with asking.connection() as connection:
        explain_unknown(connection, "user", user_id)
        movies = plain(following.recommend_next)(connection, user_id, n, **others).records()
        explained = [row["movie_id"] for row in movies if row["basis"] == "history"]
        reasons = _reasons(connection, user_id, explained)
    for row in movies:
        row["reasons"] = reasons[row["movie_id"], True]
        row["although"] = reasons[row["movie_id"], False]
    return with_run(movies)


def next_for_session(asking: Asking, history: Sequence[str], n: int, **others: Any) -> Row:
    """Recommend what a visitor wants next."""
    with asking.connection() as connection:
        return with_run(plain(following.recommend_next_for)(connection, history, n, **others).records())


def explanation(asking: Asking, user_id: str, movie_id: str) -> Row:
    """Return the contributions of all steps to a movie's score as the next one."""
    with asking.connection() as connection:
        steps = plain(following.explain_next)(connection, user_id, movie_id, None).records()
    scores, runs = ([row.pop(name) for row in steps] for name in ("score", "model_run_id"))
    return {"model_run_id": runs[0] if runs else None, "score": scores[0] if scores else 0.0, "steps": steps}


def continued(asking: Asking, user_id: str, n: int) -> Row:
    """List the movies that a user may go on with."""
    with asking.connection() as connection:
        return {"movies": plain(following.continue_watching)(connection, user_id, n).records()}


def next_after(asking: Asking, movie_id: str, n: int) -> Row:
    """List the movies that most likely follow one."""
    with asking.connection() as connection:
        return with_run(plain(following.next_after)(connection, movie_id, n).records())


def also_watched(asking: Asking, movie_id: str, n: int) -> Row:
    """List the movies that the users of one also watched."""
    with asking.connection() as connection:
        return with_run(plain(following.also_watched)(connection, movie_id, n).records())


def with_run(movies: list[Row]) -> Row:
    """Return the rows, with their common run once instead of in each."""
    runs = [row.pop("model_run_id") for row in movies]
    return {"model_run_id": runs[0] if runs else None, "movies": movies}


def _reasons(connection: sa.Connection, user_id: str, movie_ids: list[str]) -> dict[tuple[str, bool], list[Row]]:
    """Return the steps that contribute most to each movie's score, by the movie and whether they speak for it.

    The step that speaks most against a movie is named if it takes away a tenth of the score or more.
    """
    statement = (
        "SELECT asked.movie_id AS recommended, e.contribution > 0 AS speaks_for, e.movie_id, e.title, e.event_type,"
        " e.occurred_at, e.age, e.contribution"
        " FROM unnest(CAST(:movies AS text[])) AS asked (movie_id) CROSS JOIN LATERAL ("
        " SELECT part.*, row_number() OVER (PARTITION BY part.contribution > 0 ORDER BY part.rank) AS place"
        # Ask for all contributions (NULL): the first few may all speak against it.
        " FROM embrec.explain_next(CAST(:user AS text), asked.movie_id, NULL) AS part"
        f") AS e WHERE e.contribution > 0 AND e.place <= {REASONS}"
        " OR e.contribution < 0 AND e.place = 1 AND -e.contribution >= e.score / 10"
        " ORDER BY asked.movie_id, e.place"
    )
    found: dict[tuple[str, bool], list[Row]] = defaultdict(list)
    for row in answer(connection, statement, movies=movie_ids, user=user_id).records():
        found[row.pop("recommended"), row.pop("speaks_for")].append(row)
    return found

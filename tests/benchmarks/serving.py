"""Time answers as an application asks for them: pgbench's connections with random ids, from 1, 4 and 16 clients.

Compared with plain pgvector on the same server, as its README shows it; implicit in memory; and SELECT 1 as the limit.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import made_up
import numpy as np
import sqlalchemy as sa
from asking import ask
from data import SIZES, Columns
from servers import Server, timed

from embrec.runs.embeddings import INDEXED_FROM
from embrec.serving.batch import recommend_all

CLIENTS = (1, 4, 16)
RATED = 100  # number of ratings of the users in the questions
FILTERS = "genres => '{Comedy,Drama}', released_from => 1990, min_ratings => 50"
PLAIN_FILTERS = "genres && '{Comedy,Drama}' AND release_year >= 1990 AND rating_count >= 50"


@dataclass(frozen=True)
class Question:
    """A question that is asked repeatedly.

    Attributes:
        who: Name of the contender.
        what: Description of the question.
        statement: SQL, with variables such as :user.
        ids: Range of each variable's values, without its end.
        target: Maximum median latency in milliseconds, or None.
        before: SQL to run first.
        exact: SQL with the exact answer in its first column, to compute recall.
    """

    who: str
    what: str
    statement: str
    ids: dict[str, range]
    target: float | None = None
    before: str = ""
    exact: str = ""


def questions(size: str, columns: Columns) -> Iterator[Question]:
    """Yield all questions to the server, in the order to ask them: some change the data of the next."""
    movies, count = range(SIZES[size].movies), SIZES[size].users
    active = range(
        count // 2, count
    )  # users with one or two ratings have ties, so that their nearest users are not unique
    middle, around = int(np.searchsorted(np.bincount(columns[0]), RATED)), count // 50
    trained, changed = range(middle - around, middle), range(middle, middle + around)
    recommend = f"SELECT * FROM embrec.recommend_movies(CAST(:user AS text), {FILTERS})"
    predict = "SELECT embrec.predict_rating(CAST(:user AS text), CAST(:movie AS text))"
    add = "SELECT embrec.add_rating(CAST(:user AS text), CAST(:movie AS text), CAST(:stars AS real))"
    add_to_each = (
        f"SELECT embrec.add_rating(CAST(u AS text), CAST(mod(u, {len(movies)}) AS text), 4.5)"
        f" FROM generate_series({changed[0]}, {changed[-1]}) AS u"
    )
    near_users = "SELECT * FROM embrec.similar_users(CAST(:user AS text))"
    plain = PLAIN.format(table="people", index="user", other="people", distance="<=>", where="id <> :user")
    plain = plain.replace("embedding", "likeness")
    index = "SET maintenance_work_mem = '2GB'; CREATE INDEX ON people USING hnsw (likeness vector_cosine_ops)"
    yield Question("PostgreSQL", "round trip (SELECT 1)", "SELECT 1", {})
    similar = "SELECT * FROM embrec.similar_movies(CAST(:movie AS text))"
    yield Question("embrec", "similar movies", similar, {"movie": movies}, 1)
    yield Question("embrec", "recommend, filters, seen left out", recommend, {"user": trained}, 3)
    yield Question("embrec", "predict a rating", predict, {"user": trained, "movie": movies}, 0.5)
    yield from plain_pgvector(movies, trained)
    yield Question("embrec", "similar users", near_users, {"user": active}, 3, exact=plain)
    yield Question("plain pgvector", "similar users", plain, {"user": active})
    if count < INDEXED_FROM:  # building it for more takes many minutes
        yield Question("plain pgvector", "similar users, HNSW", plain, {"user": active}, before=index, exact=plain)
    pair = {"user": changed, "movie": movies}
    yield Question("embrec", "predict a rating, user's ratings changed", predict, pair, 0.5, before=add_to_each)
    stars = {"user": trained, "movie": movies, "stars": range(1, 6)}
    yield Question("embrec", "add a rating and recommend", f"{add};\n{recommend}", stars, 5)


def questions_of_many_movies(columns: Columns) -> Iterator[Question]:
    """Yield the questions of ranking with very many movies; all candidates that are named are compared."""
    users = range(int(columns[0].max()) + 1)
    every_movie = "movie_ids => (SELECT array_agg(movie_id) FROM embrec.movies)"
    for what, filters in (("recommend, seen left out", ""), ("recommend, filters, seen left out", f", {FILTERS}")):
        statement = f"SELECT * FROM embrec.recommend_movies(CAST(:user AS text){filters})"
        exact = f"SELECT * FROM embrec.recommend_movies(CAST(:user AS text){filters}, {every_movie})"
        yield Question("embrec", what, statement, {"user": users}, exact=exact)


# The query of pgvector's README. Tables are in public, because a role called embrec would see our own schema first.
PLAIN = """SELECT id FROM {table} WHERE {where}
ORDER BY embedding {distance} (SELECT embedding FROM {other} WHERE id = :{index}) LIMIT 10"""
PLAIN_TABLES = """
CREATE TABLE public.items (
    id bigint PRIMARY KEY, embedding vector(64), genres text[], release_year integer, rating_count integer
);
INSERT INTO items
SELECT m.movie_id::bigint, e.embedding, m.genres, m.release_year, s.rating_count
FROM embrec.movie_embeddings AS e JOIN embrec.movies AS m USING (movie_index)
JOIN embrec.movie_statistics AS s USING (movie_index)
WHERE e.part = 'preference' AND e.model_run_id = (SELECT model_run_id FROM embrec.answering_run);
CREATE TABLE public.people (id bigint PRIMARY KEY, embedding vector(64), likeness vector(16));
INSERT INTO people
SELECT u.user_id::bigint, e.embedding, s.embedding
FROM (
    SELECT o.user_index, r.model_run_id, sum(embrec.scaled(p.embedding, embrec.rating_weight(
        o.rating, r.lowest_rating, r.highest_rating, r.rating_power, r.dislike_weight
    ))) AS embedding
    FROM embrec.model_runs AS r
    JOIN embrec.movie_embeddings AS p ON p.model_run_id = r.model_run_id AND p.part = 'profile'
    JOIN embrec.ratings AS o USING (movie_index)
    WHERE r.model_run_id = (SELECT model_run_id FROM embrec.answering_run)
    GROUP BY o.user_index, r.model_run_id
) AS e
JOIN embrec.user_embeddings AS s USING (model_run_id, user_index)
JOIN embrec.users AS u USING (user_index)
WHERE s.part = 'similarity';
ANALYZE items, people"""


def plain_pgvector(movies: range, users: range) -> Iterator[Question]:
    """Yield questions to plain pgvector, as in its README: filters by WHERE, and rated movies are not excluded."""
    similar = PLAIN.format(table="items", index="movie", other="items", distance="<=>", where="id <> :movie")
    recommend = PLAIN.format(table="items", index="user", other="people", distance="<#>", where=PLAIN_FILTERS)
    yield Question("plain pgvector", "similar movies", similar, {"movie": movies}, before=PLAIN_TABLES)
    yield Question("plain pgvector", "recommend, filters", recommend, {"user": users})
    for operator, what, statement, ids in (
        ("cosine", "similar movies, HNSW", similar, {"movie": movies}),
        ("ip", "recommend, filters, HNSW", recommend, {"user": users}),
    ):
        index = f"CREATE INDEX ON items USING hnsw (embedding vector_{operator}_ops)"
        yield Question("plain pgvector", what, statement, ids, before=index, exact=statement)


def answers(postgres: Server, question: Question, seconds: int) -> dict[str, Any]:
    """Measure a row of results: one question, from different numbers of clients."""
    with postgres.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        preparing = 0.0
        if question.before:
            preparing = timed(lambda: connection.exec_driver_sql(question.before))
        found = recall(connection, question, min(100, 20 * seconds)) if question.exact else None
    row = {"who": question.who, "what": question.what, "target": question.target, "recall": found}
    asked = question.statement, question.ids
    row["clients"] = {clients: ask(postgres, *asked, clients, seconds) for clients in CLIENTS}
    if question.who == "embrec":
        row["not prepared"] = ask(postgres, *asked, 1, seconds, "extended")
    print(json.dumps(row | {"preparing": round(preparing, 1)}), file=sys.stderr, flush=True)
    return row


def recall(connection: sa.Connection, question: Question, times: int) -> float:
    """Return the mean recall: the share of the exact answer that is found."""
    random, shares = np.random.default_rng(0), []
    for _ in range(times):
        values = {name: str(random.choice(ids)) for name, ids in question.ids.items()}
        found, right = (
            {str(getattr(row, "movie_id", getattr(row, "user_id", row[0]))) for row in answer}
            for answer in (
                connection.execute(sa.text(question.statement), values).all(),
                exactly(connection, question.exact, values),
            )
        )
        shares.append(len(found & right) / len(right))
    return float(np.mean(shares))


def exactly(connection: sa.Connection, statement: str, values: dict[str, str]) -> Any:
    """Return the rows of a statement, without approximate indexes."""
    connection.execute(sa.text("SET enable_indexscan = off"))
    rows = connection.execute(sa.text(statement), values).all()
    connection.execute(sa.text("RESET enable_indexscan"))
    return rows


def a_million_predictions(postgres: Server, size: str, seed: int = 0) -> float:
    """Return the seconds of one statement that predicts a million ratings of random pairs, the median of three."""
    random = np.random.default_rng(seed)
    pairs = [
        [str(each) for each in random.integers(0, count, 1_000_000)]
        for count in (SIZES[size].users, SIZES[size].movies)
    ]
    with postgres.engine.connect() as connection, connection.connection.driver_connection.cursor(binary=True) as cursor:
        statement = "SELECT user_id, movie_id, predicted_rating FROM embrec.predict_ratings(%s, %s)"
        return statistics.median(timed(lambda: cursor.execute(statement, pairs).fetchall()) for _ in range(3))


def all_lists(postgres: Server) -> float:
    """Return the seconds of writing every user's top 10 to a Parquet file."""
    with tempfile.TemporaryDirectory(prefix="embrec-bench-") as directory:
        return timed(lambda: recommend_all(postgres.engine, Path(directory) / "best.parquet"))


def measure(size: str, seconds: int, shared_buffers: str = "256MB") -> dict[str, Any]:
    """Measure all questions, each for some seconds from each number of clients."""
    with made_up.database(size, shared_buffers) as (postgres, columns):
        found: dict[str, Any] = {"ratings": len(columns[0]), "seconds": seconds, "shared_buffers": shared_buffers}
        asked = list(questions(size, columns))
        found["rows"] = [answers(postgres, question, seconds) for question in asked]
        found["a million predictions"] = a_million_predictions(postgres, size)
        found["all lists"] = all_lists(postgres)
    import in_memory  # needs implicit, which other measurements do without

    found["rows"] += in_memory.measure(columns, asked[2].ids["user"], CLIENTS, seconds)
    print("serving", size, json.dumps(found), file=sys.stderr, flush=True)
    return found


def measure_many_movies(seconds: int) -> dict[str, Any]:
    """Measure recommendations from very many movies."""
    with made_up.database("100k movies", "2GB") as (postgres, columns):
        rows = [answers(postgres, question, seconds) for question in questions_of_many_movies(columns)]
    return {"ratings": len(columns[0]), "seconds": seconds, "shared_buffers": "2GB", "rows": rows}

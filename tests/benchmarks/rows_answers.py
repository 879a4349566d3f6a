"""Answers of both builds in turn, in the server's CPU time and as a client waits for them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import psycopg
from asking import ask
from servers import Database, timed
from stages import QUICKLY, Bench, Figures, Site, Stage, in_turn, of_activity, size_of
from table import Found

RATED = 100  # number of ratings of the users in the questions
FILTERS = "genres => '{Comedy,Drama}', released_from => 1990, min_ratings => 50"
MANY_CLIENTS = 8
CONNECTIONS = 20
PAIRS = 1_000_000
RECOMMEND = f"SELECT * FROM embrec.recommend_movies(CAST(:user AS text), {FILTERS})"
NEXT = "SELECT * FROM embrec.recommend_next(CAST(:user AS text))"
LISTS = "SELECT * FROM embrec.recommend_movies(CAST(:user AS text))"
ADD = "SELECT embrec.add_rating(CAST(:user AS text), CAST(:movie AS text), CAST(:stars AS real))"
QUESTIONS = {
    "similar movies": "SELECT * FROM embrec.similar_movies(CAST(:movie AS text))",
    "similar users": "SELECT * FROM embrec.similar_users(CAST(:user AS text))",
    "predict": "SELECT embrec.predict_rating(CAST(:user AS text), CAST(:movie AS text))",
}
# The query of pgvector's README. Tables are in public, because a role called embrec would see our own schema first.
PLAIN = """SELECT id FROM items
WHERE genres && '{Comedy,Drama}' AND release_year >= 1990 AND rating_count >= 50
ORDER BY embedding <#> (SELECT embedding FROM people WHERE id = :user) LIMIT 10"""
# The baseline's vectors, which it stores of users too. No index is made, so their lengths need not be declared.
PLAIN_TABLES = """
CREATE TABLE public.items (
    id bigint PRIMARY KEY, embedding vector, genres text[], release_year integer, rating_count integer
);
INSERT INTO items
SELECT m.movie_id::bigint, e.embedding, m.genres, m.release_year, s.rating_count
FROM embrec.movie_embeddings AS e JOIN embrec.movies AS m USING (movie_index)
JOIN embrec.movie_statistics AS s USING (movie_index)
WHERE e.part = 'preference' AND e.model_run_id = (SELECT model_run_id FROM embrec.answering_run);
CREATE TABLE public.people (id bigint PRIMARY KEY, embedding vector);
INSERT INTO people
SELECT u.user_id::bigint, e.embedding
FROM embrec.user_embeddings AS e JOIN embrec.users AS u USING (user_index)
WHERE e.part = 'preference' AND e.model_run_id = (SELECT model_run_id FROM embrec.answering_run);
ANALYZE items, people"""
# The catalogues that are compared, and how many times as many movies as the first each has.
CATALOGUES = {"10k": 1, "100k": 10, "1M": 100}
# The same for what comes next.
NEXT_CATALOGUES = {"next": 1, "next, 100k": 30}


def asked(bench: Bench, database: Database, statement: str, ids: Mapping[str, range], clients: int = 1) -> Figures:
    """Ask for the bench's seconds, and return figures by the names of the table."""
    found = ask(database, statement, ids, clients, bench.seconds)
    return {"p50 ms": found["p50"], "CPU ms": found["cpu"], "a second": found["rate"]}


def typical(stage: Stage) -> dict[str, range]:
    """Return users with some hundred ratings, as ids of a question."""
    return {"user": of_activity(stage.training, RATED, max(stage.size.users // 50, 1))}


def each(stage: Stage, measure: Callable[[Site], Figures]) -> dict[str, Callable[[int], Figures]]:
    """Return the measurement of each build's site."""
    return {name: lambda _, site=site: measure(site) for name, site in stage.sites.items()}


def recommend(bench: Bench, size: str, times: int) -> Found:
    """Measure recommendations with filters, and plain pgvector's scan of the baseline's vectors."""
    stage = bench.trained(size_of(size))
    ids, plain = typical(stage), stage.sites["baseline"].database
    plain.run("DROP TABLE IF EXISTS items, people", *PLAIN_TABLES.split(";"), "VACUUM items, people")
    measures = each(stage, lambda site: asked(bench, site.database, RECOMMEND, ids))
    return in_turn(times, {**measures, "plain pgvector": lambda _: asked(bench, plain, PLAIN, ids)})


def others(bench: Bench, size: str, times: int) -> Found:
    """Measure the other questions, and recommendations whose statement is not prepared.

    The baseline has an index of users. Our build makes one on request alone, and compares all here.
    """
    stage = bench.trained(size_of(size))
    pairs = typical(stage) | {"movie": range(stage.size.movies)}

    def of_site(site: Site) -> Figures:
        found: Figures = {}
        for name, statement in QUESTIONS.items():
            ids = {variable: range_ for variable, range_ in pairs.items() if f":{variable} " in statement}
            found |= {f"{name}, {unit}": value for unit, value in asked(bench, site.database, statement, ids).items()}
        unprepared = ask(site.database, RECOMMEND, typical(stage), 1, bench.seconds, "extended")
        return found | {"recommend, not prepared, p50 ms": unprepared["p50"]}

    return in_turn(times, each(stage, of_site))


def clients(bench: Bench, size: str, times: int) -> Found:
    """Measure recommendations a second from several clients at once."""
    stage = bench.trained(size_of(size))
    ids = typical(stage)
    return in_turn(times, each(stage, lambda site: asked(bench, site.database, RECOMMEND, ids, MANY_CLIENTS)))


def add(bench: Bench, size: str, times: int) -> Found:
    """Measure a rating that is added and the recommendation that follows it."""
    stage = bench.trained(size_of(size))
    ids = typical(stage) | {"movie": range(stage.size.movies), "stars": range(1, 6)}
    return in_turn(times, each(stage, lambda site: asked(bench, site.database, f"{ADD};\n{RECOMMEND}", ids)))


def first(bench: Bench, size: str, times: int) -> Found:
    """Measure the first recommendation of each of several connections, without the time to connect."""
    stage = bench.trained(size_of(size))
    users = np.random.default_rng(0).choice(typical(stage)["user"], CONNECTIONS)

    def of_site(site: Site) -> Figures:
        seconds = []
        for user in users:
            with psycopg.connect(site.database.url) as connection:
                begin = time.perf_counter()
                connection.execute("SELECT * FROM embrec.recommend_movies(%s)", [str(user)]).fetchall()
                seconds.append(time.perf_counter() - begin)
        return {"p50 ms": statistics.median(seconds) * 1e3}

    return in_turn(times, each(stage, of_site))


def pairs(bench: Bench, size: str, times: int) -> Found:
    """Measure one statement that predicts the ratings of random pairs."""
    stage = bench.trained(size_of(size))
    random = np.random.default_rng(0)
    asked_of = [
        [str(number) for number in random.integers(0, count, min(PAIRS, stage.size.ratings))]
        for count in (stage.size.users, stage.size.movies)
    ]
    statement = "SELECT user_id, movie_id, predicted_rating FROM embrec.predict_ratings(%s, %s)"

    def of_site(site: Site) -> Figures:
        found: Figures = {}
        with psycopg.connect(site.database.url) as connection, site.database.costs(found):
            cursor = connection.cursor(binary=True)
            found["wall s"] = timed(lambda: cursor.execute(statement, asked_of).fetchall())
        return found

    return in_turn(times, each(stage, of_site))


def catalogues(bench: Bench, size: str, times: int) -> Found:
    """Measure recommendations of our build from catalogues of ten and a hundred times as many movies.

    The baseline is measured at ten times alone, because its index of a hundred times as many takes too long.
    """
    smallest = size_of(size)
    sizes = {name: replace(smallest, movies=smallest.movies * factor) for name, factor in CATALOGUES.items()}
    measures = {}
    for name, each_size in sizes.items():
        stage = bench.trained(each_size, "ours", arguments=QUICKLY)
        ids, site = typical(stage), stage.sites["ours"]
        measures[name] = lambda _, site=site, ids=ids: asked(bench, site.database, RECOMMEND, ids)
    stage = bench.trained(sizes["100k"], "baseline", arguments=QUICKLY)
    baseline, ids = stage.sites["baseline"], typical(stage)
    return in_turn(times, {**measures, "baseline, 100k": lambda _: asked(bench, baseline.database, RECOMMEND, ids)})


def following(bench: Bench, size: str, times: int) -> Found:
    """Measure our build's answers to what comes next, beside its lists, and from thirty times as many movies."""
    smallest, measures = size_of(size), {}
    for name, factor in NEXT_CATALOGUES.items():
        stage = bench.loaded(replace(smallest, movies=smallest.movies * factor), "ours")
        ids, site = typical(stage), stage.sites["ours"]
        site.train(*QUICKLY, "--next")
        site.database.run("VACUUM (ANALYZE)")
        measures.setdefault("lists", lambda _, site=site, ids=ids: asked(bench, site.database, LISTS, ids))
        measures[name] = lambda _, site=site, ids=ids: asked(bench, site.database, NEXT, ids)
    return in_turn(times, measures)

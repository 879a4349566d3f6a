"""Titles are found by their keys in movie_titles as by reading all of them, and triggers keep the keys in step."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import ARRAY

from embrec.serving.search import find_movies, suggest_movies

# Titles of one letter and of thousands, of several scripts, with what separates words or has a meaning in a search.
TITLES = [
    "Star Wars (1977)",
    "Star Trek: First Contact (1996)",
    "Matrix, The (1999)",
    "The",
    "A",
    "",
    "!!! (2000)",
    "Café \N{EN DASH} del Mar",
    "東京物語",
    "Жить (1952)",
    "Spider\N{EN DASH}Man 2",
    "under_score man",
    "It's a \\back\\slash",
    "L'Ami — ''quoted''",
    "Šílený  ~ tilde^hat |&!()<:*>",
    "İstanbul ½ ﬁlm",
    "word " * 300 + "zebra",
    "Star " * 12,
    *(f"Film {number} of the {'long ' * (number % 7)}night" for number in range(60)),
    "Star Oars",
]
TEXTS = ARRAY(sa.Text)
FOLDED = r"regexp_replace(lower(normalize({}, NFKD)), '[\u0300-\u036f]', '', 'g')"
# All titles with each of the words, read one by one.
READ = rf"""
WITH wanted AS (SELECT {FOLDED.format("left(trim(:query), 200)")} AS query),
titles AS (SELECT m.*, {FOLDED.format("m.title")} AS folded FROM embrec.movies AS m WHERE m.title IS NOT NULL)
SELECT t.movie_id
FROM titles AS t
CROSS JOIN wanted AS w
WHERE EXISTS (SELECT FROM regexp_split_to_table(w.query, '[^[:alnum:]\u0080-\U0010ffff]+') AS word WHERE word <> '')
    AND NOT EXISTS (
        SELECT
        FROM regexp_split_to_table(w.query, '[^[:alnum:]\u0080-\U0010ffff]+') AS word
        WHERE strpos(t.folded, word) = 0
    )
ORDER BY t.folded = w.query DESC, starts_with(t.folded, w.query) DESC, length(t.title), t.movie_id COLLATE "C"
"""


@pytest.fixture(scope="module")
def titled(shared_engine: sa.Engine) -> sa.Engine:
    """A database of movies with these titles, and one without a title."""
    with shared_engine.begin() as connection:
        rows = [{"index": index, "id": f"m{index}", "title": title} for index, title in enumerate([*TITLES, None])]
        insert = "INSERT INTO embrec.movies (movie_index, movie_id, title) VALUES (:index, :id, :title)"
        connection.execute(sa.text(insert), rows)
    return shared_engine


def read(engine: sa.Engine, statement: str, **values: object) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.text(statement.replace("[:alnum:]", r"[\:alnum\:]")), values))


def check(engine: sa.Engine, query: str) -> None:
    expected = read(engine, READ, query=query)
    assert find_movies(engine, query, 1000)["movie_id"].tolist() == expected
    assert find_movies(engine, query, 3)["movie_id"].tolist() == expected[:3]


def test_every_part_of_a_title_finds_what_reading_all_titles_does(titled: sa.Engine) -> None:
    choose = random.Random(0)  # noqa: S311
    for title in TITLES[:20]:
        check(titled, title)
        for _ in range(8):
            begin = choose.randrange(len(title) + 1)
            check(titled, title[begin : begin + choose.randint(1, 8)])
        check(titled, " ".join(reversed(title.split()[-3:])).upper())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("abefiklmnorstw 0129'_-\N{EN DASH}^~|&!()<>:*\\éж東"), max_size=6))
def test_any_text_finds_what_reading_all_titles_does(titled: sa.Engine, query: str) -> None:
    check(titled, query)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Sttar Wras", "Star Wars (1977)"),
        ("strr trek frist contact", "Star Trek: First Contact (1996)"),
        ("matrx", "Matrix, The (1999)"),
        ("cafe de mar", "Café \N{EN DASH} del Mar"),
        ("spidr man", "Spider\N{EN DASH}Man 2"),
        ("undr_score", "under_score man"),
        ("жид", None),
        ("it's \\beck\\slash", "It's a \\back\\slash"),
    ],
)
def test_a_slip_suggests_the_title(titled: sa.Engine, query: str, expected: str | None) -> None:
    found = suggest_movies(titled, query, 1)["title"].tolist()
    assert found == ([] if expected is None else [expected])


def suggested(names: list[str], wanted: str) -> list[float]:
    """Return the similarities of the titles that resemble a query, the highest first, by comparing all titles."""
    words = {word for word in re.split(r"[\W_]+", wanted) if word}
    letters = {word: min(len(word) // 2, 3) for word in sorted(words, key=lambda word: (-len(word), word))[:10]}
    longest = max(map(len, words), default=0)
    patterns = [
        rf"\b{word[:number]}|{word[-number:]}\b"
        for word, number in letters.items()
        if number > 0 and (len(word) > 3 or longest <= 3)
    ]
    pairs = {a + b for a, b in itertools.pairwise(f" {wanted} ")}
    found = []
    for name in names:
        shared = sum(pair in f" {name} " for pair in pairs)
        likeness = shared / (len(pairs) + len(name) + 1 - shared)
        alike = sum(bool(re.search(pattern, f" {name} ")) for pattern in patterns)
        if likeness >= 0.3 and alike:
            found.append((likeness, alike))
    close = any(likeness >= 0.6 and alike > 1 for likeness, alike in found)
    return sorted((likeness for likeness, alike in found if alike > close), reverse=True)


def test_titles_suggested_are_those_that_comparing_all_finds(titled: sa.Engine) -> None:
    choose = random.Random(0)  # noqa: S311
    named = "SELECT embrec.named_text(title) FROM embrec.movies WHERE title IS NOT NULL"
    names = read(titled, named)
    for title in [*TITLES[:15], *TITLES[-20:]] * 2:
        at = choose.randrange(len(title) + 1)
        query = title[:at] + choose.choice(["", "x", title[:2]]) + title[at + choose.randrange(3) :]
        (wanted,) = read(titled, "SELECT embrec.named_text(left(trim(:query), 200))", query=query)
        found = suggest_movies(titled, query, 1000)["title"].tolist()
        again = [suggested(read(titled, "SELECT embrec.named_text(:title)", title=each), wanted)[:1] for each in found]
        assert len(set(found)) == len(found)
        assert [each[0] if each else None for each in again] == suggested(names, wanted), query


def test_titles_alike_in_one_word_come_where_too_few_are_in_two(titled: sa.Engine) -> None:
    found = suggest_movies(titled, "Star Trrek", 2)["title"].tolist()
    assert found == ["Star Trek: First Contact (1996)", "Star Wars (1977)"]


def test_one_much_alike_in_two_words_comes_alone(titled: sa.Engine) -> None:
    """Star Oars resembles one word of the query, and has a similarity of 0.54."""
    assert suggest_movies(titled, "Star Warss", 3)["title"].tolist() == ["Star Wars (1977)"]


def test_a_first_load_of_many_titles_builds_the_index_anew(
    engine: sa.Engine, login: Callable[[str], sa.Engine]
) -> None:
    definition = "SELECT pg_get_indexdef('embrec.movie_titles_keys_idx'\\:\\:regclass)"
    oid = "SELECT 'embrec.movie_titles_keys_idx'\\:\\:regclass\\:\\:oid"
    before, first = read(engine, definition), read(engine, oid)
    with login("loader").begin() as connection:
        insert = "INSERT INTO embrec.movies (movie_index, movie_id, title) SELECT i, 'm' || i, 'Film ' || i"
        connection.execute(sa.text(f"{insert} FROM generate_series(0, 9999) AS i"))
        connection.execute(sa.text(f"{insert} FROM generate_series(10000, 20000) AS i"))
    assert read(engine, definition) == before
    assert read(engine, oid) != first
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        found = find_movies(connection, "Film 7777", 1)["movie_id"].tolist()
        assert found == ["m7777"]
        assert find_movies(connection, "Film 17777", 1)["movie_id"].tolist() == ["m17777"]
        assert suggest_movies(connection, "Flim 13579", 1)["movie_id"].tolist() == ["m13579"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.sampled_from("abestrwk \N{LATIN SMALL LETTER E WITH ACUTE}東"), min_size=1, max_size=12),
    st.text(st.sampled_from("abestrwk \N{LATIN SMALL LETTER E WITH ACUTE}東"), min_size=1, max_size=12),
)
def test_the_bits_of_pairs_bound_those_in_common(shared_engine: sa.Engine, first: str, second: str) -> None:
    ours, theirs = ({a + b for a, b in itertools.pairwise(f" {text} ")} for text in (first, second))
    bits = "embrec.pair_bits(:{})"
    bound = f"bit_count({bits.format('a')} & {bits.format('b')}) + cardinality(:a) - bit_count({bits.format('a')})"
    with shared_engine.connect() as connection:
        statement = sa.text(f"SELECT {bound}").bindparams(
            sa.bindparam("a", type_=TEXTS), sa.bindparam("b", type_=TEXTS)
        )
        found = connection.scalar(statement, {"a": sorted(ours), "b": sorted(theirs)})
    assert found >= len(ours & theirs)


def test_a_movie_is_named_by_its_id_or_else_its_title_in_any_case(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        insert = "INSERT INTO embrec.movies (movie_index, movie_id, title) VALUES"
        connection.execute(sa.text(f"{insert} (0, 'a', 'Élan'), (1, 'b', 'Elan'), (2, 'elan', 'B'), (3, 'c', NULL)"))
    named = "SELECT embrec.movie_named(:name)"
    expected = {"ÉLAN": "a", "ELAN": "b", "elan": "elan", "b": "b", "B": "elan", "none": None}
    assert {name: read(engine, named, name=name)[0] for name in expected} == expected


def keys(engine: sa.Engine) -> list[tuple[int, str]]:
    with engine.connect() as connection:
        query = "SELECT movie_index, folded FROM embrec.movie_titles ORDER BY 1"
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_triggers_keep_titles_in_step(engine: sa.Engine) -> None:
    def run(statement: str) -> None:
        with engine.begin() as connection:
            connection.execute(sa.text(statement))

    insert = "INSERT INTO embrec.movies (movie_index, movie_id, title) VALUES"
    run(f"{insert} (0, 'a', 'Élan'), (1, 'b', NULL), (2, 'c', 'X')")
    assert keys(engine) == [(0, "elan"), (2, "x")]
    run("UPDATE embrec.movies SET title = CASE movie_index WHEN 0 THEN 'Verve' WHEN 1 THEN 'Bee' END")
    assert keys(engine) == [(0, "verve"), (1, "bee")]
    assert find_movies(engine, "verve")["movie_id"].tolist() == ["a"]
    assert find_movies(engine, "elan").empty
    versions = "SELECT xmin::text FROM embrec.movie_titles ORDER BY movie_index"
    before = read(engine, versions.replace("::", r"\:\:"))
    run("UPDATE embrec.movies SET release_year = 2000, title = title")
    assert read(engine, versions.replace("::", r"\:\:")) == before
    run("DELETE FROM embrec.movies WHERE movie_index = 0")
    assert keys(engine) == [(1, "bee")]


@pytest.mark.parametrize(
    ("query", "others", "scan"),
    [
        (
            "SELECT FROM embrec.movie_titles WHERE keys @@ embrec.title_query('A', '{star}')",
            ["seqscan"],
            "Bitmap Index Scan on movie_titles_keys_idx",
        ),
        (
            "SELECT movie_index, pair_bits FROM embrec.movie_titles WHERE named_length BETWEEN 3 AND 9",
            ["seqscan", "bitmapscan"],
            "Index Only Scan using movie_titles_bounds_idx",
        ),
    ],
)
def test_the_index_is_used(titled: sa.Engine, query: str, others: list[str], scan: str) -> None:
    """Without other scans an index on another expression could not be used at all."""
    with titled.begin() as connection:
        for other in others:
            connection.execute(sa.text(f"SET LOCAL enable_{other} = off"))
        plan = "\n".join(connection.scalars(sa.text(f"EXPLAIN {query}")))
    assert scan in plan

"""The load of events from files and DataFrames."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import embrec
from embrec.data import loading
from embrec.data.files import delimited
from embrec.data.files.sources import open_source
from embrec.db import binary_copy
from embrec.errors import ArgumentError, DatabaseError, DataError

Row = tuple[Any, ...]
STORED = """
SELECT user_id, movie_id, name, value, extract(epoch FROM occurred_at)::bigint, external_id
FROM embrec.events JOIN embrec.users USING (user_index) JOIN embrec.movies USING (movie_index)
JOIN embrec.event_types USING (event_type) ORDER BY event_id
"""
KEYS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'embrec.events'::regclass
UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'embrec' AND tablename = 'events' ORDER BY 1
"""
CSV = """user_id,movie_id,event_type,value,occurred_at,external_id
ann,m1,play,3,2024-05-01T20:15:00Z,e1
bob,m1,view,,1714594500,
ann,m1,play,3,2024-05-01T20:15:00Z,e2
ann,m2,skip,0.5,,e3
"""
EVENTS: list[Row] = [
    ("ann", "m1", "play", 3.0, 1714594500, "e1"),
    ("bob", "m1", "view", None, 1714594500, None),
    ("ann", "m1", "play", 3.0, 1714594500, "e2"),
    ("ann", "m2", "skip", 0.5, None, "e3"),
]


def rows(engine: sa.Engine, query: str = STORED) -> list[Row]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def load(engine: sa.Engine, path: Path, content: str | bytes, **options: Any) -> embrec.LoadReport:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return loading.load(engine, open_source(path, **options))


def frame(*events: Row) -> pd.DataFrame:
    columns = ["user_id", "movie_id", "event_type", "value", "occurred_at", "external_id"]
    return pd.DataFrame(events, columns=columns).astype({"value": "Float32", "occurred_at": "Int64"})


def as_json(events: list[Row]) -> str:
    names = ("user_id", "movie_id", "event_type", "value", "occurred_at", "external_id")
    return "".join(json.dumps(dict(zip(names, event, strict=True))) + "\n" for event in events)


@pytest.mark.parametrize("kind", [",", ";", "\t", "|", "::", ".gz", "json", "parquet", "frame"])
def test_events_of_every_kind_of_file_are_stored_in_its_order(engine: sa.Engine, tmp_path: Path, kind: str) -> None:
    before = rows(engine, KEYS)
    if kind == "frame":
        report = embrec.load(engine, frame(*EVENTS))
    elif kind == "parquet":
        frame(*EVENTS).to_parquet(tmp_path / "e.parquet")
        report = loading.load(engine, open_source(tmp_path / "e.parquet"))
    elif kind == "json":
        report = load(engine, tmp_path / "e.jsonl", as_json(EVENTS))
    elif kind == ".gz":
        report = load(engine, tmp_path / "e.csv.gz", gzip.compress(CSV.encode()))
    else:
        report = load(engine, tmp_path / "e.csv", CSV.replace(",", kind))
    assert rows(engine) == EVENTS
    assert (report.read, report.inserted, report.kind, report.new_users, report.new_movies) == (4, 4, "events", 2, 2)
    assert (report.types, report.new_types) == (("play", "view", "skip"), ("skip",))
    assert rows(engine, "SELECT weight, kind FROM embrec.event_types WHERE name = 'skip'") == [(1, "interest")]
    assert rows(engine, KEYS) == before, "keys and indexes are as they were"


def test_two_columns_are_enough_and_lines_are_the_order(engine: sa.Engine, tmp_path: Path) -> None:
    report = load(engine, tmp_path / "e.csv", "user,item\na,3\na,1\nb,2\na,3\na,3\n")
    assert (report.inserted, report.types, report.new_types) == (5, ("event",), ())
    assert [row[:3] for row in rows(engine)] == [
        (user, movie, "event") for user, movie in zip("aabaa", "31233", strict=True)
    ]
    report = load(engine, tmp_path / "e.dat", "7::9\n7::8\n", event_type="play")
    assert [row[:3] for row in rows(engine)[5:]] == [("7", "9", "play"), ("7", "8", "play")]


@pytest.mark.parametrize(
    ("header", "options", "expected"),
    [
        ("userID,artistID,weight", {"columns": {"movie_id": "artistID"}}, ("event", 2.0, None)),
        ("user,item,plays,time", {}, ("event", 2.0, 5)),
        ("user,item,rating,timestamp", {"event_type": " play "}, ("play", None, 5)),
        ("user,item,rating,when", {"columns": {"value": "rating", "rated_at": "when"}}, ("event", 2.0, 5)),
        ("user,item,type,timestamp", {"event_type": "play"}, ("play", None, 5)),
        ("user,item,action,occurred_at", {}, ("2", None, 5)),
        ("user,item,x,y", {"columns": {"event_type": "x", "occurred_at": "y"}}, ("2", None, 5)),
    ],
)
def test_columns_by_their_names_or_by_options(
    engine: sa.Engine, tmp_path: Path, header: str, options: dict[str, Any], expected: Row
) -> None:
    load(
        engine, tmp_path / "e.csv", f"{header}\nu,m,2,5\n" if header.count(",") > 2 else f"{header}\nu,m,2\n", **options
    )
    assert [row[2:5] for row in rows(engine)] == [expected]


def test_a_column_rating_says_that_rows_are_ratings(engine: sa.Engine, tmp_path: Path) -> None:
    report = load(engine, tmp_path / "r.csv", "user,item,rating,event\nu,m,2,play\n")
    assert (report.kind, rows(engine)) == ("ratings", [])
    report = load(engine, tmp_path / "r.csv", "user,item,stars,event\nu,m,2,play\n", columns={"rating": "stars"})
    assert (report.kind, report.unchanged, rows(engine)) == ("ratings", 1, [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"rating": "a", "value": "b"}}, "--rating-column and --value-column are both given"),
        ({"columns": {"rating": "a"}, "event_type": "play"}, "--rating-column and --event-type are both given"),
        ({"columns": {"event_type": "a"}, "event_type": "play"}, "one of the two"),
        ({"columns": {"rated_at": "a", "occurred_at": "b"}}, "both name the time"),
        ({"event_type": "rating"}, "is 'rating', which is no type of events; name one"),
        ({"event_type": " "}, "is empty; name one"),
        ({"event_type": "x" * 101}, "longer than 100 bytes"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        open_source(tmp_path, **options)


def test_a_folder_of_ratings_has_no_types_of_events(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("1\t2\t3\t4\n")
    with pytest.raises(DataError, match="is a folder, and folders have names of their own"):
        open_source(tmp_path, event_type="play")


def test_loading_again_changes_nothing(engine: sa.Engine, tmp_path: Path) -> None:
    load(engine, tmp_path / "e.csv", CSV)
    report = load(engine, tmp_path / "e.csv", CSV)
    assert (report.read, report.inserted, report.unchanged) == (4, 0, 4)
    assert rows(engine) == EVENTS
    report = load(engine, tmp_path / "e.csv", CSV.replace("bob,m1,view,", "bob,m1,view,1").replace("0.5", "7"))
    assert (report.inserted, report.unchanged) == (1, 3), "an event is known by its external id, whatever else it says"
    assert rows(engine) == [*EVENTS, ("bob", "m1", "view", 1.0, 1714594500, None)]


def test_equal_events_are_counted(engine: sa.Engine) -> None:
    once, untimed = ("a", "m", "play", None, 5, None), ("a", "m", "play", 1.0, None, None)
    assert embrec.load(engine, frame(once, once, untimed)).inserted == 3, "repeats within an input are events"
    report = embrec.load(engine, frame(once, untimed, once, untimed, once))
    assert (report.inserted, report.unchanged) == (2, 3)
    assert Counter(rows(engine)) == {once: 3, untimed: 2}
    # An event with an external id is one more; without, the same event is known by what it says.
    assert embrec.load(engine, frame((*once[:5], "x"))).inserted == 1
    assert embrec.load(engine, frame(*[once] * 5)).inserted == 1


def test_of_several_rows_with_one_external_id_the_first_is_stored(engine: sa.Engine) -> None:
    for number in range(2):
        user = f"u{number}"
        report = embrec.load(
            engine,
            frame((user, "m", "play", 1, 9, user), (user, "m", "play", 2, 8, user), (user, "m", "view", None, 9, None)),
        )
        assert (report.read, report.inserted, report.unchanged) == (3, 2, 1)
    assert [row[3] for row in rows(engine)] == [1, None, 1, None]


def test_values_up_to_a_billion_and_times_to_a_day_ahead(engine: sa.Engine, tmp_path: Path) -> None:
    now = int(dt.datetime.now(dt.UTC).timestamp())
    load(engine, tmp_path / "e.csv", f"user,item,count,time\na,m,1000000000,{now + 86_000}\na,m,0,-10\n")
    assert [row[3:5] for row in rows(engine)] == [(1e9, now + 86_000), (0, -10)]
    bad = tmp_path / "bad.csv"
    path = tmp_path / "e.csv"
    path.write_text(
        f"user,item,type,count,time,external_id\na,m,play,1e10,5,\na,m,play,1,{now + 90_000},\n,m,play,1,5,\n"
        f"a,m,play,nan,5,\na,m,,1,5,\na,m,rating,1,5,\na,m,play,1,5,{'x' * 501}\nb,n,play,,,\n"
    )
    report = loading.load(engine, open_source(path), reject_to=bad)
    assert (report.read, report.inserted, report.rejected) == (1, 1, 7)
    with open(bad, newline="") as file:
        found = [(row["line"], row["column"], row["reason"]) for row in csv.DictReader(file)]
    assert found == [
        ("2", "value", "not from 0 to 1,000,000,000"),
        ("3", "occurred_at", "more than a day in the future; is the clock right?"),
        ("4", "user_id", "empty"),
        ("5", "value", "not a finite number"),
        ("6", "event_type", "empty"),
        ("7", "event_type", "'rating', which is no type of events"),
        ("8", "external_id", "longer than 500 bytes"),
    ]


def test_ratings_and_events_live_side_by_side(engine: sa.Engine, tmp_path: Path) -> None:
    ratings = rating_frame()
    load_frame(engine, ratings)
    report = load(engine, tmp_path / "e.csv", "user,item\nu1,100\nnew,100\n")
    assert (report.new_users, report.new_movies) == (1, 0)
    assert load_frame(engine, ratings).unchanged == len(ratings)
    assert len(rows(engine)) == 2
    with pytest.raises(DataError, match="has events, and a scale is one of ratings. Load it without --scale"):
        loading.load(engine, open_source(tmp_path / "e.csv"), scale=(1, 5))


def test_movies_and_users_are_described(engine: sa.Engine, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("movie_id,title\nm,Heat\nn,Ran\n")
    (tmp_path / "u.csv").write_text("user_id,age\na,20\nz,30\n")
    load(engine, tmp_path / "e.csv", "user,item\na,m\n", movies=tmp_path / "m.csv", users=tmp_path / "u.csv")
    assert rows(engine, "SELECT movie_id, title FROM embrec.movies") == [("m", "Heat"), ("n", "Ran")]
    assert rows(engine, "SELECT user_id, labels FROM embrec.users") == [("a", ["age 20"])]


def test_blocks_of_a_file_are_one_sequence(engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 100)
    monkeypatch.setattr(binary_copy, "COPY_BLOCK_ROWS", 7)
    made = [
        f"u{n % 3},m{n % 5},{'ab'[n % 2]},{n if n % 4 else ''},{n // 10 or ''},{n if n % 6 else ''}" for n in range(200)
    ]
    load(engine, tmp_path / "e.csv", "user,item,type,value,time,external_id\n" + "\n".join(made) + "\n")
    assert rows(engine) == [
        (f"u{n % 3}", f"m{n % 5}", "ab"[n % 2], n if n % 4 else None, n // 10 or None, str(n) if n % 6 else None)
        for n in range(200)
    ]


SOME = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from("12"),
    st.sampled_from(["play", "view"]),
    st.sampled_from([None, 1.0, 2.0]),
    st.sampled_from([None, 0, 7]),
    st.sampled_from([None, None, None, "x", "y", "z"]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(SOME, min_size=1, max_size=8), min_size=1, max_size=3))
def test_any_loads_end_as_their_rows_would_by_the_rules(engine: sa.Engine, loads: list[list[Row]]) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE embrec.ratings, embrec.events, embrec.users, embrec.movies CASCADE"))
    expected: list[Row] = []
    for events in loads:
        before, seen = Counter(event[:5] for event in expected), Counter()
        known = {event[5] for event in expected}
        for event in events:
            if event[5] is None:
                seen[event] += 1
                new = seen[event] > before[event[:5]]
            else:
                new = event[5] not in known
                known.add(event[5])
            if new:
                expected.append(event)
        embrec.load(engine, frame(*events))
    assert rows(engine) == expected


COUNTED = """
SELECT movie_id, name, event_count FROM embrec.event_counts JOIN embrec.movies USING (movie_index)
JOIN embrec.event_types USING (event_type) ORDER BY 1, 2
"""


@pytest.mark.parametrize("from_table", [False, True], ids=["file", "table"])
def test_counts_are_those_of_all_events_whatever_is_loaded_first(engine: sa.Engine, from_table: bool) -> None:
    load_frame(engine, rating_frame())

    def load(times: int) -> None:
        if from_table:
            query = f"""
                SELECT n % 2 AS user_id, 100 + n % 3 AS movie_id, 'play' AS event_type, n AS external_id
                FROM generate_series(1, {times}) AS n
            """
            embrec.load_from_table(engine, embrec.TableSource(query=query))
        else:
            embrec.load(
                engine, frame(*((str(n % 2), str(100 + n % 3), "play", 1, None, str(n)) for n in range(1, times + 1)))
            )

    with engine.connect() as connection:
        before = embrec.popular_movies(connection, 3, min_ratings=0).movie_id.tolist()
    load(30)
    assert rows(engine, COUNTED) == [(str(movie), "play", 10) for movie in (100, 101, 102)]
    load(100)
    assert rows(engine, COUNTED) == [("100", "play", 33), ("101", "play", 34), ("102", "play", 33)]
    assert rows(engine, "SELECT count(*) FROM embrec.uncounted_events") == [(0,)]
    popular = embrec.popular_movies(engine, 3)
    assert set(popular.movie_id) == {"100", "101", "102"} != set(before)
    with engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE embrec.ratings"))
    load_frame(engine, rating_frame())
    assert rows(engine, "SELECT sum(event_count), sum(rating_count) FROM embrec.movie_counts") == [
        (100, len(rating_frame()))
    ]


def test_a_table_with_rows_that_others_refer_to_is_filled_with_its_keys(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE mine (event bigint REFERENCES embrec.events)"))
    before = rows(engine, KEYS)
    embrec.load(engine, frame(*EVENTS))
    assert rows(engine) == EVENTS
    assert rows(engine, KEYS) == before


def test_columns_with_nulls_and_text_pass_through_copy(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary_copy, "COPY_BLOCK_ROWS", 3)
    numbers = np.ma.masked_array(np.arange(7, dtype=np.int32), [1, 0, 0, 0, 0, 0, 1])
    texts = pa.array(["", None, "né\n", "x" * 300, None, None, "b"], pa.large_string())
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE TEMP TABLE t (i integer, s text, b bigint)"))
        binary_copy.copy_arrays(connection, "t (i, s, b)", [numbers, texts, np.arange(7)])
        found = connection.execute(sa.text("SELECT i, s, b FROM t ORDER BY b")).all()
    assert [tuple(row) for row in found] == list(zip(numbers.tolist(), texts.to_pylist(), range(7), strict=True))


def test_new_types_get_free_numbers(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO embrec.event_types (event_type, name) VALUES (9, 'a'), (32767, 'b')"))
    with pytest.raises(DatabaseError, match=r"name\) VALUES \(8, 'skip'\)"):
        embrec.add_event(engine, "ann", "m1", "skip")
    embrec.load(engine, frame(("ann", "m1", "skip", 1, 0, None), ("ann", "m1", "rent", 1, 0, None)))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE public.acts (id int PRIMARY KEY, u int, m int, kind text)"))
        connection.execute(sa.text("SELECT embrec.follow_table('public.acts', 'u', 'm', type_column => 'kind')"))
        connection.execute(sa.text("INSERT INTO public.acts VALUES (1, 1, 1, 'save'), (2, 1, 1, 'drop')"))
    numbers = rows(engine, "SELECT event_type, name FROM embrec.event_types WHERE event_type > 7 ORDER BY 1")
    assert numbers == [(8, "skip"), (9, "a"), (10, "rent"), (11, "save"), (12, "drop"), (32767, "b")]


def test_numbers_of_events_go_on_where_they_were(engine: sa.Engine) -> None:
    embrec.add_event(engine, "ann", "m1", "play")
    embrec.remove_event(engine, "ann", "m1")
    embrec.load(engine, frame(*EVENTS))  # into the empty table
    embrec.add_event(engine, "ann", "m1", "play")
    embrec.load(engine, frame(("eve", "m3", "play", None, None, "e9")))
    assert rows(engine, "SELECT event_id FROM embrec.events ORDER BY event_id") == [(n,) for n in range(2, 8)]
    assert rows(engine)[:4] == EVENTS


def test_the_command_says_how_it_read_the_rows(engine: sa.Engine, url: str, embrec: Any, tmp_path: Path) -> None:
    path, at = tmp_path / "e.csv", ["--database-url", url]
    path.write_text("user,item,stars\na,m,3\na,m,3\n")
    code, out, err = embrec("load", str(path), *at)
    assert (code, out) == (0, "2 events read: 2 new, 0 unchanged, 0 rejected; 1 new users, 1 new movies.\n")
    assert "There is no column rating, so the rows were read as events of the type 'event'." in err
    assert "--rating-column NAME" in err
    code, out, err = embrec("load", str(path), "--event-type", "stream", "--value-column", "stars", *at)
    assert (code, out) == (0, "2 events read: 2 new, 0 unchanged, 0 rejected; 0 new users, 0 new movies.\n")
    assert "Events of the new types stream count with weight 1." in err
    code, out, err = embrec("load", str(path), "--type-column", "stars", "--json", *at)
    assert json.loads(out) == {
        **{"read": 2, "inserted": 2, "updated": 0, "unchanged": 0, "rejected": 0, "new_users": 0, "new_movies": 0},
        **{"years_left_out": 0, "kind": "events", "types": ["3"], "new_types": ["3"]},
    }
    code, out, err = embrec("load", str(path), "--rating-column", "stars", "--id-column", "item", *at)
    assert (code, out) == (1, "")
    assert "--rating-column and --id-column are both given. Give one of them." in err

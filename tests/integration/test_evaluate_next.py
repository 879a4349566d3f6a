"""The evaluation of the next step from files and from the database, in Python and by the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame

import embrec
from embrec.data.event_arrays import DEFAULT_TYPES
from embrec.data.files import sources
from embrec.errors import ConfigError, DataError
from embrec.evaluation.data import database_data, read_data

Run = Callable[..., tuple[int, str, str]]

# Each user watches a run of ten movies in their order, and so what comes next is certain.
RUN = """
INSERT INTO embrec.users (user_index, user_id) SELECT number, 'u' || number FROM generate_series(0, 29) number;
INSERT INTO embrec.movies (movie_index, movie_id) SELECT number, 'm' || number FROM generate_series(0, 39) number;
INSERT INTO embrec.events (user_index, movie_index, event_type, occurred_at)
SELECT user_index, (user_index + place) % 40, 1, timestamp '2026-01-01' + (user_index + place) * interval '1 day'
FROM generate_series(0, 29) user_index, generate_series(0, 9) place
"""
MODELS = ["embrec", "popularity", "popularity, 7 days", "Markov", "rules"]


def run(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for statement in RUN.split(";"):
            connection.execute(sa.text(statement))


@pytest.mark.parametrize("split", ["leave-last-out", "time"])
def test_events_alone_can_be_evaluated(engine: sa.Engine, split: str) -> None:
    run(engine)
    found = embrec.evaluate(engine, tasks=["next"], split=split)
    assert set(found.task) == {f"next, {split}"}
    assert found.model.unique().tolist() == MODELS
    hits = found[found.metric == "HR@10"].set_index("model")["mean"]
    if split == "leave-last-out":
        assert hits["Markov"] == pytest.approx(28 / 30), "nobody else has watched what the last two watch last"
        assert hits["embrec"] >= hits["Markov"]
        assert hits["popularity"] < 0.7


def test_a_file_of_events_is_evaluated_as_the_database_is(engine: sa.Engine, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "user_id": [f"u{user}" for user in random.integers(0, 20, 300)],
            "movie_id": [f"m{movie}" for movie in random.integers(0, 30, 300)],
            "event_type": random.choice(["view", "play", "dislike", "stream"], 300),
            "value": random.choice([np.nan, 1.0, 50.0], 300),
            "occurred_at": pd.to_datetime(random.integers(0, 40, 300), unit="D").where(random.random(300) < 0.8),
        }
    )
    frame.to_parquet(tmp_path / "events.parquet")
    source = sources.open_source(tmp_path / "events.parquet")
    embrec.load(engine, source)
    found, expected = database_data(engine), read_data(source)
    assert len(expected.ratings.ratings) == 0
    for name in ("users", "movies", "values", "occurred_at"):
        np.testing.assert_array_equal(getattr(found.events, name), getattr(expected.events, name))
    for name in ("starts", "movies", "days"):
        np.testing.assert_array_equal(getattr(found.sequences(), name), getattr(expected.sequences(), name))
    types = [[data.events.known_types[number] for number in data.events.types.tolist()] for data in (found, expected)]
    assert types[0] == types[1]


def test_events_in_no_database_have_the_types_of_a_new_one(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT name, weight, kind, half_life FROM embrec.event_types")).all()
    known = {row.name: (row.weight, row.kind) for row in rows if row.name != "rating"}
    assert known.keys() == DEFAULT_TYPES.keys()
    for name, (weight, kind) in DEFAULT_TYPES.items():
        assert known[name] == (pytest.approx(weight), kind)
    assert all(row.half_life is None for row in rows)


def test_the_database_gives_the_same_histories_as_the_file(engine: sa.Engine) -> None:
    frame = rating_frame()
    load_frame(engine, frame)
    found, expected = database_data(engine).sequences(), read_data(sources.from_frame(frame, [])).sequences()
    for one, other in ((found.movies, expected.movies), (found.starts, expected.starts), (found.days, expected.days)):
        np.testing.assert_array_equal(one, other)


def test_what_data_do_not_allow_is_left_out_unless_it_is_named(engine: sa.Engine) -> None:
    untimed = sources.from_frame(rating_frame().drop(columns="rated_at"), [])
    with pytest.raises(DataError, match="are ratings without a time, so their order is unknown"):
        embrec.evaluate(untimed, tasks=["next"])
    found = embrec.evaluate(untimed, models=["matrix-factorization"], seeds=1)
    assert set(found.task) == {"ratings, random", "top-N"}
    with pytest.raises(ConfigError, match="There is no task soon"):
        embrec.evaluate(untimed, tasks=["soon"])
    with pytest.raises(ConfigError, match="next: leave-last-out, time"):
        embrec.evaluate(untimed, tasks=["next"], split="official")
    with pytest.raises(DataError, match="allows no task"):
        embrec.evaluate(sources.from_frame(rating_frame().head(3).drop(columns="rated_at"), []), models=[])


def test_the_command_prints_what_was_measured_and_what_was_left_out(embrec: Run, tmp_path: Path) -> None:
    rows = [(f"u{user}", f"m{(user + place) % 12}", 1, 86_400 * place) for user in range(12) for place in range(6)]
    rows += [("once", "m1", 1, 5), ("again", "m1", 1, 6), ("again", "m2", 1, 7)]
    path = tmp_path / "ratings.csv"
    pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "rated_at"]).to_csv(path, index=False)
    code, out, err = embrec("evaluate", str(path), "--task", "next")
    assert code == 0, err
    assert "users: 12, steps that repeat: 0, users with too few steps: 2" in out
    assert all(each in out for each in (*MODELS, "HR@10", "NDCG@10", "MRR@20", "coverage"))
    code, out, err = embrec("evaluate", str(path), "--task", "next", "--repeats", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert [each["model"] for each in found] == MODELS
    assert found[0]["facts"]["users"] == 12
    assert found[3]["values"]["HR@10"] == [1.0]
    assert "repeats@10" in found[0]["values"]
    code, _, err = embrec("evaluate", str(path), "--task", "next", "--split", "random")
    assert code == 1
    assert "No task to evaluate has the split random" in err

"""The report on a database of events alone, and of ratings and events."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from data import play_frame, played

from embrec.data import events
from embrec.data.extraction import extract
from embrec.models.next.selection import hold_out
from embrec.report import figures, following, write_report
from embrec.report.accuracy import NEXT
from embrec.report.findings import Findings, gather
from embrec.serving import next as asked

HOSTILE = "</script><img src=x onerror=alert(1)>"


def found(engine: sa.Engine, run: int | None = None) -> Findings:
    with engine.connect() as connection:
        return gather(connection, run)


def text_of(engine: sa.Engine, path: Path) -> str:
    write_report(engine, path / "report.html")
    page = (path / "report.html").read_text()
    return re.sub("<(style|script).*?</(style|script)>", "", page, flags=re.DOTALL)


@pytest.fixture(scope="module")
def engine(shared_engine: sa.Engine) -> sa.Engine:
    """A database of events alone, with a trained run."""
    played(shared_engine)
    return shared_engine


@pytest.fixture(scope="module")
def report(engine: sa.Engine) -> Findings:
    return found(engine)


def test_events_alone_have_a_report_without_figures_of_ratings(engine: sa.Engine, tmp_path: Path) -> None:
    text = text_of(engine, tmp_path)
    sections = re.findall(r'<section class="card[^"]*" id="(\w+)"', text)
    assert sections == ["metrics", "events", "next", "map", "coverage", "neighbours", "drift", "record"]
    assert re.findall(r'<li><a href="#(\w+)"', text) == sections
    assert "There are no ratings. A predicted rating and its error would say nothing" in text
    for absent in ("RMSE", "MAE", "nan", "NaN", "biases", "0 ratings"):
        assert absent not in text, absent
    assert f"on {len(play_frame())} events of 30 users and 12 movies." in text


def test_events_are_counted(report: Findings) -> None:
    frame = play_frame()
    assert (report.ratings_now, report.events_now) == (0, len(frame))
    assert report.activity is not None
    assert (report.activity.names, report.activity.counts.tolist()) == (["play"], [len(frame)])
    assert report.steps is not None
    assert report.steps.count == len(frame), "the same type twice is two steps"
    assert report.steps.median == frame.groupby("user_id").size().median()
    assert report.steps.repeated == pytest.approx(frame.duplicated(["user_id", "movie_id"]).mean())
    pairs = frame.drop_duplicates(["user_id", "movie_id"])["movie_id"].value_counts()
    assert sorted(report.counts) == sorted(pairs)
    assert set(figures.names(report)) == {"coverage", "events", "steps", "map", "neighbours"}


def test_what_comes_next_stands_beside_baselines_on_the_same_steps(report: Findings, engine: sa.Engine) -> None:
    after = report.following
    assert after is not None
    names = [each.name for each in after.qualities]
    assert names == ["this run", "popularity", "popularity, 7 days", "Markov", "rules"]
    ours, popularity, _, markov, _ = after.qualities
    recorded = report.run.metrics
    assert (ours.ndcg, ours.hit_rate) == (recorded["next_ndcg"], recorded["next_hit_rate"])
    _, questions = hold_out(extract(engine, with_times=True).sequences(), report.run.seed)
    gains = []
    for history, target in zip(questions.histories, questions.targets, strict=True):
        others = np.setdiff1d(np.arange(12), history)
        more, equal = (
            questions.ties[others] > questions.ties[target],
            questions.ties[others] == questions.ties[target],
        )
        rank = more.sum() + (equal.sum() - 1) / 2
        gains.append(1 / np.log2(rank + 2) if rank < 10 else 0)
    assert popularity.ndcg == pytest.approx(np.mean(gains))
    assert markov.ndcg > popularity.ndcg, "users go round the movies"
    weights = [weight for name, weight in recorded.items() if name.startswith("next_weight_")]
    assert [weight for _, weight in after.parts] == sorted(weights, reverse=True)


def test_parts_are_in_words() -> None:
    words = [following._in_words(name) for name in ("rules_0", "cosine_0.5", "list_1", "ridge", "own_part")]
    assert words == [
        "transitions: what came after a step, of the newest step alone",
        "movies with the same users (cosine), a step counts 0.5 of the one after it",
        "the ranking model, which makes the lists, all steps alike",
        "ridge regression from the whole history",
        "own part",
    ]


def test_examples_and_lists_are_those_of_sql(report: Findings, engine: sa.Engine) -> None:
    assert report.following is not None
    titles = {f"Film {number}": f"m{number:02}" for number in range(10)}
    for example in report.following.examples:
        expected = asked.next_after(engine, titles.get(example.title, example.title), 5)
        assert [score for _, score in example.near] == expected["score"].tolist()
        assert [title for title, _ in example.near] == expected["title"].fillna(expected["movie_id"]).tolist()
    assert len(report.following.examples) == 8
    lists = [asked.recommend_next(engine, f"u{user}", 10)["movie_id"] for user in range(30)]
    shown = {movie: sum(movie in set(each) for each in lists) for movie in play_frame()["movie_id"].unique()}
    ids = extract(engine).movie_ids
    assert report.lists[NEXT].appearances.tolist() == [shown[movie] for movie in ids]
    assert list(report.lists) == ["this run", NEXT, "popularity"]


def test_a_new_event_takes_the_baselines_away(engine: sa.Engine, tmp_path: Path) -> None:
    events.add_event(engine, "somebody", "m01", "play", external_id="one more")
    try:
        report = found(engine)
        assert report.following is not None
        assert [each.name for each in report.following.qualities] == ["this run"]
        text = text_of(engine, tmp_path)
        assert f"It holds {len(play_frame()) + 1} events now." in text
        assert "cannot be measured on the same steps any more" in text
    finally:
        events.remove_event(engine, external_id="one more")


def test_titles_and_types_are_text(engine: sa.Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE embrec.movies SET title = :title WHERE movie_id = 'm01'"), {"title": HOSTILE}
        )
        connection.execute(sa.text("UPDATE embrec.event_types SET name = :name WHERE name = 'play'"), {"name": HOSTILE})
    try:
        text = text_of(engine, tmp_path)
        assert "<img" not in text
        assert text.count("&lt;img src=x onerror=alert(1)&gt;") > 2
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE embrec.movies SET title = 'Film 1' WHERE movie_id = 'm01'"))
            connection.execute(sa.text("UPDATE embrec.event_types SET name = 'play' WHERE event_type = 4"))

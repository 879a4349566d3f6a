"""The health of a deployment: the views, embrec status, and the Prometheus metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from data import FAKE_RUN, load_frame, rating_frame, stored_run, two_part_run
from faulting import wait_for

import embrec
from embrec.data import events, ratings
from embrec.data.files.movies import Movie
from embrec.db import resources, schema
from embrec.monitoring.prometheus import exposition
from embrec.monitoring.status import Status, StatusWarning, read_status
from embrec.runs import cleanup, embeddings, experiments, publishing, records

Run = Callable[..., tuple[int, str, str]]


def execute(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement.replace(":", r"\:")))


def codes(engine: sa.Engine) -> list[str]:
    return [warning.code for warning in read_status(engine).warnings]


def with_limit(engine: sa.Engine, view: str, limit: int, instead: int) -> None:
    """Have a view take what is small for large."""
    text = resources.sql_text(f"views/{view}")
    assert text.count(str(limit)) == 1
    execute(engine, text.replace(str(limit), str(instead)).rstrip().removesuffix(";"))


def test_every_state_on_the_way_says_what_comes_next(embrec: Run, empty_url: str, empty_engine: sa.Engine) -> None:
    def next_command() -> str:
        code, out, err = embrec("status", "--json", "--database-url", empty_url)
        assert (code, err) == (0, "")
        warnings = json.loads(out)["warnings"]
        assert embrec("status", "--database-url", empty_url)[1].count("\n    ") == len(warnings)
        return "; ".join(warning["command"] for warning in warnings)

    assert next_command() == "embrec db upgrade"
    schema.upgrade(empty_engine)
    execute(empty_engine, "COMMENT ON SCHEMA embrec IS NULL")
    assert codes(empty_engine) == ["schema_behind"]
    assert next_command() == "embrec db upgrade"
    schema.upgrade(empty_engine)
    assert next_command() == "embrec load ml-100k"
    load_frame(empty_engine, rating_frame())
    assert next_command() == "embrec train"
    run = stored_run(empty_engine, np.eye(20), np.eye(30))
    assert next_command() == f"embrec runs publish {run}"
    publishing.publish(empty_engine, run)
    execute(empty_engine, "UPDATE embrec.model_runs SET rating_count = (SELECT count(*) FROM embrec.ratings)")
    assert next_command() == ""


def test_what_came_since_the_training_is_counted(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(), [Movie("100", "The Hundredth", ["Drama"], 1990)])
    two_part_run(engine)
    execute(engine, "UPDATE embrec.model_runs SET rating_count = (SELECT count(*) FROM embrec.ratings)")
    before = read_status(engine)
    assert before.warnings == []
    assert before.state["ratings"] == before.state["ratings_in_statistics"] == before.runs[0]["rating_count"]
    for movie in range(4):
        ratings.add_rating(engine, "newcomer", f"new {movie}", 4.0)
    execute(
        engine, "INSERT INTO embrec.movies (movie_index, movie_id) SELECT max(movie_index) + 1, 'x' FROM embrec.movies"
    )
    state = read_status(engine).state
    assert (state["ratings_since_training"], state["users_since_training"]) == (4, 1)
    assert state["share_since_training"] == pytest.approx(4 / before.state["ratings"])
    assert state["movies_without_vectors"] == 5
    assert state["newest_rating_at"] > before.state["newest_rating_at"]
    assert codes(engine) == ["movies_without_vectors"]
    ratings.refresh(engine)
    assert codes(engine) == [], "also a movie of which nothing is known has a vector then"
    assert read_status(engine).state["movies_without_vectors"] == 0
    load_frame(engine, rating_frame(40, 30, 400, seed=3))
    assert "many_new_ratings" in codes(engine)
    execute(engine, "DELETE FROM embrec.ratings WHERE user_index < 20")
    assert "statistics_stale" in codes(engine)


def test_a_new_movie_with_events_is_advised_to_be_folded_in(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    events.add_event(engine, "u1", "new")
    (advice,) = [warning for warning in read_status(engine).warnings if warning.code == "movies_without_vectors"]
    assert advice.message == "Movies without a vector in the published run, which are not recommended: 1."
    assert advice.command == "embrec refresh"
    assert ratings.refresh(engine) == 1
    assert "movies_without_vectors" not in codes(engine)


def test_a_run_that_knows_no_order_is_told_how_to_learn_it(embrec: Run, engine: sa.Engine, url: str) -> None:
    def told() -> tuple[bool, bool, bool]:
        state = read_status(engine).state
        line = re.search(
            r"^what next .*: embrec train --next$", embrec("status", "--database-url", url)[1], re.MULTILINE
        )
        assert "order" not in " ".join(codes(engine)), "it is no problem"
        return state["has_order"], state["knows_order"], line is not None

    load_frame(engine, rating_frame().drop(columns="rated_at"))
    two_part_run(engine)
    assert told() == (False, False, False)
    events.add_event(engine, "u1", "101")
    assert told() == (True, False, True)
    execute(engine, "DELETE FROM embrec.events")
    load_frame(engine, rating_frame())
    assert told() == (True, False, True), "most ratings have a time"
    with_limit(engine, "status", 67108864, 0)
    execute(engine, "ANALYZE embrec.ratings")
    assert told() == (True, False, True), "by the statistics of a large table"
    execute(engine, "UPDATE embrec.model_runs SET history_length = 50")
    assert told() == (True, True, False)


def test_a_large_table_of_ratings_is_not_counted(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    exact = read_status(engine).state
    with_limit(engine, "status", 67108864, 0)
    execute(engine, "ANALYZE embrec.ratings")
    estimated = read_status(engine).state
    assert (exact["ratings_estimated"], estimated["ratings_estimated"]) == (False, True)
    assert estimated["ratings"] == exact["ratings"]
    assert estimated["newest_rating_at"] == exact["newest_rating_at"]
    with engine.connect() as connection:
        plan = connection.scalars(sa.text("EXPLAIN (ANALYZE, COSTS off, TIMING off) SELECT * FROM embrec.status")).all()
    scans = [line for line in plan if re.search(r" on ratings ", line)]
    assert scans
    assert all("never executed" in line for line in scans), scans


def test_a_training_shows_how_far_it_is_until_it_is_lost(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "HEARTBEAT_SECONDS", 0.05)
    run = records.start(engine, FAKE_RUN)
    with records.heartbeats(engine, run) as tell:
        tell(0.25)
        wait_for(lambda: bool(read_status(engine).runs[0]["progress"]))
    status = read_status(engine)
    assert (status.runs[0]["state"], status.runs[0]["progress"], status.state["trainings"]) == ("training", 0.25, 1)
    execute(engine, "UPDATE embrec.model_runs SET heartbeat_at = now() - interval '3 minutes'")
    status = read_status(engine)
    assert status.runs[0]["state"] == records.get_run(engine, run).status == "lost"
    assert StatusWarning("lost_run", f"The process of model run {run} is gone.", "embrec gc") in status.warnings
    cleanup.collect_garbage(engine)
    assert codes(engine) == ["no_ratings", "training_failed"]


def test_an_index_that_is_missing_or_invalid_comes_with_what_mends_it(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_limit(engine, "run_indexes", embeddings.INDEXED_FROM, 15)
    load_frame(engine, rating_frame())
    two_part_run(engine)
    (only,) = read_status(engine).indexes
    assert (only["index_name"], only["vectors"]) == ("movie_embeddings_run_1_similarity_hnsw", 20)
    missing = [warning for warning in read_status(engine).warnings if warning.code == "index_missing"]
    assert len(missing) == 1
    assert {warning.command.partition(";")[0] for warning in missing} == {"SET maintenance_work_mem = '64MB'"}
    for vectors, memory in ((200_000, 464), (5_000_000, 2048)):  # as embeddings.index sets it
        execute(
            engine, f"UPDATE pg_class SET reltuples = {vectors} WHERE relname = 'movie_embeddings_run_1_similarity'"
        )
        assert any(f"'{memory}MB'" in index["mended_by"] for index in read_status(engine).indexes)
    execute(engine, *(warning.command.removesuffix(";") for warning in missing))
    status = read_status(engine)
    assert {index["state"] for index in status.indexes} == {"valid"}
    assert status.runs[0]["indexes"] == "valid"
    execute(
        engine,
        "UPDATE pg_index SET indisvalid = false"
        " WHERE indexrelid = 'embrec.movie_embeddings_run_1_similarity_hnsw'::regclass",
    )
    status = read_status(engine)
    assert status.runs[0]["indexes"] == "invalid"
    (invalid,) = (warning for warning in status.warnings if warning.code == "index_invalid")
    execute(engine, *filter(None, invalid.command.split(";")))
    assert {index["state"] for index in read_status(engine).indexes} == {"valid"}
    monkeypatch.setattr(embeddings, "INDEXED_FROM", 15)
    assert embeddings.index(engine, 1, "movie", "similarity"), "it is the index of the training, by the same name"
    assert len(read_status(engine).indexes) == 1
    assert embrec.index_users(engine)
    (users,) = (index for index in read_status(engine).indexes if index["index_name"].startswith("user"))
    assert (users["index_name"], users["vectors"], users["state"]) == (
        "user_embeddings_run_1_similarity_hnsw",
        30,
        "valid",
    )


def test_what_is_left_over_and_what_is_old_is_named(engine: sa.Engine) -> None:
    for _ in range(11):
        run = stored_run(engine, np.eye(3))
    assert "old_runs" in codes(engine)
    execute(engine, f"UPDATE embrec.model_runs SET status = 'failed' WHERE model_run_id = {run}")
    found = codes(engine)
    assert "old_runs" not in found
    assert {"training_failed", "left_over"} <= set(found)
    cleanup.collect_garbage(engine)
    assert "left_over" not in codes(engine)


def test_runs_say_what_they_take_and_whether_they_answer(embrec: Run, engine: sa.Engine, url: str) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    two_part_run(engine, seed=2)
    experiments.start(engine, "the new one", 1, 2)
    status = read_status(engine)
    assert status.state["experiment"] == "the new one"
    assert [(run["model_run_id"], run["published"], run["experiment"]) for run in status.runs] == [
        (2, True, "the new one"),
        (1, False, "the new one"),
    ]
    assert {run["vectors"] for run in status.runs} == {4 * 20 + 2 * 30}
    assert sum(run["vector_bytes"] for run in status.runs) == status.state["vector_bytes"]
    publishing.rollback(engine)
    code, out, _ = embrec("status", "--database-url", url)
    assert code == 0
    assert re.search(r"^published +run 1 \(two-part\), trained just now$", out, re.MULTILINE)
    assert re.search(r"^experiment +the new one$", out, re.MULTILINE)
    assert re.search(r"^ +1 +trained, published, in the experiment ", out, re.MULTILINE)
    assert f"{status.state['ratings']:,} ratings of 30 users and 20 movies" in out


def test_a_database_that_is_not_there_is_status_1_and_one_never_made_is_not_made(
    embrec: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = embrec("status", "--database-url", "postgresql://ann:hunter2@127.0.0.1:1/x")
    assert (code, out, "hunter2" in err) == (1, "", False)
    monkeypatch.setenv("EMBREC_HOME", str(tmp_path / "home"))
    code, out, _ = embrec("status")
    assert (code, "embrec demo" in out) == (0, True)
    assert json.loads(embrec("status", "--json")[1])["warnings"][0]["code"] == "no_database"
    assert not (tmp_path / "home").exists()


NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABELS = r'\{[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*")*\}'
SAMPLE = re.compile(rf"({NAME})({LABELS})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)")


def parsed(text: str) -> dict[tuple[str, str], float]:
    """Parse the text format 0.0.4 strictly: each metric's help and type come first, and no sample is duplicated."""
    assert text.endswith("\n")
    found: dict[tuple[str, str], float] = {}
    described: list[str] = []
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("#"):
            name = re.fullmatch(rf"# HELP ({NAME}) [^\n]+", line)[1]
            assert name not in described
            assert next(lines) == f"# TYPE {name} gauge"
            described.append(name)
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        assert name == described[-1]
        assert (name, labels or "") not in found
        found[name, labels or ""] = float(value)
    return found


def test_prometheus_reads_it(embrec: Run, engine: sa.Engine, url: str) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    execute(
        engine,
        """UPDATE embrec.model_runs SET rating_count = 100, architecture = 'a "b"\\\n',
        metrics = '{"held_out_rmse": 0.5, "x": null}'""",
    )
    code, out, _ = embrec("status", "--prometheus", "--database-url", url)
    assert code == 0
    samples = parsed(out)
    state = read_status(engine).state
    assert samples["embrec_ratings", ""] == state["ratings"]
    assert samples["embrec_database_size_bytes", ""] == pytest.approx(state["database_bytes"], rel=0.1)
    assert samples["embrec_newest_rating_timestamp_seconds", ""] == state["newest_rating_at"].timestamp()
    assert samples["embrec_run_metric", '{run="1",metric="held_out_rmse"}'] == 0.5
    assert ("embrec_run_metric", '{run="1",metric="x"}') not in samples
    assert samples["embrec_run_info", r'{run="1",architecture="a \"b\"\\\n",state="trained",published="true"}'] == 1
    assert samples["embrec_warnings", '{code="many_new_ratings"}'] == 1


def test_prometheus_is_told_of_what_cannot_answer_too() -> None:
    status = Status({"database_name": "d", "schema_revision": None}, [], [], [StatusWarning("schema_absent", "", "")])
    samples = parsed(exposition(status))
    assert samples["embrec_warnings", '{code="schema_absent"}'] == 1
    assert len(samples) == 2

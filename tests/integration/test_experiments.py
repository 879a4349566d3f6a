"""The experiments (A/B tests): assignment, serving, exposures, outcomes, and the comparison against numpy."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import FAKE_RUN, load_frame, rating_frame, stored_run
from psycopg.conninfo import make_conninfo

from embrec import db
from embrec.data import ratings
from embrec.db import schema
from embrec.errors import DatabaseError, ExperimentError, RunError, UnknownRunError
from embrec.runs import experiments, publishing, records
from embrec.runs.embeddings import Vectors, store
from embrec.runs.records import TrainedRun
from embrec.serving import preview, similar

VECTORS = np.eye(6, 4) + 0.1
USERS = [f"u{number}" for number in range(30)]


def rating_run(engine: sa.Engine, seed: int) -> int:
    """Store a run for ``rating_frame()`` that predicts ratings and solves for users."""
    random = np.random.default_rng(seed)
    run = records.start(engine, replace(FAKE_RUN, architecture="matrix-factorization"))
    with engine.begin() as connection:
        for side, count in (("movie", 20), ("user", 30)):
            vectors = random.normal(size=(count, 4)).astype(np.float32)
            biases = random.normal(size=count).astype(np.float32) / 4
            rating = Vectors(np.arange(count, dtype=np.int32), vectors, biases)
            store(connection, run, side, {"rating": rating})
        solving = {"bias_feature": 1, "ridge_constant": 2, "ridge_per_rating": 0.1}
        records.finish(
            connection,
            run,
            TrainedRun(4, "dot_product", "fold_in", mean=3, lowest_rating=1, highest_rating=5, **solving),
        )
    return run


@pytest.fixture
def two_runs(engine: sa.Engine) -> tuple[int, int]:
    """Two runs that answer differently; the first is published."""
    load_frame(engine, rating_frame())
    made = rating_run(engine, 1), rating_run(engine, 2)
    publishing.publish(engine, made[0])
    return made


@pytest.fixture
def plain_runs(engine: sa.Engine) -> tuple[int, int]:
    """Two runs without ratings, for tests that ask nothing."""
    return stored_run(engine, VECTORS), stored_run(engine, VECTORS)


def column(engine: sa.Engine, query: str) -> list[object]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.text(query.replace(":", r"\:"))))


def sides(engine: sa.Engine, count: int = 10_000) -> np.ndarray:
    """Return whether each of the users 1 to ``count`` gets the treatment."""
    found = column(engine, f"SELECT embrec.assign_variant(i) FROM generate_series(1, {count}) AS i ORDER BY i")
    assert set(found) == {"control", "treatment"}
    return np.array([variant == "treatment" for variant in found])


def answers(engine: sa.Engine) -> dict[str, tuple[list[tuple[object, ...]], ...]]:
    """Return each user's recommendations, predictions and explanations."""
    asked = ("recommend_movies(:user, 5)", "predict_rating(:user, '103')", "explain_recommendation(:user, '103', 3)")
    with engine.connect() as connection:
        return {
            user: tuple(
                [tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM embrec.{call}"), {"user": user})]
                for call in asked
            )
            for user in USERS
        }


def test_without_an_experiment_there_is_nothing_to_notice(engine: sa.Engine, two_runs: tuple[int, int]) -> None:
    assert experiments.running(engine) is None
    assert experiments.assign_variant(engine, "u1") is None
    assert experiments.record_exposure(engine, "u1") is None
    assert not experiments.record_outcome(engine, "u1", 1)
    assert (
        column(engine, "SELECT embrec.serving_run('u1') UNION ALL SELECT embrec.serving_run(NULL)") == [two_runs[0]] * 2
    )
    assert column(engine, "SELECT count(*) FROM embrec.exposures") == [0]
    assert experiments.results(engine).empty
    assert experiments.list_experiments(engine) == []


def test_assignment_is_near_the_share_stable_and_independent_between_experiments(
    engine: sa.Engine, plain_runs: tuple[int, int]
) -> None:
    found = []
    for number, share in enumerate((0.3, 0.5)):
        experiments.start(engine, f"number {number}", *plain_runs, share)
        treated = sides(engine)
        assert abs(treated.mean() - share) < 4 * math.sqrt(share * (1 - share) / len(treated))
        assert np.array_equal(sides(engine), treated)
        publishing.publish(engine, plain_runs[number])
        assert np.array_equal(sides(engine), treated), "publishing moves nobody"
        experiments.end(engine)
        found.append(treated)
    assert abs(np.corrcoef(*found)[0, 1]) < 4 / math.sqrt(len(found[0]))


def test_assignment_is_the_same_on_every_server(engine: sa.Engine, plain_runs: tuple[int, int]) -> None:
    """The expected values are literals, so that a PostgreSQL with another hash function is noticed."""
    experiments.start(engine, "one", *plain_runs)
    assert "".join("ct"[side] for side in sides(engine, 20).astype(int)) == "cttctctctcctctcttccc"
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT embrec.assign_variant('7') = embrec.assign_variant(7)"))
        assert connection.scalar(sa.text(r"SELECT embrec.assign_variant(NULL\:\:text)")) is None


def test_each_user_is_answered_by_the_run_of_their_variant(engine: sa.Engine, two_runs: tuple[int, int]) -> None:
    control, treatment = two_runs
    of_run = {}
    for run in (treatment, control):
        publishing.publish(engine, run)
        of_run[run] = answers(engine)
    assert all(of_run[control][user] != of_run[treatment][user] for user in USERS)
    alike = similar.similar_movies(engine, "103")
    experiments.start(engine, "new vectors", control, treatment)
    run_of = {user: treatment if experiments.assign_variant(engine, user) == "treatment" else control for user in USERS}
    assert set(run_of.values()) == {control, treatment}
    expected = {user: of_run[run][user] for user, run in run_of.items()}
    assert answers(engine) == expected
    pd.testing.assert_frame_equal(similar.similar_movies(engine, "103"), alike)
    third = rating_run(engine, 3)
    publishing.publish(engine, third)
    assert answers(engine) == expected, "the experiment goes on with its two runs"
    assert set(similar.similar_movies(engine, "103")["model_run_id"]) == {third}
    experiments.end(engine)
    assert set(column(engine, "SELECT embrec.serving_run(user_id) FROM embrec.users")) == {third}


def test_an_exposure_is_the_first_one_and_an_outcome_is_of_one_exposed(
    engine: sa.Engine, plain_runs: tuple[int, int]
) -> None:
    first = experiments.start(engine, "first", *plain_runs)
    variants = {user: experiments.record_exposure(engine, user) for user in (*range(20), "a visitor")}
    assert variants == {user: experiments.assign_variant(engine, user) for user in variants}
    recorded = "SELECT user_id || ' ' || variant || ' ' || model_run_id || ' ' || exposed_at FROM embrec.exposures"
    before = column(engine, recorded)
    assert experiments.record_exposure(engine, "7") == variants[7]
    assert column(engine, recorded) == before
    by_variant = {"control": plain_runs[0], "treatment": plain_runs[1]}
    expected = {(str(user), variant, str(by_variant[str(variant)])) for user, variant in variants.items()}
    assert {tuple(str(row).rsplit(" ", 4)[:3]) for row in before} == expected
    assert experiments.record_outcome(engine, 7, 2.5)
    assert not experiments.record_outcome(engine, "never exposed", 1)
    experiments.end(engine)
    assert not experiments.record_outcome(engine, 7, 1), "the experiment has ended"
    experiments.start(engine, "second", *plain_runs)
    assert not experiments.record_outcome(engine, 7, 1), "not exposed in this one"
    assert column(engine, "SELECT experiment_id || ' ' || user_id || ' ' || value FROM embrec.outcomes") == [
        f"{first.experiment_id} 7 2.5"
    ]


def test_who_previews_a_run_is_recorded_with_the_run_of_the_variant(
    engine: sa.Engine, plain_runs: tuple[int, int]
) -> None:
    experiments.start(engine, "one", *plain_runs, treatment_share=0.999999)
    with engine.begin() as connection, preview.answering_from(connection, plain_runs[0]):
        assert experiments.record_exposure(connection, 1) == "treatment"
    assert column(engine, "SELECT model_run_id FROM embrec.exposures") == [plain_runs[1]]


def test_what_cannot_be_recorded_is_refused(engine: sa.Engine, plain_runs: tuple[int, int]) -> None:
    experiments.start(engine, "one", *plain_runs)
    experiments.record_exposure(engine, 1)
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(DatabaseError, match="give a finite number"):
            experiments.record_outcome(engine, 1, value)
    for call in ("record_outcome(1, NULL)", "record_outcome(NULL::text, 1)", "record_exposure(NULL::text)"):
        with pytest.raises(sa.exc.DBAPIError, match="needs a user_id|user_id.*not-null"):
            column(engine, f"SELECT embrec.{call}")


def test_the_results_are_numpys(engine: sa.Engine, plain_runs: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    sums: dict[tuple[str, str], list[list[float]]] = {}
    for name in ("first", "second"):
        experiments.start(engine, name, *plain_runs, 0.4)
        with engine.begin() as connection:
            for user in range(60):
                variant = str(experiments.record_exposure(connection, user))
                values = random.normal(size=random.integers(0, 4)).tolist()
                assert all(experiments.record_outcome(connection, user, value) for value in values)
                sums.setdefault((name, variant), []).append(values)
        experiments.end(engine)
    found = experiments.results(engine)
    assert found["name"].tolist() == ["second", "second", "first", "first"]
    assert found["variant"].tolist() == ["control", "treatment"] * 2
    assert found["model_run_id"].tolist() == list(plain_runs) * 2
    means, errors = [], []
    for row in found.itertuples():
        values = sums[row.name, row.variant]
        totals = np.array([sum(each) for each in values])
        means.append(totals.mean())
        errors.append(totals.std(ddof=1) / math.sqrt(len(totals)))
        assert (row.exposed_users, row.users_with_outcome) == (len(values), sum(map(bool, values)))
    assert np.allclose(found["mean_outcome"], means)
    assert np.allclose(found["standard_error"], errors)
    treated = found[found["variant"] == "treatment"]
    difference = np.array(means)[1::2] - np.array(means)[::2]
    half = 1.959964 * np.hypot(np.array(errors)[1::2], np.array(errors)[::2])
    expected = np.column_stack([difference, difference - half, difference + half])
    assert np.allclose(treated[["difference", "difference_low", "difference_high"]].astype(float), expected)
    assert found[found["variant"] == "control"]["difference"].isna().all()


def test_results_of_nobody_and_of_one_user_are_told_apart_from_nought(
    engine: sa.Engine, plain_runs: tuple[int, int]
) -> None:
    experiments.start(engine, "one", *plain_runs)
    variant = experiments.record_exposure(engine, 1)
    found = experiments.results(engine).set_index("variant")
    assert found["exposed_users"].sum() == 1
    assert found["mean_outcome"][variant] == 0
    assert found["mean_outcome"].isna().sum() == 1
    assert found[["standard_error", "difference", "difference_low"]].isna().all(axis=None)


def test_what_cannot_be_started_or_ended_says_what_to_do(engine: sa.Engine, plain_runs: tuple[int, int]) -> None:
    control, treatment = plain_runs
    with pytest.raises(ExperimentError, match="No experiment is running.*embrec experiments list"):
        experiments.end(engine)
    for share in (0, 1, -0.1, 1.5, math.nan):
        with pytest.raises(ExperimentError, match="give a number between 0 and 1"):
            experiments.start(engine, "one", control, treatment, share)
    with pytest.raises(UnknownRunError, match="no model run 99"):
        experiments.start(engine, "one", control, 99)
    untrained = records.start(engine, FAKE_RUN)
    for pair in ((untrained, treatment), (control, untrained)):
        with pytest.raises(ExperimentError, match=f"Model run {untrained} is training.*embrec runs list"):
            experiments.start(engine, "one", *pair)
    started = experiments.start(engine, "one", control, treatment)
    assert experiments.running(engine) == started
    with pytest.raises(ExperimentError, match="'one' is running.*embrec experiments end"):
        experiments.start(engine, "two", control, treatment)
    ended = experiments.end(engine)
    assert ended.ended_at >= started.started_at
    with pytest.raises(ExperimentError, match="Choose another name.*embrec experiments list"):
        experiments.start(engine, "one", control, treatment)
    same = experiments.start(engine, "the same run twice", control, control)
    assert experiments.list_experiments(engine) == [same, ended]


def test_of_two_that_start_at_once_one_does(engine: sa.Engine, plain_runs: tuple[int, int]) -> None:
    refused = []

    def start(name: str) -> None:
        try:
            experiments.start(engine, name, *plain_runs)
        except ExperimentError as error:
            refused.append(error)

    threads = [threading.Thread(target=start, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    assert len(experiments.list_experiments(engine)) == 1
    with pytest.raises(sa.exc.IntegrityError, match="experiments_running_idx"), engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO embrec.experiments (name, control_run, treatment_run, treatment_share)"
                f" VALUES ('another', {plain_runs[0]}, {plain_runs[1]}, 0.5)"
            )
        )


def test_a_run_that_answers_in_an_experiment_is_not_deleted(engine: sa.Engine, plain_runs: tuple[int, int]) -> None:
    experiments.start(engine, "one", *plain_runs)
    experiments.record_exposure(engine, 1)
    for run in plain_runs:
        with pytest.raises(RunError, match=f"run {run} answers in the experiment 'one'.*embrec experiments end"):
            publishing.delete(engine, run)
    experiments.end(engine)
    for run in plain_runs:
        publishing.delete(engine, run)
    with pytest.raises(ExperimentError, match="is deleted"):
        experiments.start(engine, "two", *plain_runs)


def test_an_application_granted_before_an_upgrade_is_served_and_takes_part(
    engine: sa.Engine, url: str, two_runs: tuple[int, int]
) -> None:
    """As docs/deploy.md says."""
    role = f"embrec_reader_{os.getpid()}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN PASSWORD 'p' IN ROLE embrec_api"))
    schema.upgrade(engine)
    reader = db.create_engine(make_conninfo(url, user=role, password="p"))
    try:
        assert answers(reader) == answers(engine)
        experiments.start(engine, "one", *two_runs)
        assert answers(reader) == answers(engine)
        assert experiments.record_exposure(reader, "u1") == experiments.assign_variant(reader, "u1") is not None
        assert experiments.record_outcome(reader, "u1", 1)
        assert experiments.results(engine)["exposed_users"].sum() == 1
        with pytest.raises(DatabaseError, match=r"permission denied.*docs/deploy\.md, Rights"):
            experiments.end(reader)
    finally:
        reader.dispose()
        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {role}"))
            connection.execute(sa.text(f"DROP ROLE {role}"))


def test_the_command_line(
    embrec: Callable[..., tuple[int, str, str]], engine: sa.Engine, url: str, plain_runs: tuple[int, int]
) -> None:
    at = ["--database-url", url]
    control, treatment = map(str, plain_runs)
    sought = ["--control", control, "--treatment", treatment, "--share", "0.25", *at]
    assert embrec("experiments", "start", "new vectors", *sought) == (
        0,
        "",
        f"Experiment 'new vectors' is running: model run {treatment} for 0.25 of the users, {control} for the rest.\n",
    )
    code, out, err = embrec("experiments", "start", "again", *sought)
    assert (code, out, err.count("\n")) == (1, "", 1)
    experiments.record_exposure(engine, 1)
    _, _, err = embrec("runs", "publish", treatment, *at)
    assert err == (
        f"Model run {treatment} is published.\nExperiment 'new vectors' goes on with its model runs {control} and "
        f"{treatment}. To end it: embrec experiments end\n"
    )
    shown = json.loads(embrec("experiments", "results", "--json", *at)[1])
    assert [(row["variant"], row["difference"]) for row in shown] == [("control", None), ("treatment", None)]
    assert embrec("experiments", "results", *at)[1].splitlines()[1].split()[:5] == [
        "1",
        "new",
        "vectors",
        "control",
        "1",
    ]
    assert embrec("experiments", "end", *at) == (
        0,
        "",
        f"Experiment 'new vectors' is ended. To keep its treatment: embrec runs publish {treatment}\n",
    )
    (listed,) = json.loads(embrec("experiments", "list", "--json", *at)[1])
    assert (listed["treatment_share"], listed["ended_at"] > listed["started_at"]) == (0.25, True)
    assert "0.2500" in embrec("experiments", "list", *at)[1]


def test_a_refresh_takes_new_movies_into_all_runs_that_answer(engine: sa.Engine, two_runs: tuple[int, int]) -> None:
    third = rating_run(engine, 3)
    experiments.start(engine, "refreshed", two_runs[1], third)
    load_frame(engine, pd.DataFrame({"user_id": ["u1", "u2"], "movie_id": ["new", "new"], "rating": [5.0, 4.0]}))
    assert ratings.refresh(engine) == 1
    query = "SELECT model_run_id FROM embrec.movie_embeddings WHERE folded_in ORDER BY 1"
    assert column(engine, query) == [*two_runs, third]
    experiments.end(engine)
    load_frame(engine, pd.DataFrame({"user_id": ["u1"], "movie_id": ["newer"], "rating": [5.0]}))
    assert ratings.refresh(engine) == 2
    assert column(engine, query) == [two_runs[0], *two_runs, third]

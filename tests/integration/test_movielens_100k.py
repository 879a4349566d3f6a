"""The real MovieLens 100K: load, extract, train, publish and ask."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import _temporary_database
from pgvector.psycopg import register_vector

from embrec import config, db, metrics
from embrec.cli.demo import NEAREST_TO_600
from embrec.data import loading
from embrec.data.extraction import extract
from embrec.data.files import sources
from embrec.db import resources
from embrec.db.server_binaries import find_binaries
from embrec.models.als import model as als
from embrec.models.base import Ratings
from embrec.models.bayesian import gibbs
from embrec.models.fold_in import with_fold_in
from embrec.models.recommender import recommender
from embrec.runs import embeddings, records
from embrec.serving import similar
from embrec.training import TrainResult, train

pytestmark = pytest.mark.movielens
ROOT = Path(resources.__file__).parents[2]


@pytest.fixture(scope="module")
def ml_url(admin: sa.Engine, server_url: str, migrated_template: str) -> Iterator[str]:
    with _temporary_database(admin, server_url, migrated_template) as url:
        yield url


@pytest.fixture(scope="module")
def ml_engine(ml_url: str, ml_100k: Path) -> Iterator[sa.Engine]:
    """A database with MovieLens 100K loaded."""
    engine = db.create_engine(ml_url)
    report = loading.load(engine, sources.open_source(ml_100k))
    assert (report.inserted, report.new_users, report.new_movies) == (100_000, 943, 1682)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def trained(ml_engine: sa.Engine) -> TrainResult:
    """The article's model after one epoch (fifty take minutes and change nothing that is tested here)."""
    return train(ml_engine, "outer-product", {"epochs": 1}, seed=0, what_next=False)


def test_the_first_appearances_are_the_articles(ml_engine: sa.Engine) -> None:
    with ml_engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT user_index FROM embrec.users WHERE user_id = '196'")) == 0
        assert connection.scalar(sa.text("SELECT movie_index FROM embrec.movies WHERE movie_id = '242'")) == 0
        assert connection.execute(
            sa.text("SELECT title, genres, release_year FROM embrec.movies WHERE movie_id = '50'")
        ).one() == ("Star Wars (1977)", ["Action", "Adventure", "Romance", "Sci-Fi", "War"], 1977)


def test_every_rating_is_there_as_in_the_file(ml_engine: sa.Engine, ml_100k: Path) -> None:
    lines = (ml_100k / "u.data").read_text().splitlines()
    expected = {tuple(map(int, line.split("\t"))) for line in lines}
    with ml_engine.connect() as connection:
        found = connection.execute(
            sa.text(
                "SELECT user_id, movie_id, rating, extract(epoch FROM rated_at) FROM embrec.ratings"
                " JOIN embrec.users USING (user_index) JOIN embrec.movies USING (movie_index)"
            )
        )
        assert {(int(user), int(movie), int(rating), int(at)) for user, movie, rating, at in found} == expected


def test_loading_it_again_changes_nothing(ml_engine: sa.Engine, ml_100k: Path) -> None:
    report = loading.load(ml_engine, sources.open_source(ml_100k))
    assert (report.inserted, report.updated, report.unchanged) == (0, 0, 100_000)


def test_the_model_has_the_articles_parameters(trained: TrainResult) -> None:
    assert sum(trained.model.parameters.values()) == 597_001
    assert trained.model.parameters["user_embedding"] == 30_176
    assert trained.model.parameters["article_embedding"] == 53_824
    assert 0.9 < trained.metrics["train_rmse"] < 1.2


def test_matrix_factorisation_reaches_its_error_on_fold_u1(ml_100k: Path) -> None:
    """The official fold: the first 20,000 lines of u.data are its test part."""
    table = np.loadtxt(ml_100k / "u.data", dtype=np.int32)
    users, movies = table[:, 0] - 1, table[:, 1] - 1
    parts = [
        Ratings(users[part], movies[part], table[part, 2].astype(np.float32), 943, 1682)
        for part in (slice(20_000, None), slice(0, 20_000))
    ]
    fitted = als.MatrixFactorization().fit(parts[0], None, als.Options(), seed=0)
    assert metrics.rmse(fitted.predict(parts[1].users, parts[1].movies), parts[1].ratings) <= 0.922


def test_vectors_arrive_bit_for_bit(ml_engine: sa.Engine, trained: TrainResult) -> None:
    indexes, vectors, *_ = embeddings.read(ml_engine, trained.model_run_id, "movie")
    assert np.array_equal(indexes, np.arange(1682))
    assert vectors.tobytes() == trained.model.movie_vectors.tobytes()


def test_the_articles_check_is_numpys_argmax(ml_engine: sa.Engine, trained: TrainResult) -> None:
    vectors = trained.model.movie_vectors.astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = int(np.argmax(unit[:600] @ unit[600]))
    with ml_engine.connect() as connection:
        assert connection.execute(sa.text(NEAREST_TO_600)).one().movie_index == expected


def test_sql_python_and_the_command_line_give_the_same(ml_engine: sa.Engine, ml_url: str, trained: TrainResult) -> None:
    frame = similar.similar_movies(ml_engine, 50)
    command = [sys.executable, "-c", "from embrec.cli import main; main()", "similar", "Star Wars (1977)", "--json"]
    done = subprocess.run([*command, "--database-url", ml_url], capture_output=True, text=True, check=True)
    printed = json.loads(done.stdout)
    psql = [
        str(find_binaries() / "psql"),
        "--no-psqlrc",
        "--csv",
        "-c",
        "select * from embrec.similar_movies(50)",
        ml_url,
    ]
    shown = subprocess.run(psql, capture_output=True, text=True, check=True, env=config.server_environment())
    rows = list(csv.DictReader(io.StringIO(shown.stdout)))
    assert len(frame) == len(printed) == len(rows) == 10
    for framed, dictionary, row in zip(frame.to_dict("records"), printed, rows, strict=True):
        assert framed == dictionary
        assert {key: str(value) for key, value in dictionary.items()} == row


@pytest.fixture(scope="module")
def default_engine(admin: sa.Engine, server_url: str, movielens_template: str) -> Iterator[sa.Engine]:
    """A database with a run of the default model."""
    with _temporary_database(admin, server_url, movielens_template) as url:
        engine = db.create_engine(url)
        yield engine
        engine.dispose()


def test_all_users_live_vectors_are_numpys(default_engine: sa.Engine) -> None:
    (run,) = records.list_runs(default_engine)
    rated, profiles = (
        embeddings.read(default_engine, run.model_run_id, "movie", part) for part in ("rating", "profile")
    )
    assert rated.biases is not None
    assert np.array_equal(rated.indexes, np.arange(1682))
    assert np.array_equal(profiles.indexes, np.arange(1682))
    arrays = extract(default_engine)
    starts = np.searchsorted(arrays.users, np.arange(944))
    query = (
        "SELECT array_agg(embrec.{}_vector(:run, movies, ratings) ORDER BY user_index) FROM (SELECT user_index,"
        " array_agg(movie_index) AS movies, array_agg(rating) AS ratings FROM embrec.ratings GROUP BY 1) AS each_user"
    )
    found = {}
    with default_engine.connect() as connection:
        register_vector(connection.connection.driver_connection)
        for kind in ("rating", "preference"):
            vectors = connection.scalar(sa.text(query.format(kind)), {"run": run.model_run_id})
            found[kind] = np.stack([vector.to_numpy() for vector in vectors]).astype(np.float64)
    features = np.column_stack([rated.vectors, np.full(1682, run.bias_feature)]).astype(np.float64)
    place = (arrays.ratings.astype(np.float64) - 1) / 4
    weighted = np.where(place <= 0.25, -0.15 * (1 - 2 * place), (0.2 + 0.8 * place) ** 1.5)
    for user in range(943):
        mine = slice(starts[user], starts[user + 1])
        rows = features[arrays.movies[mine]]
        unexplained = arrays.ratings[mine] - np.float64(run.mean) - rated.biases[arrays.movies[mine]]
        penalty = run.ridge_constant * np.eye(rows.shape[1])
        solution = np.linalg.solve(rows.T @ rows + penalty, rows.T @ unexplained)
        assert np.abs(features @ (found["rating"][user] - solution)).max() < 1e-3
        summed = weighted[mine] @ profiles.vectors[arrays.movies[mine]].astype(np.float64)
        assert np.allclose(found["preference"][user], summed, rtol=1e-4, atol=1e-5)


def test_live_predictions_are_about_as_good_as_stored_ones(ml_100k: Path) -> None:
    """The errors on the official fold u1, with few draws, are within one per cent."""
    table = np.loadtxt(ml_100k / "u.data", dtype=np.int32)
    users, movies = table[:, 0] - 1, table[:, 1] - 1
    training, test = (
        Ratings(users[part], movies[part], table[part, 2].astype(np.float32), 943, 1682)
        for part in (slice(20_000, None), slice(0, 20_000))
    )
    model = recommender(
        with_fold_in(gibbs.factorize(training, None, gibbs.Options(draws=20), seed=0), training), 1.0, 5.0
    )
    stored = metrics.rmse(model.predict(test.users, test.movies).clip(1, 5), test.ratings)
    features = np.column_stack([model.movie_vectors, np.full(1682, model.fold_in.bias_feature)])
    live = np.zeros((943, features.shape[1]))
    for user in range(943):
        mine = training.users == user
        rows = features[training.movies[mine]]
        unexplained = training.ratings[mine] - model.mean - model.movie_biases[training.movies[mine]]
        gram = rows.T @ rows + model.fold_in.constant * np.eye(rows.shape[1])
        live[user] = np.linalg.solve(gram, rows.T @ unexplained)
    product = np.einsum("nd,nd->n", live[test.users], features[test.movies])
    predicted = (model.mean + model.movie_biases[test.movies] + product).clip(1, 5)
    assert metrics.rmse(predicted, test.ratings) < 1.01 * stored


def test_the_readmes_sql_runs(ml_engine: sa.Engine, trained: TrainResult) -> None:
    blocks = re.findall(r"```sql\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    statements = [
        statement for block in blocks for statement in re.sub("--.*", "", block).split(";") if statement.strip()
    ]
    assert statements
    for statement in statements:
        with ml_engine.connect() as connection:
            assert connection.execute(sa.text(statement)).returns_rows, statement


def test_the_readmes_python_runs(
    ml_url: str, trained: TrainResult, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", ml_url)
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(block, names)  # noqa: S102 - our own README
    assert len(capsys.readouterr().out.splitlines()) == 6
    names["engine"].dispose()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_the_demo_leaves_the_default_model_and_works_again_after_anything_the_readme_tells(
    admin: sa.Engine,
    server_url: str,
    migrated_template: str,
    ml_100k: Path,
    tmp_path: Path,
    embrec: Callable[..., tuple[int, str, str]],
) -> None:
    with _temporary_database(admin, server_url, migrated_template) as url:
        at = ["--database-url", url]
        code, out, err = embrec("demo", "--epochs", "1", *at)
        assert code == 0, err
        assert "RMSE on its own training ratings: " in out
        assert re.search(r"\nthe article's model +the default model *\n0\.\d\d \S", out)
        assert out.endswith("\n  embrec report\n  embrec explore\n")
        # Explanations and a rating that counts in the next answer are those of the default model.
        first = json.loads(embrec("recommend", "196", "--json", *at)[1])
        assert len(json.loads(embrec("explain", "196", first[0]["movie_id"], "--json", *at)[1])) == 10
        assert embrec("rate", "196", first[0]["movie_id"], "5", *at)[0] == 0
        assert json.loads(embrec("recommend", "196", "--json", *at)[1])[0]["movie_id"] != first[0]["movie_id"]

        (tmp_path / "r.csv").write_text("user_id,movie_id,rating\nann,50,5\nann,film 7,4\n")
        for command in (
            *(
                ["forget", "200", "--yes"],
                ["unrate", "196", "Kolya (1996)"],
                ["load", str(tmp_path / "r.csv")],
                ["refresh"],
            ),
            ["experiments", "start", "article or default", "--control", "2", "--treatment", "1"],
            *(["runs", "publish", "1"], ["runs", "rollback"], ["runs", "publish", "1"]),
        ):
            code, _, err = embrec(*command, *at)
            assert code == 0, (command, err)
        code, again, err = embrec("demo", "--epochs", "1", *at)
        assert code == 0, err
        assert "943 users" not in again  # ann came, and the forgotten user's row has no name
        assert "Training" not in err
        assert "Model run 2 is published in place of run 1" in err
        assert again.count("\nMovies like ") == 3
        assert "nan" not in again  # film 7, which has no title, has a vector by refresh

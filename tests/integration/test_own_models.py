"""Models of one's own: the how-to's modules, conformance, and an architecture that is added in one place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import keras
import numpy as np
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame
from pages import ROOT, snippets

import embrec
from embrec.errors import ConfigError, TrainingError
from embrec.models import registry
from embrec.models.als.model import MatrixFactorization
from embrec.models.keras_model import keras_model
from embrec.runs import publishing, records
from embrec.serving import recommend, similar
from embrec.testing import ModelTests, example_ratings
from embrec.training import train

Run = Callable[..., tuple[int, str, str]]
HOW_TO = snippets(ROOT / "docs" / "how-to" / "bring-a-model.md")[0].text
my_models = ModuleType("my_models")
exec(HOW_TO, my_models.__dict__)  # noqa: S102 - the how-to's own module


class TestTwoPart(ModelTests):
    model = "two-part"
    options: ClassVar = {"draws": 3, "dimensions": 6}


class TestMatrixFactorization(ModelTests):
    model = "matrix-factorization"


class TestOuterProduct(ModelTests):
    model = "outer-product"
    options: ClassVar = {"epochs": 2, "hidden_units": 20}


class TestBiased(ModelTests):
    model = my_models.biased_model


class TestTowers(ModelTests):
    model = my_models.tower_model


def nonlinear(user_count: int, movie_count: int) -> keras.Model:
    user, movie = my_models.inputs()
    vectors = [
        keras.layers.Embedding(count, 8, name=f"{side}_vector")(ids)
        for side, count, ids in (("user", user_count, user), ("movie", movie_count, movie))
    ]
    hidden = keras.layers.Dense(16, activation="relu")(keras.layers.Concatenate()(vectors))
    model = keras.Model([user, movie], keras.layers.Dense(1)(hidden))
    model.compile("adam", "mse")
    return model


@pytest.fixture
def how_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The how-to's module, to be imported by name."""
    (tmp_path / "my_models.py").write_text(HOW_TO)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("my_models", None)


def test_the_example_is_short(how_to: None) -> None:
    bodies = HOW_TO.split("\n\n\n")
    biased = [body for body in bodies if body.startswith(("import", "def inputs", "def biased"))]
    assert sum(len(body.splitlines()) for body in biased) <= 30


def test_a_model_is_named_by_where_it_is_and_takes_its_options(
    embrec: Run, engine: sa.Engine, url: str, how_to: None
) -> None:
    load_frame(engine, rating_frame())
    at = ["--model", "my_models:biased_model", "--database-url", url]
    code, _, err = embrec("train", *at, "-o", "epochs=2", "-o", "dimensions=4", "--holdout", "0.1")
    assert (code, err) == (0, "Published.\n")
    run = records.list_runs(engine)[0]
    assert (run.architecture, run.dimensions, run.options["epochs"]) == ("biased", 4, 2)
    assert (run.serving, run.user_vectors) == ("dot_product", "stored")
    code, _, err = embrec("train", *at, "-o", "depth=3")
    assert code == 1
    assert "has no option depth. It has: batch_size, dimensions, epochs" in err or "has no option depth" in err
    code, _, err = embrec("train", *at, "-o", "depth")
    assert code == 2
    assert "-o depth is no NAME=VALUE" in err


def test_the_command_finds_a_module_of_the_working_directory(engine: sa.Engine, url: str, tmp_path: Path) -> None:
    load_frame(engine, rating_frame())
    (tmp_path / "my_models.py").write_text(HOW_TO)
    command = [
        str(Path(sys.executable).with_name("embrec")),
        "train",
        "--model",
        "my_models:tower_model",
        "-o",
        "epochs=1",
    ]
    done = subprocess.run([*command, "--database-url", url], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "Published.\n")


def test_users_of_the_training_are_answered_by_their_stored_vectors_and_others_by_popularity(engine: sa.Engine) -> None:
    load_frame(engine, example_ratings())
    result = train(engine, my_models.biased_model)
    answer = recommend.recommend_movies(engine, "u1", 5, include_rated=True)
    scores = result.model.score(np.array([0], np.int32))[0]
    with engine.connect() as connection:
        user = connection.scalar(sa.text("SELECT user_index FROM embrec.users WHERE user_id = 'u1'"))
        numbers = dict(connection.execute(sa.text("SELECT movie_id, movie_index FROM embrec.movies")).all())
    scores = result.model.score(np.array([user], np.int32))[0]
    assert set(answer["basis"]) == {"ratings"}
    assert np.allclose(answer["score"], [scores[numbers[movie]] for movie in answer["movie_id"]], atol=1e-4)
    assert answer["score"].iloc[0] == pytest.approx(scores.max(), abs=1e-4)
    load_frame(engine, rating_frame().head(1).assign(user_id="newcomer", movie_id="100"))
    assert set(recommend.recommend_movies(engine, "newcomer", 5)["basis"]) == {"popularity"}


def test_a_model_that_sql_cannot_answer_by_is_not_published(embrec: Run, engine: sa.Engine, url: str) -> None:
    load_frame(engine, rating_frame())
    result = train(engine, keras_model(nonlinear, epochs=1, name="nonlinear"))
    assert not result.published
    assert "SQL does not predict as its model does" in str(result.withheld)
    number = result.model_run_id
    assert records.get_run(engine, number).serving == "similarity_only"
    code, _, err = embrec("runs", "publish", str(number), "--database-url", url)
    assert code == 3
    assert "--force" in err
    publishing.publish(engine, number, force=True)
    assert len(similar.similar_movies(engine, "103", 3)) == 3
    assert set(recommend.recommend_movies(engine, "u1", 3)["basis"]) == {"popularity"}
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT embrec.predict_rating('u1', '103')")) is None


def test_answers_that_are_not_the_models_are_found(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vector that was changed between the fit and the storing."""
    load_frame(engine, rating_frame())
    original = MatrixFactorization.fit

    def off(*arguments: object, **named: object) -> object:
        fitted = original(*arguments, **named)  # type: ignore[arg-type]
        fitted.user_biases[:] += 1.0  # type: ignore[index]
        return fitted

    monkeypatch.setattr(MatrixFactorization, "fit", off)
    result = train(engine, "matrix-factorization", {"epochs": 1})
    assert not result.published


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda users, movies: _without("user_vector", users, movies), "has no layer user_vector"),
        (lambda users, movies: my_models.biased(users + 1, movies), "rows for 30 users"),
        (lambda users, movies: _uncompiled(users, movies), "is not compiled"),
    ],
)
def test_what_a_keras_model_lacks_is_said(engine: sa.Engine, build: Callable[..., keras.Model], message: str) -> None:
    load_frame(engine, rating_frame())
    with pytest.raises(TrainingError, match=message):
        train(engine, keras_model(build, epochs=1))
    assert records.list_runs(engine)[0].status == "failed"


def _without(name: str, users: int, movies: int) -> keras.Model:
    model = my_models.biased(users, movies)
    model.get_layer(name).name = "something"
    return model


def _uncompiled(users: int, movies: int) -> keras.Model:
    model = my_models.biased(users, movies)
    return keras.Model(model.inputs, model.outputs)


def test_what_is_no_model_is_said(engine: sa.Engine, how_to: None) -> None:
    for model, message in (
        ("my_models:inputs", "is no model"),
        ("my_models:nothing", "cannot be loaded"),
        ("tow-part", "two-part"),
    ):
        with pytest.raises(ConfigError, match=message):
            train(engine, model)


def test_an_architecture_is_added_in_one_place(
    embrec: Run, engine: sa.Engine, url: str, how_to: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "added.py").write_text(
        HOW_TO + "\n\nfrom embrec.models.protocol import Range, Search\n"
        "added = embrec.keras_model(biased, epochs=2, name='added', dimensions=4)\n"
        "added.search = Search('RMSE', {'dimensions': Range(2, 8, step=2)}, added.options())\n"
    )
    monkeypatch.setitem(registry.BUILT_IN, "added", "added:added")
    load_frame(engine, rating_frame(users=60, movies=40, count=1500))
    at = ["--database-url", url]
    code, _, err = embrec("train", "--model", "added", *at)
    assert (code, err) == (0, "Published.\n")
    code, out, err = embrec("evaluate", "--model", "added", "--task", "ratings", "--json", *at)
    assert code == 0, err
    assert [each["model"] for each in json.loads(out)] == ["added", "biases"]
    code, out, err = embrec("tune", "--model", "added", "--trials", "2", "--json", *at)
    assert code == 0, err
    command = json.loads(out)["command"]
    assert command.startswith("embrec train --model added --dimensions ")
    code, _, err = embrec("report", "--output", str(tmp_path / "report.html"), *at)
    assert code == 0, err
    assert "added" in (tmp_path / "report.html").read_text()
    code, _, err = embrec("train", "--model", "ad", *at)
    assert "Choose one of: two-part, matrix-factorization, outer-product, added" in err


def test_an_installed_package_brings_models(engine: sa.Engine, how_to: None, tmp_path: Path) -> None:
    metadata = tmp_path / "my_models-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-models\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[embrec.models]\nours = my_models:biased_model\n")
    assert registry.names()[-1] == "ours"
    load_frame(engine, rating_frame())
    assert train(engine, "ours", {"epochs": 1}).published


def test_a_default_training_needs_keras(url: str) -> None:
    """With Keras and TensorFlow replaced by stubs that take anything, there is no run."""
    code = (
        "import sys; from unittest.mock import MagicMock\n"
        "for name in ('keras', 'keras.saving', 'keras.layers', 'tensorflow'): sys.modules[name] = MagicMock()\n"
        "import embrec; embrec.train(embrec.create_engine(sys.argv[1]), options={'draws': 2, 'dimensions': 4})"
    )
    engine = embrec.create_engine(url)
    load_frame(engine, rating_frame())
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True)
    assert done.returncode != 0
    assert all(run.status != "trained" for run in records.list_runs(engine))
    engine.dispose()

"""The user features (side information) in a real database: loaded, loaded again, extracted, given to the models."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame
from unchanged import unchanged

from embrec.data.extraction import extract
from embrec.data.files import sources
from embrec.errors import DataError
from embrec.evaluation import contenders, evaluate
from embrec.evaluation.data import database_data, read_data
from embrec.models.features import UserFeatures
from embrec.models.hybrid import TwoPart

PLANS = pd.DataFrame({"user_id": [f"u{user}" for user in range(30)], "plan": ["free", "gold", None] * 10})


def stored(engine: sa.Engine) -> dict[str, list[str] | None]:
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT user_id, labels FROM embrec.users"))
        return {row.user_id: row.labels for row in rows}


def test_a_load_replaces_labels_and_one_without_users_leaves_them(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(), users=PLANS)
    assert {user: stored(engine)[user] for user in ("u0", "u1", "u2")} == {
        "u0": ["plan free"],
        "u1": ["plan gold"],
        "u2": None,
    }
    before = stored(engine)
    load_frame(engine, rating_frame(seed=1))
    assert stored(engine) == before
    later = pd.DataFrame(
        {"user_id": ["u0", "u0", "u1", "stranger"], "plan": ["x", "gold", None, "gold"], "age": [1, 2, None, 3]}
    )
    load_frame(engine, rating_frame(), users=later)
    assert stored(engine) == {**before, "u0": ["plan gold", "age 2"], "u1": None}, "and who never rated has no row"


def test_labels_that_are_the_same_are_not_written_again(engine: sa.Engine) -> None:
    versions = []
    for _ in range(2):
        load_frame(engine, rating_frame(), users=PLANS)
        with engine.connect() as connection:
            versions.append(connection.execute(sa.text("SELECT ctid, xmin FROM embrec.users ORDER BY 1")).all())
    assert versions[0] == versions[1]


def test_a_bad_user_stores_nothing(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(), users=PLANS)
    with unchanged(engine), pytest.raises(DataError, match="line 3, column plan: contains a NUL character"):
        load_frame(engine, rating_frame(seed=1), users=PLANS.fillna("a\0"))


def named(features: UserFeatures | None, user_ids: list[str]) -> list[list[str]]:
    """Return the ids of the users with each feature."""
    assert features is not None
    return [
        [user_ids[user] for user in features.users[begin:end]]
        for begin, end in zip(features.starts, features.starts[1:], strict=False)
    ]


def test_what_is_extracted_is_of_users_with_ratings(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(), users=PLANS)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM embrec.ratings WHERE user_index IN (3, 29)"))
        connection.execute(
            sa.text("UPDATE embrec.users SET labels = '{plan free,plan free,NULL}' WHERE user_index = 5")
        )
        ids = connection.scalars(sa.text("SELECT user_id FROM embrec.users ORDER BY user_index")).all()
    arrays = extract(engine)
    user_ids = [ids[index] for index in arrays.user_indexes]
    expected = dict(zip(PLANS.user_id, PLANS.plan, strict=True)) | {ids[5]: "free"}
    assert len(user_ids) == 28
    assert {label: [user_ids[user] for user in users] for label, users in arrays.user_labels.items()} == {
        f"plan {plan}": [user for user in user_ids if expected[user] == plan] for plan in ("free", "gold")
    }
    assert named(arrays.for_models().user_features, user_ids) == [
        [user for user in user_ids if expected[user] == plan] for plan in ("free", "gold")
    ]


def test_a_load_that_comes_at_the_same_moment_does_not_bring_a_forgotten_users_labels_back(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(), users=PLANS)
    with engine.connect() as forgetting:
        forgetting.execute(sa.text("SELECT embrec.forget_user('u0')"))
        others = rating_frame()[lambda frame: frame.user_id != "u0"]
        loading = threading.Thread(target=load_frame, args=(engine, others), kwargs={"users": PLANS})
        loading.start()
        loading.join(0.3)
        assert loading.is_alive(), "it waits for the forgetting"
        forgetting.commit()
        loading.join()
    assert len(extract(engine).user_labels["plan free"]) == 9
    assert [labels for user, labels in stored(engine).items() if user.startswith("forgotten")] == [None]
    assert "u0" not in stored(engine)


def test_evaluating_tells_the_models_the_same_from_file_and_database(engine: sa.Engine, tmp_path: Path) -> None:
    rating_frame().to_csv(tmp_path / "ratings.csv", index=False)
    PLANS.to_csv(tmp_path / "users.csv", index=False)
    source = sources.open_source(tmp_path / "ratings.csv", users=tmp_path / "users.csv")
    load_frame(engine, rating_frame(), users=PLANS)
    of_file, of_database = read_data(source), database_data(engine)
    # Both number users by first appearance.
    users = list(dict.fromkeys(rating_frame().user_id))
    found = named(of_file.ratings.user_features, users)
    assert found == named(of_database.ratings.user_features, users)
    assert sorted(map(len, found)) == [10, 10]
    assert of_file.part(np.arange(5)).user_features is of_file.ratings.user_features
    told = contenders.of_model(TwoPart(), draws=2)
    untold = dataclasses.replace(of_file, ratings=dataclasses.replace(of_file.ratings, user_features=None))
    errors = [evaluate.rate(data, [told], "random")[0].values["RMSE"] for data in (of_file, untold)]
    assert errors[0] != errors[1], "the default model knows it"


def test_the_command_loads_and_evaluates_with_users(embrec, url: str, engine: sa.Engine, tmp_path: Path) -> None:
    files = tmp_path / "ratings.csv", tmp_path / "users.csv"
    rating_frame().to_csv(files[0], index=False)
    PLANS.to_csv(files[1], index=False)
    code, _, err = embrec("load", str(files[0]), "--users", str(files[1]), "--database-url", url)
    assert (code, err) == (0, "")
    assert stored(engine)["u1"] == ["plan gold"]
    options = ("--users", str(files[1]), "--task", "ratings", "--model", "matrix-factorization")
    assert embrec("evaluate", str(files[0]), *options)[0] == 0
    code, _, err = embrec("evaluate", str(files[0]), "--users", str(tmp_path / "none.csv"))
    assert (code, err) == (1, f"embrec: There is no file of users {tmp_path / 'none.csv'}. Check the path.\n")

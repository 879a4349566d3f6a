"""The user features (side information): labels from columns, and the files that have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from embrec.data.files.sources import from_frame, open_source
from embrec.data.files.users import User, label_users, read_csv_users
from embrec.errors import BadRowError, DataError

RATINGS = pd.DataFrame({"user_id": ["a"], "movie_id": ["m"], "rating": [3]})


def users_of(tmp_path: Path, content: str) -> list[User]:
    path = tmp_path / "users.csv"
    path.write_text(content)
    return read_csv_users(path)


def test_every_column_that_says_something_of_a_user_gives_a_label(tmp_path: Path) -> None:
    content = "plan,userId, children\nfree,u1,2\n,u2,0\n gold , u3 ,\n\n,u4,\n"
    assert users_of(tmp_path, content) == [
        User("u1", ["plan free", "children 2"]),
        User("u2", ["children 0"]),
        User("u3", ["plan gold"]),
        User("u4", []),
    ]


def test_many_different_numbers_are_cut_into_ten_parts_of_about_as_many_users() -> None:
    ages = [*map(str, range(20, 59)), "", "58.5"]
    labels = [user.labels for user in label_users(list(map(str, range(41))), {"age": ages}, "f", range(41))]
    assert labels[0] == labels[3] == ["age 20-23"]
    assert labels[4] == ["age 24-27"]
    assert labels[39] == [], "where nothing is known there is no label"
    assert labels[40] == ["age 56-58.5"]
    sizes = pd.Series([label for each in labels for label in each]).value_counts()
    assert (len(sizes), set(sizes)) == (10, {4})


def test_equal_numbers_are_in_one_part_however_many_there_are() -> None:
    numbers = ["0"] * 80 + [str(number) for number in range(1, 21)]
    labels = [user.labels[0] for user in label_users(numbers, {"n": numbers}, "f", range(100))]
    assert labels[:80] == ["n 0"] * 80
    assert [(label, labels.count(label)) for label in dict.fromkeys(labels[80:])] == [("n 1-10", 10), ("n 11-20", 10)]


def test_twelve_different_numbers_and_numbers_among_texts_stay_as_they_are() -> None:
    few, mixed = [str(number % 12) for number in range(40)], [*map(str, range(39)), "E1"]
    labels = [user.labels for user in label_users(few, {"few": few, "mixed": mixed}, "f", range(40))]
    assert labels[13] == ["few 1", "mixed 13"]


def test_a_frame_of_any_types() -> None:
    frame = pd.DataFrame(
        {
            "user_id": [1, 2, 3],
            "born": [1990, None, 1970],
            "member": [True, False, None],
            "since": pd.to_datetime(["2020-01-01", None, None]),
            7: pd.Categorical(["x", None, "y"]),
        }
    )
    assert from_frame(RATINGS, users=frame).users() == [
        User("1", ["born 1990", "member True", "since 2020-01-01 00:00:00", "7 x"]),
        User("2", ["member False"]),
        User("3", ["born 1970", "7 y"]),
    ]


def test_a_frame_of_ids_of_several_types() -> None:
    assert [user.user_id for user in from_frame(RATINGS, users=pd.DataFrame({"user_id": [" é", 2**70]})).users()] == [
        "é",
        str(2**70),
    ]
    with pytest.raises(BadRowError, match="DataFrame of users, line 1, column user_id: contains half a surrogate pair"):
        from_frame(RATINGS, users=pd.DataFrame({"user_id": [b"\xff", 1]})).users()
    with pytest.raises(DataError, match="floating-point ids"):
        from_frame(RATINGS, users=pd.DataFrame({"user_id": [0.5]})).users()
    with pytest.raises(DataError, match=r"Users are a DataFrame .*Make one"):
        from_frame(RATINGS, users=[User("a", [])])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no column user_id"):
        from_frame(RATINGS, users=pd.DataFrame({"id": [1]}))


@pytest.mark.parametrize(
    "content",
    [
        'user_id;age;town\n"1";30;"Ulm; Baden"\n2;;\n',
        '{"user_id":1,"age":30,"town":"Ulm; Baden"}\n{"town":null,"user_id":"2"}\n',
        pd.DataFrame({"user_id": [1, 2], "age": [30, None], "town": ["Ulm; Baden", None]}),
    ],
)
def test_users_of_any_file(tmp_path: Path, content: str | pd.DataFrame) -> None:
    (tmp_path / "r.csv").write_text("user_id,movie_id,rating\n1,2,3\n")
    path = tmp_path / ("u.txt" if isinstance(content, str) else "u.parquet")
    path.write_text(content) if isinstance(content, str) else content.to_parquet(path)
    labels = ["age 30", "town Ulm; Baden"]
    assert open_source(tmp_path / "r.csv", users=path).users() == [User("1", labels), User("2", [])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no column user_id; its header is: .*Rename one"),
        ("user_id,userid\n", "several columns user_id"),
        ("id,age\n1,2\n", "no column user_id; its header is: id, age. Rename one"),
        ("id;age\n1;2\n", "no column user_id; its header is: id, age. Rename one"),
        ("user_id,age, age\n", "names age twice. Rename one"),
        ("user_id,,age\n1,2,3\n", "a column without a name. Name it, or leave it out"),
        ("user_id,age\n1\n", r"line 2, column \(row\): 1 columns where 2 are expected"),
        ("user_id,age\n ,canary\n", "line 2, column user_id: empty"),
        ("user_id,age\n" + "x" * 501 + ",canary\n", "line 2, column user_id: longer than 500 bytes"),
        (
            "user_id,age\n1,canary" + "é" * 100 + "\n",
            "line 2, column age: longer than 200 bytes, with the column's name",
        ),
        ('user_id,age\n1,"canary\n', "unexpected end of data"),
        ("user_id,age\n1,canary\0\n", "has NUL bytes"),
        (
            "user_id,mail\n" + "".join(f"{n},canary{n}\n" for n in range(1001)),
            "Column mail .* more than 1,000 different",
        ),
    ],
)
def test_a_bad_file_is_refused_without_a_word_of_what_it_says_of_anybody(
    tmp_path: Path, content: str, message: str
) -> None:
    with pytest.raises(DataError, match=message) as refused:
        users_of(tmp_path, content)
    assert "canary" not in str(refused.value)


def test_a_movielens_100k_folder(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("1\t2\t3\t4\n")
    assert open_source(tmp_path).users() == [], "a folder may be without"
    (tmp_path / "u.user").write_text("1|24|M|technician|85711\n9|7|F|student|T8H1N\n10|30|F|none|\n")
    assert open_source(tmp_path).users() == [
        User("1", ["age 20-29", "sex M", "occupation technician", "zip 8"]),
        User("9", ["age 0-9", "sex F", "occupation student", "zip T"]),
        User("10", ["age 30-39", "sex F", "occupation none"]),
    ]
    (tmp_path / "u.user").write_text("1|canary|M|technician|85711\n")
    with pytest.raises(BadRowError, match=r"u\.user, line 1, column age: not a number of years"):
        open_source(tmp_path).users()


def test_a_movielens_1m_folder(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("1::2::3::4\n")
    assert open_source(tmp_path).users() == []
    (tmp_path / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n")
    assert open_source(tmp_path).users() == [
        User("1", ["age 0-17", "sex F", "occupation 10", "zip 4"]),
        User("2", ["age 56 or more", "sex M", "occupation 16", "zip 7"]),
    ]
    (tmp_path / "users.dat").write_text("1::F::2::10::48067\n")
    with pytest.raises(BadRowError, match=r"users\.dat, line 1, column age: not one of the data set's codes"):
        open_source(tmp_path).users()


def test_files_of_users_go_with_files(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user_id,movie_id,rating\na,b,3\n")
    with pytest.raises(DataError, match=r"no file of users .*missing\.csv"):
        open_source(path, users=tmp_path / "missing.csv")
    (tmp_path / "u.data").write_text("1\t2\t3\t4\n")
    with pytest.raises(DataError, match="is a folder"):
        open_source(tmp_path, users=path)
    assert open_source(path).users() == []
    assert open_source(path, users=path).users() == [User("a", ["movie_id b", "rating 3"])]
    assert open_source(path, users=path).files == (path, path)


def test_huge_numbers_keep_apart() -> None:
    numbers = [str(10**11 + number) for number in range(40)]
    labels = [user.labels[0] for user in label_users(numbers, {"n": numbers}, "f", range(40))]
    assert len(set(labels)) == 10
    assert np.unique([labels.count(label) for label in set(labels)]).tolist() == [4]

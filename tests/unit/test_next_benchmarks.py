"""The peers that are measured at what comes next, by hand, and the page of that benchmark."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from embrec.evaluation.steps import Questions
from embrec.models.sequences import Sequences

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> object:
    """A function that imports a benchmark's module by its name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture
def followers(load: object) -> ModuleType:
    return load("followers")  # type: ignore[operator, no-any-return]


def sequences(*histories: list[int]) -> Sequences:
    flat = np.array([movie for each in histories for movie in each], np.int32)
    starts = np.cumsum([0, *(len(each) for each in histories)])
    return Sequences(starts, flat, np.full(len(flat), np.nan), int(flat.max()) + 1)


def ids(*movies: int) -> np.ndarray:
    return np.array(movies, np.int32)


def test_session_neighbours_by_hand(followers: ModuleType) -> None:
    training = sequences([0, 1, 3], [1, 2, 4], [2, 5], [5, 4])
    score = followers.v_sknn(training, 10)
    # The history, oldest first: 0 weighs 1/3, 1 weighs 2/3, 2 weighs 1. The similarities are 1, 5/3 and 1; the newest
    # movies in common have the ages 1, 0 and 0.
    found = score([ids(0, 1, 2)])[0]
    np.testing.assert_allclose(found, [1 / 2, 1 / 2 + 5 / 3, 5 / 3 + 1, 1 / 2, 5 / 3, 1], rtol=1e-6)
    nearest = followers.v_sknn(training, 1)([ids(0, 1, 2), ids(2, 0, 1, 2)])
    np.testing.assert_allclose(nearest[0], [0, 5 / 3, 5 / 3, 0, 5 / 3, 0], rtol=1e-6)
    np.testing.assert_allclose(nearest[1], nearest[0], err_msg="only a movie's newest step counts")


def test_item_neighbours_by_hand(followers: ModuleType) -> None:
    training = sequences([0, 1], [0, 1, 2], [2, 0])
    near = followers.item_knn(training, 10, 0.0)
    cosine = 2 / np.sqrt(6)
    np.testing.assert_allclose(near([ids(0), ids(0, 1)])[:, 2], [cosine, cosine + 1 / 2], rtol=1e-6)
    one = followers.item_knn(training, 1, 0.0)
    np.testing.assert_allclose(one([ids(1)]), [[cosine, 0, 0]], rtol=1e-6, err_msg="2 has another nearest")
    shrunk = followers.item_knn(training, 10, 1.0)
    np.testing.assert_allclose(shrunk([ids(0)])[0, 2], 2 / (np.sqrt(6) + 1), rtol=1e-6)


def test_ease_is_the_regression_of_each_movie_on_the_others(followers: ModuleType) -> None:
    random = np.random.default_rng(0)
    training = sequences(*(random.permutation(6)[: random.integers(2, 6)].tolist() for _ in range(40)))
    rows = followers.all_sets(training).toarray().astype(np.float64)
    found = followers.ease(training, 5.0)([ids(movie) for movie in range(6)])
    for movie in range(6):
        others = np.setdiff1d(np.arange(6), movie)
        given = rows[:, others]
        expected = np.linalg.solve(given.T @ given + 5 * np.eye(5), given.T @ rows[:, movie])
        np.testing.assert_allclose(found[others, movie], expected, atol=1e-4)
    assert np.diag(found).tolist() == [0] * 6


def test_options_are_chosen_on_validation_and_noted(followers: ModuleType) -> None:
    training = sequences(*([[0, 1]] * 5), *([[2, 3]] * 3))
    validation = Questions(training, np.array([0, 1]), ids(3, 3), repeats=False)

    def make(training: Sequences, movie: int) -> object:
        return lambda histories: np.tile(np.arange(4) == movie, (len(histories), 1)).astype(np.float32)

    chosen: dict[str, str] = {}
    contender = followers.tuned("one", make, [(2,), (3,), (1,)], chosen)
    assert contender.follow(training, validation, 0)([ids(0)]).tolist() == [[0, 0, 0, 1]]
    assert chosen == {"one": "(3,) of 3 tries"}


@pytest.mark.slow
def test_sasrec_sees_no_later_step_and_learns_an_order(load: object) -> None:
    sasrec = load("sasrec")  # type: ignore[operator]
    pieces = sasrec._pieces(np.arange(120))
    targets = [movie for piece in pieces for movie in piece[1:].tolist()]
    assert sorted(targets) == list(range(1, 120)), "each step but the first is a target once"
    assert max(map(len, pieces)) == 51
    assert sasrec.padded([ids(4, 5), ids(6)]).tolist() == [[5, 6], [0, 7]]
    model = sasrec.SASRec(9)
    whole, changed = (model(np.array([row], np.int32)).numpy() for row in ([0, 3, 4, 5], [0, 3, 4, 9]))
    np.testing.assert_allclose(whole[0, 1:3], changed[0, 1:3], atol=1e-6)
    assert np.abs(whole[0, 3] - changed[0, 3]).max() > 1e-3
    padded = model(np.array([[0, 0, 0, 3, 4, 5]], np.int32)).numpy()
    np.testing.assert_allclose(padded[0, -1], whole[0, -1], atol=1e-5, err_msg="padding changes nothing")
    # Each user goes around a circle of eight movies from another place.
    training = sequences(*([(start + place) % 8 for place in range(6)] for start in range(8) for _ in range(30)))
    users = np.arange(0, 240, 10)
    last = training.movies[training.starts[users + 1] - 1]
    validation = Questions(training, users, (last + 1).astype(np.int32) % 8, repeats=True)
    chosen: dict[str, str] = {}
    score = sasrec.sasrec(chosen).follow(training, validation, 0)
    assert score([ids(1, 2, 3), ids(5, 6, 7)]).argmax(axis=1).tolist() == [4, 0]
    assert "epochs by early stopping" in chosen["SASRec"]


def test_files_are_found_and_read(load: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = load("sequence_data")  # type: ignore[operator]
    monkeypatch.delenv("EMBREC_SEQUENCES", raising=False)
    assert data.available() == {"MovieLens 100K": None}
    (tmp_path / "toys.txt").write_text("1 30 10 20\n2 10 30\n")
    monkeypatch.setenv("EMBREC_SEQUENCES", str(tmp_path))
    found = data.available()
    assert found == {"MovieLens 100K": None, "Amazon Toys": tmp_path / "toys.txt"}
    read = data.read(found["Amazon Toys"])
    assert [read.history(user).tolist() for user in range(2)] == [[2, 0, 1], [0, 2]]
    assert read.movie_count == 3


def test_the_page_has_a_table_for_each_result(load: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = load("next")  # type: ignore[operator]
    figures = {**dict.fromkeys(page.METRICS, 0.25), "train s": 1.25, "answer ms": 0.5}
    results = {"Toys, time": {"facts": {"users": 3}, "models": {"A": figures}, "chosen": {"A": "(1,) of 2 tries"}}}
    monkeypatch.setattr(page, "PAGE", tmp_path / "next.md")
    begin, end = "<!-- measured by tests/benchmarks/next.py: begin -->", "<!-- measured: end -->"
    (tmp_path / "next.md").write_text(f"before\n{begin}\nold\n{end}\nafter {end}\n")
    page.write(results)
    text = (tmp_path / "next.md").read_text()
    assert "old" not in text
    assert "| A | 0.2500 | 0.2500 | 0.2500 | 0.2500 | 1.2 | 0.50 |" in text
    assert text.startswith("before\n")
    assert text.endswith(f"after {end}\n")
    page.write(json.loads(json.dumps(results)))
    assert (tmp_path / "next.md").read_text() == text

"""Content of movies: from every kind of input the same vectors, all or nothing, changed only by what differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame

from embrec.data.describing import load_movies
from embrec.data.extraction import extract
from embrec.data.files.content import content_of, words_of
from embrec.data.files.movies import Movie
from embrec.data.files.sources import from_frame
from embrec.errors import BadRowError, DataError
from embrec.evaluation.data import read_data

Run = Callable[..., tuple[int, str, str]]
Load = Callable[..., str]
VECTORS = {"100": [0.5, -1.25, 3.0], "101": [0.1, 0.2, 1e-7], "new": [0.0, 0.0, 2.0]}


@pytest.fixture
def load(embrec: Run, url: str) -> Load:
    """Run embrec load on the test's database; returns what it prints."""

    def run(*arguments: str) -> str:
        code, out, err = embrec("load", *arguments, "--database-url", url)
        assert code == 0, err
        return out

    return run


def stored(engine: sa.Engine) -> dict[str, list[float]]:
    query = "SELECT movie_id, CAST(embedding AS text) FROM embrec.movie_content JOIN embrec.movies USING (movie_index)"
    with engine.connect() as connection:
        return {movie: json.loads(vector) for movie, vector in connection.execute(sa.text(query))}


def expected(vectors: dict[str, list[float]] = VECTORS) -> dict[str, list[float]]:
    return {movie: pytest.approx(vector, rel=1e-6) for movie, vector in vectors.items()}


@pytest.fixture
def rated(engine: sa.Engine) -> sa.Engine:
    load_frame(engine, rating_frame())
    return engine


@pytest.mark.parametrize("kind", ["csv", "postgres arrays", "jsonl", "parquet"])
def test_a_file_of_movies_brings_their_vectors(rated: sa.Engine, load: Load, tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame({"movie_id": list(VECTORS), "plot": list(VECTORS.values())})
    path = tmp_path / ("movies.parquet" if kind == "parquet" else "movies.jsonl" if kind == "jsonl" else "movies.csv")
    if kind == "parquet":
        frame.to_parquet(path)
    elif kind == "jsonl":
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    else:
        braces = str.maketrans("[]", "{}") if kind == "postgres arrays" else {}
        frame.assign(plot=[json.dumps(each).translate(braces) for each in frame["plot"]]).to_csv(path, index=False)
    told = load("--movies", str(path), "--content-column", "plot")
    assert told == "3 movies read: 1 new; 3 movies have content.\n"
    assert stored(rated) == expected()


@pytest.mark.parametrize("kind", ["vector", "halfvec", "real[]", "double precision[]", "numeric[]"])
def test_a_query_brings_vectors_of_any_type(rated: sa.Engine, load: Load, kind: str) -> None:
    text = json.dumps(VECTORS["100"])
    literal = text if kind.endswith("vec") or kind == "vector" else text.translate(str.maketrans("[]", "{}"))
    query = (
        f"SELECT 100 AS movie_id, CAST('{literal}' AS {kind}) AS content, 'x%y' AS other"
        " UNION ALL SELECT 101, NULL, '' -- a comment"
    )
    assert load("--content-query", query).startswith("2 movies read: 0 new; 1 movies have content.")
    assert stored(rated) == expected({"100": VECTORS["100"]})


def test_a_text_is_the_words_that_it_has(rated: sa.Engine, load: Load, tmp_path: Path) -> None:
    texts = {"100": "A space opera, and a space WESTERN", "101": "western opera a and space", "102": " "}
    path = tmp_path / "movies.csv"
    pd.DataFrame({"movie_id": list(texts), "plot": list(texts.values())}).to_csv(path, index=False)
    load("--movies", str(path), "--text-column", "plot")
    found = stored(rated)
    assert set(found) == {"100", "101"}
    assert found["100"] == found["101"]
    assert np.linalg.norm(found["100"]) == pytest.approx(1)
    load("--content-query", "SELECT '103' AS movie_id, 'opera western, a space and' AS text")
    assert stored(rated)["103"] == found["100"]
    other = words_of("nothing of that kind")
    assert other is not None
    assert abs(np.dot(other, found["100"])) < 0.3
    assert words_of("?!") is None


def test_content_goes_with_ratings_too_and_is_extracted_in_the_order_of_movies(engine: sa.Engine) -> None:
    load_frame(
        engine, rating_frame(), [Movie("100", "A", content=np.ones(2, np.float32)), Movie("105", content=[2, 3])]
    )
    found = extract(engine)
    places = [found.movie_ids.index(movie) for movie in ("100", "105")]
    assert found.movie_content.shape == (20, 2)
    assert found.movie_content[places].tolist() == [[1, 1], [2, 3]]
    assert np.isnan(np.delete(found.movie_content, places, axis=0)).all()
    told = found.for_models().movie_content
    assert told is not None
    assert np.flatnonzero(told.any(axis=1)).tolist() == sorted(places)


def test_evaluations_on_files_know_content() -> None:
    movies = [Movie("100", "A", content=[1, 0]), Movie("105", content=[2, 3]), Movie("106", content=[5])]
    data = read_data(from_frame(rating_frame(), movies))
    told = data.ratings.movie_content
    assert told is not None
    assert {data.movie_ids[row] for row in np.flatnonzero(told.any(axis=1))} == {"100", "105"}


def test_loading_the_same_again_changes_nothing(rated: sa.Engine) -> None:
    movies = [Movie(movie, content=vector) for movie, vector in VECTORS.items()]
    load_movies(rated, movies)
    with rated.connect() as connection:
        before = connection.execute(sa.text("SELECT * , xmin FROM embrec.movie_content ORDER BY 1")).all()
    load_movies(rated, [*movies[:2], movies[2]._replace(content=[1, 1, 1]), Movie("101", "Named")])
    with rated.connect() as connection:
        after = connection.execute(sa.text("SELECT * , xmin FROM embrec.movie_content ORDER BY 1")).all()
    assert before[:2] == after[:2]
    assert after[2].changed_at > before[2].changed_at
    assert stored(rated) == expected(VECTORS | {"new": [1, 1, 1]})


BAD = {
    "no list of numbers": ["x", "[[1,2]]", "[]", "{}", '{"a": 1}', "3"],
    "not all between": ["[1, null]", "[NaN, 1]", "[1e7]", "[Infinity]"],
    "longer than 8,192 numbers": [json.dumps([0.0] * 8193)],
}


@pytest.mark.parametrize(("reason", "text"), [(reason, text) for reason, texts in BAD.items() for text in texts])
def test_what_is_no_vector_is_refused_with_its_row(rated: sa.Engine, reason: str, text: str) -> None:
    with pytest.raises(ValueError, match=reason):
        content_of(text)
    with pytest.raises(BadRowError, match=rf"movies, line 2, column content: {reason}"):
        load_movies(rated, [Movie("100", content=[1.0]), Movie("unknown", content=text)])
    assert stored(rated) == {}
    with rated.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM embrec.movies WHERE movie_id = 'unknown'")) == 0


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT 1 AS movie_id", "It needs movie_id, and content or text"),
        ("SELECT 1 AS movie_id, 2 AS content", "Column content is of type integer"),
        ("SELECT 1 AS movie_id, '{{1},{2}}'::real[] AS content", "line 1, column content: not all between"),
        ("SELECT 1 AS movie_id, '{1,NULL}'::real[] AS content", "line 1, column content: not all between"),
        ("SELECT 1 AS movie_id, 'x' AS text WHERE false", "The input has no movies"),
        ("SELECT", "The query of content has the columns"),
        ("nonsense", "syntax error"),
    ],
)
def test_a_query_of_something_else_is_refused(
    rated: sa.Engine, embrec: Run, url: str, query: str, message: str
) -> None:
    code, _, err = embrec("load", "--content-query", query, "--database-url", url)
    assert code == 1
    assert message in err
    assert stored(rated) == {}


def test_vectors_of_two_lengths_are_refused_and_replaced_only_all_at_once(rated: sa.Engine) -> None:
    load_movies(rated, [Movie(movie, content=vector) for movie, vector in VECTORS.items()])
    with pytest.raises(DataError, match="3 movies would have 3 numbers and 1 movies 2"):
        load_movies(rated, [Movie("102", content=[1, 2])])
    assert stored(rated) == expected()
    load_movies(rated, [Movie(movie, content=vector[:2]) for movie, vector in VECTORS.items()])
    assert stored(rated) == expected({movie: vector[:2] for movie, vector in VECTORS.items()})


@pytest.mark.parametrize(
    "arguments",
    [
        ("ml-100k", "--content-query", "SELECT 1"),
        ("--content-query", "SELECT 1", "--movies", "m.csv"),
        ("--content-query", "SELECT 1", "--text-column", "plot"),
        ("--movies", "m.csv", "--scale", "1:5"),
        ("ml-100k", "--content-column", "plot"),
    ],
)
def test_options_that_do_not_go_together_are_refused(embrec: Run, arguments: tuple[str, ...]) -> None:
    assert embrec("load", *arguments)[0] == 2

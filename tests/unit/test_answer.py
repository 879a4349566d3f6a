"""A query's rows as plain values, and as a DataFrame."""

from __future__ import annotations

import inspect

import pandas as pd

from embrec.db.answer import Answer, as_frame, plain
from embrec.serving.search import find_movies

FOUND = Answer(["id", "year", "score"], [("a", 1977, float("nan")), ("b", None, 0.5)]).with_whole("year")


def test_a_missing_value_is_none_in_records_and_missing_in_a_frame() -> None:
    assert FOUND.records() == [{"id": "a", "year": 1977, "score": None}, {"id": "b", "year": None, "score": 0.5}]
    frame = FOUND.frame()
    assert frame["year"].dtype == "Int64"
    assert frame.isna().to_numpy().tolist() == [[False, False, True], [False, True, False]]
    assert (FOUND["id"], len(FOUND)) == (["a", "b"], 2)
    assert Answer(["year"], []).with_whole("year").frame()["year"].dtype == "Int64"


def test_a_function_has_both_forms_and_says_that_it_returns_a_frame() -> None:
    @as_frame
    def ask(n: int) -> Answer:
        return FOUND

    assert plain(ask)(1) is FOUND
    pd.testing.assert_frame_equal(ask(1), FOUND.frame())
    signature = inspect.signature(find_movies)
    assert (signature.parameters["n"].annotation, signature.return_annotation) == (int, "pandas.DataFrame")

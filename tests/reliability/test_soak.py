"""The soak test for forty seconds: sixteen concurrent clients while runs change."""

from __future__ import annotations

import pytest
import soak


@pytest.mark.slow
def test_no_answer_is_wrong_and_nothing_grows_while_runs_come_and_go_under_load(url: str) -> None:
    result = soak.soak(url, seconds=40)
    assert (result.wrong[:3], result.errors[:3]) == ([], []), result.table()
    assert soak.grows(result) == [], result.table()
    assert result.answered > 1000
    assert result.retries.total() < result.answered / 100
    kinds = {"similar_movies", "recommend_movies", "predict_rating", "similar_users", "popular_movies"}
    assert set(result.seconds) == kinds | {
        *("add_rating", "remove_rating", "load", "refresh_statistics", "publish", "rollback")
    }

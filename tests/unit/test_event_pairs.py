"""Weights of pairs of events, by hand; and the ranking model of events."""

from __future__ import annotations

import numpy as np
import pytest

from embrec.models.base import Ratings, RatingWeights
from embrec.models.ease import model as ease
from embrec.models.ease import penalty as ease_penalty
from embrec.models.ease.model import Options, fit
from embrec.models.ease.rows import Rows
from embrec.models.event_pairs import EventPairs
from embrec.models.interactions import Interactions

NOTHING = np.empty(0, np.int32)


def pairs(events: list[tuple[int, int, float, bool]]) -> EventPairs:
    users, movies, amounts, dislikes = zip(*events, strict=True)
    return EventPairs.of(
        np.array(users, np.int32), np.array(movies, np.int32), np.array(amounts, float), np.array(dislikes)
    )


def events_alone(found: EventPairs, users: int, movies: int) -> Ratings:
    return Ratings(NOTHING, NOTHING, np.empty(0, np.float32), users, movies, events=found)


def test_interests_are_logarithms_of_amounts_over_the_users_root_mean_square() -> None:
    """User 1 watched movie 4 once, and movie 2 as much as 3 and 4 times; user 0 has one movie, at whatever amount."""
    found = pairs([(1, 4, 1.0, False), (1, 2, 3.0, False), (0, 7, 1e6, False), (1, 2, 4.0, False)])
    assert found.users.tolist() == [0, 1, 1]
    assert found.movies.tolist() == [7, 2, 4]
    root = np.sqrt((3**2 + 1**2) / 2)  # log2(1 + 7) and log2(1 + 1)
    assert np.allclose(found.interests, [1, 3 / root, 1 / root])


def test_amounts_of_old_events_keep_their_proportions() -> None:
    found = pairs([(0, 0, 3e-18, False), (0, 1, 4e-18, False), (1, 0, 3.0, False), (1, 1, 4e-60, False)])
    assert np.allclose(found.interests, [3 / np.sqrt(12.5), 4 / np.sqrt(12.5), np.sqrt(2), 0])


def test_a_dislike_outweighs_other_events_of_its_pair_and_leaves_the_users_scale() -> None:
    found = pairs([(0, 0, 1.0, False), (0, 1, 100.0, False), (0, 1, 1.0, True), (0, 2, 3.0, True)])
    assert np.allclose(found.interests, [1, -1, -2])


def test_events_that_weigh_nothing_are_pairs_all_the_same() -> None:
    assert pairs([(0, 0, 0.0, False), (0, 1, 0.0, False)]).interests.tolist() == [0, 0]


def test_ratings_and_events_weigh_side_by_side() -> None:
    """User 0 rated movie 0 with 5 and movie 2 with 1, and watched movie 1; user 1 dislikes all."""
    events = pairs([(0, 1, 1.0, False), (0, 3, 1.0, True), (1, 0, 1.0, True)])
    of_users = np.array([0, 0, 1], np.int32), np.array([0, 2, 2], np.int32)
    given = Ratings(*of_users, np.array([5, 1, 1], np.float32), 2, 4, events=events)
    rows = Rows.of(given, RatingWeights(1, 5, 1.5, 0.2))
    assert np.allclose(rows.signed().toarray(), [[1, 1, -0.2, -0.2], [0, 0, 0, 0]])
    assert np.allclose(rows.unsigned().toarray(), [[1, 1, 0.2**1.5, 0.2**1.5], [0.2**1.5, 0, 0.2**1.5, 0]])
    assert Interactions.of(given).liked(rows.weighting).tolist() == [True, False, False, True, False, False]


def camps(users: int = 300, movies: int = 80) -> Ratings:
    """Make events in four groups: users mostly watch the movies of their own, and those more often."""
    random = np.random.default_rng(0)
    own = np.arange(users)[:, np.newaxis] % 4 == np.arange(movies) % 4
    user, movie = np.nonzero(random.random((users, movies)) < np.where(own, 0.5, 0.05))
    amounts = np.where(own[user, movie], random.pareto(0.5, len(user)) + 1, 1.0)
    found = EventPairs.of(user.astype(np.int32), movie.astype(np.int32), amounts, np.zeros(len(user), bool))
    return events_alone(found, users, movies)


def test_events_alone_are_ranked() -> None:
    given = camps()
    fitted = fit(given, Options(), 0)
    scores = fitted.score(np.arange(given.user_count, dtype=np.int32))
    seen = np.zeros(scores.shape, bool)
    assert given.events is not None
    seen[given.events.users, given.events.movies] = True
    own = np.arange(given.user_count)[:, np.newaxis] % 4 == np.arange(given.movie_count) % 4
    best = np.where(seen, -np.inf, scores).argmax(axis=1)
    assert own[np.arange(given.user_count), best].mean() > 0.99
    assert fitted.movie_vectors.shape[1] <= 64, "no more dimensions than half of the movies bear"


@pytest.mark.parametrize(
    ("qualities", "chosen"), [({64: 0.3, 128: 0.2, 256: 0.1}, 64), ({64: 0.1, 128: 0.3, 256: 0.299}, 128)]
)
def test_the_dimensions_of_events_are_the_fewest_that_are_as_good_as_the_best(
    qualities: dict[int, float], chosen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quality(self: object, penalty: float, dropout: float, dimensions: list[int]) -> np.ndarray:
        noise = [np.random.default_rng(each).uniform(-0.01, 0.01, 20) for each in dimensions]
        return np.linspace(0, 0.1, 20) + noise + np.array([[qualities[each]] for each in dimensions])

    monkeypatch.setattr(ease_penalty._Validation, "quality", quality)
    given = camps(20, 600)
    weighting = ease._weighting(given, Options())
    assert ease_penalty.choose(given, weighting, 0.25, 40.0, None, 0, 40.0).dimensions == chosen
    assert ease_penalty.choose(given, weighting, 0.25, 40.0, 8, 0, 40.0).dimensions == 8

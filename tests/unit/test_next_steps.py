"""The evaluation of the next step: its splits, measures and baselines, against values computed by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec import metrics
from embrec.errors import DataError
from embrec.evaluation import next_baselines, next_steps, steps
from embrec.evaluation.contender import Contender, Follow
from embrec.evaluation.steps import Questions
from embrec.models.next.lags import transitions
from embrec.models.sequences import Sequences

NAN = float("nan")


def sequences(
    histories: Sequence[Sequence[int]], days: Sequence[Sequence[float]] | None = None, movies: int = 0
) -> Sequences:
    """Return histories of movies, without times unless they are given."""
    flat = np.array([movie for each in histories for movie in each], np.int32)
    when = [NAN] * len(flat) if days is None else [day for each in days for day in each]
    starts = np.cumsum([0, *(len(each) for each in histories)])
    return Sequences(starts, flat, np.array(when, float), movies or int(flat.max()) + 1)


def listed(histories: Sequences) -> list[list[int]]:
    return [histories.history(user).tolist() for user in range(len(histories.lengths))]


def constant(scores: Sequence[float]) -> Follow:
    return lambda histories: np.tile(np.array(scores, np.float32), (len(histories), 1))


def test_the_last_step_is_asked_for_and_the_last_but_one_is_for_validation() -> None:
    split = steps.leave_last_out(sequences([[0, 1, 2, 3], [4, 5], [], [6, 7, 8]]))
    assert listed(split.training) == [[0, 1], [4], [], [6]]
    assert split.validation.users.tolist() == [0, 1, 3]
    assert split.validation.targets.tolist() == [2, 5, 7]
    assert split.test.users.tolist() == [0, 3]
    assert split.test.targets.tolist() == [3, 8]
    assert [split.test.history(each).tolist() for each in range(2)] == [[0, 1, 2], [6, 7]]
    assert split.facts == {"users": 2, "steps that repeat": 0, "users with too few steps": 1}


def test_a_moment_cuts_all_histories() -> None:
    histories = [[0, 1, 2], [3, 4], [5, 6, 7, 8], [9]]
    days = [[NAN, 1, 9], [9, 9.5], [1, 2, 3, 4], [5]]
    split = steps.by_time(sequences(histories, days))
    assert split.facts == {
        "users": 1,
        "steps that repeat": 0,
        "moment": "1970-01-10T00:00:00+00:00",
        "new users": 1,
        "new movies": 1,
    }
    assert split.test.users.tolist() == [0]
    assert split.test.targets.tolist() == [2]
    assert listed(split.test.histories) == [[0, 1], [], [5, 6, 7, 8], [9]]
    assert listed(split.training) == [[0], [], [5, 6, 7], [9]]
    assert split.validation.targets.tolist() == [1, 8]


@given(st.integers(0, 10_000), st.sampled_from(sorted(steps.SPLITS)))
def test_no_step_after_the_cut_is_learned_from(seed: int, way: str) -> None:
    """Every step is a movie of its own here, so that a leak of any step is seen."""
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 9, 12)
    lengths[0] = 5
    days = np.concatenate([np.sort(random.integers(0, 30, length)) for length in lengths]).astype(float)
    days[:5] = [1, 2, 3, 4, 40]
    whole = Sequences(
        np.concatenate([[0], np.cumsum(lengths)]), np.arange(lengths.sum(), dtype=np.int32), days, int(lengths.sum())
    )
    split = steps.SPLITS[way](whole)
    learned, chosen_on = set(split.training.movies.tolist()), set(split.validation.targets.tolist())
    known = set(split.test.histories.movies.tolist())
    assert not learned & chosen_on
    assert learned | chosen_on == known
    assert len(split.validation.targets) == np.count_nonzero(split.test.histories.lengths >= 2)
    assert not known & set(split.test.targets.tolist())
    owner = np.repeat(np.arange(len(lengths)), lengths)
    for user, target in zip(split.test.users, split.test.targets, strict=True):
        mine = [step for step in known if owner[step] == user]
        assert max(mine) == target - 1, "and nothing later of this user is known"
    if way == "time":
        assert max(days[sorted(known)]) < min(days[split.test.targets])
        assert not known & set(np.flatnonzero(days >= days[split.test.targets].min()).tolist())


def test_contenders_never_see_the_test() -> None:
    given_to: list[Sequences] = []

    def spy(training: Sequences, validation: Questions, seed: int) -> Follow:
        given_to.extend((training, validation.histories))
        assert not set(validation.targets.tolist()) & {3, 7}
        return constant([0] * 8)

    next_steps.follow(sequences([[0, 1, 2, 3], [4, 5, 6, 7]]), [Contender("spy", follow=spy)], "leave-last-out")
    assert [sorted(each.movies.tolist()) for each in given_to] == [[0, 1, 4, 5]] * 2


def test_steps_that_repeat_are_left_out_and_counted_unless_repeats_are_allowed() -> None:
    whole = sequences([[0, 1, 2, 0], [1, 2, 0, 3]])
    split = steps.leave_last_out(whole)
    assert split.test.users.tolist() == [1]
    assert split.facts["steps that repeat"] == 1
    assert steps.leave_last_out(whole, repeats=True).test.users.tolist() == [0, 1]
    assert steps.leave_last_out(whole, repeats=True).facts["steps that repeat"] == 1
    (never,) = next_steps.follow(whole, [Contender("x", follow=lambda *_: constant([4, 3, 2, 1]))], "leave-last-out")
    assert never.values["HR@10"] == [1.0]
    assert never.values["NDCG@10"] == [1.0], "movies of the history are not in the list"
    assert "repeats@10" not in never.values
    (allowed,) = next_steps.follow(
        whole, [Contender("x", follow=lambda *_: constant([4, 3, 2, 1]))], "leave-last-out", repeats=True
    )
    assert allowed.values["NDCG@10"] == [pytest.approx((1 + 1 / np.log2(5)) / 2)]
    assert allowed.values["MRR@20"] == [pytest.approx((1 + 1 / 4) / 2)]
    assert allowed.values["repeats@10"] == [pytest.approx(3 / 4)]


def test_nobody_to_ask_is_an_error_that_says_why() -> None:
    with pytest.raises(DataError, match="0 users have steps enough"):
        steps.leave_last_out(sequences([[0, 1], [2]]))
    with pytest.raises(DataError, match=r"repeats a movie for 1 of them. Load more events, or allow repeats"):
        steps.leave_last_out(sequences([[0, 0, 0]]))
    for days in ([[NAN, NAN, 1.0]], [[1.0, 1.0, 1.0]]):
        with pytest.raises(DataError, match="--split leave-last-out"):
            steps.by_time(sequences([[0, 1, 2]], days))


def test_measures_by_hand() -> None:
    found = metrics.of_ranks(np.array([0, 2, 9.5, 10, 19, 20]), 10, 20)
    assert found["HR@10"].tolist() == [1, 1, 1, 0, 0, 0]
    np.testing.assert_allclose(found["NDCG@10"], [1, 0.5, 1 / np.log2(11.5), 0, 0, 0])
    np.testing.assert_allclose(found["MRR@20"], [1, 1 / 3, 1 / 10.5, 1 / 11, 1 / 20, 0])


def test_equal_scores_are_ranked_by_popularity_and_half_of_the_equally_popular_are_before() -> None:
    scores = np.array([[5, 1, 1, 1, 1, -np.inf], [0, 0, 0, 0, 0, 0], [2, 9, 2, 3, 4, 1]], np.float32)
    ties = np.array([1, 7, 3, 3, 3, 9])
    targets = np.array([2, 0, 0])
    # First 5.0, then the 7; of the three equal ones one is before. Then all but one are more popular. The third has 3
    # movies above, and its tie is more popular.
    assert metrics.expected_ranks(scores, targets, ties).tolist() == [3, 5, 4]


@given(st.integers(0, 10_000))
def test_the_expected_rank_is_the_mean_over_all_orders_of_equals(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, ties = random.integers(0, 3, (1, 6)).astype(np.float32), random.integers(0, 2, 6)
    places = []
    for _ in range(400):
        order = np.lexsort((random.random(6), -ties, -scores[0]))
        places.append(order.tolist().index(2))
    expected = metrics.expected_ranks(scores, np.array([2]), ties)[0]
    assert expected == pytest.approx((min(places) + max(places)) / 2)
    assert np.mean(places) == pytest.approx(expected, abs=0.5)


def test_coverage_is_the_share_of_movies_in_any_list() -> None:
    whole = sequences([[0, 1, 2]], movies=40)
    (outcome,) = next_steps.follow(whole, [Contender("x", follow=lambda *_: constant(range(40)))], "leave-last-out")
    assert outcome.values["coverage"] == [10 / 40]
    few = sequences([[0, 1, 2], [1, 2, 0]])
    (outcome,) = next_steps.follow(few, [Contender("x", follow=lambda *_: constant([0, 0, 0]))], "leave-last-out")
    assert outcome.values["coverage"] == [2 / 3], "what was seen is in no list, however short it is"


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="not a number"):
        next_steps.follow(
            sequences([[0, 1, 2]]), [Contender("x", follow=lambda *_: constant([0, NAN, 1]))], "leave-last-out"
        )


def test_markov_and_rules_by_hand() -> None:
    training = sequences([[0, 1, 2], [0, 2, 2]])
    none = Questions(training, np.array([], np.int64), np.array([], np.int32), repeats=False)
    follow = next_baselines.markov().follow
    assert follow is not None
    scores = follow(training, none, 0)([np.array([1, 0], np.int32), np.array([2], np.int32)])
    assert scores.tolist() == [[0, 1, 1], [0, 0, 1]]
    weights = transitions(training, next_baselines._BY_DISTANCE).toarray()
    assert weights.tolist() == [[0, 1, 2], [0, 0, 1], [0, 0, 1]], "2 after 0: a half, one, and another half"
    rules = next_baselines.rules().follow
    assert rules is not None
    decay = 0.2  # the first that is tried, without questions to choose on
    found = rules(training, none, 0)([np.array([0, 1], np.int32)])
    np.testing.assert_allclose(found, [[0, decay / 3, 1 + decay * 2 / 3]], rtol=1e-6)


def test_rules_choose_their_decay_on_validation() -> None:
    """The answer depends on the oldest step alone, so the slowest decay is best."""
    histories = [[start, middle, start + 2] for start in (0, 1) for middle in (4, 5, 6) for _ in range(5)]
    asked = [[start, 7, start + 2] for start in (0, 1)] * 5
    training = sequences(histories + [each[:2] for each in asked], movies=8)
    users = np.arange(len(histories), len(histories) + len(asked))
    targets = np.array([each[2] for each in asked], np.int32)
    questions = Questions(training, users, targets, repeats=False)
    tries = [constant([0, 0, 0, 1, 0, 0, 0, 0]), constant([0, 0, 1, 1, 0, 0, 0, 0])]
    place, found = next_baselines.best_of([lambda: tries[0], lambda: tries[1]], training, questions, 0)
    assert (place, found) == (1, tries[1])
    rules = next_baselines.rules().follow
    assert rules is not None
    score = rules(training, questions, 0)
    assert next_steps.quality(score, questions, next_steps.popularity(training)) == 1.0


def test_the_popularity_of_the_last_week() -> None:
    training = sequences([[0, 0, 1, 2, 2], [2]], [[NAN, 1, 2, 10, 12], [19]])
    questions = Questions(training, np.array([], np.int64), np.array([], np.int32), repeats=False)
    for fit, expected in ((next_baselines.popular(), [2, 1, 3]), (next_baselines.popular_lately(), [0, 0, 1])):
        assert fit.follow is not None
        assert fit.follow(training, questions, 0)([np.array([0], np.int32)]).tolist() == [expected]
    names = [each.name for each in next_baselines.baselines(training)]
    assert names == ["popularity", "popularity, 7 days", "Markov", "rules"]
    assert len(next_baselines.baselines(sequences([[0, 1, 2]]))) == 3, "without times there is no last week"


def test_questions_are_sampled_without_order() -> None:
    whole = sequences([[movie, movie + 1, movie + 2] for movie in range(30)])
    test = steps.leave_last_out(whole).test
    sample = test.sample(10, 0)
    assert len(set(sample.users.tolist())) == 10
    assert (sample.targets == sample.users + 2).all()
    assert test.sample(30, 0) is test

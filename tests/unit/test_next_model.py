"""The closed-form model of the next step: its parts against sums written out, and the choice of their weights."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from threadpoolctl import threadpool_limits

from embrec.models.next import ridge, sparse
from embrec.models.next.base import powers, strongest
from embrec.models.next.lags import newest, transitions
from embrec.models.next.mixture import mixture
from embrec.models.next.model import Options, fit
from embrec.models.next.parts import Histories, Rows, Vectors
from embrec.models.next.selection import Candidates, Questions, choose, hold_out, stand_in
from embrec.models.sequences import Sequences


def sequences_of(histories: list[list[int]], movie_count: int) -> Sequences:
    movies = np.array([movie for history in histories for movie in history], np.int32)
    starts = np.cumsum([0, *map(len, histories)]).astype(np.int64)
    return Sequences(starts, movies, np.full(len(movies), np.nan), movie_count)


def random_sequences(seed: int = 0, movie_count: int = 7) -> Sequences:
    random = np.random.default_rng(seed)
    return sequences_of([random.integers(0, movie_count, size).tolist() for size in (0, 1, 2, 5, 9, 30)], movie_count)


def cycles(users: int = 80, movie_count: int = 30, length: int = 12) -> Sequences:
    """Return histories that go up by one movie from a random one, now and then by a random step."""
    random = np.random.default_rng(5)
    steps = np.where(random.random((users, length)) < 0.85, 1, random.integers(2, 9, (users, length)))
    begin = random.integers(0, movie_count, (users, 1))
    return sequences_of(((begin + np.cumsum(steps, axis=1)) % movie_count).tolist(), movie_count)


def rows_of(sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the regression and the targets, one for each step that has one before it."""
    rows, targets = [], []
    for user in range(len(sequences.lengths)):
        history = sequences.history(user)
        for step in range(1, len(history)):
            row = np.zeros((3, sequences.movie_count))
            for channel, decay in enumerate(ridge.DECAYS):
                for age, movie in enumerate(history[:step][::-1]):
                    row[channel, movie] += decay**age
            rows.append(row.ravel())
            targets.append(np.eye(sequences.movie_count)[history[step]])
    return np.array(rows), np.array(targets)


def test_the_moments_are_those_of_rows_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "_LEAST_FACTOR", 1e-9)
    sequences = random_sequences()
    rows, targets = rows_of(sequences)
    gram, products, count = rows.T @ rows, rows.T @ targets, sequences.movie_count
    found = ridge.Moments.of(sequences, np.arange(count))
    np.testing.assert_allclose(found.newest, np.diag(gram)[:count], rtol=1e-5)
    np.testing.assert_allclose(found.across, gram[:count, count:], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.decayed, gram[count:, count:], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.newest_targets, products[:count], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.decayed_targets, products[count:], rtol=1e-5, atol=1e-5)


def test_the_regression_solves_its_normal_equations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "_LEAST_FACTOR", 1e-9)
    sequences = random_sequences(1)
    rows, targets = rows_of(sequences)
    blocks = np.diag(rows.T @ rows).reshape(3, -1)
    regularized = rows.T @ rows + np.diag(np.repeat(0.7 * blocks.mean(axis=1), sequences.movie_count))
    expected = np.linalg.solve(regularized, rows.T @ targets)
    np.testing.assert_allclose(np.vstack(ridge.Moments.of(sequences, np.arange(7)).solve(0.7)), expected, atol=1e-5)


def test_moments_of_some_movies_are_their_part_of_all() -> None:
    found, movies = ridge.Moments.of(random_sequences(), np.arange(7)), np.array([1, 4])
    for few in (found.among(movies), ridge.Moments.of(random_sequences(), movies)):
        assert few.newest.tolist() == found.newest[[1, 4]].tolist()
        assert few.newest_targets.tolist() == found.newest_targets[np.ix_(movies, movies)].tolist()
        assert few.across[1].tolist() == found.across[4, [1, 4, 8, 11]].tolist()
        assert few.decayed.tolist() == found.decayed[np.ix_([1, 4, 8, 11], [1, 4, 8, 11])].tolist()
        assert few.decayed_targets[3].tolist() == found.decayed_targets[11, [1, 4]].tolist()


def test_movies_with_few_steps_have_no_coefficients() -> None:
    sequences = sequences_of([[4, 2] * 40, [0, 4, 2], [2, 1]], 5)
    movies = ridge.frequent(sequences)
    assert movies.tolist() == [2, 4]
    rows, small = ridge.Moments.of(sequences, movies).solve(1.0)[0], ridge.Moments.of(sequences, movies)
    assert np.flatnonzero(rows).tolist() == [2 * 5 + 2, 2 * 5 + 4, 4 * 5 + 2, 4 * 5 + 4]
    assert rows[np.ix_(movies, movies)].tolist() == small.among(np.arange(2)).solve(1.0)[0].tolist()
    assert ridge.frequent(sequences_of([[3, 1], [0]], 4)).tolist() == [0, 1, 3]


def test_the_strongest_entries_of_a_row_come_in_order() -> None:
    dense = np.random.default_rng(1).integers(-3, 4, (6, 9)).astype(np.float32)
    found = strongest(scipy.sparse.csr_array(dense), 4)
    for row, weights in enumerate(dense):
        expected = [each for each in np.argsort(-np.abs(weights), kind="stable")[:4] if weights[each]]
        entries = slice(found.indptr[row], found.indptr[row + 1])
        assert found.indices[entries].tolist() == expected
        assert found.data[entries].tolist() == weights[expected].tolist()


def test_rules_share_out_what_came_after() -> None:
    found = sparse.rules(sequences_of([[0, 1, 2], [0, 2]], 3)).toarray()
    # After 0 came 1 next, 2 in two steps, and 2 next; 1 is added to the sum of a row.
    assert found[0] == pytest.approx(np.array([0, 1, 1.7]) / 3.7)
    assert found[1] == pytest.approx(np.array([0, 0, 1]) / 2)
    assert not found[2].any()


def test_transitions_are_counted_as_rules_divide_by_them() -> None:
    sequences = random_sequences()
    counted = transitions(sequences, 0.7 ** np.arange(10))
    assert sparse.transition_counts(sequences) == pytest.approx(counted.sum(axis=1))
    assert sparse.rules(sequences).toarray() == pytest.approx(
        counted.toarray() / (sparse.transition_counts(sequences) + 1)[:, np.newaxis]
    )


def test_two_steps_are_a_product_of_rules() -> None:
    rules = sparse.rules(random_sequences())
    assert sparse.two_steps(rules).toarray() == pytest.approx(rules.toarray() @ rules.toarray(), abs=1e-6)


def test_cosines_count_a_movie_of_a_user_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = sequences_of([[0, 1, 0], [0, 1], [1, 2]], 3)
    seen = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]]) * 2.0**-0.25
    lengths = np.sqrt((seen**2).sum(axis=0)) + 1
    expected = seen.T @ seen / np.outer(lengths, lengths)
    np.fill_diagonal(expected, 0)
    assert sparse.cosine(sequences).toarray() == pytest.approx(expected)
    monkeypatch.setattr(sparse, "_PRODUCTS", 2)
    assert sparse.cosine(sequences).toarray() == pytest.approx(expected)  # row by row


def test_the_newest_steps_of_each_user_are_kept() -> None:
    sequences = sequences_of([[0, 1, 2, 3], [4], [5, 6]], 7)
    assert newest(sequences, 7) is sequences
    assert newest(sequences, 5).movies.tolist() == [2, 3, 4, 5, 6]
    assert newest(sequences, 5).starts.tolist() == [0, 2, 3, 5]
    assert newest(sequences, 4).movies.tolist() == [3, 4, 6]


def test_a_mixture_scores_as_its_parts_do() -> None:
    random = np.random.default_rng(2)
    dense = random.normal(size=(6, 6)).astype(np.float32)
    counted = scipy.sparse.csr_array(np.where(dense > 0, dense, 0))
    own, history = random.normal(size=(2, 6, 3)).astype(np.float32)
    more = random.normal(size=(3, 6, 2)).astype(np.float32)
    parts = [
        Rows("a", {0.0: dense, 0.5: dense}),
        Rows("b", {0.5: counted}),
        Vectors("c", (0.8,), history[np.newaxis], own),
        Vectors("d", (1.0,), history[np.newaxis], own),
        Vectors("e", (0.8, 0.3), more[:2], more[2]),
        Rows("unused", {0.9: counted}),
    ]
    weights = {"a": 2.0, "b": 0.5, "c": 1.5, "d": 0.25, "e": 3.0}
    model = mixture(parts, weights, 4, 6)
    assert model.row_decays == (0.0, 0.5)
    assert model.vector_decays == pytest.approx((0.3, 0.8, 1.0))
    assert model.movie_vectors is not None
    assert model.movie_vectors.shape == (6, 5)
    for steps in ([3], [], [1]):
        found = model.score(np.array(steps, np.int32))
        asked = Histories([np.array(steps, np.int32)], 4, 6)
        expected = sum(weights[part.name] * part.scores(asked)[0] for part in parts if part.name in weights)
        assert found == pytest.approx(expected, abs=1e-5)
    # Of a longer history the rows of old steps are cut, so that only the vectors are compared.
    steps = np.array([5, 0, 1, 3, 1], np.int32)
    vectors = mixture(parts, {"c": 1.5, "e": 3.0}, 4, 6)
    expected = 1.5 * parts[2].scores(Histories([steps], 4, 6))[0] + 3 * parts[4].scores(Histories([steps], 4, 6))[0]
    assert vectors.score(steps) == pytest.approx(expected, abs=1e-5)


def test_dense_and_sparse_rows_are_cut_alike() -> None:
    dense = np.random.default_rng(3).normal(size=(9, 9)).astype(np.float32)
    whole = mixture([Rows("a", {0.5: dense})], {"a": 1.0}, 5, 4).rows[0]
    counted = mixture([Rows("a", {0.5: scipy.sparse.csr_array(dense)})], {"a": 1.0}, 5, 4).rows[0]
    assert whole.indices.tolist() == counted.indices.tolist()
    assert np.diff(whole.indptr).tolist() == [4] * 9


def test_histories_decay_and_end() -> None:
    histories = Histories([np.array([1, 2, 1, 0], np.int32), np.array([], np.int32)], 3, 3)
    assert histories.decayed(0.5).toarray().tolist() == [[1, 0.5, 0.25], [0, 0, 0]]
    assert histories.decayed(0.0).toarray().tolist() == [[1, 0, 0], [0, 0, 0]]
    assert np.count_nonzero(powers(0.5, 20)) == 7


def test_the_last_steps_are_asked_for_and_not_learned() -> None:
    sequences = sequences_of([[0, 1, 2, 3, 4], [5, 0], [1], [2, 3, 2]], 6)
    training, questions = hold_out(sequences, 0)
    assert [training.history(user).tolist() for user in range(4)] == [[0, 1], [5], [1], [2]]
    asked = {tuple(history): target for history, target in zip(questions.histories, questions.targets, strict=True)}
    assert asked == {(0, 1): 2, (0, 1, 2): 3, (0, 1, 2, 3): 4, (5,): 0, (2,): 3}  # 2 once more is no question


def test_weights_go_to_the_parts_that_find_the_targets() -> None:
    random = np.random.default_rng(0)
    histories = [np.array([each], np.int32) for each in range(40)]
    right = np.roll(np.eye(40, dtype=np.float32), 1, axis=1)  # the movie after the newest
    noise = random.random((40, 40)).astype(np.float32)
    questions = Questions(histories, np.roll(np.arange(40), -1).astype(np.int32), np.zeros(40, np.int64))
    parts = [Rows("noise", {0.0: noise}), Rows("right", {0.0: right}), Rows("nothing", {0.0: np.zeros_like(noise)})]
    weights = choose(Candidates.of(parts, questions, 5))
    assert weights[1] > 0
    assert weights[0] == weights[2] == 0


def test_a_part_stands_in_for_all_by_least_squares() -> None:
    random = np.random.default_rng(4)
    own, others = random.random((2, 30, 30)).astype(np.float32)
    histories = [np.array([each], np.int32) for each in range(30)]
    questions = Questions(histories, np.roll(np.arange(30), 1).astype(np.int32), np.zeros(30, np.int64))
    parts = [Rows("own", {0.0: own}), Rows("others", {0.0: others}), Rows("nothing", {0.0: np.zeros_like(own)})]
    candidates = Candidates.of(parts, questions, 5)
    scored = [candidates.differences[each] * candidates.scales[each] for each in range(2)]
    total = 2 * scored[0] + 3 * scored[1]
    expected = np.linalg.lstsq(scored[0].reshape(-1, 1), total.ravel())[0][0]
    assert stand_in(candidates, [2.0, 3.0, 0.0], 0) == pytest.approx(expected, rel=1e-5)
    assert stand_in(candidates, [2.0, 0.0, 0.0], 0) == pytest.approx(2)
    assert stand_in(candidates, [2.0, 3.0, 0.0], 2) == 1.0, "a part that scores all alike"


def test_a_fit_learns_what_follows() -> None:
    model = fit(cycles(), Options(dimensions=8), 0)
    assert model.metrics is not None
    assert model.metrics["next_hit_rate"] > 0.9
    assert model.metrics["next_ndcg"] > 0.7
    assert any(name.startswith("next_weight") for name in model.metrics)
    assert 0.5 in model.row_decays, "the channel of movies that come later"
    assert model.new_movies is not None
    assert 0 < model.new_movies.weight < 10
    assert int(np.argmax(model.score(np.array([3, 4, 5], np.int32)))) == 6


def test_a_fit_gives_the_same_bits_on_any_number_of_threads() -> None:
    found = []
    for threads in (1, 4):
        with threadpool_limits(threads, user_api="blas"):
            found.append(fit(cycles(), Options(dimensions=8), 3))
    first, second = found
    assert first.metrics == second.metrics
    for one, other in zip(first.rows, second.rows, strict=True):
        assert (one.data == other.data).all()
        assert (one.indices == other.indices).all()
    if first.movie_vectors is not None:
        assert (first.movie_vectors == second.movie_vectors).all()


def test_without_a_step_to_ask_about_rules_answer() -> None:
    model = fit(sequences_of([[0, 0, 0], [1]], 3), Options(), 0)
    assert model.metrics is None
    assert model.row_decays == (0.5,)
    assert fit(sequences_of([[2], [1]], 3), Options(), 0).score(np.array([1], np.int32)).tolist() == [0, 0, 0]


def test_further_parts_are_learned_again_if_they_are_chosen() -> None:
    sequences = cycles(25, 400, 4)  # hardly any transition twice, so that rules find little
    calls = []

    def more(steps: Sequences) -> list[Rows]:
        calls.append(len(steps.movies))
        return [Rows("oracle 0", {0.0: np.roll(np.eye(steps.movie_count, dtype=np.float32), 1, axis=1)})]

    model = fit(sequences, Options(dimensions=8), 0, more)
    assert model.metrics is not None
    assert "next_weight_oracle_0" in model.metrics
    assert calls == [len(hold_out(sequences, 0)[0].movies), len(sequences.movies)]


def test_rules_stand_in_where_no_part_finds_the_validation_steps() -> None:
    """Popularity alone ranks them so well here that no part gets a weight, and a model without parts has no scores."""
    circle = [[(start + place) % 12 for place in range(4)] for start in range(12)]
    model = fit(sequences_of([*circle, [1], [1]], 12), Options(), 0)
    assert model.metrics is not None
    assert model.metrics["next_weight_rules_0.5"] == 1.0
    assert model.score(np.array([1], np.int32)).argmax() == 2

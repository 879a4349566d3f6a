"""The Keras model of the next step: its vectors, its pieces of histories, its fit, and the part that it becomes."""

from __future__ import annotations

import numpy as np
import pytest

from embrec.models.next import base, decays, learned
from embrec.models.next.base import NextModel
from embrec.models.next.decays import Options
from embrec.models.next.learned import Learned
from embrec.models.next.parts import Histories
from embrec.models.next.pieces import Pieces
from embrec.models.next.selection import hold_out
from embrec.models.sequences import Sequences


def in_circles(users: int = 200, movies: int = 12, steps: int = 25) -> Sequences:
    """Make histories in which each movie is followed by the next one, from a start of the user's own."""
    random = np.random.default_rng(0)
    lengths = random.integers(1, steps, users)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    first = np.repeat(random.integers(0, movies, users), lengths)
    places = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
    return Sequences(starts, ((first + places) % movies).astype(np.int32), np.full(starts[-1], np.nan), movies)


@pytest.fixture(scope="module")
def model() -> decays.DecayedHistory:
    return decays.DecayedHistory(12, 8, 5, 0.5, seed=3)


def test_vectors_give_the_scores_of_the_model(model: decays.DecayedHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "LEAST_FACTOR", 0.0)  # the model learns from weak factors too
    histories, movies = model.vectors()
    history = np.array([3, 7, 7, 0], np.int32)
    padded = np.array([[*history, 12, 12]], np.int32)
    states = np.asarray(model(padded))[0]
    served = NextModel(50, (), (), tuple(model.decays.tolist()), histories, movies)
    for step in range(len(history)):
        np.testing.assert_allclose(served.score(history[: step + 1]), movies @ states[step], rtol=1e-4, atol=1e-5)


def test_a_later_step_changes_no_earlier_one(model: decays.DecayedHistory) -> None:
    one, other = (np.asarray(model(np.array([[3, 7, last]], np.int32))) for last in (1, 2))
    np.testing.assert_array_equal(one[:, :2], other[:, :2])
    assert (one[:, 2] != other[:, 2]).any()


def test_the_loss_is_that_of_the_known_steps(model: decays.DecayedHistory) -> None:
    """With all movies drawn, but for the step's own, it is at most the cross entropy over all of them."""
    histories = np.array([[3, 7, 12]], np.int32)
    following = np.array([[7, 1, 12]], np.int32)
    states = model(histories)
    loss = float(model.compute_loss(y=following, y_pred=states))
    longer = np.array([[3, 7, 12, 12]], np.int32), np.array([[7, 1, 12, 12]], np.int32)
    losses = [float(model.compute_loss(y=longer[1], y_pred=model(longer[0]))) for _ in range(60)]
    assert np.mean(losses) == pytest.approx(loss, abs=0.5)
    scores = np.asarray(states)[0, :2] @ model.vectors()[1].T
    whole = np.log(np.exp(scores).sum(1)) - scores[[0, 1], [7, 1]]
    assert np.mean(losses) == pytest.approx(whole.mean(), abs=0.1)


def test_pieces_have_each_step_that_has_one_before_it_once() -> None:
    sequences = in_circles()
    pieces = Pieces(sequences, 7, 64, 0)
    wanted = sum(max(0, length - 1) for length in sequences.lengths)
    for _ in range(3):
        pairs = []
        for given, following in pieces:
            known = following < 12
            assert ((given < 12) == known).all()
            assert given.shape[1] % 10 == 0
            assert known.sum(axis=1).max() <= 7
            pairs.append(np.stack([given[known], following[known]]))
        found = np.concatenate(pairs, axis=1)
        assert found.shape[1] == wanted
        assert ((found[0] + 1) % 12 == found[1]).all()
        assert len(pairs) == len(pieces)


def test_it_learns_what_follows_and_keeps_its_best_epoch() -> None:
    options = decays.Options(dimensions=16, epochs=9, patience=2, batch_steps=256, sampled=8)
    seen: list[float] = []

    def validate(model: decays.DecayedHistory) -> float:
        histories, movies = model.vectors()
        served = NextModel(10, (), (), tuple(model.decays.tolist()), histories, movies)
        found = [served.score(np.array([movie], np.int32)).argmax() == (movie + 1) % 12 for movie in range(12)]
        seen.append(float(np.mean(found)))
        return float(-abs(len(seen) - 6))  # the sixth epoch is taken for the best

    model, epochs = decays.fit(in_circles(), 10, options, 5, validate)
    assert epochs == 6
    assert len(seen) == 8, "it stops after two epochs that are no better"
    assert seen[5] == 1.0
    again, same = decays.fit(in_circles(), 10, options, 5, epochs=6)
    assert same == 6
    for one, other in zip(model.vectors(), again.vectors(), strict=True):
        np.testing.assert_array_equal(one, other, err_msg="the same seed and epochs give the same bits")
    assert model.decays.tolist() == again.decays.tolist()
    other, _ = decays.fit(in_circles(), 10, options, 6, epochs=1)
    assert (other.vectors()[1] != model.vectors()[1]).any()


def test_early_stopping_sees_no_step_that_weights_are_chosen_by(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[tuple[int, int | None]] = []
    fit = decays.fit

    def noting(sequences: Sequences, *given: object, **named: object) -> object:
        fitted.append((len(sequences.movies), named.get("epochs")))
        return fit(sequences, *given, **named)

    monkeypatch.setattr(decays, "fit", noting)
    monkeypatch.setattr(decays, "Options", lambda: Options(dimensions=8, epochs=3, batch_steps=256))
    sequences = in_circles()
    learn = Learned(10, 1)
    (part,) = learn(sequences)
    assert 1 <= learn.epochs <= 3
    (again,) = learn(sequences)
    inner, _ = hold_out(sequences, 1)
    assert fitted == [(len(inner.movies), None), (len(sequences.movies), learn.epochs)]
    monkeypatch.setattr(learned, "_MOST_VISITS", len(sequences.movies))
    few = Learned(10, 1)
    few(sequences)
    assert few.epochs <= 2, "as few passes as it takes"
    assert part.name == again.name == "learned"
    assert part.scores(Histories([np.array([4], np.int32)], 10, 12)).shape == (1, 12)


def test_histories_too_short_to_stop_by_teach_nothing() -> None:
    """The second step of each is held out, and so no history of two steps is left."""
    sequences = Sequences(np.arange(0, 21, 2), np.arange(20, dtype=np.int32), np.full(20, np.nan), 20)
    learn = Learned(10, 0)
    assert learn(sequences) == ()
    assert learn.epochs == 0

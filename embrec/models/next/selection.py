"""The choice of the parts' weights on validation steps, by NDCG@50 among the movies that any part ranks high.

The validation steps are the last ones of some users, and the parts have learned from all steps before them. NDCG@50
varies less by chance than NDCG@10, and weights chosen by it are as good for a list of ten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embrec import metrics
from embrec.models.next.parts import Histories, Part
from embrec.models.sequences import Sequences

# Up to 3,000 steps are asked about. Where there are few users, up to 3 steps of each are held out.
_MOST_QUESTIONS, _MOST_OF_USER = 3_000, 3
# Movies that a part ranks among its 50 best are candidates, and so long is the list that weights are chosen by.
_LISTED = 50
# Scores of 4 million movies at a time: 16 MB for each part.
_SCORES_AT_ONCE = 4_000_000
# The metrics are of at most 30 million scores: all questions up to 10,000 movies.
_QUALITY_SCORES = 30_000_000
# The weights that an absent part is tried with, and the factors that others are multiplied by, coarse before fine.
_FIRST_WEIGHTS = (0.1, 0.3, 1.0)
_FACTORS = (2.0, 2.0**0.5)
_MOST_ROUNDS, _LEAST_GAIN = 4, 1e-4


@dataclass(frozen=True)
class Questions:
    """Histories, and the step that came next.

    Attributes:
        histories: The movies of each, oldest first.
        targets: The movie of the next step of each, which is not in the history, int32 of shape (n,).
        ties: The number of steps of each movie, which equal scores are ranked by, int64 of shape (movie_count,).
    """

    histories: list[NDArray[np.int32]]
    targets: NDArray[np.int32]
    ties: NDArray[np.int64]

    def first(self, number: int) -> Questions:
        """Return the first ``number`` of the questions."""
        return Questions(self.histories[:number], self.targets[:number], self.ties)

    def among(self, movies: NDArray[np.int64]) -> Questions:
        """Return the questions whose target is one of some movies, ascending, as if there were no others."""
        number = np.full(len(self.ties), -1, np.int32)
        number[movies] = np.arange(len(movies), dtype=np.int32)
        asked = np.flatnonzero(number[self.targets] >= 0)
        renumbered = (number[self.histories[each]] for each in asked)
        histories = [history[history >= 0] for history in renumbered]
        return Questions(histories, number[self.targets[asked]], self.ties[movies])


def hold_out(sequences: Sequences, seed: int) -> tuple[Sequences, Questions]:
    """Split the last steps of some users off: return the histories to learn from, and the questions.

    A step whose movie is in its history already is not asked about.
    """
    users = np.flatnonzero(sequences.lengths >= 2)
    held = int(np.clip(_MOST_QUESTIONS // max(len(users), 1), 1, _MOST_OF_USER))
    asked = np.sort(np.random.default_rng(seed).permutation(users)[: _MOST_QUESTIONS // held])
    kept = sequences.lengths
    kept[asked] = np.maximum(kept[asked] - held, 1)
    histories, targets = [], []
    for user in asked:
        movies = sequences.history(user)
        for step in range(kept[user], len(movies)):
            if movies[step] not in movies[:step]:
                histories.append(movies[:step])
                targets.append(movies[step])
    training = sequences.first(kept)
    ties = np.bincount(training.movies, minlength=training.movie_count)
    return training, Questions(histories, np.array(targets, np.int32), ties)


@dataclass(frozen=True)
class Candidates:
    """The strongest movies of each question, compared with its target.

    Attributes:
        differences: What each part's score of a candidate is above that of the target, float32 of shape (parts, n), in
            standard deviations of the part's scores.
        scales: Those standard deviations, float64 of shape (parts,); 0 for a part that scores all alike.
        owners: The question of each candidate, int64 of shape (n,), ascending.
        ties: The share by which a candidate of the target's score comes before it, float64 of shape (n,): 1 if it is
            more popular, 0 if it is less, and 0.5 if it is as popular.
        asked: The number of questions.
    """

    differences: NDArray[np.float32]
    scales: NDArray[np.float64]
    owners: NDArray[np.int64]
    ties: NDArray[np.float64]
    asked: int

    @classmethod
    def of(cls, parts: Sequence[Part], questions: Questions, length: int) -> Candidates:
        """Score the questions by each part."""
        count = len(questions.ties)
        popular = np.argsort(-questions.ties, kind="stable")[:_LISTED]
        blocks = []
        for block in _blocks(questions, count):
            histories, targets = questions.histories[block], questions.targets[block]
            asked = Histories(histories, length, count)
            scores = [part.scores(asked) for part in parts]
            owners, movies = np.divmod(_listed(scores, popular, histories, targets), count)
            others = np.stack([each[owners, movies] for each in scores])
            right = np.stack([each[np.arange(len(targets)), targets] for each in scores])
            popularity = questions.ties[movies] - questions.ties[targets[owners]]
            blocks.append((others, right, owners + block.start, (1 + np.sign(popularity)) / 2))
        others, right, owners, ties = (np.concatenate(each, axis=-1) for each in zip(*blocks, strict=True))
        scales = np.hstack([others, right]).std(axis=1, dtype=np.float64)
        others -= right[:, owners]
        others /= np.where(scales > 0, scales, 1.0).astype(np.float32)[:, np.newaxis]
        return cls(others, scales, owners, ties, len(questions.targets))

    def gain(self, differences: NDArray[np.float32]) -> float:
        """Return NDCG@50 of scores that are above the target's by some differences, of shape (n,)."""
        ranks = np.bincount(self.owners[differences > 0], minlength=self.asked).astype(np.float64)
        equal = np.flatnonzero(differences == 0)
        ranks += np.bincount(self.owners[equal], self.ties[equal], minlength=self.asked)
        return float(np.where(ranks < _LISTED, 1 / np.log2(ranks + 2.0), 0.0).mean())


def _blocks(questions: Questions, count: int) -> list[slice]:
    size = max(1, _SCORES_AT_ONCE // count)
    asked = len(questions.targets)
    return [slice(begin, min(begin + size, asked)) for begin in range(0, asked, size)]


def _listed(
    scores: Sequence[NDArray[np.float32]],
    popular: NDArray[np.int64],
    histories: Sequence[NDArray[np.int32]],
    targets: NDArray[np.int32],
) -> NDArray[np.int64]:
    """Return the movies that are among the best of any part, without the target and those of the history.

    Args:
        scores: Those of each part, of shape (questions, movie_count).
        popular: The most popular movies, which are listed too: they come before a target that no part knows.
        histories: Movies that cannot be recommended.
        targets: Movies that are not of the histories.

    Returns:
        Positions in an array of shape (questions, movie_count), ascending, int64 of shape (any,).
    """
    count = scores[0].shape[1]
    left_out = [np.append(history, target) for history, target in zip(histories, targets, strict=True)]
    owners = np.repeat(np.arange(len(targets)), [len(each) for each in left_out])
    others = owners, np.concatenate(left_out)
    listed = np.zeros((len(targets), count), bool)
    listed[:, popular] = True
    # To partition many equal numbers takes ten times as long, so that movies without a score get different ones.
    without = -np.arange(count, dtype=np.float32)
    for own in scores:
        promising = np.where(own > 0, own, without)
        promising[others] = 0
        best = np.partition(promising, -_LISTED, axis=1)[:, -_LISTED] if count > _LISTED else np.zeros(len(targets))
        listed |= promising >= np.maximum(best, np.finfo(np.float32).tiny)[:, np.newaxis]
    listed[others] = False
    return np.flatnonzero(listed)


def choose(candidates: Candidates) -> NDArray[np.float64]:
    """Choose the weights of the parts by coordinate ascent, from the best part alone.

    Returns:
        float64 of shape (parts,), for scores as the parts give them; 0 for a part that is not needed. The variance of
        the weighted sum over candidates is at most 1.
    """
    alone = [candidates.gain(own) for own in candidates.differences]
    first, best = int(np.argmax(alone)), max(alone)
    weights = np.zeros(len(alone))
    weights[first] = 1.0
    total = candidates.differences[first]
    for factor in _FACTORS:
        for _ in range(_MOST_ROUNDS):
            before = best
            for part, own in enumerate(candidates.differences):
                for weight in _tries(weights, part, factor):
                    changed = total + np.float32(weight - weights[part]) * own
                    if (gain := candidates.gain(changed)) > best:
                        total, best, weights[part] = changed, gain, weight
            if best < before + _LEAST_GAIN:
                break
    known = candidates.scales > 0
    return np.where(known, weights / weights.sum() / np.where(known, candidates.scales, 1.0), 0.0)


def stand_in(candidates: Candidates, weights: Sequence[float], part: int) -> float:
    """Return the weight with which one part tells most of the weighted sum of all, by least squares.

    Args:
        candidates: The differences of the parts' scores from those of targets.
        weights: The parts' weights, for scores as the parts give them.
        part: The part that stands in; one that scores all alike gets the weight 1.
    """
    total = np.tensordot((np.array(weights) * candidates.scales).astype(np.float32), candidates.differences, 1)
    own = candidates.differences[part].astype(np.float64)
    square = np.sum(own**2)
    return max(float(np.sum(own * total) / square / candidates.scales[part]), 0.0) if square else 1.0


def _tries(weights: NDArray[np.float64], part: int, factor: float) -> tuple[float, ...]:
    """Return the weights to try for a part: more, less, or none unless it is the only one; or first weights."""
    if not weights[part]:
        return _FIRST_WEIGHTS
    more_or_less = weights[part] * factor, weights[part] / factor
    return (*more_or_less, 0.0) if np.count_nonzero(weights) > 1 else more_or_less


def gain_of(part: Part, questions: Questions, length: int) -> float:
    """Return NDCG@50 of a part alone, of histories whose newest ``length`` steps count."""
    candidates = Candidates.of([part], questions, length)
    return candidates.gain(candidates.differences[0])


def quality(score: Callable[[NDArray[np.int32]], NDArray[np.float64]], questions: Questions) -> dict[str, float]:
    """Return the metrics of a model on questions, by full ranking: NDCG@10 and the hit rate (HR@10)."""
    count = len(questions.ties)
    asked = questions.first(max(1, _QUALITY_SCORES // count))
    ranks = []
    for block in _blocks(asked, count):
        histories = asked.histories[block]
        scores = np.stack([score(history) for history in histories])
        for own, history in zip(scores, histories, strict=True):
            own[history] = -np.inf
        ranks.append(metrics.expected_ranks(scores, asked.targets[block], asked.ties))
    found = metrics.of_ranks(np.concatenate(ranks), 10, 10)
    return {"next_ndcg": float(found["NDCG@10"].mean()), "next_hit_rate": float(found["HR@10"].mean())}

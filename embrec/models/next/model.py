"""The model of what comes next: parts in closed form, mixed by weights that are chosen on validation steps.

The parts are sequential rules, cosine, and rules of two steps (:mod:`embrec.models.next.sparse`), a ridge regression
from decayed histories where there are few movies (:mod:`embrec.models.next.ridge`), and the ranking model
(:mod:`embrec.models.next.lists`). A caller may add parts that are learned otherwise
(:mod:`embrec.models.next.learned`). The weights are chosen with parts that have not learned the validation steps
(:mod:`embrec.models.next.selection`). Then the parts that have a weight learn from all steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_limits

from embrec.models.next import ridge, sparse
from embrec.models.next.base import NEW_MOVIES_DECAY, NewMovies, NextModel
from embrec.models.next.lags import newest
from embrec.models.next.lists import lists
from embrec.models.next.mixture import mixture
from embrec.models.next.parts import Part, Rows
from embrec.models.next.selection import Candidates, Questions, choose, gain_of, hold_out, quality, stand_in
from embrec.models.sequences import Sequences

# The newest 2 million steps are learned from, the same number of each user who has as many: older ones take long and
# tell little of what comes next now.
MOST_STEPS = 2_000_000
# The regularization of the ridge regression is chosen on the 500 most frequent movies, which takes little time.
_SHRINKAGES = (1.0, 4.0, 16.0)
_TRIED_MOVIES = 500
# The only part where there is no step to choose weights by, or no part helps; and of movies that come later.
_DEFAULT = f"rules {NEW_MOVIES_DECAY:g}"
# The kinds of parts: the first word of a part's name.
_COUNTED, _RIDGE, _LIST = {"rules", "two-steps", "cosine"}, "ridge", "list"


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        length: Newest steps of a history that count.
        rows: Next movies that are kept of each movie and decay.
        dimensions: Length of the ranking model's vectors.
        penalty: Regularization of the ranking model, or None for its default.
    """

    length: int = 50
    rows: int = 200
    dimensions: int = 64
    penalty: float | None = None


Learn = Callable[[Sequences], Sequence[Part]]


def nothing_more(sequences: Sequences) -> Sequence[Part]:
    """Return no parts."""
    return ()


def fit(sequences: Sequences, options: Options, seed: int, more: Learn = nothing_more) -> NextModel:
    """Fit the model.

    Args:
        sequences: The histories to learn from, of which the newest 2 million steps count.
        options: Options of the fit.
        seed: Seeds the choice of validation steps. The same histories, options and seed give the same bits.
        more: Learns further parts, with the same names each time. It is called with the histories without validation
            steps, and again with all if one of its parts gets a weight.

    Returns:
        The model; its metrics are those of the validation steps, and the weight of each part.
    """
    with threadpool_limits(1, user_api="blas"):  # or the number of threads would change how it rounds
        steps = newest(sequences, MOST_STEPS)
        training, questions = hold_out(steps, seed)
        if not len(questions.targets):
            return _fitted(_counted(steps, {"rules"}), {_DEFAULT: 1.0}, steps, options, 1.0)
        shrinkage, regression, frequent = 0.0, list[Part](), ridge.frequent(training)
        if training.movie_count <= ridge.LARGEST:
            moments = ridge.Moments.of(training, frequent)
            shrinkage = _shrinkage(moments, questions.among(frequent), options.length)
            regression = _regression(moments, shrinkage)
            del moments
        parts = [*_counted(training, _COUNTED), *regression, *_lists(training, options, seed), *more(training)]
        candidates = Candidates.of(parts, questions, options.length)
        named = zip(parts, choose(candidates), strict=True)
        # The rules alone still score if no part helps.
        weights = {part.name: float(weight) for part, weight in named if weight} or {_DEFAULT: 1.0}
        metrics = quality(mixture(parts, weights, options.length, options.rows).score, questions)
        names = [part.name for part in parts]
        weight = stand_in(candidates, [weights.get(name, 0.0) for name in names], names.index(_DEFAULT))
        del parts, regression, candidates
        kinds = {name.split()[0] for name in weights}
        parts = [
            *_counted(steps, kinds),
            *(_regression(ridge.Moments.of(steps, frequent), shrinkage) if _RIDGE in kinds else ()),
            *(_lists(steps, options, seed) if _LIST in kinds else ()),
            *(more(steps) if kinds - {*_COUNTED, _RIDGE, _LIST} else ()),
        ]
        fitted = _fitted(parts, weights, steps, options, weight)
    described = {f"next_weight_{name.replace(' ', '_')}": weight for name, weight in weights.items()}
    return dataclasses.replace(fitted, metrics={**metrics, **described})


def _fitted(
    parts: Sequence[Part], weights: Mapping[str, float], steps: Sequences, options: Options, weight: float
) -> NextModel:
    """Return the mixture, with a channel for movies that come later, whose rules get ``weight``."""
    none = scipy.sparse.csr_array((steps.movie_count, steps.movie_count), dtype=np.float32)
    room = Rows("new movies", {NEW_MOVIES_DECAY: none})
    model = mixture([*parts, room], {**weights, room.name: 1.0}, options.length, options.rows)
    return dataclasses.replace(model, new_movies=NewMovies(weight, sparse.transition_counts(steps)))


def _counted(steps: Sequences, kinds: set[str]) -> list[Part]:
    """Return the parts of some kinds that count transitions and common users."""
    found: list[Part] = []
    if kinds & {"rules", "two-steps"}:
        rules = sparse.rules(steps)
        found += [Rows(f"rules {decay:g}", {decay: rules}) for decay in ridge.DECAYS]
    if "two-steps" in kinds:
        found.append(Rows("two-steps 0.5", {0.5: sparse.two_steps(rules)}))
    if "cosine" in kinds:
        cosine = sparse.cosine(steps)
        found += [Rows(f"cosine {decay:g}", {decay: cosine}) for decay in ridge.DECAYS[1:]]
    return found


def _regression(moments: ridge.Moments, shrinkage: float) -> list[Part]:
    return [Rows("ridge", dict(zip(ridge.DECAYS, moments.solve(shrinkage), strict=True)))]


def _lists(steps: Sequences, options: Options, seed: int) -> Sequence[Part]:
    return lists(steps, options.dimensions, options.penalty, seed)


def _shrinkage(moments: ridge.Moments, questions: Questions, length: int) -> float:
    """Choose the regularization of the ridge regression, on the most frequent of its movies."""
    frequent = np.sort(np.argsort(-questions.ties, kind="stable")[:_TRIED_MOVIES])
    few, asked = moments.among(frequent), questions.among(frequent)
    if not len(asked.targets):
        return _SHRINKAGES[1]
    tried = []
    for shrinkage in _SHRINKAGES:
        (part,) = _regression(few, shrinkage)
        tried.append(gain_of(part, asked, length))
    return _SHRINKAGES[int(np.argmax(tried))]

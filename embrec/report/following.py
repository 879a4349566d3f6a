"""The part of a run that says what comes next: its accuracy on validation steps beside baselines, and examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec.data.extraction import RatingArrays
from embrec.db.answer import plain
from embrec.evaluation import next_baselines
from embrec.evaluation.contender import Follow, Score
from embrec.evaluation.steps import Questions
from embrec.models.next.lags import newest
from embrec.models.next.model import MOST_STEPS
from embrec.models.next.selection import hold_out, quality
from embrec.models.sequences import Sequences
from embrec.report.likeness import Movies, Neighbours
from embrec.runs import next as next_steps
from embrec.runs.records import ModelRun
from embrec.serving.next import next_after
from embrec.serving.preview import answering_from

_EXAMPLES, _SHOWN = 8, 5
_WEIGHT = "next_weight_"
# The kinds of parts in words, by the first word of a part's name.
_KINDS = {
    "rules": "transitions: what came after a step",
    "two-steps": "transitions over two steps",
    "cosine": "movies with the same users (cosine)",
    "ridge": "ridge regression from the whole history",
    "list": "the ranking model, which makes the lists",
    "learned": "vectors of histories with learned decays, by Keras",
}


@dataclass(frozen=True)
class Quality:
    """The accuracy of one model on the validation steps of the training."""

    name: str
    ndcg: float
    hit_rate: float


@dataclass(frozen=True)
class Following:
    """The contents of a report on what comes next.

    Attributes:
        length: Number of newest steps that count.
        parts: The parts of the model in words, with their weights, largest first.
        qualities: The run, if it has measured itself, then the run to compare with, if it was measured on the same
            steps, then baselines, if the steps can be told.
        reproduced: True if the database has exactly the ratings and events that the run was trained on.
        examples: For the movies with the most users the movies that most likely follow, and their scores.
    """

    length: int
    parts: list[tuple[str, float]]
    qualities: list[Quality]
    reproduced: bool
    examples: list[Neighbours]


def following_of(
    connection: sa.Connection,
    run: ModelRun,
    other: tuple[str, ModelRun] | None,
    arrays: RatingArrays,
    sequences: Sequences,
    movies: Movies,
) -> Following:
    """Describe what a run that knows an order says comes next.

    Args:
        connection: The transaction to read in.
        run: The run.
        other: The run to compare with, and its name; or None.
        arrays: The extracted ratings and events.
        sequences: Their histories.
        movies: Their movies.
    """
    reproduced = same_data(run, arrays)
    compared = [other] if other and _same_steps(run, other[1]) else []
    measured = [
        Quality(name, each.metrics["next_ndcg"] or 0.0, each.metrics["next_hit_rate"] or 0.0)
        for name, each in (("this run", run), *compared)
        if each.metrics.get("next_ndcg") is not None
    ]
    beside = baselines(sequences, run.seed) if reproduced and measured else []
    examples = _examples(connection, run, movies)
    return Following(run.history_length or 0, _parts(run), [*measured, *beside], reproduced, examples)


def same_data(run: ModelRun, arrays: RatingArrays) -> bool:
    """Return whether the database has exactly the ratings and events that a run was trained on."""
    return (run.ratings_sha256, run.events_sha256) == (arrays.sha256, arrays.events.sha256)


def _same_steps(run: ModelRun, other: ModelRun) -> bool:
    """Return whether two trainings held the same steps out."""
    return (run.ratings_sha256, run.events_sha256, run.seed) == (other.ratings_sha256, other.events_sha256, other.seed)


def baselines(sequences: Sequences, seed: int) -> list[Quality]:
    """Measure the baselines on the validation steps that a training with this seed holds out of these histories.

    Rules choose their decay on these steps, as the model chooses its weights.
    """
    steps = newest(sequences, MOST_STEPS)
    training, asked = hold_out(steps, seed)
    if not len(asked.targets):
        return []
    held = np.flatnonzero(training.lengths < steps.lengths)
    last = steps.movies[steps.starts[held + 1] - 1]
    validation = Questions(steps.without_last(1), held, last, repeats=False).fresh()
    found = []
    for contender in next_baselines.baselines(steps):
        assert contender.follow is not None  # noqa: S101  # all of them do
        measured = quality(_one(contender.follow(training, validation, seed)), asked)
        found.append(Quality(contender.name, measured["next_ndcg"], measured["next_hit_rate"]))
    return found


def _one(follow: Follow) -> Any:
    """Return the function that scores all movies for one history."""
    return lambda history: np.array(follow([history])[0], np.float64)


def scores(connection: sa.Connection, run: ModelRun, arrays: RatingArrays, sequences: Sequences) -> Score:
    """Return the function that scores all extracted movies as the next step of some extracted users."""
    # A run may know movies that have no ratings or events any more.
    known = connection.scalar(sa.text("SELECT count(*) FROM embrec.movies")) or 0
    model = next_steps.read(connection, run, np.arange(known, dtype=np.int32))
    assert model is not None  # noqa: S101  # else nobody asks

    def score(users: NDArray[np.int32]) -> NDArray[np.float64]:
        histories = (arrays.movie_indexes[sequences.history(int(user))] for user in users)
        return np.stack([model.score(history)[arrays.movie_indexes] for history in histories])

    return score


def _parts(run: ModelRun) -> list[tuple[str, float]]:
    weights = {
        name.removeprefix(_WEIGHT): weight
        for name, weight in run.metrics.items()
        if name.startswith(_WEIGHT) and weight is not None
    }
    return [(_in_words(name), weight) for name, weight in sorted(weights.items(), key=lambda each: -each[1])]


def _in_words(name: str) -> str:
    kind, _, decay = name.partition("_")
    if kind not in _KINDS:
        return name.replace("_", " ")
    memory = {"": "", "0": ", of the newest step alone", "1": ", all steps alike"}
    return _KINDS[kind] + memory.get(decay, f", a step counts {decay} of the one after it")


def _examples(connection: sa.Connection, run: ModelRun, movies: Movies) -> list[Neighbours]:
    """Return what follows the movies with the most users, by SQL; a movie that nothing follows is left out."""
    found = []
    with answering_from(connection, run.model_run_id):
        for movie in np.argsort(-movies.counts, kind="stable")[:_EXAMPLES].tolist():
            after = plain(next_after)(connection, movies.ids[movie], _SHOWN).records()
            if after:
                near = [(row["title"] or row["movie_id"], row["score"]) for row in after]
                found.append(Neighbours(movies.titles[movie], near))
    return found

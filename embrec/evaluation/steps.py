"""Splits of histories into the steps to learn from and the questions after them, for the task of the next step.

A question is a history and the step that came after it. Its answer, the target, and all later steps of that user are in
no training part, and the split by time keeps everybody's later steps out.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embrec.errors import DataError
from embrec.models.sequences import Sequences

# A user needs three steps: one to learn from, one to choose options on, and one to be asked about.
_FEWEST_STEPS = 3
# The share of the steps that are after the moment of the split by time.
_HELD_OUT = 0.2


@dataclass(frozen=True)
class Questions:
    """Histories of some users, and the step that came next.

    Attributes:
        histories: The steps of all users that were before.
        users: int64 of shape (n,), the users who are asked about, ascending.
        targets: int32 of shape (n,), the movie of each one's next step.
        repeats: True if a movie of the history may come next; otherwise no target is one of its history.
    """

    histories: Sequences
    users: NDArray[np.int64]
    targets: NDArray[np.int32]
    repeats: bool

    def history(self, question: int) -> NDArray[np.int32]:
        """Return the movies of a question's history, oldest first, int32."""
        return self.histories.history(int(self.users[question]))

    def sample(self, number: int, seed: int) -> Questions:
        """Return at most ``number`` of the questions, drawn at random."""
        if len(self.users) <= number:
            return self
        return self._at(np.sort(np.random.default_rng(seed).permutation(len(self.users))[:number]))

    def repeated(self) -> NDArray[np.bool_]:
        """Return whether each target is a movie of its history, bool of shape (n,)."""
        lengths, count = self.histories.lengths, np.int64(self.histories.movie_count)
        pairs = np.repeat(np.arange(len(lengths)), lengths) * count + self.histories.movies
        return np.isin(self.users * count + self.targets, pairs)

    def fresh(self) -> Questions:
        """Return the questions whose target is not in the history, or all if repeats are allowed."""
        return self if self.repeats else self._at(np.flatnonzero(~self.repeated()))

    def _at(self, chosen: NDArray[np.int64]) -> Questions:
        return replace(self, users=self.users[chosen], targets=self.targets[chosen])


@dataclass(frozen=True)
class StepSplit:
    """Steps to learn from, questions to choose options on, and questions to measure by.

    Attributes:
        training: The steps to learn from: those before the validation questions.
        validation: Questions to choose options on: the last known step of each user who has two.
        test: The questions to measure by; their histories include the validation steps.
        facts: Counts of what is measured and of what is left out, by name.
    """

    training: Sequences
    validation: Questions
    test: Questions
    facts: dict[str, Any] = field(default_factory=dict)


def leave_last_out(sequences: Sequences, repeats: bool = False) -> StepSplit:
    """Ask for the last step of each user; the last but one is for validation.

    Other users' steps after that moment are learned from, so this split is easier than life. Users with fewer than
    three steps are not asked about.

    Raises:
        DataError: There is no user to ask about.
    """
    lengths = sequences.lengths
    users = np.flatnonzero(lengths >= _FEWEST_STEPS)
    known = sequences.first(np.where(lengths >= _FEWEST_STEPS, lengths - 1, lengths))
    targets = sequences.movies[sequences.starts[users + 1] - 1]
    few = int(((lengths > 0) & (lengths < _FEWEST_STEPS)).sum())
    return _split(known, Questions(known, users, targets, repeats), {"users with too few steps": few})


def by_time(sequences: Sequences, repeats: bool = False) -> StepSplit:
    """Learn from what was before a moment, and ask for each user's first step after it (global temporal split).

    A fifth of the steps with a time are after the moment. A movie that is new then is asked for too, and can hardly be
    found. A user who is new has no history, and is not asked about.

    Raises:
        DataError: Most steps have no time, all have the same, or there is no user to ask about.
    """
    days = np.sort(sequences.days[~np.isnan(sequences.days)])
    if len(days) <= len(sequences.days) / 2 or days[0] == days[-1]:
        raise DataError("Most steps have no time, or all have the same one. Evaluate with --split leave-last-out.")
    moment = days[-max(round(_HELD_OUT * len(days)), 1)]
    if moment == days[0]:
        moment = days[days > moment][0]
    later = sequences.days >= moment
    owners = np.repeat(np.arange(len(sequences.lengths)), sequences.lengths)
    after = np.bincount(owners[later], minlength=len(sequences.lengths))
    before = sequences.lengths - after
    known = sequences.first(before)
    users = np.flatnonzero((after > 0) & (before > 0))
    test = Questions(known, users, sequences.movies[sequences.starts[users] + before[users]], repeats)
    facts = {
        "moment": (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=float(moment))).isoformat(),
        "new users": int(((after > 0) & (before == 0)).sum()),
        "new movies": int((~np.isin(test.targets, known.movies)).sum()),
    }
    return _split(known, test, facts)


def _split(known: Sequences, test: Questions, facts: dict[str, Any]) -> StepSplit:
    """Hold the last known step of each user who has two out of training, to choose options on."""
    users = np.flatnonzero(known.lengths >= _FEWEST_STEPS - 1)
    training = known.without_last(1)
    validation = Questions(training, users, known.movies[known.starts[users + 1] - 1], test.repeats)
    repeated = int(test.repeated().sum())
    asked = test.fresh()
    if not len(asked.users):
        raise DataError(
            f"There is nobody to ask about: {len(test.users)} users have steps enough, and the step asked for repeats "
            f"a movie for {repeated} of them. Load more events, or allow repeats by --repeats."
        )
    facts = {"users": len(asked.users), "steps that repeat": repeated, **facts}
    return StepSplit(training, validation.fresh(), asked, facts)


SPLITS = {"leave-last-out": leave_last_out, "time": by_time}

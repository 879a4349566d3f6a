"""The part of a model of the next step that Keras learns (:mod:`embrec.models.next.decays`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from embrec.models import keras_import
from embrec.models.next.parts import Part, Vectors
from embrec.models.next.selection import gain_of, hold_out
from embrec.models.sequences import Sequences

if TYPE_CHECKING:
    from embrec.models.next.decays import DecayedHistory, Options

# At most 4 million steps are learned from in all passes of a fit together, which takes about 90 seconds of a processor.
_MOST_VISITS = 4_000_000
# A single pass would end before the learning rate falls.
_FEWEST_EPOCHS = 2
NAME = "learned"


class Learned:
    """Learns the part: the first time with early stopping, and then on other histories for as many epochs.

    Early stopping holds further steps back, so that the steps by which the parts' weights are chosen stay unknown.

    Args:
        length: Newest steps of a history that count.
        seed: Seeds the fit. The same histories and seed give the same bits.

    Attributes:
        epochs: The number of passes over the steps that ranked best; 0 before the first time.
    """

    def __init__(self, length: int, seed: int) -> None:
        self._length, self._seed = length, seed
        self._options: Options | None = None
        self.epochs = 0

    def __call__(self, sequences: Sequences) -> Sequence[Part]:
        """Fit the model to histories; there is no part if they are too short to stop early by."""
        keras_import.wait()
        from embrec.models.next import decays

        if self._options:
            model, _ = decays.fit(sequences, self._length, self._options, self._seed, epochs=self.epochs)
            return [_part(model)]
        training, questions = hold_out(sequences, self._seed)
        if not len(questions.targets) or training.lengths.max() < 2:
            return ()

        def validate(model: DecayedHistory) -> float:
            return gain_of(_part(model), questions, self._length)

        options, passes = decays.Options(), max(_FEWEST_EPOCHS, _MOST_VISITS // len(training.movies))
        self._options = dataclasses.replace(options, epochs=min(options.epochs, passes))
        model, self.epochs = decays.fit(training, self._length, self._options, self._seed, validate)
        return [_part(model)]


def _part(model: DecayedHistory) -> Vectors:
    histories, movies = model.vectors()
    return Vectors(NAME, tuple(model.decays.tolist()), histories, movies)

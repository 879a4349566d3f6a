"""Notes of what workers were told in each sweep, from which new ones in their place come to the same state.

A worker's users follow from what it was told, so they are drawn again. They are most of its state. Its movies follow
from all users, so they are handed to it as they came out of each sweep. A sweep's notes take some 200 bytes a movie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from embrec.engines.protocol import Engine
from embrec.models.bayesian.share import Moved, Told


class Notes:
    """The notes of all sweeps. Nothing is noted if workers are never lost.

    Args:
        engine: The workers.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # References to notes of each sweep, and to the movies before the first and after each sweep.
        self._told: list[Any] = []
        self._moved: list[Any] = []

    def begin(self, drawn: Sequence[Any]) -> None:
        """Note the movies before the first sweep, given references to those of each worker."""
        if self._engine.may_lose and not self._moved:
            self._moved.append(self._movies(drawn))

    def add(self, told: Told, drawn: Sequence[Any]) -> None:
        """Note a sweep, and the movies after it. This process then has the values, whatever becomes of the workers.

        Args:
            told: The instructions, with references to values that the workers have.
            drawn: References to the movies of each worker.
        """
        get = self._engine.get
        if not self._engine.may_lose:
            return
        averaged = told.averaged
        if averaged is not None:
            expected, squares = get(averaged.expected), get(averaged.expected_squares)
            averaged = averaged._replace(expected=expected, expected_squares=squares)
        (prior,) = get([told.prior])
        noted = self._engine.put(told._replace(prior=prior, link=get(told.link), averaged=averaged))
        moved = self._movies(drawn)
        self._told.append(noted)
        self._moved.append(moved)

    def _movies(self, drawn: Sequence[Any]) -> Any:
        vectors, scales = zip(*drawn, strict=True)
        return self._engine.put(Moved(self._engine.get(vectors), self._engine.get(scales)))

    def replay(self) -> None:
        """Bring new workers to where they were after the last sweep."""
        engine = self._engine
        made = [
            engine.all("again", sweep, self._moved[sweep], self._moved[sweep + 1], told)
            for sweep, told in enumerate(self._told)
        ]
        engine.get(made[-1] if made else ())

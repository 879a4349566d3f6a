"""Maps of the movies, drawn once a run: finding places for them takes seconds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

MOST_MAPS = 8


class Maps:
    """The maps drawn last, by run. A run's vectors do not change; movies that refresh() adds appear after a restart."""

    def __init__(self) -> None:
        self._drawn: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, run: int, draw: Callable[[], Any]) -> Any:
        """A run's map; one is drawn at a time, and who asks meanwhile waits for it."""
        with self._lock:
            if run not in self._drawn:
                self._drawn[run] = draw()
                if len(self._drawn) > MOST_MAPS:
                    self._drawn.popitem(last=False)
            self._drawn.move_to_end(run)
            return self._drawn[run]

"""Time implicit's answers in this process's memory, from threads, as serving.py times a server's."""

from __future__ import annotations

import importlib
import importlib.util
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse
from asking import figures
from data import Columns
from implicit.als import AlternatingLeastSquares

FACTORS = 64
# Libraries that implicit can search with; the first installed one is used.
ANN_LIBRARIES = {"annoy": "AnnoyModel", "nmslib": "NMSLibModel", "faiss": "FaissModel"}


def measure(columns: Columns, users: range, clients: Sequence[int], seconds: float) -> list[dict[str, Any]]:
    """Time recommendations and similar movies by implicit, exact and with an ANN library if one is installed."""
    seen = scipy.sparse.csr_matrix((columns[2], columns[:2]))
    # Two iterations are enough, because the time of answers does not depend on them.
    model = AlternatingLeastSquares(factors=FACTORS, iterations=2, random_state=0)
    model.fit(seen, show_progress=False)
    model.num_threads = 1  # a request is answered by one thread, as the server does
    random = np.random.default_rng(0)
    some = np.sort(random.choice(seen.shape[1], seen.shape[1] // 5, replace=False))

    def recommend(model: Any, **filters: Any) -> Callable[[], Any]:
        def answer() -> Any:
            user = int(random.integers(users[0], users[-1]))
            return model.recommend(user, seen[user], filter_already_liked_items=True, **filters)

        return answer

    def similar(model: Any) -> Callable[[], Any]:
        return lambda: model.similar_items(int(random.integers(seen.shape[1])), 11)

    asked = {
        "similar movies": similar(model),
        "recommend, seen left out": recommend(model),
        "the same among a fifth, known before": recommend(model, items=some),
    }
    if (library := ann_library()) is not None:
        ann = getattr(importlib.import_module(f"implicit.ann.{library}"), ANN_LIBRARIES[library])(model)
        ann.fit(seen, show_progress=False)
        asked |= {f"similar movies, {library}": similar(ann), f"recommend, {library}": recommend(ann)}
    return [
        {"who": "implicit", "what": what, "target": None, "recall": None}
        | {"clients": {count: ask(answer, count, seconds) for count in clients}}
        for what, answer in asked.items()
    ]


def ann_library() -> str | None:
    """Return the installed library for approximate nearest neighbours, or None."""
    return next((name for name in ANN_LIBRARIES if importlib.util.find_spec(name)), None)


def ask(answer: Callable[[], Any], clients: int, seconds: float) -> dict[str, float]:
    """Ask from several threads at once."""
    deadline, taken = time.perf_counter() + seconds, []

    def client() -> None:
        while (begin := time.perf_counter()) < deadline:
            answer()
            end = time.perf_counter()
            taken.append((end - begin, end))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    cpu = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return figures(*np.array(taken).T, time.process_time() - cpu)

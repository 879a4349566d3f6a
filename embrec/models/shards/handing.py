"""Passing what every worker made for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from embrec.engines.protocol import Engine


def hand_on(
    engine: Engine, parts: Sequence[Sequence[Any]], method: str, *arguments: Any, returns: int | None = None
) -> list[Any]:
    """Call a method of each worker with what all workers made for it.

    Args:
        engine: The workers.
        parts: For each worker, references to what it made for each worker.
        method: The method.
        arguments: The arguments before the parts.
        returns: As in :meth:`embrec.engines.protocol.Engine.one`.
    """
    return [
        engine.one(worker, method, *arguments, *(made[worker] for made in parts), returns=returns)
        for worker in range(engine.workers)
    ]

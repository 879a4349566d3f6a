"""The choice of an engine by its name."""

from __future__ import annotations

from embrec.engines.protocol import Pool
from embrec.engines.threads import OnThreads
from embrec.errors import ConfigError

NAMES = ("threads", "ray")
DEFAULT = NAMES[0]


def choose(engine: str, workers: int | None, address: str | None) -> Pool:
    """Return the pool of an engine.

    Args:
        engine: ``threads`` or ``ray``.
        workers: Number of workers; None for the engine's own choice.
        address: As in :class:`embrec.engines.ray.OnRay`.

    Raises:
        ConfigError: There is no such engine, it cannot be used here, or the number is less than 1.
    """
    if engine not in NAMES:
        raise ConfigError(f"There is no engine {engine}. Choose one of: {', '.join(NAMES)}")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers is {workers}; give a number of workers, at least 1, or None for embrec's choice.")
    if engine == "ray":
        from embrec.engines.ray import OnRay

        return OnRay(workers, address)
    if address is not None:
        raise ConfigError("An address is of a Ray cluster, and the engine is threads. Train with --engine ray.")
    return OnThreads(workers)

"""The choice of an engine by its name."""

from __future__ import annotations

from embrec.engines.protocol import Pool
from embrec.engines.threads import OnThreads
from embrec.errors import ConfigError


def choose(workers: int | None) -> Pool:
    """Return the pool for a number of workers.

    Args:
        workers: Number of workers; None for the engine's own choice.

    Raises:
        ConfigError: The number is less than 1.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers is {workers}; give a number of workers, at least 1, or None for embrec's choice.")
    return OnThreads(workers)

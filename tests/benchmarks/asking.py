"""Ask a server one statement again and again, by pgbench, and count."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from servers import Database

from embrec import config
from embrec.db.server_binaries import find_binaries

WARM = 0.2  # share of the time that warms up, and is not counted


def ask(
    postgres: Database,
    statement: str,
    ids: Mapping[str, range],
    clients: int = 1,
    seconds: int = 5,
    protocol: str = "prepared",
) -> dict[str, float]:
    """Ask from several connections; returns latencies in ms, answers a second, and the server's CPU ms for one.

    Args:
        postgres: The database.
        statement: SQL, with variables such as :user.
        ids: Range of each variable's values, without its end.
        clients: Number of connections.
        seconds: Time to ask for.
        protocol: pgbench's name of the protocol.
    """
    chosen = [f"\\set {name} random({values[0]}, {values[-1]})" for name, values in ids.items()]
    # The last line makes pgbench read its clock again, or an immediate answer would seem to take no time.
    script = "\n".join([*chosen, statement + ";", "\\set answered 1\n"])
    with tempfile.TemporaryDirectory(prefix="embrec-bench-") as directory:
        (Path(directory) / "script").write_text(script)
        command = [str(find_binaries() / "pgbench"), "-n", "-M", protocol, "-c", str(clients), "-j", "1"]
        command += ["-T", str(seconds), "--exit-on-abort", "-l", "-f", "script", postgres.url]
        before = postgres.cpu_seconds()
        done = subprocess.run(command, cwd=directory, env=config.server_environment(), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"pgbench failed: {done.stderr[-2000:]}")
        time.sleep(0.2)  # until its last processes end
        cpu = postgres.cpu_seconds() - before
        log = np.concatenate([np.loadtxt(path, ndmin=2) for path in Path(directory).glob("pgbench_log*")])
    return figures(log[:, 2] / 1e6, log[:, 4] + log[:, 5] / 1e6, cpu)


def figures(latencies: np.ndarray, ends: np.ndarray, cpu: float) -> dict[str, float]:
    """Return percentiles and rates, from each answer's latency and end in seconds, and the total CPU seconds."""
    first, last = (ends - latencies).min(), ends.max()
    counted = ends - latencies >= first + WARM * (last - first)
    if not counted.any():  # each takes longer than the warm-up
        counted[:] = True
    quantiles = map(float, np.percentile(latencies[counted] * 1e3, (50, 95, 99)))
    found = dict(zip(("p50", "p95", "p99"), quantiles, strict=True))
    return {**found, "rate": float(len(ends) / (last - first)), "cpu": cpu / len(ends) * 1e3, "count": len(ends)}

"""Trainings on Ray that are stopped or disturbed: the same bits or nothing, no process left, no password said."""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import sqlalchemy as sa
from conftest import with_database
from data import load_frame, rating_frame
from faulting import orphans, wait_for

from embrec import config
from embrec.engines import ray as on_ray
from embrec.engines.protocol import Pool
from embrec.engines.ray import OnRay
from embrec.engines.threads import OnThreads
from embrec.errors import TrainingError
from embrec.models.base import Epoch, RatingFactors, Ratings
from embrec.models.bayesian import gibbs
from embrec.models.shards import layout
from embrec.runs import embeddings, records
from embrec.training import train

pytestmark = [pytest.mark.ray, pytest.mark.slow]
pytest.importorskip("ray")
CANARY = "canary-pass-word-4712"
# The command line, whose Ray has its directory in another one. Given to keep, it stays there.
COMMAND = """
import sys
import types
from embrec.cli import main
from embrec.engines import ray
ray._SHORT, keep = sys.argv.pop(1), sys.argv.pop(1)
if keep == "keep":
    ray.shutil = types.SimpleNamespace(rmtree=lambda *arguments, **options: None)
main()
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory with a short path; sockets are made below it."""
    found = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    yield found
    shutil.rmtree(found)


def environment(**more: str) -> dict[str, str]:
    """Return the environment without Ray's variables, but with those given."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | more


def training(directory: Path, keep: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start a training on Ray in a process of its own."""
    command = [sys.executable, "-c", COMMAND, str(directory), keep, "train", "--engine", "ray", "--workers", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen([*command, *arguments], text=True, env=environment(**more), **pipes)


def running(process: subprocess.Popen[str], name: str, count: int) -> list[psutil.Process]:
    """Wait until a training has so many processes of a name; return all its processes."""

    def begun() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return sum(each.name().startswith(name) for each in psutil.Process(process.pid).children(True)) == count

    wait_for(begun)
    time.sleep(0.5)
    return psutil.Process(process.pid).children(True)


@pytest.mark.parametrize(
    ("number", "name", "count"),
    [(signal.SIGINT, "ray::Actor", 2), (signal.SIGTERM, "ray::Actor", 2), (signal.SIGTERM, "raylet", 1)],
    ids=["SIGINT amid the fit", "SIGTERM amid the fit", "SIGTERM while Ray starts"],
)
def test_a_training_that_is_stopped_leaves_no_process_and_no_file(
    engine: sa.Engine, url: str, directory: Path, number: signal.Signals, name: str, count: int
) -> None:
    load_frame(engine, rating_frame(300, 40, 4000))
    process = training(directory, "", "--draws", "5000", "--database-url", url)
    of_ray = running(process, name, count)
    process.send_signal(number)
    shown, _ = process.communicate(timeout=30)
    _, alive = psutil.wait_procs(of_ray, timeout=20)
    assert alive == []
    assert process.returncode == 128 + number
    assert shown.strip() == f"embrec: {'interrupted' if number == signal.SIGINT else 'ended by SIGTERM'}"
    assert list(directory.iterdir()) == []
    (run,) = records.list_runs(engine)
    assert run.status == "failed"
    assert orphans(engine) == []


def test_a_password_is_in_none_of_what_ray_keeps(
    engine: sa.Engine, url: str, admin: sa.Engine, directory: Path
) -> None:
    load_frame(engine, rating_frame(300, 40, 4000))
    role, database = f"embrec_ray_{os.getpid()}", config.parse_database_url(url, "test").parameters["dbname"]
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN PASSWORD '{CANARY}' IN ROLE embrec_trainer"))
    try:
        secret = with_database(url, database, user=role, password=CANARY)
        process = training(directory, "keep", "--draws", "200", "--no-publish", "--database-url", secret)
        commands = [line for each in running(process, "ray::Actor", 2) for line in each.cmdline()]
        shown, _ = process.communicate(timeout=120)
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {role}; DROP ROLE {role}"))
    assert process.returncode == 0, shown
    logs = [each for each in directory.rglob("*") if each.is_file() and "logs" in each.parts]
    assert any(each.name.startswith("worker-") for each in logs)
    assert any(each.name == "gcs_server.out" for each in logs)
    assert [str(each) for each in logs if CANARY.encode() in each.read_bytes()] == []
    assert CANARY not in " ".join([shown, *commands])


@pytest.fixture
def head(directory: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A Ray cluster of one node; yields its address, and the variables that let a process join."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    ray = str(Path(sys.executable).with_name("ray"))
    options = ["--num-cpus", "2", "--include-dashboard=false", "--temp-dir", str(directory), "--block"]
    command = [ray, "start", "--head", "--port", str(port), *options]
    with subprocess.Popen(command, env=environment(**token), stdout=subprocess.DEVNULL) as node:
        yield f"127.0.0.1:{port}", token
        processes = psutil.Process(node.pid).children(True)
        node.terminate()
        psutil.wait_procs(processes, timeout=30)


def test_a_training_joins_a_cluster_and_leaves_it_running(
    engine: sa.Engine, url: str, directory: Path, head: tuple[str, dict[str, str]]
) -> None:
    address, token = head
    load_frame(engine, rating_frame(300, 40, 4000))
    arguments = ("--draws", "10", "--no-publish", "--database-url", url, "--address")
    wait_for(lambda: answers(address))
    refused = training(directory, "", *arguments, address, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64)
    assert "Ray cannot be joined" in " ".join(refused.communicate(timeout=60)[0].split())
    assert refused.returncode == 1
    process = training(directory, "", *arguments, address, **token)
    shown, _ = process.communicate(timeout=120)
    assert process.returncode == 0, shown
    wait_for(lambda: actors() == 0)
    stopped = training(directory, "", "--draws", "5000", *arguments[2:], address, **token)
    wait_for(lambda: actors() == 2)
    stopped.terminate()
    stopped.communicate(timeout=30)
    assert stopped.returncode == 143
    wait_for(lambda: actors() == 0)
    assert answers(address)
    here = train(engine, options={"draws": 10}, publish=False).model_run_id
    for ours, theirs in zip(*(embeddings.read(engine, run, "movie") for run in (here, here - 2)), strict=True):
        assert ours is None or ours.tobytes() == theirs.tobytes()


def actors() -> int:
    """Return the number of workers of a cluster that this process has started."""
    return sum(each.name().startswith("ray::Actor") for each in psutil.Process().children(True))


def answers(address: str) -> bool:
    host, _, port = address.partition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
        return True
    return False


@pytest.fixture
def nodes(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Ray cluster of two nodes on this machine, with four and two processors."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_TMPDIR", str(directory))
    # Ray notices within two seconds and not within twenty that a node has failed.
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 2, "health_check_initial_delay_ms": 0}
    head = {"num_cpus": 4, "include_dashboard": False, "_system_config": quick}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Ray kills its processes, and does not wait for them
        gc.collect()


def made_up(users: int, movies: int, count: int) -> Ratings:
    random = np.random.default_rng(0)
    pairs = np.unique(random.integers(0, users * movies, count))
    values = random.integers(1, 6, len(pairs)).astype(np.float32)
    return Ratings((pairs // movies).astype(np.int32), (pairs % movies).astype(np.int32), values, users, movies)


@pytest.mark.parametrize("processors", [3, 6], ids=["enough are left", "too few are left"])
def test_a_node_that_fails_amid_a_fit_changes_no_bit_or_is_an_error(
    nodes: Any, processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_LEAST_USERS", "_RATINGS_OF_MOVIE"):
        monkeypatch.setattr(layout, name, 4)
    monkeypatch.setattr(gibbs, "_BURN_IN", 2)
    monkeypatch.setattr(on_ray, "_SECONDS_TO_START", 15.0)
    training, other = made_up(300, 40, 4000), nodes.worker_nodes.copy().pop()
    lost: list[int] = []

    def fail(epoch: Epoch) -> None:
        if epoch.epoch == 4:
            nodes.remove_node(other, allow_graceful=False)
            lost.append(epoch.epoch)

    def fitted(workers: Pool, on_epoch: Callable[[Epoch], None]) -> RatingFactors:
        return gibbs.factorize(training, None, gibbs.Options(draws=6), 0, on_epoch, workers)

    with OnRay(processors, nodes.address) as pool:
        if processors == 6:
            with pytest.raises(TrainingError, match="6 workers could not start within 15 s"):
                fitted(pool, fail)
        else:
            found = fitted(pool, fail)
            assert found.user_vectors.tobytes() == fitted(OnThreads(2), lambda epoch: None).user_vectors.tobytes()
    assert lost == [4]

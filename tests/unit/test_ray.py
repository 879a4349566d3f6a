"""Fits on Ray: the same bits as on threads, light workers, clear errors."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import probes
import psutil
import pytest
from probes import Broken, Probe, Worker
from test_bayesian import known
from test_matrix_factorization import made_up

from embrec.engines import choice
from embrec.engines import ray as on_ray
from embrec.engines.protocol import Pool
from embrec.engines.ray import OnRay
from embrec.engines.threads import OnThreads
from embrec.errors import ConfigError, LostWorkerError, TrainingError
from embrec.models.als import model as als
from embrec.models.base import RatingFactors, Ratings
from embrec.models.bayesian import gibbs, link
from embrec.models.shards import layout
from embrec.models.shards.recovery import made

pytestmark = [pytest.mark.ray, pytest.mark.slow]
pytest.importorskip("ray")
WORKERS = (1, 2, 3, 5)


@pytest.fixture(scope="module")
def cluster() -> Iterator[OnRay]:
    """A Ray with five processors; engines that are opened meanwhile run on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(probes.__file__).parent), prepend=os.pathsep)
        with OnRay(max(WORKERS), None) as opened:
            yield opened
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Ray kills its processes, and does not wait for them
        gc.collect()


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LEAST_USERS", "_LEAST_MOVIES", "_RATINGS_OF_MOVIE"):
        monkeypatch.setattr(layout, name, 4)


def digest(factors: RatingFactors) -> str:
    arrays = (factors.user_vectors, factors.movie_vectors, factors.user_biases, factors.movie_biases)
    found = hashlib.sha256(b"".join(each.tobytes() for each in arrays))
    for spreads in (factors.user_spreads, factors.movie_spreads):
        found.update(b"" if spreads is None else spreads.tobytes())
    found.update(str([(epoch.rmse, epoch.held_out_rmse) for epoch in factors.history]).encode())
    return found.hexdigest()


def sampled(training: Ratings, workers: Pool) -> str:
    return digest(gibbs.factorize(training, training, gibbs.Options(dimensions=8, draws=4), 1, workers=workers))


@pytest.fixture(params=[10**9, 0], ids=["decomposed", "conjugate gradients"])
def described(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Ratings:
    """Return ratings with side information, fitted by each way to solve the regressions."""
    monkeypatch.setattr(link, "_BASIS_NUMBERS", request.param)
    monkeypatch.setattr(gibbs, "_BURN_IN", 2)
    return replace(made_up(303, 43, 4000), **known(303, 43))


def test_draws_are_the_same_bits_on_ray_and_on_threads(cluster: OnRay, described: Ratings) -> None:
    assert {sampled(described, OnRay(workers, None)) for workers in WORKERS} == {sampled(described, OnThreads(2))}


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    return [each for each in process.children(True) if each.name().startswith("ray::Actor")]


def test_a_worker_that_is_killed_amid_a_sweep_changes_no_bit(
    cluster: OnRay, described: Ratings, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, killed, renewed = sampled(described, OnThreads(2)), [], []
    draw, renew = gibbs.GibbsSampler._draw_movies, on_ray.RayWorkers.renew

    def killing(sampler: gibbs.GibbsSampler, chain: gibbs.Chain, *more: Any) -> float:
        if chain.sweep == 4 and not killed:
            killed.append(workers_of(psutil.Process())[1])
            killed[0].kill()
        return draw(sampler, chain, *more)

    monkeypatch.setattr(gibbs.GibbsSampler, "_draw_movies", killing)
    monkeypatch.setattr(on_ray.RayWorkers, "renew", lambda engine: renewed.append(renew(engine)))
    assert sampled(described, OnRay(3, None)) == expected
    assert len(renewed) == 1


def test_a_worker_that_dies_of_a_step_is_an_error(cluster: OnRay) -> None:
    with (
        OnRay(2, None).start(Probe, 2, 0) as engine,
        pytest.raises(LostWorkerError, match=r"has ended, and again those in its place \(ActorDiedError of Ray\)"),
    ):
        made(engine, lambda: engine.get(engine.all("die")), lambda: None)


def test_the_quick_model_has_the_same_bits_too(cluster: OnRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(als, "_MANY_RATINGS", 3000)
    training = made_up(303, 43, 4000)
    pools: list[Pool] = [OnThreads(2), OnRay(1, None), OnRay(3, None)]
    assert (
        len({digest(als.factorize(training, training, als.Options(epochs=3), 5, workers=pool)) for pool in pools}) == 1
    )


def test_a_worker_is_light_and_has_one_thread_and_the_same_code(cluster: OnRay) -> None:
    import embrec.models.recommender  # TensorFlow is in this process, as in one that trains

    with cluster.start(Worker, 5, 0) as engine:
        (modules, *_), processes = engine.get(engine.all("modules")), engine.get(engine.all("process"))
    assert not {"tensorflow", "keras", "sqlalchemy", "psycopg", "pandas"} & set(modules)
    assert {"embrec.models.bayesian.share", "scipy.sparse"} <= set(modules)
    assert len({each["pid"] for each in processes}) == 5
    for each in processes:
        assert each["MB"] <= 200
        assert (each["package"], each["blas"]) == (embrec.__file__, {1})


def test_a_ray_of_our_own_takes_requests_with_its_token_alone(cluster: OnRay) -> None:
    import ray

    code = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1]); print('in')"
    command = [sys.executable, "-c", code, ray.get_runtime_context().gcs_address]
    for changed, expected in (({}, "in"), ({"RAY_AUTH_TOKEN": "0" * 64, "RAY_AUTH_MODE": "token"}, "InvalidAuthToken")):
        environment = {**os.environ, **changed}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert expected in (done.stdout or done.stderr)


def test_the_command_line_is_not_put_on_record(cluster: OnRay) -> None:
    from ray._private.state import jobs

    assert [job["Entrypoint"] for job in jobs()] == ["embrec"]


def test_a_workers_own_error_is_raised_as_it_is(cluster: OnRay) -> None:
    with OnRay(2, None).start(Probe, 2, 0) as engine:
        first = engine.one(0, "fail")
        for reference in (first, engine.one(1, "fail", first)):
            with pytest.raises(ValueError, match="^too large for this worker$"):
                engine.get([reference])
        assert engine.get([engine.one(0, "process")]), "it goes on"


def test_too_many_workers_are_refused(cluster: OnRay) -> None:
    with pytest.raises(ConfigError, match="make no more than 4 shards of users. Train with --workers 4"):
        cluster.start(Probe, 4, 0)
    with pytest.raises(ConfigError, match="has 5 processors, too few for 6 workers"):
        OnRay(6, None).start(Probe, 8, 0)


def test_workers_that_wait_for_processors_are_an_error(cluster: OnRay, monkeypatch: pytest.MonkeyPatch) -> None:
    with OnRay(4, None).start(Probe, 4, 0):
        monkeypatch.setattr(on_ray, "_SECONDS_TO_START", 2.0)
        with pytest.raises(TrainingError, match="2 workers could not start within 2 s; the Ray cluster has 0 processo"):
            OnRay(2, None).start(Probe, 2, 0)
    monkeypatch.undo()
    with OnRay(5, None).start(Probe, 5, 0) as engine:
        assert engine.get(engine.all("modules")), "those that waited are gone"


def test_other_versions_on_a_node_are_refused(cluster: OnRay, monkeypatch: pytest.MonkeyPatch) -> None:
    here = on_ray.versions()
    monkeypatch.setattr(on_ray, "versions", lambda: {**here, "numpy": "1.0", "kernels": "other"})
    with pytest.raises(TrainingError, match=rf"it has numpy {np.__version__}, kernels \w+, and here is numpy 1.0, ker"):
        OnRay(2, None).start(Probe, 2, 0)


def test_a_worker_that_cannot_be_made_is_an_error(cluster: OnRay) -> None:
    with pytest.raises(TrainingError, match="could not start: .*No module named 'embrec'. Install embrec 1"):
        OnRay(1, None).start(Broken, 1, 0)


def test_an_address_without_a_cluster_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConfigError, match=f"No Ray cluster answers at 127.0.0.1:{port}: .*ray start --head --port"):
        choice.choose("ray", 2, f"127.0.0.1:{port}")
    for address in ("cluster", "ray://cluster:10001", "cluster:port", ":6379"):
        with pytest.raises(ConfigError, match="is no address of a Ray cluster. Give HOST:PORT"):
            choice.choose("ray", 2, address)
    with pytest.raises(ConfigError, match="the engine is threads. Train with --engine ray"):
        choice.choose("threads", 2, "127.0.0.1:6379")
    with pytest.raises(ConfigError, match="There is no engine dask. Choose one of: threads, ray"):
        choice.choose("dask", 2, None)
    monkeypatch.setattr(on_ray, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs Ray. Run: pip install .*ray\]"):
        choice.choose("ray", 2, None)

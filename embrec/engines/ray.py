"""An engine whose workers are processes on the nodes of a Ray cluster, by Ray's actors and its object store alone.

What a worker returns stays in its node's memory until a call needs it elsewhere, so it does not pass through this
process. Arrays that come from another process are read-only.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from types import TracebackType
from typing import Any

from embrec import config
from embrec.engines.actor import Actor, versions
from embrec.engines.protocol import number_of_workers
from embrec.errors import ConfigError, LostWorkerError, TrainingError
from embrec.last_acts import last_act

# A worker that has not started within two minutes waits for processors that others use. Ray takes half a minute to
# notice that a node has failed, and may place a worker there until then.
_SECONDS_TO_START = 120.0
_SECONDS_TO_REACH = 10.0
# Ray makes sockets in its directory, and the path of one has at most 107 bytes, too few for some temporary directories.
_SHORT = "/tmp"  # noqa: S108


class RayWorkers:
    """Workers that are Ray actors, as :class:`embrec.engines.protocol.Engine` describes.

    Args:
        make: Makes a worker, given its number and the number of workers. Its module is imported on every node.
        workers: Number of workers.

    Raises:
        TrainingError: They cannot be started, or a node has other versions.
    """

    may_lose = True

    def __init__(self, make: Callable[[int, int], Any], workers: int) -> None:
        import ray

        self._ray, self.workers, self._make = ray, workers, make
        self._begin()

    def _begin(self) -> None:
        kind = self._ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(Actor)
        self._actors = [kind.remote(self._make, number, self.workers) for number in range(self.workers)]
        try:
            self._check()
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> RayWorkers:
        """Return the engine, whose processes end with the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        self._end()

    def put(self, value: Any) -> Any:
        """Return a reference to a value that several calls need."""
        return self._ray.put(value)

    def one(self, worker: int, method: str, *arguments: Any, returns: int | None = None) -> Any:
        """Call a method of one worker."""
        made = self._actors[worker].run.options(num_returns=returns or 1).remote(method, returns, *arguments)
        return [made] if returns == 1 else made

    def all(self, method: str, *arguments: Any, returns: int | None = None) -> list[Any]:
        """Call a method of every worker with the same arguments; return what :meth:`one` returns for each."""
        return [self.one(worker, method, *arguments, returns=returns) for worker in range(self.workers)]

    def get(self, references: Iterable[Any]) -> list[Any]:
        """Wait for the values of references.

        Raises:
            LostWorkerError: A worker's process or node has ended.
        """
        exceptions = self._ray.exceptions
        try:
            return list(self._ray.get(list(references)))
        except exceptions.RayTaskError as error:
            # The cause is what the worker raised; Ray's own error repeats the worker's traceback in its message.
            cause = error.cause
            if isinstance(cause, exceptions.RayError):
                raise _lost(cause) from error
            raise cause from error
        except exceptions.RayError as error:
            raise _lost(error) from error

    def renew(self) -> None:
        """End all workers, and make new ones."""
        self._end()
        self._begin()

    def _check(self) -> None:
        """Wait until all workers have started, and compare their versions with those here."""
        try:
            found = self._ray.get([actor.versions.remote() for actor in self._actors], timeout=_SECONDS_TO_START)
        except self._ray.exceptions.GetTimeoutError as error:
            free = self._ray.available_resources().get("CPU", 0)
            raise TrainingError(
                f"{self.workers} workers could not start within {_SECONDS_TO_START:.0f} s; the Ray cluster has "
                f"{free:g} processors free beside those that started. Try again when others have ended, or with fewer: "
                "--workers N"
            ) from error
        except self._ray.exceptions.RayError as error:
            raise TrainingError(
                f"A worker could not start: {_last_line(error)} Install embrec {versions()['embrec']} with the extra "
                "ray on every node of the Ray cluster."
            ) from error
        ours = versions()
        for theirs in found:
            if different := [name for name in ours if ours[name] != theirs[name]]:
                raise TrainingError(
                    "A node of the Ray cluster would compute other bits: it has "
                    f"{_listed(different, theirs)}, and here is {_listed(different, ours)}. "
                    "Install the same versions on every node."
                )

    def _end(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor)


class OnRay:
    """Fits on a Ray cluster, or without an address on a Ray of this machine's own, which ends with the context.

    A program that has called ``ray.init`` itself gets its workers there.

    Args:
        workers: Number of workers; None for one for each processor of the cluster.
        address: ``HOST:PORT`` of the cluster's head, ``auto`` to find it as Ray does, or None.

    Raises:
        ConfigError: Ray is not installed, or nothing answers at the address.
    """

    def __init__(self, workers: int | None, address: str | None) -> None:
        if find_spec("ray") is None:
            raise ConfigError(f"The engine ray needs Ray. Run: {config.install_command('ray')}")
        self._workers, self._address = workers, address
        self._open = contextlib.ExitStack()
        if address not in (None, "auto"):
            _reach(str(address))

    def __enter__(self) -> OnRay:
        """Start Ray, or join the cluster."""
        config.prepare_ray(local=self._address is None)
        import ray

        with contextlib.ExitStack() as opening:
            if not ray.is_initialized():
                where = {"address": self._address} if self._address else opening.enter_context(_own(self._workers))
                opening.callback(ray.shutdown)
                _initialize(ray, where)
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what was started."""
        self._open.close()

    def start(self, make: Callable[[int, int], Any], shards: int, rating_count: int) -> RayWorkers:
        """Start workers, as :meth:`embrec.engines.protocol.Pool.start` describes."""
        import ray

        processors = int(ray.cluster_resources().get("CPU", 0))
        workers = number_of_workers(self._workers, shards, max(min(processors, shards), 1))
        if workers > processors:
            raise ConfigError(
                f"The Ray cluster has {processors} processors, too few for {workers} workers. Add nodes to it, or "
                f"train with --workers {processors}."
            )
        return RayWorkers(make, workers)


def _reach(address: str) -> None:
    """Refuse an address where nothing answers: Ray itself would try for two minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise ConfigError(f"{address} is no address of a Ray cluster. Give HOST:PORT of its head, or auto.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_REACH).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"No Ray cluster answers at {address}: {error}. Start one there with: ray start --head --port {port}"
        ) from error


@contextlib.contextmanager
def _own(workers: int | None) -> Iterator[dict[str, Any]]:
    """Yield the arguments of ``ray.init`` for a Ray of this machine's own, and leave nothing of it in the end."""
    directory = tempfile.mkdtemp(prefix="embrec-ray-", dir=_SHORT)

    def end(reason: str) -> None:
        _kill(directory)
        shutil.rmtree(directory, ignore_errors=True)

    with last_act(end):
        try:
            yield {"address": "local", "num_cpus": workers, "include_dashboard": False, "_temp_dir": directory}
        finally:
            end("the fit ended")


def _kill(directory: str) -> None:
    """Kill the processes of a Ray with this directory: ``ray.shutdown`` forgets those of a start that was stopped."""
    import psutil

    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any(directory in word for word in child.cmdline()):
                for each in (*child.children(recursive=True), child):
                    each.kill()


def _initialize(ray: Any, where: dict[str, Any]) -> None:
    from ray._private import utils

    # Ray would handle SIGTERM in place of this process, and put its command line, which may have a password, on record.
    replaced = {"set_sigterm_handler": lambda handler: None, "get_entrypoint_name": lambda: "embrec"}
    before = {name: getattr(utils, name) for name in replaced}
    vars(utils).update(replaced)
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", **where)
    except Exception as error:
        raise TrainingError(
            f"Ray cannot be {'joined' if where['address'] != 'local' else 'started'}: {_last_line(error)} "
            "See docs/how-to/train-on-ray.md"
        ) from error
    finally:
        vars(utils).update(before)
        _handle_again(signal.SIGTERM)


def _handle_again(number: signal.Signals) -> None:
    """Install this process's own handler again: Ray's C++ part would first print where each thread is."""
    handler = signal.getsignal(number)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(number, handler)


def _lost(error: Exception) -> LostWorkerError:
    return LostWorkerError(
        f"A worker's process or its node has ended, and again those in its place ({type(error).__name__} of Ray). Give "
        "its node more memory, or train with more workers on more nodes."
    )


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1].rstrip(".") + "."


def _listed(names: list[str], of: dict[str, str]) -> str:
    return ", ".join(f"{name} {of[name]}" for name in names)

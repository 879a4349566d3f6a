"""The embedded PostgreSQL: make a cluster, start and stop its server.

The server is started on demand, shared by every process of the user, and runs until it is stopped. Its own
``postmaster.pid`` says where it listens, so there is no state of ours that could be out of date.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil
from psycopg.pq import PGconn, Ping

from embrec import config
from embrec.db.server_account import can_enter, run_as, service_account
from embrec.db.server_binaries import find_binaries, runnable_by
from embrec.errors import LocalServerError

USER = DATABASE = "embrec"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
_SOCKET_PREFIX = "embrec-"
# A socket's path may be at most 107 bytes on Linux, 103 on macOS.
_LONGEST_SOCKET_PARENT = 70

DEFAULT_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",  # Unix socket only
    "log_error_verbosity": "terse",  # what is refused is logged without the row's values
    "maintenance_work_mem": "256MB",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "shared_buffers": "256MB",
    "wal_level": "minimal",  # tables filled where they are made are written once; nobody replicates this server
}


@dataclass(frozen=True)
class LocalServer:
    """An embedded PostgreSQL server whose files are under ``home``.

    Attributes:
        home: Directory for the cluster, its log and its lock file; made where missing.
        settings: Server settings beside or over ``DEFAULT_SETTINGS``, used when it is started.
    """

    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The cluster's data directory."""
        return self.home.resolve() / "postgresql-18" / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.home / "server.log"

    def url(self) -> str | None:
        """The URL of the running server, or None if it does not answer."""
        url, answer = self._ping()
        return url if answer == Ping.OK else None

    def _ping(self) -> tuple[str, Ping]:
        lines = self._postmaster_lines()
        if len(lines) < 5 or not lines[4]:
            return "", Ping.NO_RESPONSE
        # The port too: without it a PGPORT in the environment would be tried.
        url = f"postgresql://{USER}@/{DATABASE}?host={quote(lines[4], safe='')}&port={lines[3]}"
        return url, Ping(PGconn.ping(url.encode()))

    def start(self) -> str:
        """Start the server unless it runs already, and return its URL.

        Raises:
            LocalServerError: No binaries are installed, or the server does not start.
        """
        if url := self.url():
            return url
        binaries = find_binaries()
        account = service_account(self.data.parent)
        self._make_directories(account)
        with _locked(self.home / "server.lock"):
            if url := self.url():  # another process was first
                return url
            if self._lost_its_socket():  # as after a cleaning of the temporary directory
                self.stop()
            binaries = runnable_by(account, binaries, self.home)
            if not self.data.exists():
                self._initialise(binaries, account)
            return self._run(binaries, account)

    def stop(self) -> bool:
        """Stop the server and wait for it; returns whether one was running.

        Raises:
            LocalServerError: It did not stop within a minute, though it was told twice.
        """
        process = self._postmaster()
        if process is None:
            return False
        lines = self._postmaster_lines()
        # PostgreSQL 18 that is told to stop while it recovers from a crash may hang for ever.
        deadline = time.monotonic() + START_SECONDS
        while self.recovers() and time.monotonic() < deadline:
            time.sleep(0.02)
        # Fast: sessions are ended, data is flushed. Then, if it hangs, at once: the next start recovers all.
        if not (_ended(process, signal.SIGINT) or _ended(process, signal.SIGQUIT)):
            raise LocalServerError(
                f"The embedded server (process {process.pid}) did not stop in {2 * STOP_SECONDS:.0f} s. "
                f"See {self.log}, then run `embrec db stop` again."
            )
        _remove_socket_directory(lines)
        return True

    def recovers(self) -> bool:
        """Check whether the server runs but accepts no connections yet, because it recovers from a crash."""
        return self._ping()[1] != Ping.OK and self._postmaster() is not None and not self._lost_its_socket()

    def _postmaster_lines(self) -> Sequence[str]:
        """Lines of postmaster.pid: pid, data directory, start time, port, socket directory, ..."""
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except PermissionError as error:
            raise _another_users(self.home) from error
        except OSError:
            return ()

    def _postmaster(self) -> psutil.Process | None:
        """The live server of this cluster; another process that was given its old pid is not one."""
        lines = self._postmaster_lines()
        try:
            process = psutil.Process(int(lines[0]))
            command = process.cmdline()
        except (IndexError, ValueError, psutil.Error):
            return None
        return process if str(self.data) in command else None

    def _lost_its_socket(self) -> bool:
        lines = self._postmaster_lines()
        return len(lines) > 4 and not Path(lines[4]).exists() and self._postmaster() is not None

    def _make_directories(self, account: pwd.struct_passwd | None) -> None:
        if account and not can_enter(account, self.home):
            raise LocalServerError(
                f"As root the embedded server runs as user {account.pw_name}, who cannot enter {self.home}. "
                "Set EMBREC_HOME to a directory that other users can enter, such as /var/lib/embrec."
            )
        try:
            if not self.home.exists():
                self.home.mkdir(parents=True)
                self.home.chmod(0o711 if account else 0o700)  # whatever root's umask, the account must pass
            if not self.data.parent.exists():
                self.data.parent.mkdir(mode=0o700)
                if account:
                    os.chown(self.data.parent, account.pw_uid, account.pw_gid)
        except OSError as error:
            raise LocalServerError(
                f"The embedded database cannot be kept in {self.home}: {error.strerror}. "
                "Set EMBREC_HOME to a directory you can write to."
            ) from error

    def _initialise(self, binaries: Path, account: pwd.struct_passwd | None) -> None:
        """Make the cluster beside its place and move it there whole: a killed initdb leaves nothing in the way."""
        unfinished = self.data.with_name("data.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        initdb = [
            *(str(binaries / "initdb"), "-D", str(unfinished), "-U", USER, "--auth=trust", "--no-sync"),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ]
        create_database = [str(binaries / "postgres"), "--single", "-D", str(unfinished), "postgres"]
        for command, text in ((initdb, ""), (create_database, f"CREATE DATABASE {DATABASE};\n")):
            done = subprocess.run(
                command,
                env=config.server_environment(),
                cwd="/",
                input=text,
                capture_output=True,
                text=True,
                **run_as(account),
            )
            if done.returncode:
                raise LocalServerError(f"The embedded database could not be made in {self.home}: {done.stderr.strip()}")
        unfinished.rename(self.data)

    def _run(self, binaries: Path, account: pwd.struct_passwd | None) -> str:
        """Launch the server and wait until it answers; the caller holds the lock."""
        deadline = time.monotonic() + START_SECONDS
        process = None
        while time.monotonic() < deadline:
            if url := self.url():
                if process:
                    process.returncode = 0  # it outlives us: Popen need not warn that nobody waited
                return url
            if process and process.poll() is not None:
                # Sessions of a killed server may hold its shared memory for a moment longer.
                if "shared memory block" not in self._log_tail():
                    break
                process = None
            if process is None and self._postmaster() is None:
                self._clear_stale_files()
                process = self._launch(binaries, account)
            time.sleep(0.02)
        raise LocalServerError(f"The embedded server did not start; see {self.log}, which ends: {self._log_tail()}")

    def _clear_stale_files(self) -> None:
        """Remove what a killed server left and PostgreSQL itself would stumble over.

        It refuses to start while the pid in postmaster.pid belongs to any live process, also to one that
        came by that number later. The pid of a dead process it handles, so that is left to it.
        """
        lines = self._postmaster_lines()
        _remove_socket_directory(lines)
        if lines and lines[0].isdigit() and psutil.pid_exists(int(lines[0])):
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _launch(self, binaries: Path, account: pwd.struct_passwd | None) -> subprocess.Popen[bytes]:
        socket = _socket_directory(account)
        settings = {**DEFAULT_SETTINGS, "unix_socket_directories": str(socket), **self.settings}
        command = [str(binaries / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with open(self.log, "wb") as log:
            return subprocess.Popen(
                command,
                env=config.server_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C meant for us is not meant for the server
                **run_as(account),
            )

    def _log_tail(self) -> str:
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-5:])


def default_home() -> Path:
    """Directory of the embedded database for this user.

    As root the server runs as another user, who may be unable to enter root's home; then, unless a
    directory was chosen by EMBREC_HOME or XDG_DATA_HOME, it is /var/lib/embrec.
    """
    home = config.home_directory()
    account = service_account(home)
    if account and not config.home_is_chosen() and not can_enter(account, home):
        return Path("/var/lib/embrec")
    return home


def _socket_directory(account: pwd.struct_passwd | None) -> Path:
    parent = tempfile.gettempdir()
    unusable = len(parent) > _LONGEST_SOCKET_PARENT or "," in parent  # the setting is a list
    if unusable or (account and not can_enter(account, Path(parent))):
        parent = "/tmp"  # noqa: S108 - mkdtemp makes a private directory in it
    directory = Path(tempfile.mkdtemp(prefix=_SOCKET_PREFIX, dir=parent))
    if account:
        os.chown(directory, account.pw_uid, account.pw_gid)
    return directory


def _ended(process: psutil.Process, by: signal.Signals) -> bool:
    """Send a signal, wait for the process to end, and return whether it did."""
    with contextlib.suppress(psutil.NoSuchProcess):  # somebody else has stopped it
        process.send_signal(by)
        try:
            process.wait(timeout=STOP_SECONDS)
        except psutil.TimeoutExpired:
            return False
    return True


def _another_users(home: Path) -> LocalServerError:
    return LocalServerError(
        f"The embedded database in {home} belongs to another user. "
        "Run embrec as that user, or set EMBREC_HOME to a directory of your own."
    )


def _remove_socket_directory(postmaster_lines: Sequence[str]) -> None:
    if len(postmaster_lines) > 4 and Path(postmaster_lines[4]).name.startswith(_SOCKET_PREFIX):
        shutil.rmtree(postmaster_lines[4], ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file; it is given up by the kernel when its holder dies."""
    try:
        file = open(path, "w")  # noqa: SIM115 - closed below
    except PermissionError as error:
        raise _another_users(path.parent) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

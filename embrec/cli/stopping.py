"""End a command by a signal, at every moment of it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from embrec import last_acts

# A hang-up is what a terminal that is closed sends.
_SIGNALS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "ended by SIGTERM",
    signal.SIGHUP: "ended by SIGHUP",
}
# A stopped command has a second to end by itself, and the acts in its place have another.
GRACE_SECONDS = 1.0
ACTS_SECONDS = 1.0


class Stopped(KeyboardInterrupt):
    """A signal that stops a command: running statements are cancelled, and a training run is recorded as failed."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let signals stop what runs in this context, and then end the process with 128 and the signal's number.

    The main thread learns of a signal as an exception, but not while it is in a long call of a library, or waits for
    a thread that is. So a second thread ends the process if the main thread does not.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stop = _Stop()
    try:
        yield
    finally:
        stop.end()


class _Stop:
    def __init__(self) -> None:
        self._number: int | None = None
        self._stderr = os.dup(2)  # C++ libraries are kept from the other one
        self._ended = threading.Event()
        # Signals that are ignored stay ignored, such as SIGHUP under nohup.
        self._before = {each: signal.getsignal(each) for each in _SIGNALS if signal.getsignal(each) != signal.SIG_IGN}
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        # Python writes the number of each signal there at once, whatever the main thread does.
        self._wakeup = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._watch, name="embrec stopping", daemon=True)
        self._thread.start()
        for each in self._before:
            signal.signal(each, self._stop)

    def _stop(self, number: int, frame: Any) -> None:
        self._number = number
        for each in self._before:  # one is enough, and another would end what the first one began
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(_SIGNALS[signal.Signals(number)])

    def _watch(self) -> None:
        numbers = self._before.keys()
        while (read := os.read(self._reading, 1)) and read[0] not in numbers:
            if read[0] == 0:
                return
        if self._ended.wait(GRACE_SECONDS):
            return
        acts = threading.Thread(target=last_acts.perform, args=(_SIGNALS[signal.Signals(read[0])],), daemon=True)
        acts.start()
        acts.join(ACTS_SECONDS)
        _exit(read[0], self._stderr)

    def end(self) -> None:
        """End the process if it was stopped; whatever came of the command, a stop is a stop."""
        self._ended.set()
        if self._number is not None:
            _exit(self._number, self._stderr)
        signal.set_wakeup_fd(self._wakeup)
        for each, handler in self._before.items():
            signal.signal(each, handler)
        os.write(self._writing, bytes(1))
        self._thread.join()
        os.close(self._reading)
        os.close(self._writing)
        os.close(self._stderr)


def _exit(number: int, stderr: int) -> None:
    """Say what ended the command, and end the process without waiting for its threads."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    shown = "\r\x1b[2K\x1b[?25h" if os.isatty(stderr) else ""  # a progress bar hides the cursor
    with contextlib.suppress(OSError):  # the terminal may be gone
        os.write(stderr, f"{shown}embrec: {_SIGNALS[signal.Signals(number)]}\n".encode())
    os._exit(128 + number)

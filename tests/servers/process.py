"""Processes that serve: started, waited for, and stopped."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from typing_extensions import Self

# A cold start of the slowest server on a busy machine of two cores.
_TIMEOUT = 90.0
# What a server keeps is thrown away: it need not end in good order.
_GRACE = 2.0
_LAST_WORDS = 4_000


def free_ports(count: int) -> list[int]:
    """Return ports that are free; all are found before any is given back."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def program(name: str, package: str) -> str:
    """Return the path of a program that a package of the tests' requirements installed here."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        missing(package)
    return found


def missing(package: str) -> None:
    """Skip, or fail where all servers are expected to be there."""
    import pytest  # the benchmarks run processes without it

    message = f"{package} is not installed; it is in the dependency group 'servers'"
    if os.environ.get("LIBSTORE_EXPECT_SERVERS"):
        pytest.fail(message)
    pytest.skip(message)


class ServerProcess:
    """
    One process that listens on ports.

    Args:
        name: For messages.
        folder: Where its output goes.
        ports: All of them accept connections when the server is ready.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        ports: Sequence[int],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._log = folder / f"{name}.log"
        self._ports = ports
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=folder,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _wait(self) -> None:
        deadline = time.monotonic() + _TIMEOUT
        waiting = list(self._ports)
        while waiting:
            if self._process.poll() is not None:
                raise RuntimeError(self._story(f"ended with {self._process.returncode}"))
            if _responds(waiting[0]):
                waiting.pop(0)
                continue
            if time.monotonic() > deadline:
                raise RuntimeError(self._story(f"does not listen on {waiting[0]}"))
            time.sleep(0.02)

    def stop(self) -> None:
        """End the process and those that it started, and wait until they are gone."""
        if self._process.poll() is None:
            _signal(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                _signal(self._process.pid, signal.SIGKILL)
                self._process.wait(10)

    def _story(self, what: str) -> str:
        log = self._log.read_text(errors="replace")[-_LAST_WORDS:]
        return f"the server {self._name} {what}; it said:\n{log}"


def _signal(process: int, number: int) -> None:
    # It leads a session of its own, so this reaches what it started and nothing else.
    try:
        os.killpg(process, number)
    except ProcessLookupError:
        pass


def _responds(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True

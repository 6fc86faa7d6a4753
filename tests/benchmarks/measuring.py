"""
Measure clients in turns, each in a process of its own, so that ratios hold on a busy machine.

A turn repeats an operation for a time, or does it once if it takes longer. CPU time is that of the
client's process with all its threads, not that of the server.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

#: Returns how much an operation has done: calls, bytes or keys.
Operation = Callable[[], int]
#: Given the name of a row; raises if the client has no such operation.
Prepare = Callable[[str], "tuple[Operation, int]"]


@dataclass(frozen=True)
class Turn:
    """What one turn took: seconds, and bytes of memory above the level before."""

    amount: int
    wall: float
    cpu: float
    memory: int


@dataclass
class Figures:
    """All turns of one client at one row."""

    turns: list[Turn] = field(default_factory=list)
    failure: str = ""

    @property
    def rates(self) -> list[float]:
        """Amounts in a second, by turn."""
        return [turn.amount / turn.wall for turn in self.turns]

    @property
    def costs(self) -> list[float]:
        """Seconds of CPU for one, by turn."""
        return [turn.cpu / turn.amount for turn in self.turns]

    @property
    def memory(self) -> int:
        """The peak of all turns."""
        return max(turn.memory for turn in self.turns)


def spread(values: Sequence[float]) -> float:
    """Return how far the middle half of the values lies from their median, as a part of it."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / statistics.median(values)


def ratio(mine: Sequence[float], others: Sequence[float]) -> float:
    """Return the median of the ratios of turns that were next to each other."""
    return statistics.median(a / b for a, b in zip(mine, others, strict=True))


def repeat(operation: Operation, threads: int, seconds: float) -> Turn:
    """Take one turn in this process."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory begins anew
    before = _memory("VmRSS")
    cpu, start = time.process_time(), time.perf_counter()
    deadline = start + seconds
    if threads == 1:
        amount = _until(operation, deadline)
    else:
        with ThreadPoolExecutor(threads) as pool:
            amount = sum(pool.map(lambda _: _until(operation, deadline), range(threads)))
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return Turn(amount, wall, cpu, max(0, _memory("VmHWM") - before))


def _until(operation: Operation, deadline: float) -> int:
    amount = operation()
    while time.perf_counter() < deadline:
        amount += operation()
    return amount


def _memory(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) << 10
    raise LookupError(name)


def measure(
    clients: Mapping[str, tuple[Callable[..., Prepare], tuple[Any, ...]]],
    row: str,
    rounds: int,
    seconds: float,
) -> dict[str, Figures]:
    """
    Return the figures of all clients at a row.

    Args:
        clients: What makes them, in their own processes, and its arguments.
    """
    context = multiprocessing.get_context("spawn")
    figures = {name: Figures() for name in clients}
    processes: dict[str, tuple[BaseProcess, Connection]] = {}
    for name, (make, arguments) in clients.items():
        own, theirs = context.Pipe()
        process: BaseProcess = context.Process(target=_work, args=(theirs, make, arguments, row))
        process.start()
        theirs.close()
        processes[name] = process, own
    try:
        for number in range(rounds + 1):
            for name in _rotated(list(clients), number):
                # The first round warms up.
                _take_turn(processes[name][1], figures[name], seconds, kept=number > 0)
    finally:
        for process, own in processes.values():
            own.close()
            process.join()
    return figures


def _rotated(names: list[str], number: int) -> list[str]:
    first = number % len(names)
    return names[first:] + names[:first]


def _take_turn(connection: Connection, figures: Figures, seconds: float, *, kept: bool) -> None:
    if figures.failure:
        return
    try:
        connection.send(seconds)
        result = connection.recv()
    except (EOFError, OSError):
        result = "its process has ended"
    if isinstance(result, str):
        figures.failure = result
    elif kept:
        figures.turns.append(result)


def _work(
    connection: Connection,
    make: Callable[..., Prepare],
    arguments: tuple[Any, ...],
    row: str,
) -> None:
    """Take a turn each time that a number of seconds arrives, until the connection is closed."""
    prepared: tuple[Operation, int] | None = None
    while True:
        try:
            seconds = connection.recv()
        except EOFError:
            return
        try:
            prepared = prepared or make(*arguments)(row)
            connection.send(repeat(*prepared, seconds))
        except Exception as error:
            connection.send(f"{type(error).__name__}: {error}"[:200])

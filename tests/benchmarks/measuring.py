"""
Measure clients in turns, each in a process of its own, so that ratios hold on a busy machine.

A turn repeats an operation for a time, or does it once if it takes longer. CPU time is that of the
client's process with all its threads, not that of the server.
"""

from __future__ import annotations

import multiprocessing.context
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

#: Returns how much an operation has done: calls, bytes or keys.
Operation = Callable[[], int]


@dataclass(frozen=True)
class Task:
    """
    What is repeated.

    Attributes:
        threads: How many repeat it at the same time.
        in_children: It runs in processes of its own, whose memory is measured.
    """

    operation: Operation
    threads: int = 1
    in_children: bool = False


#: Given the name of a row, returns its task.
Prepare = Callable[[str], Task]


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
    def rate(self) -> float:
        """The median of the rates."""
        return statistics.median(self.rates)

    @property
    def cost(self) -> float:
        """The median of the costs."""
        return statistics.median(self.costs)

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


def repeat(task: Task, seconds: float) -> Turn:
    """Take one turn in this process."""
    _forget_peak()
    before = _memory("VmRSS")
    cpu, start = _cpu(), time.perf_counter()
    deadline = start + seconds
    if task.threads == 1:
        amount = _until(task.operation, deadline)
    else:
        with ThreadPoolExecutor(task.threads) as pool:
            several = [task.operation] * task.threads
            amount = sum(pool.map(lambda operation: _until(operation, deadline), several))
    wall, cpu = time.perf_counter() - start, _cpu() - cpu
    memory = max(0, _memory("VmHWM") - before)
    if task.in_children:
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    return Turn(amount, wall, cpu, memory)


def _cpu() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _forget_peak() -> None:
    """Let the peak of memory begin anew, where Linux allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


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
    clients: Mapping[str, Prepare], row: str, processes: int, rounds: int, seconds: float
) -> dict[str, Figures]:
    """
    Return the figures of all clients at a row.

    Args:
        clients: Called with the name of the row, in a process of its own.
        processes: How many processes of each client work at the same time.
    """
    context = multiprocessing.get_context("spawn")
    figures = {name: Figures() for name in clients}
    with ExitStack() as stack:
        workers: dict[str, list[Connection]] = {}
        for name, prepare in clients.items():
            workers[name] = [
                _start(stack, context, prepare, row) for _ in range(processes)
            ]  # fmt: skip
        for number in range(rounds + 1):
            for name in _rotated(list(clients), number):
                # The first round warms up.
                _take_turn(workers[name], figures[name], seconds, kept=number > 0)
    return figures


def _start(
    stack: ExitStack, context: multiprocessing.context.SpawnContext, prepare: Prepare, row: str
) -> Connection:
    own, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, prepare, row))
    process.start()
    theirs.close()
    stack.callback(process.join)
    stack.callback(own.close)
    return own


def _rotated(names: list[str], number: int) -> list[str]:
    first = number % len(names)
    return names[first:] + names[:first]


def _take_turn(workers: list[Connection], figures: Figures, seconds: float, *, kept: bool) -> None:
    if figures.failure:
        return
    try:
        for worker in workers:
            worker.send(seconds)
        results = [worker.recv() for worker in workers]
    except (EOFError, OSError):
        results = ["its process has ended"]
    failures = [result for result in results if isinstance(result, str)]
    if failures:
        figures.failure = failures[0]
    elif kept:
        figures.turns.append(
            Turn(
                sum(turn.amount for turn in results),
                max(turn.wall for turn in results),
                sum(turn.cpu for turn in results),
                sum(turn.memory for turn in results),
            )
        )


def _work(connection: Connection, prepare: Prepare, row: str) -> None:
    """Take a turn each time that a number of seconds arrives, until the connection is closed."""
    task: Task | None = None
    while True:
        try:
            seconds = connection.recv()
        except EOFError:
            return
        try:
            task = task or prepare(row)
            connection.send(repeat(task, seconds))
        except Exception as error:
            connection.send(" ".join(f"{type(error).__name__}: {error}".split())[:200])

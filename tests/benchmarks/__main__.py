"""
Compare the library with other clients.

    python -m tests.benchmarks --rows get,list --clients libstore,obstore --rounds 5
    python -m tests.benchmarks --profile get

Without arguments, all rows and all clients.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from . import report
from .clients import CLIENTS
from .imports import FIRST_CALLS
from .measuring import Figures, measure, repeat
from .place import NotAvailableError, Place
from .places import place
from .rows import ROWS, Preparing


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the server, removes its data
    known = {name: None for clients in CLIENTS.values() for name in clients}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {', '.join(ROWS)}")
    parser.add_argument("--clients", default=",".join(known), help=f"of {', '.join(known)}")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn, at the least")
    parser.add_argument("--profile", metavar="ROW", choices=ROWS, help="of libstore alone")
    parser.add_argument("--write", metavar="PAGE", type=Path, help="put them into this page too")
    options = parser.parse_args()
    rows = _names(parser, options.profile or options.rows, ROWS)
    clients = _names(parser, options.clients, known)
    results: dict[str, dict[str, Figures]] = {}
    for service, group in groupby(rows, lambda row: ROWS[row].service):
        names = list(group)
        try:
            with _place(service, names) as found:
                if options.profile:
                    _profile(options.profile, found, options.seconds)
                    return
                for name in names:
                    results[name] = _measure(name, clients, found, options)
                    print(report.lines(ROWS[name], results[name]), flush=True)
        except NotAvailableError as error:
            print(f"{service} is left out, because it needs {error}")
    if options.write:
        report.write(options.write, results)


def _names(parser: argparse.ArgumentParser, text: str, known: Mapping[str, object]) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in known:
            parser.error(f"{name!r} is not known; there are {', '.join(known)}")
    return names


@contextmanager
def _place(service: str, rows: Sequence[str]) -> Iterator[Place]:
    """Run a service, with its data in memory where there is /dev/shm."""
    objects = {one for row in rows for one in ROWS[row].objects}
    listings = {ROWS[row].listing for row in rows} - {0}
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="libstore-bench-", dir=memory) as folder:
        with place(service, Path(folder), objects, listings) as found:
            yield found


def _measure(
    name: str, clients: Sequence[str], found: Place, options: argparse.Namespace
) -> dict[str, Figures]:
    row = ROWS[name]
    among = FIRST_CALLS if row.unit == "starts" else CLIENTS[row.service]
    preparing = {client: Preparing(client, found) for client in clients if client in among}
    return measure(preparing, name, row.processes, options.rounds, options.seconds)


def _profile(row: str, found: Place, seconds: float) -> None:
    task = Preparing("libstore", found)(row)
    task.operation()  # connects
    profiler = cProfile.Profile()
    profiler.enable()
    turn = repeat(replace(task, threads=1), seconds)
    profiler.disable()
    print(f"{turn.amount} in {turn.wall:.3f} s")
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()

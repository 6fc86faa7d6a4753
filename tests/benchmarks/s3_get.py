"""
What one GET of 1 KiB costs a user of the S3 driver, compared with requests' own session.

    python tests/benchmarks/s3_get.py [--count 2000] [--rounds 9] [--profile]

A child process responds on loopback. All take turns in one run, so that the ratio of their CPU
times holds on a loaded machine too. The driver signs each request and checks each response against
its MD5; the session does neither.
"""

from __future__ import annotations

import argparse
import cProfile
import multiprocessing
import pstats
import statistics
from collections.abc import Callable

import requests
from wire import measure, serve

from libstore.drivers.s3 import S3Driver

NAME = "some/name.bin"
GOAL = 0.22


def profile(read: Callable[[], bytes], count: int) -> None:
    """Print where the time goes."""
    profiler = cProfile.Profile()
    profiler.enable()
    measure(read, count)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def compare(ways: dict[str, Callable[[], bytes]], session: str, count: int, rounds: int) -> None:
    """Print what each way costs, and how that compares with the session."""
    figures: dict[str, list[tuple[float, float]]] = {label: [] for label in ways}
    for _ in range(rounds):
        for label, read in ways.items():
            figures[label].append(measure(read, count if label != session else count // 4))
    for label, pairs in figures.items():
        cpu, wall = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(
            mine[0] / other[0] for mine, other in zip(pairs, figures[session], strict=True)
        )
        print(f"{label:24}{cpu:8.1f} µs CPU{wall:8.1f} µs wall   ratio of CPU {ratio:.3f}")
    print(f"goal: a ratio of at most {GOAL}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    own, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{own.recv()}"
    session = requests.Session()
    with S3Driver("AKIDEXAMPLE", "secret", endpoint=url, proxies={}) as driver:
        handle = driver.object("bucket", NAME)
        container = handle.container
        ways: dict[str, Callable[[], bytes]] = {
            "driver.read_object": lambda: driver.read_object(handle),
            "container.read_object": lambda: container.read_object(NAME),
            "Session.get": lambda: session.get(f"{url}/bucket/{NAME}").content,
        }
        for read in ways.values():
            read()
        if options.profile:
            profile(ways["driver.read_object"], options.count)
        else:
            compare(ways, "Session.get", options.count, options.rounds)


if __name__ == "__main__":
    main()

"""
What CRCs cost in pure Python, compared with the usual table and with compiled functions.

    python tests/benchmarks/checksums.py [--size 8388608] [--rounds 7]

All of them take turns over the same bytes in one run, so that the ratios hold on a loaded machine
too. The table gets a small piece only: it is that slow.
"""

from __future__ import annotations

import argparse
import os
import time

from libstore.transfer.crc import (
    POLYNOMIALS,
    CrcFunction,
    _awscrt,
    _google,
    _table,
    portable_function,
)


def naive(algorithm: str) -> CrcFunction:
    """Return the function that most pure Python implementations have."""
    polynomial = POLYNOMIALS[algorithm]
    table = _table(polynomial)

    def update(data: memoryview, value: int) -> int:
        register = value ^ polynomial.ones
        for byte in data:
            register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
        return register ^ polynomial.ones

    return update


def speed(function: CrcFunction, data: memoryview) -> float:
    """Return megabytes a second of CPU time."""
    before = time.process_time()
    function(data, 0)
    return data.nbytes / max(time.process_time() - before, 1e-9) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=8 << 20)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    data = memoryview(os.urandom(arguments.size))
    for algorithm in ("crc32c", "crc64nvme"):
        functions = {
            "table": (naive(algorithm), data[: 1 << 17]),
            "libstore, 4 KiB": (portable_function(algorithm), data[: 4 << 10]),
            "libstore, 64 KiB": (portable_function(algorithm), data[: 64 << 10]),
            "libstore": (portable_function(algorithm), data),
        }
        for name, found in (("awscrt", _awscrt(algorithm)), ("google_crc32c", _google(algorithm))):
            if found is not None:
                functions[name] = (found, data)
        best = dict.fromkeys(functions, 0.0)
        for _ in range(arguments.rounds):
            for name, (function, view) in functions.items():
                best[name] = max(best[name], speed(function, view))
        for name, figure in best.items():
            ratio = figure / best["table"]
            print(f"{algorithm:10} {name:18} {figure:10.1f} MB/s {ratio:8.1f} x table")


if __name__ == "__main__":
    main()

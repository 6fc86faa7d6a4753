"""
Compare the library with other clients.

    python -m tests.benchmarks --rows get,list --clients libstore,obstore --rounds 5
    python -m tests.benchmarks --profile get

Without arguments, all rows and all clients that are installed.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
from collections.abc import Mapping

from .clients import CLIENTS
from .endpoint import Endpoint, null_endpoint
from .measuring import Figures, measure, ratio, repeat, spread
from .rows import ROWS, Row, preparing

#: All ratios are to this client.
REFERENCE = "obstore"
#: What one of a unit is in the table: the factor of rates, and that of the CPU time of one.
UNITS = {
    "ops": (1.0, 1e6, "ops/s", "µs"),
    "keys": (1.0, 1e6, "keys/s", "µs"),
    "MB": (1e-6, 1e3 * (1 << 20), "MB/s", "ms/MiB"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Formatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="(default: all)")
    parser.add_argument("--clients", default=",".join(CLIENTS), help="(default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn, at the least")
    parser.add_argument("--profile", metavar="ROW", choices=ROWS, help="of libstore alone")
    options = parser.parse_args()
    rows = [options.profile] if options.profile else _known(parser, options.rows, ROWS)
    clients = _known(parser, options.clients, CLIENTS)
    objects = {name for row in rows for name in ROWS[row].objects}
    listings = {ROWS[row].listing for row in rows} - {0}
    with null_endpoint(objects, listings) as endpoint:
        if options.profile:
            _profile(options.profile, endpoint, options.seconds)
            return
        for row in rows:
            makers = {name: (preparing, (name, endpoint)) for name in clients}
            figures = measure(makers, row, options.rounds, options.seconds)
            print(_table(ROWS[row], figures), flush=True)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    pass


def _known(parser: argparse.ArgumentParser, text: str, known: Mapping[str, object]) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in known:
            parser.error(f"{name!r} is not known; there are {', '.join(known)}")
    return names


def _table(row: Row, figures: Mapping[str, Figures]) -> str:
    factor, cost_factor, rate_unit, cost_unit = UNITS[row.unit]
    head = f"{row.title:28}{rate_unit:>12}{'±':>6}{'CPU ' + cost_unit:>14}{'±':>6}"
    lines = [f"{head}{'x ' + REFERENCE:>12}{'CPU x':>8}{'peak MiB':>10}"]
    for name, one in figures.items():
        if not one.turns:
            lines.append(f"  {name:26}  {one.failure}")
            continue
        rate, cost = statistics.median(one.rates), statistics.median(one.costs)
        lines.append(
            f"  {name:26}{rate * factor:12,.0f}{spread(one.rates):6.0%}"
            f"{cost * cost_factor:14,.2f}{spread(one.costs):6.0%}"
            f"{_ratios(one, figures.get(REFERENCE))}{one.memory >> 20:10,}"
        )
    return "\n".join(lines)


def _ratios(one: Figures, reference: Figures | None) -> str:
    if reference is None or len(reference.turns) != len(one.turns):
        return f"{'':20}"
    return f"{ratio(one.rates, reference.rates):12.2f}{ratio(one.costs, reference.costs):8.2f}"


def _profile(row: str, endpoint: Endpoint, seconds: float) -> None:
    operation, _ = preparing("libstore", endpoint)(row)
    operation()
    profiler = cProfile.Profile()
    profiler.enable()
    turn = repeat(operation, 1, seconds)
    profiler.disable()
    print(f"{turn.amount} in {turn.wall:.3f} s")
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()

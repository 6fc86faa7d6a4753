"""Figures as lines for a terminal, and as a table and a plot for the documentation."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .clients import REFERENCES
from .measuring import Figures, ratio, spread
from .rows import ROWS, Row

#: The factor and name of a rate, and those of the CPU time of one.
UNITS = {
    "ops": (1.0, "ops/s", 1e6, "µs"),
    "keys": (1.0, "keys/s", 1e6, "µs"),
    "files": (1.0, "files/s", 1e6, "µs"),
    "directories": (1.0, "dirs/s", 1e6, "µs"),
    "starts": (1.0, "starts/s", 1e3, "ms"),
    "MB": (1e-6, "MB/s", 1e3 * (1 << 20), "ms/MiB"),
}
OWN = "libstore"
#: The figures of all rows: by row and client.
Results = Mapping[str, Mapping[str, Figures]]
_BEGIN, _END = "<!-- begin of the measured part -->\n", "<!-- end of the measured part -->\n"
_PLOT = "performance.svg"
_DOCUMENT = """\
Measured on {date:%Y-%m-%d} with Python {python} on {cores} cores of {processor}, with {versions}.
Each figure is the median of {turns} turns; ± is half of the range of the middle half of them.

| Workload | Speed, CPU time and peak memory | Speed and CPU time, relative | Speed of others |
|---|---|---|---|
{table}

![Speed and CPU time of the clients, relative to libstore]({plot})

{slower}"""


def lines(row: Row, figures: Mapping[str, Figures]) -> str:
    """Return the figures of a row for a terminal."""
    factor, rate_unit, cost_factor, cost_unit = UNITS[row.unit]
    reference = REFERENCES[row.service]
    head = f"{row.title:38}{rate_unit:>11}{'±':>5}{'CPU ' + cost_unit:>13}{'±':>5}"
    found = [f"{head}  {'x ' + reference:>8}{'CPU x':>8}{'peak MiB':>10}"]
    for name, one in figures.items():
        if "has no attribute" in one.failure:
            continue  # the client cannot do it
        if one.failure:
            found.append(f"  {name:26}  {one.failure}")
            continue
        found.append(
            f"  {name:36}{_number(one.rate * factor):>11}{spread(one.rates):5.0%}"
            f"{_number(one.cost * cost_factor):>13}{spread(one.costs):5.0%}"
            f"{_ratios(one, figures.get(reference), len(reference) + 4)}{one.memory >> 20:10,}"
        )
    return "\n".join(found)


def _number(value: float) -> str:
    """Return a number with at least two digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratios(one: Figures, reference: Figures | None, width: int) -> str:
    if reference is None or reference.failure:
        return " " * (width + 8)
    rates, costs = ratio(one.rates, reference.rates), ratio(one.costs, reference.costs)
    return f"{rates:{width}.2f}{costs:8.2f}"


def write(page: Path, results: Results) -> None:
    """Replace the measured part of a page of the documentation, and the plot beside it."""
    before, begin, rest = page.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{page} has no lines {_BEGIN!r} and {_END!r}")
    measured = {
        row: {client: one for client, one in figures.items() if not one.failure}
        for row, figures in results.items()
        if OWN in figures and not figures[OWN].failure
    }
    page.write_text(f"{before}{begin}\n{_document(measured)}\n{end}{after}")
    _plot(page.with_name(_PLOT), measured)


def _document(results: Results) -> str:
    return _DOCUMENT.format(
        date=datetime.now(timezone.utc),
        python=platform.python_version(),
        cores=os.cpu_count(),
        processor=_processor(),
        versions=", ".join(_versions({name for one in results.values() for name in one})),
        turns=max(len(one.turns) for figures in results.values() for one in figures.values()),
        table="\n".join(_line(ROWS[row], figures) for row, figures in results.items()),
        plot=_PLOT,
        slower="\n".join(_slower(results)),
    )


def _line(row: Row, figures: Mapping[str, Figures]) -> str:
    factor, rate_unit, cost_factor, cost_unit = UNITS[row.unit]
    reference, own = REFERENCES[row.service], figures[OWN]
    compared = ""
    if reference in figures:
        one = figures[reference]
        rates, costs = ratio(own.rates, one.rates), ratio(own.costs, one.costs)
        compared = f"{rates:.2f}, {costs:.2f} ({reference})"
    others = ", ".join(
        f"{name} {ratio(one.rates, own.rates):.2f}"
        for name, one in figures.items()
        if name not in {OWN, reference}
    )
    return (
        f"| {row.title} | {_number(own.rate * factor)} {rate_unit} ± {spread(own.rates):.0%},"
        f" {_number(own.cost * cost_factor)} {cost_unit}, {own.memory >> 20} MiB |"
        f" {compared} | {others} |"
    )


def _slower(results: Results) -> Iterator[str]:
    """Return sentences about each client that is faster somewhere."""
    slower: dict[str, list[str]] = {}
    for row, figures in results.items():
        for name, one in figures.items():
            if name not in {OWN, "raw"} and ratio(one.rates, figures[OWN].rates) > 1.0:
                slower.setdefault(name, []).append(ROWS[row].title)
    for name, titles in slower.items():
        yield f"- {name} is faster at: {'; '.join(titles)}."


def _versions(clients: set[str]) -> Iterator[str]:
    for name in sorted(clients):
        package = {"libcloud": "apache-libcloud", "boto3-awscrt": "awscrt"}.get(name, name)
        try:
            yield f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            continue  # it is part of Python


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _plot(path: Path, results: Results) -> None:
    """Draw a point for each client and row: how its speed and CPU time relate to libstore's."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "libstore", "font.size": 8})
    figure: Any = Figure(figsize=(10, 1 + 0.22 * len(results)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    clients = list(dict.fromkeys(name for one in results.values() for name in one))
    clients.remove(OWN)
    for panel, title, values in (
        (panels[0], "speed, libstore = 1 (right is faster)", "rates"),
        (panels[1], "CPU time, libstore = 1 (left is cheaper)", "costs"),
    ):
        for number, client in enumerate(clients):
            points = [
                (ratio(getattr(one[client], values), getattr(one[OWN], values)), y)
                for y, one in enumerate(results.values())
                if client in one
            ]
            marker = "os^vDP*X<>hp8d"[number % 14]
            panel.scatter(*zip(*points, strict=True), s=14, marker=marker, label=client)
        panel.margins(y=0.01)
        panel.set_xscale("log")
        panel.axvline(1.0, color="grey", linewidth=0.8)
        panel.grid(axis="y", linewidth=0.3)
        panel.set_title(title)
    panels[0].set_yticks(range(len(results)), [ROWS[row].title for row in results])
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=8)
    figure.savefig(path, format="svg", metadata={"Date": None})

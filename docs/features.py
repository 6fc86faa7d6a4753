"""
Write the tables of docs/features.md: what every driver can do, as the drivers themselves tell it.

    python docs/features.py            # after a driver has changed

The text of the page is written by hand; this program fills in what stands between
``<!-- name -->`` and ``<!-- end -->``. Nothing is sent: the drivers are made with credentials that
are none. A test compares the page with what this program would write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from libstore import StorageDriver, get_driver
from libstore.drivers.s3.services import SERVICES
from libstore.hooks import CAPABILITIES, OPTIONS
from libstore.values import GiB, KiB, Limits, MiB, TiB

PAGE = Path(__file__).with_name("features.md")

#: What the library does itself where a service does not.
BY_US = {"copy_object": "through here", "delete_objects": "one by one"}
DAY = 86_400.0

LIMITS: Mapping[str, Callable[[Limits], str]] = {
    "smallest part": lambda limits: amount(limits.min_part),
    "largest part": lambda limits: amount(limits.max_part),
    "parts": lambda limits: f"{limits.max_parts:,}",
    "largest object of one request": lambda limits: amount(limits.max_put),
    "parts must be of one size": lambda limits: word(limits.equal_parts),
    "parts must come in order": lambda limits: word(limits.ordered_parts),
    "items on a page of a listing": lambda limits: f"{limits.page_size:,}",
    "objects of a batch": lambda limits: f"{limits.batch_size:,}",
    "bytes of a name": lambda limits: f"{limits.max_name:,}",
    "bytes of all metadata": lambda limits: f"{limits.max_metadata:,}",
    "life of a signed URL": lambda limits: f"{limits.max_expires / DAY:,.0f} days",
}

#: What differs between the services that speak S3.
DIFFERENCES = ("if_absent", "if_match", "delete_if_match", "storage_class", "delete_objects")


def main() -> None:
    """Write the page."""
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")


def filled(page: str) -> str:
    """Return a page with all its tables as they should be."""
    drivers = made_drivers()
    tables = {
        "operations": table(["", *map(code, drivers)], operation_rows(drivers)),
        "options": table(["", *map(code, drivers)], option_rows(drivers)),
        "extras": table(["", "uploads and copies", "containers"], extra_rows(drivers)),
        "limits": table(["", *map(code, drivers)], limit_rows(drivers)),
        "services": table(
            ["", "", *map(code, DIFFERENCES), "parts", "smallest part"], service_rows()
        ),
    }
    for name, rows in tables.items():
        begin, end = f"<!-- {name} -->\n", "<!-- end -->"
        place = re.compile(f"{begin}.*?{end}", re.DOTALL)
        page, count = place.subn(f"{begin}\n{rows}\n{end}", page)
        if count != 1:
            raise SystemExit(f"{PAGE.name} has {count} places for the table {name!r}")
    return page


def made_drivers() -> dict[str, StorageDriver]:
    """Return a driver for each column. Nobody listens where they would send something."""
    return {
        "local": get_driver("local")("."),
        "memory": get_driver("memory")(),
        "s3": get_driver("s3")("key", "secret", region="us-east-1"),
        "azure": get_driver("azure")("account", "a2V5"),
        "gcs": get_driver("gcs")(
            token=lambda: "none", signing_account="account", project="project"
        ),
        "gcs (HMAC)": get_driver("gcs")("key", "secret", project="project"),
        "swift": get_driver("swift")(
            "user", "secret", auth_url="https://swift.example/v3", temp_url_key="key"
        ),
    }


def operation_rows(drivers: Mapping[str, StorageDriver]) -> Iterable[list[str]]:
    """Yield a row for each operation that not every service has."""
    for operation in CAPABILITIES:
        lacking = BY_US.get(operation, word(False))
        answers = [driver.supports(operation) for driver in drivers.values()]
        yield [code(operation), *(word(answer) if answer else lacking for answer in answers)]


def option_rows(drivers: Mapping[str, StorageDriver]) -> Iterable[list[str]]:
    """Yield a row for each option that not every service honours."""
    for option in sorted(OPTIONS):
        yield [code(option), *(word(driver.supports(option)) for driver in drivers.values())]


def extra_rows(drivers: Mapping[str, StorageDriver]) -> Iterable[list[str]]:
    """Yield what only one service has, once for each service that has any."""
    told: list[object] = []
    for name, driver in drivers.items():
        both = (driver.upload_extras, driver.container_extras)
        if any(both) and both not in told:
            told.append(both)
            yield [code(name), *(", ".join(map(code, sorted(extras))) for extras in both)]


def limit_rows(drivers: Mapping[str, StorageDriver]) -> Iterable[list[str]]:
    """Yield a row for each number."""
    for label, tell in LIMITS.items():
        yield [label, *(tell(driver.limits) for driver in drivers.values())]


def service_rows() -> Iterable[list[str]]:
    """Yield a row for each service that speaks S3, the first for Amazon's own."""
    for name in ("s3", *sorted(SERVICES)):
        driver = made_service(name)
        limits = driver.limits
        yield [
            code(name),
            driver.service.title,
            *(word(driver.supports(difference)) for difference in DIFFERENCES),
            f"{limits.max_parts:,}{' of one size' if limits.equal_parts else ''}",
            amount(limits.min_part),
        ]


def made_service(name: str) -> Any:
    """Return the driver of a service that speaks S3, in a region that nobody has."""
    if name not in SERVICES:
        return get_driver(name)("key", "secret", region="us-east-1")
    given = {"region": "region-1"}
    if "{account}" in SERVICES[name].endpoint:
        given["account"] = "account"
    if not SERVICES[name].endpoint:
        given["endpoint"] = "https://store.example"
    return get_driver(name)("key", "secret", **given)


def word(answer: bool) -> str:
    """Return how the tables say yes and no."""
    return "yes" if answer else "no"


def code(text: str) -> str:
    """Return a name as the page shows names."""
    return f"`{text}`"


def amount(size: int) -> str:
    """Return a number of bytes for people, in the largest unit that needs no fraction."""
    for unit, name in ((TiB, "TiB"), (GiB, "GiB"), (MiB, "MiB"), (KiB, "KiB")):
        if size >= unit and size % unit < KiB:
            return f"{size // unit:,} {name}"
    return f"{size} {'byte' if size == 1 else 'bytes'}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    main()

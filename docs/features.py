"""
Write the tables of docs/features.md and of the pages in docs/providers.

    python docs/features.py            # after a driver has changed

The tables of features come from `supports()` and `limits` of each driver, those of arguments and
options from their declarations. The text of the pages is written by hand; this program replaces
the lines between ``<!-- name -->`` and ``<!-- end -->``. It creates drivers with invalid
credentials and sends nothing. A test compares the pages with the output of this program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from libstore import StorageDriver, get_driver
from libstore.drivers.s3.services import SERVICES
from libstore.hooks import CAPABILITIES, OPTIONS
from libstore.options import Check, Option, described
from libstore.values import GiB, KiB, Limits, MiB, TiB

DOCS = Path(__file__).parent

#: What the library does if the service cannot.
FALLBACKS = {
    "copy_object": "downloads and uploads",
    "delete_objects": "deletes one by one",
}
ERROR = "raises `NotSupportedError`"
DAY = 86_400.0

LIMITS: Mapping[str, Mapping[str, Callable[[Limits], str]]] = {
    "part limits": {
        "Size of a part": lambda limits: f"{amount(limits.min_part)} to {amount(limits.max_part)}",
        "Parts": lambda limits: f"{limits.max_parts:,}",
        "Object in one request": lambda limits: amount(limits.max_put),
    },
    "request limits": {
        "Items on a page": lambda limits: f"{limits.page_size:,}",
        "Objects in a batch": lambda limits: f"{limits.batch_size:,}",
        "Validity of a presigned URL": lambda limits: f"{limits.max_expires / DAY:,.0f} days",
    },
    "name limits": {
        "Bytes of a name": lambda limits: f"{limits.max_name:,}",
        "Bytes of all metadata": lambda limits: f"{limits.max_metadata:,}",
    },
}

#: The features in which S3-compatible services differ.
DIFFERENCES = ("if_absent", "if_match", "delete_if_match", "storage_class", "delete_objects")


def main() -> None:
    """Write the pages."""
    for path, page in pages().items():
        path.write_text(page, "utf-8")


def pages() -> dict[Path, str]:
    """Return the pages with the current content of all their tables."""
    drivers = made_drivers()
    found = {DOCS / "features.md": feature_tables(drivers)}
    for driver in drivers.values():
        found.setdefault(DOCS / f"providers/{driver.name}.md", driver_tables(driver))
    return {path: filled(path, tables) for path, tables in found.items()}


def feature_tables(drivers: Mapping[str, StorageDriver]) -> dict[str, str]:
    """Return the tables of features and limits, by name."""
    return {
        "operations": table(["Operation", "Supported by", "Otherwise"], operation_rows(drivers)),
        "options": table(["Option", "Supported by", "Not supported by"], option_rows(drivers)),
        "extras": table(["Driver", "Uploads and copies", "Containers"], extra_rows(drivers)),
        **{
            name: table(["Driver", *limits], limit_rows(drivers, limits))
            for name, limits in LIMITS.items()
        },
        "services": table(["Name", "Service", "Not supported", "Parts"], service_rows()),
    }


def driver_tables(driver: StorageDriver) -> dict[str, str]:
    """Return the tables of the arguments and options of a driver, by name."""
    arguments: Mapping[str, Option] = type(driver).__init__.options.table
    tables = {"arguments": table(["Argument", "Default", "Meaning"], argument_rows(arguments))}
    for name, extras in (
        ("upload options", driver.upload_extras),
        ("container options", driver.container_extras),
    ):
        if extras:
            tables[name] = table(["Option", "Meaning"], extra_option_rows(extras))
    return tables


def argument_rows(arguments: Mapping[str, Option]) -> Iterable[list[str]]:
    """Yield a row for each argument of a driver."""
    for name, known in arguments.items():
        default = "required" if known.default is MISSING else code(repr(known.default))
        yield [code(name), "" if known.default is None else default, markdown(known)]


def extra_option_rows(extras: Mapping[str, Check]) -> Iterable[list[str]]:
    """Yield a row for each option that only one service has."""
    for name, known in extras.items():
        assert isinstance(known, Option)
        yield [code(name), markdown(known)]


def markdown(known: Option) -> str:
    """Return the documentation of an option in the page's markup."""
    return described(known).replace("``", "`")


def filled(path: Path, tables: Mapping[str, str]) -> str:
    """Return a page with these tables."""
    page = path.read_text("utf-8")
    for name, rows in tables.items():
        begin, end = f"<!-- {name} -->\n", "<!-- end -->"
        place = re.compile(f"{begin}.*?{end}", re.DOTALL)
        page, count = place.subn(f"{begin}\n{rows}\n{end}", page)
        if count != 1:
            raise SystemExit(f"{path.name} has {count} places for the table {name!r}, not 1")
    return page


def made_drivers() -> dict[str, StorageDriver]:
    """Return a driver of each kind; none of them can send a request that succeeds."""
    return {
        "local": get_driver("local")(
            ".", base_url="http://localhost:8000", signing_key="a key for this page"
        ),
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
    """Yield a row for each operation that some services do not have."""
    for operation in CAPABILITIES:
        supported, others = divide(drivers, operation)
        otherwise = FALLBACKS.get(operation, ERROR) if others else ""
        yield [code(operation), supported, otherwise]


def option_rows(drivers: Mapping[str, StorageDriver]) -> Iterable[list[str]]:
    """Yield a row for each option that some services do not have."""
    for option in sorted(OPTIONS):
        yield [code(option), *divide(drivers, option)]


def divide(drivers: Mapping[str, StorageDriver], feature: str) -> tuple[str, str]:
    """Return which drivers support a feature and which do not."""
    supported = [name for name, driver in drivers.items() if driver.supports(feature)]
    others = [name for name in drivers if name not in supported]
    return (codes(supported) if others else "all"), codes(others)


def extra_rows(drivers: Mapping[str, StorageDriver]) -> Iterable[list[str]]:
    """Yield a row for each service with options of its own."""
    shown: list[object] = []
    for name, driver in drivers.items():
        both = (driver.upload_extras, driver.container_extras)
        if any(both) and both not in shown:
            shown.append(both)
            yield [code(name), *(codes(sorted(extras)) for extras in both)]


def limit_rows(
    drivers: Mapping[str, StorageDriver], limits: Mapping[str, Callable[[Limits], str]]
) -> Iterable[list[str]]:
    """Yield a row for each driver, with some of its limits."""
    for name, driver in drivers.items():
        yield [code(name), *(limit(driver.limits) for limit in limits.values())]


def service_rows() -> Iterable[list[str]]:
    """Yield a row for each service with an S3 API, Amazon's first."""
    for name in ("s3", *sorted(SERVICES)):
        driver = made_service(name)
        limits = driver.limits
        equal = " of equal size" if limits.equal_parts else ""
        yield [
            code(name),
            driver.service.title,
            codes(feature for feature in DIFFERENCES if not driver.supports(feature)),
            f"{limits.max_parts:,}{equal}, of at least {amount(limits.min_part)}",
        ]


def made_service(name: str) -> Any:
    """Return the driver of a service with an S3 API, with made-up settings."""
    if name not in SERVICES:
        return get_driver(name)("key", "secret", region="us-east-1")
    given = {"region": "region-1"}
    if "{account}" in SERVICES[name].endpoint:
        given["account"] = "account"
    if not SERVICES[name].endpoint:
        given["endpoint"] = "https://store.example"
    return get_driver(name)("key", "secret", **given)


def code(text: str) -> str:
    """Return a name in the page's markup for code."""
    return f"`{text}`"


def codes(names: Iterable[str]) -> str:
    """Return a list of names in the page's markup for code."""
    return ", ".join(map(code, names))


def amount(size: int) -> str:
    """Return a number of bytes in the largest unit that needs no fraction."""
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

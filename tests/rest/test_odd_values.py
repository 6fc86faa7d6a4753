"""
One bad date, size or text of a service costs one object one attribute, with every driver.

A listing goes on behind it, and a HEAD has the rest.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

import pytest
from drivers.network_drivers import DRIVERS
from scripted import Play, Server, respond

from libstore import RetryPolicy, StorageDriver, StorageError, get_driver

MOMENT = datetime(2026, 1, 31, 23, 59, 59, tzinfo=timezone.utc)
GOOD_ISO = "2026-01-31T23:59:59.000Z"
GOOD_HTTP = "Sat, 31 Jan 2026 23:59:59 GMT"

BAD_DATES = (
    "10000-01-01T00:00:00Z", "0000-00-00T00:00:00Z", "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00", "2026-01-31T23:59:60.xZ", "Sat, 31 Jan 99999 23:59:59 GMT",
    "Sat, 32 Jan 2026 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -0100", "yesterday", "NaN",
    "1e999",
    "-62135596801", "999999999999999", "9" * 5_000, "", "+2026-01-31", "2_026-01-31T00:00:00Z",
)  # fmt: skip
BAD_SIZES = (
    "-1", "+1", "1_000", "1.5", "NaN", "Infinity", "1e999", "0x10", "9" * 5_000, "many", "",
)  # fmt: skip
#: What JSON may have in the place of a number besides.
BAD_JSON = (
    "-1",
    "1.5",
    "NaN",
    "-Infinity",
    "1e999",
    "9" * 5_000,
    "true",
    "null",
    "[]",
    "{}",
    '"x"',
)


def _s3(rows: list[tuple[str, str, str]]) -> Play:
    listed = "".join(
        f"<Contents><Key>{name}</Key><Size>{size}</Size><LastModified>{date}</LastModified>"
        "</Contents>"
        for name, size, date in rows
    )
    return respond(f"<ListBucketResult>{listed}</ListBucketResult>".encode())


def _azure(rows: list[tuple[str, str, str]]) -> Play:
    listed = "".join(
        f"<Blob><Name>{name}</Name><Properties><Content-Length>{size}</Content-Length>"
        f"<Last-Modified>{date}</Last-Modified><Etag>e</Etag></Properties></Blob>"
        for name, size, date in rows
    )
    body = f"<EnumerationResults><Blobs>{listed}</Blobs></EnumerationResults>"
    return respond(body.encode(), x_ms_request_id="R1")


def _gcs(rows: list[tuple[str, str, str]]) -> Play:
    items = [
        f'{{"name": "{name}", "size": {_quoted(size)}, "updated": {_quoted(date)}}}'
        for name, size, date in rows
    ]
    return respond(f'{{"items": [{", ".join(items)}]}}'.encode(), x_guploader_uploadid="R1")


def _swift(rows: list[tuple[str, str, str]]) -> Play:
    items = [
        f'{{"name": "{name}", "bytes": {size}, "last_modified": {_quoted(date)}}}'
        for name, size, date in rows
    ]
    return respond(f"[{', '.join(items)}]".encode(), X_Trans_Id="R1")


def _quoted(text: str) -> str:
    """Return a JSON text, unless it is in the form of JSON already."""
    return text if text in BAD_JSON else json.dumps(text)


LISTINGS: Mapping[str, tuple[Callable[[list[tuple[str, str, str]]], Play], str]] = {
    "s3": (_s3, GOOD_ISO),
    "azure": (_azure, GOOD_HTTP),
    "gcs": (_gcs, GOOD_ISO),
    "gcs-hmac": (_s3, GOOD_ISO),
    "swift": (_swift, "2026-01-31T23:59:59.000000"),
}


@pytest.fixture(params=DRIVERS)
def label(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def driver(label: str, server: Server) -> Iterator[StorageDriver]:
    with DRIVERS[label](server.url) as driver:
        driver.retry = RetryPolicy(1)
        yield driver


@pytest.mark.parametrize("bad", [*((size, None) for size in BAD_SIZES),
                                 *((None, date) for date in BAD_DATES)], ids=repr)  # fmt: skip
def test_invalid_value_in_a_listing_loses_one_attribute(
    server: Server, driver: StorageDriver, label: str, bad: tuple[str | None, str | None]
) -> None:
    make, date = LISTINGS[label]
    size = bad[0] if bad[0] is not None else "5"
    if label == "swift" and size not in {*BAD_JSON, "5"}:
        size = json.dumps(size)
    server.steps.append(
        make([("a", "5", date), ("b", size, bad[1] if bad[1] is not None else date),
              ("c", "7", date)])
    )  # fmt: skip
    server.default = make([])  # Swift has no end but an empty page
    found = list(driver.list_objects("bucket"))
    assert ["a", "b", "c"] == [obj.name for obj in found]
    sizes = [obj._info.size for obj in found]
    dates = [obj._info.last_modified for obj in found]
    assert [5, None if bad[0] is not None else 5, 7] == sizes
    assert [MOMENT, None if bad[1] is not None else MOMENT, MOMENT] == dates


@pytest.mark.parametrize("label", ["gcs", "swift"])
@pytest.mark.parametrize("value", BAD_JSON)
@pytest.mark.parametrize("place", ["size", "date"])
def test_invalid_value_in_json_loses_one_attribute(
    server: Server, driver: StorageDriver, label: str, value: str, place: str
) -> None:
    names = {"size": "size", "date": "updated"} if label == "gcs" else {
        "size": "bytes", "date": "last_modified"
    }  # fmt: skip
    rows = ", ".join(['{"name": "a"}', f'{{"name": "b", "{names[place]}": {value}}}',
                      '{"name": "c"}'])  # fmt: skip
    body = f'{{"items": [{rows}]}}' if label == "gcs" else f"[{rows}]"
    server.steps.append(respond(body.encode(), X_Trans_Id="R1", x_guploader_uploadid="R1"))
    server.default = respond(b"[]", X_Trans_Id="R1")
    assert ["a", "b", "c"] == [obj.name for obj in driver.list_objects("bucket")]


@pytest.mark.parametrize("length", ["-1", "+1", "1_0", "NaN", "9" * 5_000, ""])
@pytest.mark.parametrize("label", ["s3", "azure", "gcs-hmac", "swift"])
def test_head_with_an_invalid_length_has_the_other_attributes(
    server: Server, driver: StorageDriver, label: str, length: str
) -> None:
    head = (
        f'HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: "{"0" * 32}"\r\n'
        f"Last-Modified: {GOOD_HTTP}\r\nX-Timestamp: nan\r\nX-Delete-At: {'9' * 19}\r\n"
        "X-Trans-Id: R1\r\nX-Ms-Request-Id: R1\r\nX-Goog-Generation: 5\r\n\r\n"
    )
    server.steps.append(Play(head.encode()))
    server.default = respond(b"", 200, X_Trans_Id="R1")
    obj = driver.get_object("bucket", "name")
    assert (None, MOMENT) == (obj.size, obj.last_modified)


@pytest.mark.parametrize("date", [date for date in BAD_DATES if len(date) < 100])
def test_head_with_an_invalid_date_has_the_other_attributes(
    server: Server, driver: StorageDriver, label: str, date: str
) -> None:
    document = {"name": "name", "updated": date, "size": "5", "generation": "7"}
    body = json.dumps(document).encode() if label == "gcs" else b"12345"
    server.default = respond(
        body, ETag='"0123"', Last_Modified=date, X_Timestamp=date, X_Delete_At=date,
        X_Trans_Id="R1", x_ms_request_id="R1", x_goog_generation="7",
    )  # fmt: skip
    server.default.data = server.default.data.removesuffix(b"12345")
    obj = driver.get_object("bucket", "name")
    assert (5, None) == (obj.size, obj.last_modified)


@pytest.mark.parametrize("encoding", ["WTF-8", "utf-7", "utf-16", "hex", "idna"])
@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("label", ["s3", "azure", "gcs-hmac", "gcs"])
def test_xml_in_an_unexpected_encoding_is_a_service_error(
    server: Server, driver: StorageDriver, encoding: str, status: int
) -> None:
    body = f'<?xml version="1.0" encoding="{encoding}"?><Error><Code>A</Code></Error>'
    server.default = respond(
        body.encode(), status, Content_Type=f"application/xml; charset={encoding}",
        x_ms_request_id="R1", x_amz_request_id="R1",
    )  # fmt: skip
    with pytest.raises(StorageError):
        list(driver.list_objects("bucket"))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Return a directory, in memory where there is such a file system: it keeps any time."""
    shared = "/dev/shm"
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


@pytest.mark.parametrize("seconds", [-(2**40), 2**40, -62_135_596_801, 253_402_300_800])
@pytest.mark.parametrize("attributes", ["xattr", "file"])
def test_file_with_any_modification_time_is_an_object(
    root: Path, seconds: int, attributes: str
) -> None:
    """Some file systems keep times that no date has; others keep the nearest that they can."""
    driver = get_driver("local")(root, attributes=attributes)
    container = driver.create_container("c")
    for name in "abc":
        container.upload_object(b"content", name)
    path = root / "c" / "b"
    os.utime(path, (seconds, seconds))
    kept = path.stat().st_mtime
    found = list(container.list_objects())
    assert ["a", "b", "c"] == [obj.name for obj in found]
    modified = container.get_object("b").last_modified
    assert modified == found[1].last_modified
    assert modified is None or modified.timestamp() == kept
    assert (modified is None) == (not -62_135_596_800 <= kept < 253_402_300_800)
    assert b"content" == found[1].read()
    found[1].copy(container, "d")
    found[1].delete()

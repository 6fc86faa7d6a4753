"""When a listing ends: the same services, and the same faults, with every driver of a network."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from drivers.listing_server import ListingServer, Sent, Sheet
from drivers.network_drivers import DRIVERS
from drivers.swift.support import said
from scripted import Play, Seen, respond

from libstore import Prefix, RetryPolicy, ServiceError, StorageDriver, get_driver
from libstore.drivers.swift import SwiftDriver
from libstore.listing import MAX_EMPTY_PAGES

MANY = [f"{number // 50:03}/{number:05}" for number in range(2_500)]
#: Pages of at most 1,000 rows, as Ceph's gateway sends; and of 1 to 7.
SIZES = [(1_000,), (1, 2, 3, 4, 5, 6, 7)]


@pytest.fixture(params=DRIVERS)
def label(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


Open = Callable[..., tuple[StorageDriver, ListingServer]]


@pytest.fixture
def opened(label: str) -> Iterator[Open]:
    """Return what makes a driver, and a server that lists names in pages of such sizes."""
    made: list[Any] = []

    def open_both(names: list[str], *sizes: int) -> tuple[StorageDriver, ListingServer]:
        server = ListingServer(label, names, *sizes)
        driver = DRIVERS[label](server.url)
        driver.retry = RetryPolicy(2, base=0.0)
        made.extend([driver, server])
        return driver, server

    yield open_both
    for one in made:
        one.close()


# ---------------------------------------------------------------------- short pages


@pytest.mark.parametrize("sizes", SIZES, ids=["1000", "1 to 7"])
def test_pages_shorter_than_requested_are_not_the_end(opened: Open, sizes: tuple[int]) -> None:
    names = MANY if len(sizes) == 1 else MANY[:500]
    driver, _ = opened(names, *sizes)
    container = driver.object("bucket", "x").container
    assert names == [obj.name for obj in container.list_objects()]
    assert names[201:] == [obj.name for obj in container.list_objects(start_after=names[200])]


def test_folded_pages_shorter_than_requested_are_not_the_end(opened: Open) -> None:
    """A page may end with a prefix, and the next one begins behind all that it stands for."""
    names = sorted([*MANY, *(f"{number:03}-object" for number in range(0, 100, 7))])
    driver, _ = opened(names, 3, 1, 2)
    folded = list(driver.list_objects("bucket", delimiter="/"))
    prefixes = [f"{number:03}/" for number in range(50)]
    assert prefixes == [item.name for item in folded if isinstance(item, Prefix)]
    assert [name for name in names if "/" not in name] == [
        item.name for item in folded if not isinstance(item, Prefix)
    ]
    walked = [obj.name for _, _, objects in driver.walk("bucket") for obj in objects]
    assert sorted(names) == sorted(walked)


@pytest.mark.parametrize("sizes", SIZES, ids=["1000", "1 to 7"])
@pytest.mark.parametrize("label", ["s3", "swift"])
def test_a_container_of_short_pages_is_deleted_whole(opened: Open, sizes: tuple[int]) -> None:
    driver, server = opened(MANY, *sizes)
    driver.delete_container("bucket")
    assert not server.names


def test_an_index_or_a_bool_needs_one_page(opened: Open) -> None:
    driver, server = opened(MANY[:5])
    listing = driver.list_objects("bucket")
    assert listing
    assert MANY[0] == listing[0].name
    assert MANY[:3] == [obj.name for obj in listing[:3]]
    assert 3 == len(server.listed)


@pytest.mark.parametrize("label", ["swift"])
def test_swift_listing_needs_one_request_more_than_pages(opened: Open) -> None:
    """Swift has no token: an empty page alone says that the listing has ended."""
    driver, server = opened(MANY[:5])
    assert 5 == len(driver.list_objects("bucket"))
    assert 2 == len(server.listed)
    assert server.listed[1].endswith("marker=000%2F00004")


@pytest.mark.parametrize("label", ["swift"])
def test_containers_and_uploads_on_short_pages_of_swift(opened: Open) -> None:
    names = [f"container {number:04}" for number in range(1_200)]
    driver, server = opened(names, 1_000)
    assert names == [container.name for container in driver.list_containers()]
    server.names = {f"uploads/{number:04}" for number in range(1_200)}
    assert 1_200 == len(list(driver.list_uploads("bucket")))


# ---------------------------------------------------------------------- listings without end


def test_empty_pages_with_a_token_are_not_the_end(opened: Open, label: str) -> None:
    if label == "swift":
        return  # it has no tokens
    driver, server = opened(["a"])

    def sheet(sent: Sent) -> Sheet:
        number = int(sent.token or 0)
        return Sheet(
            [("a", False)] if number == 300 else [], str(number + 1) if number < 600 else None
        )

    server.sheet = sheet
    assert ["a"] == [obj.name for obj in driver.list_objects("bucket")]
    assert 601 == len(server.listed)


def test_empty_pages_without_end_are_an_error(opened: Open, label: str) -> None:
    if label == "swift":
        return  # it has no tokens
    driver, server = opened([])
    numbers = itertools.count(1)
    server.sheet = lambda sent: Sheet([], f"token-{next(numbers)}")
    with pytest.raises(ServiceError, match=rf"token-{MAX_EMPTY_PAGES + 1}\b") as caught:
        len(driver.list_objects("bucket"))
    assert (driver.name, "list_objects", "bucket") == (
        caught.value.driver, caught.value.operation, caught.value.container,
    )  # fmt: skip
    assert MAX_EMPTY_PAGES + 1 == len(server.listed)


@pytest.mark.parametrize("label", ["gcs"])
def test_a_deletion_that_lists_without_end_is_an_error(opened: Open) -> None:
    driver, server = opened([])
    server.sheet = lambda sent: Sheet([], "token")
    with pytest.raises(ServiceError, match="'token'"):
        driver.delete_container("bucket")
    assert 2 == len(server.listed)


@pytest.mark.parametrize("label", ["s3"])
@pytest.mark.parametrize("more", ["", "<NextKeyMarker>a</NextKeyMarker>"])
def test_versions_and_uploads_that_repeat_are_an_error(opened: Open, more: str) -> None:
    """Also where the service does not say where the next page begins."""
    driver, server = opened([])
    rows = (
        "<Version><Key>a</Key><VersionId>1</VersionId></Version>"
        "<Upload><Key>a</Key><UploadId>1</UploadId></Upload>"
    )
    roots = {"versions": "ListVersionsResult", "uploads": "ListMultipartUploadsResult"}

    def s3(query: dict[str, str]) -> Play:
        root = next(roots[name] for name in roots if name in query)
        body = f"<{root}><IsTruncated>true</IsTruncated>{more}{rows}</{root}>"
        return respond(body.encode(), x_amz_request_id="R1")

    server._s3 = s3  # type: ignore[method-assign]
    with pytest.raises(ServiceError, match="sent twice"):
        driver.delete_container("bucket")
    with pytest.raises(ServiceError, match="sent twice"):
        list(driver.list_uploads("bucket"))
    assert 4 == len(server.listed)


def test_a_token_that_repeats_is_an_error(opened: Open, label: str) -> None:
    """At once or later: a, b, c, b, c, b and so on."""
    driver, server = opened([])
    following = {"": "a", "a": "b", "b": "c", "c": "b"}
    server.sheet = lambda sent: Sheet([(following[sent.token], False)], following[sent.token])
    with pytest.raises(ServiceError, match="'b'"):
        list(driver.list_objects("bucket"))
    assert len(server.listed) <= 6


def test_a_page_that_repeats_is_an_error(opened: Open) -> None:
    """The service passes over the token, and says another one each time."""
    driver, server = opened([])
    numbers = itertools.count(1)
    server.sheet = lambda sent: Sheet([("a", False), ("b", False)], f"token {next(numbers)}")
    with pytest.raises(ServiceError, match=r"sent twice|does not advance"):
        list(driver.list_objects("bucket"))
    assert 2 == len(server.listed)


@pytest.mark.parametrize("label", ["swift"])
@pytest.mark.parametrize("second", ["a", "b"])
def test_a_page_of_swift_that_does_not_advance_is_an_error(opened: Open, second: str) -> None:
    driver, server = opened([])
    server.sheet = lambda sent: Sheet([(second if sent.token else "b", False)])
    with pytest.raises(ServiceError, match="does not advance"):
        list(driver.list_objects("bucket"))
    with pytest.raises(ServiceError, match="does not advance"):
        list(driver.list_containers())
    with pytest.raises(ServiceError, match="does not advance"):
        driver.delete_container("bucket")


@pytest.mark.parametrize("label", ["swift"])
def test_versions_of_swift_that_repeat_are_an_error(opened: Open) -> None:
    driver, server = opened([])
    rows = json.dumps([{"name": "a", "version_id": "1", "bytes": 1}]).encode()
    server._swift = lambda query: said(200, rows)  # type: ignore[method-assign]
    assert isinstance(driver, SwiftDriver)
    with pytest.raises(ServiceError, match="sent twice"):
        driver.delete_container("bucket")


# ---------------------------------------------------------------------- walks


def test_a_prefix_that_is_listed_inside_itself_is_not_walked_again(opened: Open) -> None:
    driver, server = opened([])

    def sheet(sent: Sent) -> Sheet:
        if sent.token:  # Swift gets a request for another page
            return Sheet([])
        return Sheet([("a/", True)] + ([("a/1", False)] if sent.prefix else []))

    server.sheet = sheet
    assert [("", ["a/"], []), ("a/", [], ["a/1"])] == [
        (prefix, prefixes, [obj.name for obj in objects])
        for prefix, prefixes, objects in driver.walk("bucket")
    ]


def test_a_prefix_that_is_listed_elsewhere_is_an_error(opened: Open) -> None:
    """The service passes over the prefix that was requested."""
    driver, server = opened([])
    server.sheet = lambda sent: Sheet([] if sent.token else [("a/", True), ("bb/", True)])
    with pytest.raises(ServiceError, match="'bb/'") as caught:
        list(driver.walk("bucket"))
    assert (driver.name, "walk", "bucket") == (
        caught.value.driver, caught.value.operation, caught.value.container,
    )  # fmt: skip


# ---------------------------------------------------------------------- folding

TREE = sorted(
    ["a", "a--", "a--1", "a--2", "a/b--c", "b-", "b-c", "b---", "b/--/--", "c/d", "c/e", "z--1/2"]
    + [f"many--{number:03}" for number in range(60)]
)


def _folded(names: list[str], prefix: str, delimiter: str) -> list[tuple[str, bool]]:
    rows: dict[tuple[str, bool], None] = {}
    for name in (name for name in names if name.startswith(prefix)):
        end = name.find(delimiter, len(prefix))
        rows[(name, False) if end < 0 else (name[: end + len(delimiter)], True)] = None
    return list(rows)


def _behind(delimiter: str) -> Callable[[Sent], Sent]:
    """Return what folds behind this delimiter in place of any other."""
    return lambda sent: replace(sent, delimiter=sent.delimiter and delimiter)


#: What servers do with a delimiter that they do not know.
SERVERS: dict[str, Callable[[Sent], Sent]] = {
    "slashes": _behind("/"),
    "one character": lambda sent: replace(sent, delimiter=sent.delimiter[:1]),
    "nothing": _behind(""),
}


@pytest.mark.parametrize("server_folds", SERVERS.values(), ids=SERVERS)
@pytest.mark.parametrize("delimiter", ["--", "/", "b-"])
@pytest.mark.parametrize("prefix", ["", "b-"])
@pytest.mark.parametrize("size", [1_000, 3])
def test_names_are_folded_though_the_service_cannot(
    opened: Open, prefix: str, delimiter: str, size: int, server_folds: Callable[[Sent], Sent]
) -> None:
    """Also where this shows on a later page only."""
    driver, server = opened(TREE, size)
    server.sheet = lambda sent: server.page(server_folds(sent))
    found = driver.list_objects("bucket", prefix, delimiter=delimiter)
    assert _folded(TREE, prefix, delimiter) == [
        (item.name, isinstance(item, Prefix)) for item in found
    ]
    later = driver.list_objects("bucket", prefix, delimiter=delimiter, start_after="b-")
    assert [name for name, _ in _folded(TREE, prefix, delimiter) if name > "b-"] == [
        item.name for item in later
    ]
    assert 2 == len(driver.list_objects("bucket", delimiter=delimiter)[:2])


def test_names_are_folded_though_the_service_refuses_to(opened: Open, label: str) -> None:
    """As old clusters of Swift refuse delimiters of several characters."""
    driver, server = opened(TREE)
    respond = server.respond

    def refuse(seen: Seen) -> Play:
        return _refusal(label) if "delimiter=--" in seen.target else respond(seen)

    server.respond = refuse  # type: ignore[method-assign]
    found = driver.list_objects("bucket", delimiter="--")
    assert [name for name, _ in _folded(TREE, "", "--")] == [item.name for item in found]
    requested = len(server.listed)
    assert len(found)
    assert "delimiter" not in "".join(server.listed[requested:])


def _refusal(label: str) -> Play:
    xml = b"<Error><Code>InvalidArgument</Code><Message>Invalid delimiter</Message></Error>"
    refusal = b'{"error": {"code": 400, "errors": [{"reason": "invalid"}]}}'
    body = refusal if label == "gcs" else xml
    return respond(
        body, 412 if label == "swift" else 400, x_trans_id="tx1", x_amz_request_id="R1",
        x_ms_request_id="R1", x_ms_error_code="InvalidQueryParameterValue",
        content_type="application/json" if label == "gcs" else "application/xml",
    )  # fmt: skip


@pytest.mark.parametrize("label", ["s3"])
@pytest.mark.parametrize(
    ("service", "delimiter", "folds"),
    [("rclone", "--", False), ("rclone", "-", False), ("rclone", "/", True),
     ("alibaba", "--", False), ("alibaba", "-", True), ("minio", "--", True)],
)  # fmt: skip
def test_unsupported_delimiter_is_not_sent(
    opened: Open, service: str, delimiter: str, folds: bool
) -> None:
    _, server = opened(TREE)
    options = {"endpoint": server.url} | ({"path_style": True} if service == "alibaba" else {})
    with get_driver(service)("KEY", "SECRET", **options) as driver:
        found = driver.list_objects("bucket", delimiter=delimiter)
        assert [name for name, _ in _folded(TREE, "", delimiter)] == [item.name for item in found]
    assert folds == ("delimiter" in server.listed[0])
    assert not [target for target in server.listed if ("delimiter" in target) != folds]


def test_folding_within_a_page_needs_no_further_request(opened: Open) -> None:
    """Such as the marker of a folder, which some servers list as an object."""
    driver, server = opened([])
    rows = [("a/", False), ("a/", True), ("b", False), ("c/", False), ("d/e/", True)]
    server.sheet = lambda sent: Sheet([] if sent.token else rows)
    found = list(driver.list_objects("bucket", delimiter="/"))
    assert [Prefix("a/"), Prefix("c/"), Prefix("d/")] == [
        item for item in found if isinstance(item, Prefix)
    ]
    assert 4 == len(found)
    assert all("delimiter" in target for target in server.listed)

"""Many deletes in one request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from drivers.gcs.support import made
from scripted import Play, Server, respond

from libstore import ContainerNotFoundError, ServiceError
from libstore.drivers.gcs import GCSDriver
from libstore.values import Undecided


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(default=respond(b"", 500))
    yield server
    server.close()


@pytest.fixture
def driver(server: Server) -> Iterator[GCSDriver]:
    with made(server) as driver:
        yield driver


def part(number: int | None, status: int, body: str = "") -> str:
    content_id = "" if number is None else f"Content-ID: <response-{number}>\r\n"
    return (
        f"--b\r\nContent-Type: application/http\r\n{content_id}\r\n"
        f"HTTP/1.1 {status} Text\r\nContent-Length: {len(body)}\r\n\r\n{body}\r\n"
    )


def batch(*parts: str) -> Play:
    body = "".join(parts) + "--b--"
    return respond(body.encode(), content_type='multipart/mixed; boundary="b"')


def reason(code: str, message: str = "No.") -> str:
    return f'{{"error": {{"errors": [{{"reason": "{code}"}}], "message": "{message}"}}}}'


MISSING = reason("notFound", "No such object: box/a")


def outcomes(driver: GCSDriver, *names: str) -> list[str]:
    return [
        type(outcome).__name__ if outcome is not None else "deleted"
        for outcome in driver._delete_objects("box", names)
    ]


def test_outcomes_are_in_the_order_of_names(server: Server, driver: GCSDriver) -> None:
    server.steps.append(
        batch(
            part(4, 503, reason("backendError")), part(3, 403, reason("forbidden")),
            part(2, 404, MISSING), part(1, 204), part(5, 401, reason("authError")),
        )
    )  # fmt: skip
    found = outcomes(driver, "a", "b", "c", "d", "e")
    assert ["deleted", "deleted", "AccessDeniedError", "Undecided", "Undecided"] == found
    assert "POST /batch/storage/v1 HTTP/1.1" == server.seen[0].line
    body = server.seen[0].body.decode()
    for number, name in enumerate("abcde", 1):
        assert f"<{number}>\r\n\r\nDELETE /storage/v1/b/box/o/{name} HTTP/1.1" in body


def test_responses_without_ids_are_in_the_order_of_requests(
    server: Server, driver: GCSDriver
) -> None:
    server.steps.append(batch(part(None, 204), part(None, 403, reason("forbidden"))))
    assert ["deleted", "AccessDeniedError"] == outcomes(driver, "a", "b")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([part(1, 204)], ["deleted", "Undecided"]),
        ([part(1, 204), part(3, 204)], ["deleted", "Undecided"]),
        ([], ["Undecided", "Undecided"]),
        ([part(1, 404, reason("notFound", "Not Found")), part(2, 204)], ["Undecided", "deleted"]),
    ],
    ids=["too few", "another number", "none", "object or bucket"],
)
def test_objects_that_a_response_says_nothing_about_are_undecided(
    server: Server, driver: GCSDriver, parts: list[str], expected: list[str]
) -> None:
    server.steps.append(batch(*parts))
    assert expected == outcomes(driver, "a", "b")


def test_response_that_is_no_batch_is_an_error(server: Server, driver: GCSDriver) -> None:
    server.steps.append(respond(b"{}", content_type="application/json"))
    with pytest.raises(ServiceError, match="multipart/mixed"):
        outcomes(driver, "a", "b")


def test_missing_bucket_is_an_error(server: Server, driver: GCSDriver) -> None:
    vague = part(1, 404, reason("notFound", "Not Found")), part(2, 204)
    gone = respond(reason("notFound", "The specified bucket does not exist.").encode(), 404)
    server.steps.extend([batch(*vague), gone])
    results = driver.delete_objects(driver.object("box", name) for name in "ab")
    assert [ContainerNotFoundError] * 2 == [type(result.error) for result in results]


@pytest.mark.parametrize("status", [404, 405, 501])
def test_service_without_batches_gets_one_batch(
    server: Server, driver: GCSDriver, status: int
) -> None:
    server.steps.append(respond(reason("notFound").encode(), status))
    for _ in range(2):
        assert [Undecided.__name__] * 2 == outcomes(driver, "a", "b")
    assert 1 == len(server.seen)


def test_one_name_needs_no_batch(server: Server, driver: GCSDriver) -> None:
    assert [Undecided.__name__] == outcomes(driver, "a")
    assert not server.seen

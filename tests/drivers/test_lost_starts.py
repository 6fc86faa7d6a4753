"""
Starts of uploads whose response is lost: nothing is left open, and no other upload is aborted.

The request reaches the service, and its response does not arrive. Real servers, and the models of
Google's, keep what it began.
"""

from __future__ import annotations

import pickle
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from drivers.gcs.support import made as made_gcs
from faulty import FaultyDriver, breaking, fail, small_parts
from scripted import Play, Server, respond

from libstore import (
    Container,
    RetryPolicy,
    ServiceError,
    StorageDriver,
    StorageError,
    TransferOptions,
    TransportError,
    Upload,
    WriteOptions,
    get_driver,
)
from libstore.http.network_errors import OutageError
from libstore.transfer.payload import BufferPayload
from servers import gcs_json
from servers.gcs_model import KEY, SECRET, Model, serve

PART = 5 * 1024 * 1024
BIG = bytes(PART + 1)
OPTIONS = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=2)

# ---------------------------------------------------------------------- services


def _of_s3(name: str) -> Callable[[pytest.FixtureRequest], Iterator[StorageDriver]]:
    def driver(request: pytest.FixtureRequest) -> Iterator[StorageDriver]:
        server = request.getfixturevalue(f"{name.partition('-')[0]}_server")
        with get_driver(name)(server.key, server.secret, endpoint=server.endpoint) as made:
            yield made

    return driver


def _swift(request: pytest.FixtureRequest) -> Iterator[StorageDriver]:
    server = request.getfixturevalue("swift_server")
    with get_driver("swift")(server.key, server.secret, auth_url=server.auth_url) as made:
        yield made


def _gcs(request: pytest.FixtureRequest) -> Iterator[StorageDriver]:
    with serve(Model(), gcs_json.respond) as model, made_gcs(model, parallel_uploads=True) as made:
        yield made


def _hmac(request: pytest.FixtureRequest) -> Iterator[StorageDriver]:
    with (
        serve(Model(), gcs_json.respond) as model,
        made_gcs(model, token=None, key=KEY, secret=SECRET) as made,
    ):
        yield made


SERVICES = {
    "seaweedfs": _of_s3("seaweedfs"),
    "swift-s3": _of_s3("swift-s3"),
    "swift": _swift,
    "gcs": _gcs,
    "gcs-hmac": _hmac,
}


def _marked(name: str) -> Any:
    """Return the name of a service, marked where it needs a server."""
    if name.startswith("gcs"):
        return name
    group = name.partition("-")[0]
    return pytest.param(name, marks=[pytest.mark.server, pytest.mark.xdist_group(group)])


@pytest.fixture(params=[_marked(name) for name in SERVICES])
def container(request: pytest.FixtureRequest) -> Iterator[Container]:
    for driver in SERVICES[request.param](request):
        driver.retry = RetryPolicy(3, base=0.0)
        driver.transfer = OPTIONS
        found = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        yield found
        found.delete()


class Losing:
    """Lets requests that begin an upload reach the service, and loses their responses."""

    def __init__(self, driver: StorageDriver, times: int, error: BaseException) -> None:
        inner: Any = getattr(driver, "_inner", driver)
        self._transport = inner._client.transport
        self._send = type(self._transport).send
        self._left = times
        self._error = error

    def __enter__(self) -> None:
        self._transport.__dict__["send"] = self.send

    def __exit__(self, *exception: object) -> None:
        del self._transport.__dict__["send"]

    def send(self, request: Any, headers: Any) -> Any:
        response = self._send(self._transport, request, headers)
        begins = "?uploads=" in request.target or (
            "/uploads/" in request.target and request.method == "PUT"
        )
        if begins and request.method in {"POST", "PUT"} and self._left:
            self._left -= 1
            response.close()
            raise self._error
        return response


LOST = OutageError(TransportError("lost"), reached=True)


def _upload(container: Container) -> None:
    container.upload_object(BIG, "name")


def _write(container: Container) -> None:
    with container.open("name", "wb") as file:
        file.write(BIG)


@pytest.mark.parametrize("way", [_upload, _write])
@pytest.mark.parametrize("times", [1, 2])
def test_upload_start_with_lost_response_leaves_no_upload(
    container: Container, way: Callable[[Container], None], times: int
) -> None:
    with Losing(container.driver, times, LOST):
        way(container)
    assert len(BIG) == container.get_object("name").size
    assert [] == list(container.driver.list_uploads(container))


@pytest.mark.parametrize("way", [_upload, _write])
@pytest.mark.parametrize("error", [LOST, KeyboardInterrupt()], ids=["outage", "interrupt"])
def test_failed_upload_start_leaves_no_upload(
    container: Container, way: Callable[[Container], None], error: BaseException
) -> None:
    kind = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else TransportError
    with Losing(container.driver, 9, error), pytest.raises(kind):
        way(container)
    assert [] == list(container.driver.list_uploads(container))


def test_active_upload_is_not_aborted(container: Container) -> None:
    """It has a part by the time when the other one has ended."""
    driver = container.driver
    payload = BufferPayload([memoryview(bytes(PART))])
    live = Upload(
        container.name, "name", driver._start_upload(container.name, "name", WriteOptions())
    )
    _forget(driver, live)
    with Losing(driver, 1, LOST):
        upload_id = driver._start_upload(container.name, "name", WriteOptions())
    part = driver._put_part(live, 1, 0, payload)
    driver._abort_upload(Upload(container.name, "name", upload_id))
    assert live.id in {upload.id for upload in driver.list_uploads(container)}
    assert [part.size] == [one.size for one in driver.list_parts(live)]
    driver._abort_upload(live)


def _forget(driver: StorageDriver, upload: Upload) -> None:
    """Have a driver not know of an upload, as if another process had begun it."""
    inner: Any = getattr(driver, "_inner", driver)
    uploads = getattr(inner, "_uploads", None)
    for holder in (inner, getattr(uploads, "parallel", uploads)):
        starts = getattr(holder, "_starts", None)
        if starts is not None:
            starts._open.pop(upload.id)


# ---------------------------------------------------------------------- who is left alone

NOW = datetime.now(timezone.utc).replace(microsecond=0)


def document(root: str, inside: str, status: int = 200) -> Play:
    date = format_datetime(NOW, usegmt=True)
    return respond(f"<{root}>{inside}</{root}>".encode(), status, Date=date)


def listed(*uploads: tuple[str, str, float]) -> Play:
    """Return a listing of uploads: each with its name, its id, and its age in seconds."""
    rows = "".join(
        f"<Upload><Key>{name}</Key><UploadId>{one}</UploadId>"
        f"<Initiated>{(NOW - timedelta(seconds=age)).isoformat()}</Initiated></Upload>"
        for name, one, age in uploads
    )
    return document("ListMultipartUploadsResult", rows)


NO_PARTS = document("ListPartsResult", "")
ONE_PART = document(
    "ListPartsResult", "<Part><PartNumber>1</PartNumber><Size>5</Size><ETag>e</ETag></Part>"
)
BROKEN = document("Error", "<Code>InternalError</Code>", 500)
GONE = respond(b"", 204)


@pytest.fixture
def played_s3(server: Server) -> Iterator[StorageDriver]:
    server.default = respond(b"", 500)
    with get_driver("seaweedfs")("KEY", "SECRET", endpoint=server.url) as driver:
        driver.retry = RetryPolicy(1)
        yield driver


@pytest.mark.parametrize(
    ("steps", "aborted"),
    [
        ([listed(("name", "ours", 0)), NO_PARTS, GONE], ["ours"]),
        ([listed(("name", "ours", 0)), ONE_PART], []),
        ([listed(("name", "old", 600))], []),
        ([listed(("name", "of the future", -600))], []),
        ([listed(("name2", "another", 0))], []),
        ([listed(("name", "one", 0), ("name", "two", 0))], []),
        ([listed(("name", "old", 60), ("name", "ours", 1)), NO_PARTS, GONE], ["ours"]),
        ([document("Error", "<Code>AccessDenied</Code>", 403)], []),
        ([listed(("name", "ours", 0)), document("Error", "<Code>NoSuchUpload</Code>", 404)], []),
    ],
)  # fmt: skip
def test_only_the_lost_upload_is_aborted(
    server: Server, played_s3: StorageDriver, steps: list[Play], aborted: list[str]
) -> None:
    server.steps.extend([BROKEN, *steps])
    with pytest.raises(StorageError) as caught:
        played_s3._start_upload("bucket", "name", WriteOptions())
    assert "InternalError" == caught.value.code
    deleted = [seen.target for seen in server.seen if seen.line.startswith("DELETE")]
    assert [f"/bucket/name?uploadId={one}" for one in aborted] == deleted


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket", "InvalidArgument"])
def test_refused_upload_start_is_not_searched(
    server: Server, played_s3: StorageDriver, code: str
) -> None:
    server.steps.append(document("Error", f"<Code>{code}</Code>", 400))
    with pytest.raises(StorageError):
        played_s3._start_upload("bucket", "name", WriteOptions())
    assert 1 == len(server.seen)


def test_response_without_an_upload_id_is_a_lost_response(
    server: Server, played_s3: StorageDriver
) -> None:
    begun = document("InitiateMultipartUploadResult", "")
    server.steps.extend([begun, listed(("name", "ours", 0)), NO_PARTS, GONE])
    with pytest.raises(ServiceError, match="no upload id"):
        played_s3._start_upload("bucket", "name", WriteOptions())
    assert not server.steps


# ---------------------------------------------------------------------- aborts that fail


def test_an_error_names_the_upload_that_could_not_be_aborted(
    server: Server, played_s3: StorageDriver
) -> None:
    played_s3.transfer = TransferOptions(PART, PART, 1)
    server.steps.append(document("InitiateMultipartUploadResult", "<UploadId>the-id</UploadId>"))
    with pytest.raises(StorageError) as caught:
        played_s3.upload_object(BIG, "bucket", "name")
    copy = pickle.loads(pickle.dumps(caught.value))
    for error in (caught.value, copy):
        assert "the-id" == error.upload_id
        assert "the-id" in str(error)


def test_note_names_the_upload_on_an_error_of_the_caller() -> None:
    driver = FaultyDriver(transfer=small_parts())
    driver.create_container("c")
    fail(driver, "_abort_upload", ServiceError("the service fails"))
    with pytest.raises(ValueError, match="the source fails") as caught:
        driver.upload_object(breaking(bytes(50_000), ValueError("the source fails")), "c", "name")
    (upload,) = driver.list_uploads("c")
    if sys.version_info >= (3, 11):  # before, as a log message says
        assert upload.id in caught.value.__notes__[0]

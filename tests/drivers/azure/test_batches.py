"""Deletions of many blobs in one request."""

from __future__ import annotations

from typing import Any

import pytest
from drivers.azure.support import (
    error,
    requests,
    stored,
)
from scripted import Server, respond

from libstore import (
    AccessDeniedError,
    ContainerNotFoundError,
)
from libstore.drivers.azure import AzureDriver


def batch(*statuses: tuple[int, int, str]) -> Any:
    """Return a response to a batch: number, status and code of each request."""
    pieces = [
        f"--batch\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
        f"HTTP/1.1 {status} Said\r\nx-ms-error-code: {code}\r\n\r\n\r\n"
        for number, status, code in statuses
    ]
    body = "".join([*pieces, "--batch--"]).encode()
    return respond(body, status=202, Content_Type="multipart/mixed; boundary=batch")


def test_batch_deletion_reports_each_failure(server: Server, driver: AzureDriver) -> None:
    """What fails in a batch is tried once more by itself, and then reported."""
    server.steps.extend(
        [
            batch((0, 202, ""), (1, 403, "AuthorizationPermissionMismatch"),
                  (2, 404, "BlobNotFound"), (3, 503, "ServerBusy")),
            error("AuthorizationPermissionMismatch", 403),
            stored(status=202),
        ]
    )  # fmt: skip
    results = driver.delete_objects([driver.object("box", name) for name in "abcd"])
    assert [True, False, True, True] == [result.ok for result in results]
    assert isinstance(results[1].error, AccessDeniedError)
    assert requests(server) == ["POST batch", "DELETE", "DELETE"]
    body = server.seen[0].body.decode()
    assert body.count("authorization: SharedKey account:") == 4
    assert "x-ms-version" not in body
    assert "DELETE /account/box/a HTTP/1.1" in body


def test_blobs_of_a_missing_container_are_not_deleted(server: Server, driver: AzureDriver) -> None:
    """In a batch status 404 may say that the container is missing, and not the blob."""
    server.steps.append(batch((0, 404, "ContainerNotFound"), (1, 404, "BlobNotFound")))
    server.steps.append(error("ContainerNotFound", 404))
    results = driver.delete_objects([driver.object("box", name) for name in "ab"])
    assert isinstance(results[0].error, ContainerNotFoundError)


@pytest.mark.parametrize(
    "refusal",
    [error("FeatureNotSupported", 409), respond(b"", status=500), respond(b"hello", status=202)],
    ids=["not here", "broken", "no parts"],
)
def test_blobs_are_deleted_one_by_one_without_batches(
    server: Server, driver: AzureDriver, refusal: Any
) -> None:
    server.steps.extend([refusal, stored(status=202), error("BlobNotFound", 404)])
    results = driver.delete_objects([driver.object("box", name) for name in "ab"])
    assert [True, True] == [result.ok for result in results]
    assert requests(server) == ["POST batch", "DELETE", "DELETE"]

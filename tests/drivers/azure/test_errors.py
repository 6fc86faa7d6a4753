"""Errors of Azure, and requests whose response is lost."""

from __future__ import annotations

from email.utils import formatdate
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from drivers.azure.support import (
    CONTENT,
    KEY,
    document,
    error,
    forbidding,
    lost,
    stored,
)
from scripted import Server, respond, with_token

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerError,
    ContainerNotFoundError,
    InvalidOptionError,
    RetryPolicy,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
)
from libstore.auth.sas import timestamp
from libstore.drivers.azure import AzureDriver


@pytest.mark.parametrize(
    ("header", "kind"), [("x-ms-access-tier", InvalidOptionError), ("x-ms-date", ServiceError)]
)
def test_invalid_header_is_named_in_the_error(
    server: Server, driver: AzureDriver, header: str, kind: type[StorageError]
) -> None:
    """Of what the caller has given it is said so; its value may be a secret."""
    inside = "<Code>InvalidHeaderValue</Code><Message>One is wrong.</Message>"
    named = f"<HeaderName>{header}</HeaderName><HeaderValue>secret</HeaderValue>"
    body = f"<Error>{inside}{named}</Error>".encode()
    server.default = respond(body, status=400, x_ms_request_id="REQUEST1")
    with pytest.raises(kind, match=header) as caught:
        driver.upload_object(CONTENT, "box", "name", storage_class="Nonsense")
    assert "secret" not in str(caught.value)


def test_error_code_of_a_head_is_read_from_its_header(server: Server, driver: AzureDriver) -> None:
    server.default = forbidding("ContainerNotFound", 404)
    with pytest.raises(ContainerNotFoundError):
        driver.get_object("box", "name")
    server.default = forbidding("BlobNotFound", 404)
    assert not driver.object_exists("box", "name")


def test_refusal_without_a_code_is_azure_s_by_its_headers(
    server: Server, driver: AzureDriver
) -> None:
    server.default = respond(status=403, x_ms_request_id="REQUEST1")
    with pytest.raises(AccessDeniedError):
        driver.object("box", "name").read()
    with pytest.raises(AccessDeniedError):
        driver.get_object("box", "name")
    server.default = respond(status=403)
    with pytest.raises(ServiceError, match="not from Azure"):
        driver.object("box", "name").read()


def test_container_being_deleted_is_reported_as_temporary(
    server: Server, driver: AzureDriver
) -> None:
    """It takes longer than anybody wants to wait unasked, and may succeed later."""
    server.default = error("ContainerBeingDeleted", 409)
    with pytest.raises(ServiceUnavailableError, match="deleted") as caught:
        driver.create_container("box")
    assert caught.value.retryable
    assert len(server.seen) == 1
    server.default = error("ContainerAlreadyExists", 409)
    with pytest.raises(ContainerAlreadyExistsError):
        driver.create_container("box")


def test_container_creation_with_lost_response_is_recognized_by_its_token(
    server: Server, driver: AzureDriver
) -> None:
    """Two clients that create one container at the same moment must not both succeed."""
    there = respond(ETag='"0x1"', Last_Modified=formatdate(usegmt=True))
    taken = error("ContainerAlreadyExists", 409)
    own = with_token(there)
    server.steps.extend([lost(), taken, own, own])
    assert "box" == driver.create_container("box").name
    for other in (there, with_token(there, "another")):
        server.steps.extend([lost(), taken, other])
        with pytest.raises(ContainerAlreadyExistsError):
            driver.create_container("box")


@pytest.mark.parametrize("code", ["ContainerNotFound", "ContainerBeingDeleted"])
def test_container_deletion_with_lost_response_succeeds(
    server: Server, driver: AzureDriver, code: str
) -> None:
    status = 404 if code == "ContainerNotFound" else 409
    server.steps.extend([lost(), error(code, status), forbidding(code, status)])
    driver.delete_container("box")
    server.steps.append(error(code, status))
    with pytest.raises(ContainerNotFoundError):
        driver.delete_container("box")


def test_lease_on_a_container_is_reported(server: Server, driver: AzureDriver) -> None:
    server.default = error("LeaseIdMissing", 412)
    with pytest.raises(ContainerError, match="lease"):
        driver.delete_container("box")


class Issuer:
    """Hands out a token that lives longer than any test."""

    def get_token(self, *scopes: str) -> Any:
        return SimpleNamespace(token="a token", expires_on=4_000_000_000)


@pytest.mark.parametrize("ahead", [86_400.0, -86_400.0])
def test_wrong_clock_is_corrected_for_a_user_delegation_key(server: Server, ahead: float) -> None:
    """The service gives no key for times that are not near its own."""
    now = 1_800_000_000.0
    refused = error("InvalidXmlNodeValue", 400, Date=formatdate(now - ahead, usegmt=True))
    key = "".join(f"<Signed{name}>a</Signed{name}>" for name in ("Oid", "Tid", "Start", "Service"))
    key += "<SignedExpiry>2029-01-01T00:00:00Z</SignedExpiry><SignedVersion>a</SignedVersion>"
    server.steps.extend(
        [refused, refused, document(f"{key}<Value>{KEY}</Value>", "UserDelegationKey")]
    )
    endpoint, retry = f"{server.url}/account", RetryPolicy(3, base=0.0)
    with AzureDriver(credential=Issuer(), endpoint=endpoint, insecure=True, retry=retry) as driver:
        driver._client.clock = lambda: now
        with pytest.raises(AuthenticationError, match="clock"):
            driver.object("box", "a").sign_url(expires=60.0)
        url = driver.object("box", "a").sign_url(expires=60.0)
        assert parse_qs(urlsplit(url).query)["se"] == [timestamp(now - ahead + 60)]


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("Request date header too old: 'Fri, 04 Oct 2019 18:02:12 GMT'", "clock"),
        (
            "The MAC signature found in the HTTP request 'c2ln' is not the same",
            "key does not belong",
        ),
        ("Signature not valid in the specified time frame: Start [a] - Expiry [b]", "expired"),
        ("Signature did not match. String to sign used was r", "does not match"),
        ("Lifetime validation failed. The token is expired.", "token has expired"),
        ("Audience validation failed. Audience did not match.", "for Azure Storage"),
        ("Issuer validation failed. Issuer did not match.", "tenant"),
        ("Something else.", "check that the key"),
    ],
)
def test_authentication_error_names_the_cause(
    server: Server, driver: AzureDriver, detail: str, said: str
) -> None:
    """All that Azure's code says is that something is."""
    body = f"<Error><Code>AuthenticationFailed</Code><AuthenticationErrorDetail>{detail}"
    server.default = respond(f"{body}</AuthenticationErrorDetail></Error>".encode(), status=403)
    with pytest.raises(AuthenticationError, match=said) as caught:
        driver.object("box", "name").read()
    assert "c2ln" not in str(caught.value)


@pytest.mark.parametrize(
    ("found", "missing"),
    [(stored(status=200), "source"), (forbidding("ContainerNotFound", 404), "target")],
    ids=["source", "target"],
)
def test_copy_names_the_missing_container(
    server: Server, driver: AzureDriver, found: Any, missing: str
) -> None:
    server.steps.extend([error("ContainerNotFound", 404), found])
    with pytest.raises(ContainerNotFoundError) as caught:
        driver.object("source", "a").copy("target", "b")
    assert caught.value.container == missing

"""What the Azure driver makes of answers that are late, wrong, hostile or lost."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from scripted import Play, Server, answer, with_token

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerError,
    ContainerNotFoundError,
    InvalidOptionError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    OutcomeUnknownError,
    RetryPolicy,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
    TransferOptions,
    get_driver,
)
from libstore.auth.sas import timestamp
from libstore.drivers.azure import AzureDriver

KEY = base64.b64encode(b"a key that nobody sees").decode()
CONTENT = b"content of an object"
MD5 = hashlib.md5(CONTENT).hexdigest()
MD5_64 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
PART = 64 * 1024
BIG = bytes(2 * PART)
BIG_MD5 = base64.b64encode(hashlib.md5(BIG).digest()).decode()


def made(server: Server, **options: Any) -> AzureDriver:
    if "sas_token" not in options:
        options["key"] = KEY
    endpoint = f"{server.url}/account"
    driver = get_driver("azure")(endpoint=endpoint, retry=RetryPolicy(3, base=0.0), **options)
    driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=1)
    return driver


@pytest.fixture
def driver(server: Server) -> Iterator[AzureDriver]:
    with made(server) as driver:
        yield driver


def error(code: str, status: int, message: str = "so it is", **headers: str) -> Any:
    """Return an error as Azure tells it."""
    body = (
        f"\ufeff<?xml version='1.0' encoding='utf-8'?><Error><Code>{code}</Code>"
        f"<Message>{message}\nRequestId:REQUEST1\nTime:2026-01-01T00:00:00Z</Message></Error>"
    )
    return answer(
        body.encode(), status=status, x_ms_request_id="REQUEST1", x_ms_error_code=code, **headers
    )


def lost() -> Any:
    """Return an answer that never comes, to a request that arrived."""
    return Play(then="close")


def stored(etag: str = "0x1", status: int = 201, **headers: str) -> Any:
    return answer(status=status, ETag=f'"{etag}"', x_ms_request_id="REQUEST1", **headers)


def head_of(content: bytes, etag: str = "0x1", **headers: str) -> Any:
    md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
    lines = [
        "HTTP/1.1 200 OK", f"Content-Length: {len(content)}", f'ETag: "{etag}"',
        f"Content-MD5: {md5}", *(f"{name}: {value}" for name, value in headers.items()), "", "",
    ]  # fmt: skip
    return Play("\r\n".join(lines).encode())


def document(inside: str, root: str = "EnumerationResults") -> Any:
    return answer(f"\ufeff<?xml version='1.0'?><{root}>{inside}</{root}>".encode())


def requests(server: Server) -> list[str]:
    """Return method and ``comp`` of all requests."""
    return [
        f"{seen.line.split(' ')[0]} {seen.target.partition('comp=')[2].partition('&')[0]}".strip()
        for seen in server.seen
    ]


def forbidding(code: str, status: int) -> Any:
    return answer(status=status, x_ms_error_code=code)


# ---------------------------------------------------------------------- errors


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
    server.default = answer(body, status=400, x_ms_request_id="REQUEST1")
    with pytest.raises(kind, match=header) as caught:
        driver.upload_object(CONTENT, "box", "name", storage_class="Nonsense")
    assert "secret" not in str(caught.value)


def test_error_code_of_a_head_is_read_from_its_header(server: Server, driver: AzureDriver) -> None:
    server.default = forbidding("ContainerNotFound", 404)
    with pytest.raises(ContainerNotFoundError):
        driver.get_object("box", "name")
    server.default = forbidding("BlobNotFound", 404)
    assert not driver.object_exists("box", "name")


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
    there = answer(ETag='"0x1"', Last_Modified=formatdate(usegmt=True))
    taken = error("ContainerAlreadyExists", 409)
    ours = with_token(there)
    server.steps.extend([lost(), taken, ours, ours])
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


def test_wrong_clock_is_corrected(server: Server, driver: AzureDriver) -> None:
    """A day off: the service refuses, says its own time, and is asked again by that."""
    now = 1_800_000_000.0
    driver._client.clock = lambda: now
    theirs = formatdate(now + 86_400, usegmt=True)
    server.steps.extend(
        [error("AuthenticationFailed", 403, Date=theirs), answer(CONTENT, ETag='"0x1"')]
    )
    assert driver.object("box", "name").read() == CONTENT
    dates = [dict(seen.headers)["x-ms-date"] for seen in server.seen]
    assert [formatdate(now, usegmt=True), theirs] == dates


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
        url = driver.object("box", "a").sign_url(expires=60.0)
        assert parse_qs(urlsplit(url).query)["se"] == [timestamp(now - ahead + 60)]
        server.steps.extend([error("InvalidXmlNodeValue", 400)])
        driver._signer._key = None
        with pytest.raises(AuthenticationError, match="clock"):
            driver.object("box", "a").sign_url()


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
def test_authentication_error_says_what_is_wrong(
    server: Server, driver: AzureDriver, detail: str, said: str
) -> None:
    """All that Azure's code says is that something is."""
    body = f"<Error><Code>AuthenticationFailed</Code><AuthenticationErrorDetail>{detail}"
    server.default = answer(f"{body}</AuthenticationErrorDetail></Error>".encode(), status=403)
    with pytest.raises(AuthenticationError, match=said) as caught:
        driver.object("box", "name").read()
    assert "c2ln" not in str(caught.value)


# ---------------------------------------------------------------------- conditions


def test_conditional_delete_with_lost_response_is_unknown_unless_repeated(
    server: Server, driver: AzureDriver
) -> None:
    server.default = forbidding("BlobNotFound", 404)
    with pytest.raises(ObjectChangedError):
        driver.delete_object(driver.object("box", "a"), if_match="0x1")
    for code, status in (("BlobNotFound", 404), ("ConditionNotMet", 412)):
        server.steps.extend([lost(), error(code, status)])
        with pytest.raises(OutcomeUnknownError):
            driver.delete_object(driver.object("box", "a"), if_match="0x1")


def test_conditional_copy_with_lost_response_is_checked(
    server: Server, driver: AzureDriver
) -> None:
    obj = driver.object("box", "a")
    source = head_of(CONTENT, "0x1", **{"x-ms-meta-a": "b"})
    ours = with_token(head_of(CONTENT, "0x2"))
    server.steps.extend([source, lost(), error("BlobAlreadyExists", 409), ours])
    assert obj.copy("box", "b", if_absent=True).etag == "0x2"
    sent = dict(server.seen[1].headers)
    assert ("b", '"0x1"') == (sent["x-ms-meta-a"], sent["x-ms-source-if-match"])
    others = head_of(CONTENT, "0x2")
    server.steps.extend([source, lost(), error("BlobAlreadyExists", 409), others])
    with pytest.raises(ObjectAlreadyExistsError):
        obj.copy("box", "b", if_absent=True)


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


def test_metadata_change_with_lost_response_is_checked(
    server: Server, driver: AzureDriver
) -> None:
    now = head_of(CONTENT, "0x2", **{"x-ms-meta-a": "b"})
    server.steps.extend([lost(), error("ConditionNotMet", 412), with_token(now), now])
    obj = driver.object("box", "a").update_metadata({"a": "b"}, if_match="0x1")
    assert obj.etag == "0x2"
    for steps in ([], [lost()]):
        server.steps.extend([*steps, error("ConditionNotMet", 412), now])
        with pytest.raises(ObjectChangedError):
            driver.object("box", "a").update_metadata({"a": "b"}, if_match="0x1")
        server.steps.clear()
    # A content type leaves no token to tell by.
    before = head_of(CONTENT, "0x1")
    server.steps.extend([before, lost(), error("ConditionNotMet", 412)])
    with pytest.raises(OutcomeUnknownError):
        driver.object("box", "a").update_metadata(content_type="a/b", if_match="0x1")


def test_content_type_change_with_lost_response_is_checked(
    server: Server, driver: AzureDriver
) -> None:
    """What is not said again would be lost, so all of it is."""
    before = head_of(CONTENT, **{"Cache-Control": "no-cache", "Content-Language": "de"})
    after = head_of(CONTENT, "0x2", **{"Content-Type": "text/x-b"})
    server.steps.extend([before, lost(), error("ConditionNotMet", 412), after, after])
    obj = driver.object("box", "a").update_metadata(content_type="text/x-b")
    assert (obj.etag, obj.content_type) == ("0x2", "text/x-b")
    sent = dict(server.seen[1].headers)
    assert ("no-cache", "de", MD5_64, '"0x1"') == (
        sent["x-ms-blob-cache-control"],
        sent["x-ms-blob-content-language"],
        sent["x-ms-blob-content-md5"],
        sent["if-match"],
    )


# ---------------------------------------------------------------------- blocks


def test_commit_with_lost_response_is_checked(server: Server, driver: AzureDriver) -> None:
    """The blocks are gone because the first try took them."""
    server.steps.extend(
        [stored(), stored(), lost(), error("InvalidBlockList", 400), head_of(BIG, "0x9")]
    )
    obj = driver.upload_object(BIG, "box", "name")
    assert (len(BIG), "0x9") == (obj.size, obj.etag)


def test_commit_with_lost_response_is_repeated(server: Server, driver: AzureDriver) -> None:
    """A second try finds the blocks committed by the first one, for it asks for the latest."""
    server.steps.extend([stored(), stored(), lost(), stored("0x9")])
    assert driver.upload_object(BIG, "box", "name").etag == "0x9"
    assert server.seen[2].body == server.seen[3].body
    assert b"<Latest>" in server.seen[3].body
    assert ("x-ms-blob-content-md5", BIG_MD5) in server.seen[3].headers


def test_commit_without_its_blocks_is_an_aborted_upload(
    server: Server, driver: AzureDriver
) -> None:
    server.steps.extend([stored(), stored(), error("InvalidBlockList", 400)])
    server.default = forbidding("BlobNotFound", 404)
    with pytest.raises(ServiceError, match="aborted"):
        driver.upload_object(BIG, "box", "name")


def test_block_with_a_bad_digest_is_sent_again(server: Server, driver: AzureDriver) -> None:
    server.steps.extend([error("Md5Mismatch", 400), stored(), stored(), stored("0x9")])
    assert driver.upload_object(BIG, "box", "name").etag == "0x9"


def test_failed_upload_deletes_nothing_else(server: Server, driver: AzureDriver) -> None:
    """Only under a lease, and only if there is no blob and no block of anybody else."""
    server.steps.extend([stored(), error("InvalidMd5", 400)])
    with pytest.raises(ServiceError):
        driver.upload_object(BIG, "box", "name")  # what comes then are errors: nothing is deleted
    assert not any(line.startswith("DELETE") for line in requests(server))


def waiting(*ids: str) -> Any:
    rows = "".join(f"<Block><Name>{one}</Name><Size>5</Size></Block>" for one in ids)
    return document(f"<UncommittedBlocks>{rows}</UncommittedBlocks>", "BlockList")


def begun(server: Server, driver: AzureDriver) -> tuple[Any, str]:
    """Return an upload with one block, and the block's id."""
    from libstore import Upload
    from libstore.transfer.payload import BufferPayload
    from libstore.values import WriteOptions

    upload_id = driver._start_upload("box", "name", WriteOptions())
    upload = Upload("box", "name", upload_id)
    server.steps.append(stored())
    part = driver._put_part(upload, 1, 0, BufferPayload([memoryview(b"block")]))
    server.seen.clear()
    return upload, part.token


def test_blocks_are_listed_also_for_a_blob_with_an_etag_and_no_content(
    server: Server, driver: AzureDriver
) -> None:
    """Azurite lists a name that has nothing but blocks as an empty blob."""
    upload, block = begun(server, driver)
    properties = "<Properties><Etag>0x1</Etag><Content-Length>0</Content-Length></Properties>"
    row = f"<Blob><Name>name</Name>{properties}</Blob>"
    listing = document(f"<Blobs>{row}</Blobs><NextMarker/>")
    server.steps.extend([listing, forbidding("BlobNotFound", 404), waiting(block)])
    assert [upload.id] == [found.id for found in driver.list_uploads("box")]


def test_blocks_are_deleted_under_a_lease(server: Server, driver: AzureDriver) -> None:
    upload, block = begun(server, driver)
    absent = forbidding("BlobNotFound", 404)
    gone = stored(status=202)
    server.steps.extend([absent, waiting(block), stored(), absent, waiting(block), gone])
    driver.abort_upload(upload)
    assert requests(server) == [
        "HEAD", "GET blocklist", "PUT lease", "HEAD", "GET blocklist", "DELETE",
    ]  # fmt: skip
    acquired, deleted = dict(server.seen[2].headers), dict(server.seen[5].headers)
    assert acquired["x-ms-proposed-lease-id"] == deleted["x-ms-lease-id"]


def test_blob_written_meanwhile_is_not_deleted(server: Server, driver: AzureDriver) -> None:
    upload, block = begun(server, driver)
    absent = forbidding("BlobNotFound", 404)
    server.steps.extend([absent, waiting(block), stored(), head_of(CONTENT), stored()])
    driver.abort_upload(upload)
    assert requests(server) == ["HEAD", "GET blocklist", "PUT lease", "HEAD", "PUT lease"]
    assert ("x-ms-lease-action", "release") in server.seen[4].headers


@pytest.mark.parametrize(
    "there",
    [
        [head_of(CONTENT)],
        [forbidding("BlobUsesCustomerSpecifiedEncryption", 409)],
        [forbidding("BlobNotFound", 404), waiting("Zm9yZWlnbg==")],
        [forbidding("BlobNotFound", 404), error("BlobNotFound", 404)],
        [forbidding("ContainerNotFound", 404)],
    ],
    ids=["a blob", "a sealed blob", "others' blocks", "nothing", "no container"],
)
def test_blocks_are_not_deleted_with_anything_else(
    server: Server, driver: AzureDriver, there: list[Any]
) -> None:
    upload, _ = begun(server, driver)
    server.steps.extend(there)
    driver.abort_upload(upload)
    assert not any(line.startswith(("DELETE", "PUT")) for line in requests(server))


def test_aborted_upload_cannot_be_completed_later(server: Server, driver: AzureDriver) -> None:
    from libstore.values import Part, WriteOptions

    upload, block = begun(server, driver)
    server.steps.append(head_of(CONTENT))
    driver.abort_upload(upload)
    server.seen.clear()
    with pytest.raises(ServiceError, match="aborted"):
        driver._finish_upload(upload, [Part(1, 0, 5, block)], WriteOptions(), {})
    assert not server.seen


# ---------------------------------------------------------------------- listings


def blob_row(name: str, *, encoded: bool = False) -> str:
    mark = ' Encoded="true"' if encoded else ""
    return (
        f"<Blob><Name{mark}>{name}</Name><Properties><Etag>0x1</Etag><Content-Length>5"
        "</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
    )


def test_names_invalid_in_xml_are_decoded(server: Server, driver: AzureDriver) -> None:
    rows = blob_row("a%25b%EF%BF%BE", encoded=True) + blob_row("a%25c")
    prefix = '<BlobPrefix><Name Encoded="true">%EF%BF%BF/</Name></BlobPrefix>'
    server.steps.append(document(f"<Blobs>{rows}{prefix}</Blobs><NextMarker />"))
    names = [item.name for item in driver.list_objects("box", delimiter="/")]
    assert names == sorted(["a%b\ufffe", "a%25c", "\uffff/"])


def test_listing_follows_its_markers(server: Server, driver: AzureDriver) -> None:
    for rows, marker in (("a", "m&1"), ("", "m2"), ("b", "")):
        inside = f"<Blobs>{blob_row(rows) if rows else ''}</Blobs>"
        server.steps.append(
            document(f"{inside}<NextMarker>{marker.replace('&', '&amp;')}</NextMarker>")
        )
    assert ["a", "b"] == [item.name for item in driver.list_objects("box")]
    assert "marker=m%261&" in server.seen[1].target
    assert "marker=m2&" in server.seen[2].target


def test_listing_starts_after_a_name_inside_a_page(server: Server, driver: AzureDriver) -> None:
    """Pages before it are large ones; the one that has it is read again for what did not fit."""
    pages = [("abc", "2"), ("def", "3"), ("ghi", "")]

    def page(number: int) -> Any:
        names, marker = pages[number]
        rows = "".join(map(blob_row, names))
        return document(f"<Blobs>{rows}</Blobs><NextMarker>{marker}</NextMarker>")

    server.steps.extend(page(number) for number in (0, 1, 1, 2))
    first = driver._list_objects("box", query("d"), None, 1)
    second = driver._list_objects("box", query("d"), first.token, 1)
    third = driver._list_objects("box", query("d"), second.token, 1)
    assert [["e"], ["f"], ["g"]] == [
        [item.name for item in found.items] for found in (first, second, third)
    ]
    assert all("maxresults=5000" in seen.target for seen in server.seen)


def query(start_after: str) -> Any:
    from libstore.values import ListQuery

    return ListQuery(start_after=start_after)


def test_truncated_listing_is_requested_again(server: Server, driver: AzureDriver) -> None:
    server.steps.extend([answer(b"<EnumerationResults><Blobs>"), document(blob_row("a"))])
    assert ["a"] == [item.name for item in driver.list_objects("box")]


# ---------------------------------------------------------------------- batches


def batch(*statuses: tuple[int, int, str]) -> Any:
    """Return an answer to a batch: number, status and code of each request."""
    pieces = [
        f"--answer\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
        f"HTTP/1.1 {status} Said\r\nx-ms-error-code: {code}\r\n\r\n\r\n"
        for number, status, code in statuses
    ]
    body = "".join([*pieces, "--answer--"]).encode()
    return answer(body, status=202, Content_Type="multipart/mixed; boundary=answer")


def test_batch_deletion_reports_each_failure(server: Server, driver: AzureDriver) -> None:
    """What fails in a batch is tried once more by itself, and then told."""
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
    [error("FeatureNotSupported", 409), answer(b"", status=500), answer(b"hello", status=202)],
    ids=["not here", "broken", "no parts"],
)
def test_blobs_are_deleted_one_by_one_without_batches(
    server: Server, driver: AzureDriver, refusal: Any
) -> None:
    server.steps.extend([refusal, stored(status=202), error("BlobNotFound", 404)])
    results = driver.delete_objects([driver.object("box", name) for name in "ab"])
    assert [True, True] == [result.ok for result in results]
    assert requests(server) == ["POST batch", "DELETE", "DELETE"]


# ---------------------------------------------------------------------- digests


# ---------------------------------------------------------------------- public access


def test_a_container_keeps_its_policies_when_it_is_made_public(
    server: Server, driver: AzureDriver
) -> None:
    policies = b"<SignedIdentifiers><SignedIdentifier/></SignedIdentifiers>"
    server.steps.extend([answer(policies), stored(status=200)])
    driver.enable_container_cdn("box")
    assert server.seen[1].body == policies
    assert ("x-ms-blob-public-access", "blob") in server.seen[1].headers


def test_account_that_forbids_public_access_is_reported(
    server: Server, driver: AzureDriver
) -> None:
    server.steps.extend([answer(b"<SignedIdentifiers/>")])
    server.default = error("PublicAccessNotPermitted", 409)
    with pytest.raises(AccessDeniedError, match="allowBlobPublicAccess"):
        driver.enable_container_cdn("box")
    with pytest.raises(AccessDeniedError, match="allowBlobPublicAccess"):
        driver.create_container("box", extra={"public_access": "blob"})


def test_versions_are_listed_with_their_ids(server: Server, driver: AzureDriver) -> None:
    rows = (
        "<Blob><Name>a</Name><VersionId>v1</VersionId></Blob>"
        "<Blob><Name>a</Name><VersionId>v2</VersionId><IsCurrentVersion>true</IsCurrentVersion>"
        "</Blob>"
    )
    server.steps.append(document(f"<Blobs>{rows}</Blobs><NextMarker>more</NextMarker>"))
    page = driver._list_versions("box", "", None, 7)
    assert [("a", "v1"), ("a", "v2")] == [(info.name, info.version) for info in page.items]
    assert page.token == "more"
    assert "include=versions&maxresults=7" in server.seen[0].target

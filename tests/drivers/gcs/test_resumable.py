"""What is doubtful at Google: sessions that end, tokens that nobody gives, buckets of whoever."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from time import time
from types import SimpleNamespace
from typing import Any

import pytest
from drivers.gcs.support import (
    BIG,
    BUSY,
    PART,
    TOKEN,
    Once,
    account,
    credentials,
    made,
    noise,
)
from scripted import Play, Server, answer

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    InvalidNameError,
    InvalidOptionError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
    TransferCancelledError,
    TransferOptions,
)
from libstore.auth.bearer import TokenCache
from libstore.auth.google import IAM_SCOPE, SCOPE, AccountSigner, GoogleCredential, for_iam
from libstore.drivers.gcs import GCSDriver
from libstore.http.transport import Transport
from libstore.values import WriteOptions
from servers import gcs_json
from servers.gcs_model import KEY, SECRET, Model, RefusedError, Reply, Request, serve

HMAC = {"token": None, "key": KEY, "secret": SECRET}
SIZE = 3 * PART + 7


@pytest.fixture
def model() -> Iterator[Model]:
    with serve(Model(), gcs_json.answer) as made:
        yield made


@pytest.fixture
def driver(model: Model) -> Iterator[GCSDriver]:
    with made(model) as driver:
        driver.create_container("box")
        yield driver


# ---------------------------------------------------------------------- sessions


@pytest.mark.parametrize("way", [{}, {"parallel_uploads": True}, HMAC], ids=["one", "two", "hmac"])
def test_user_project_is_sent_with_large_uploads(model: Model, way: Mapping[str, Any]) -> None:
    with made(model, user_project="payer", **way) as driver:
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG)
        content = noise(2 * BIG + 1)
        driver.create_container("box").upload_object(content, "big", if_absent=True)
        assert content == model.buckets["box"].live["big"].data
        # The address of a session is taken as it is.
        assert not any(line.count("?") > 1 for line in model.seen)
        box = driver.object("box", "big").container
        driver.object_exists("box", "none")
        if way is HMAC:
            box.enable_cdn()
        box.delete()
    # https://cloud.google.com/storage/docs/requester-pays: whatever is asked of the bucket.
    for line, headers in zip(model.seen, model.headers, strict=True):
        paid = "userProject=payer" in line or headers.get("x-goog-user-project") == "payer"
        assert paid or "upload_id=" in line


@pytest.mark.parametrize("way", [{}, {"parallel_uploads": True}, HMAC], ids=["one", "two", "hmac"])
def test_writer_without_the_right_to_read_can_upload(model: Model, way: Mapping[str, Any]) -> None:
    """https://cloud.google.com/storage/docs/access-control/iam-roles: as an Object Creator."""
    with made(model, **way) as driver:
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG)
        box = driver.create_container("box")
        model.before = Once("^(GET|HEAD) ", RefusedError(403, "forbidden", "No."), times=99)
        for content, condition in ((b"1", False), (noise(BIG + 1), False), (noise(BIG + 2), True)):
            obj = box.upload_object(content, "a" if condition else "b", if_absent=condition)
            assert len(content) == obj.size
            assert content == model.buckets["box"].live[obj.name].data
        if not way:
            assert [] == list(driver.list_uploads("box"))


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("at", ["bytes 262144-", f"/{SIZE}$"], ids=["on the way", "at the end"])
def test_missing_session_is_reported(
    model: Model, driver: GCSDriver, status: int, at: str
) -> None:
    gone = RefusedError(status, "gone", "Gone")
    model.before = Once(f"PUT .*{at}", gone, times=9)
    with pytest.raises(ServiceError, match="start it again") as caught:
        driver.upload_object(noise(SIZE), "box", "big")
    assert (status, False) == (caught.value.status, caught.value.retryable)
    assert not model.buckets["box"].live
    assert not list(driver.list_uploads("box"))


def test_completed_session_that_is_gone_is_checked(model: Model, driver: GCSDriver) -> None:
    lost, gone = Once(rf"PUT .*-\d+/{SIZE}$"), RefusedError(410, "gone", "Gone")
    after = Once(rf"PUT .*bytes \*/{SIZE}$", gone, times=9)

    def before(request: Request) -> int | None:
        after(request)
        return lost(request)

    model.before = before
    obj = driver.upload_object(noise(SIZE), "box", "big", if_absent=True)
    assert obj.etag == str(model.buckets["box"].live["big"].generation)
    assert not list(driver.list_uploads("box"))


def test_session_without_progress_is_an_error(
    model: Model, driver: GCSDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google may take less than was sent, but not for ever nothing."""
    taken = gcs_json.resume
    asked: list[str] = []

    def resume(request: Request) -> Reply:
        if request.method != "PUT":
            return taken(request)
        asked.append(request.headers["content-range"])
        return Reply(308)

    monkeypatch.setattr(gcs_json, "resume", resume)
    with pytest.raises(ServiceError, match="takes no more") as caught:
        driver.upload_object(noise(SIZE), "box", "big")
    assert caught.value.retryable
    assert 10 > len(asked)
    assert not model.sessions


def test_end_of_a_session_is_resumed(
    model: Model, driver: GCSDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All bytes are there, and it takes several of the upload's attempts to publish them."""
    taken = gcs_json.resume
    left = [3]

    def resume(request: Request) -> Reply:
        (session,) = model.sessions.values()
        if request.headers.get("content-range", "").endswith(f"/{SIZE}") and left[0]:
            left[0] -= 1
            session.data[3 * PART :] = request.body or session.data[3 * PART :]
            if left[0] % 2:
                raise BUSY
            return Reply(308, b"", {"Range": f"bytes=0-{len(session.data) - 1}"})
        return taken(request)

    monkeypatch.setattr(gcs_json, "resume", resume)
    content = noise(SIZE)
    driver.upload_object(content, "box", "big")
    assert content == model.buckets["box"].live["big"].data


def test_waiting_parts_fail_with_the_part_before(model: Model) -> None:
    with made(model, **HMAC) as driver:
        driver.create_container("box")
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG, concurrency=4)
        model.before = Once("PUT .*upload_id", RefusedError(403, "forbidden", "No."))
        with pytest.raises(AccessDeniedError):
            driver.upload_object(noise(4 * BIG), "box", "big", if_absent=True)
    assert not model.sessions


@pytest.mark.parametrize("way", [{"parallel_uploads": True}, HMAC], ids=["oauth", "hmac"])
@pytest.mark.parametrize("name", ["a\x01b", "a+b &<%2F>"], ids=ascii)
def test_uploads_of_any_name_are_listed(model: Model, way: Mapping[str, Any], name: str) -> None:
    with made(model, **way) as driver:
        box = driver.create_container("box")
        driver._start_upload("box", name, WriteOptions())
        assert [name] == [upload.name for upload in driver.list_uploads("box")]
        box.delete()
    assert not model.uploads


# ---------------------------------------------------------------------- buckets


def test_policy_that_forbids_a_bucket_is_reported(model: Model, driver: GCSDriver) -> None:
    # https://github.com/terraform-google-modules/terraform-google-event-function/pull/41
    text = "Request violates constraint 'constraints/storage.uniformBucketLevelAccess'"
    model.before = Once("POST /storage/v1/b", RefusedError(412, "conditionNotMet", text))
    with pytest.raises(AccessDeniedError, match="policy"):
        driver.create_container("new", exist_ok=True)


@pytest.mark.parametrize("name", ["x" * 64, f"{'x' * 64}.y", "192.168.5.4", "a..b", "ab.", "Abc"])
def test_invalid_bucket_names_are_refused(driver: GCSDriver, name: str) -> None:
    with pytest.raises(InvalidNameError):
        driver.create_container(name)


def test_object_name_is_not_taken_for_a_message(driver: GCSDriver) -> None:
    with pytest.raises(ObjectNotFoundError):
        driver.get_object("box", "bucket that does not exist")


# ---------------------------------------------------------------------- keys


def test_kms_key_of_an_upload_replaces_the_customer_key(model: Model) -> None:
    with made(model, customer_key=bytes(32), parallel_uploads=True) as driver:
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG)
        box = driver.create_container("box")
        for size in (1, BIG + 1):
            model.headers.clear()
            box.upload_object(noise(size), "a", extra={"kms_key": "projects/p/k"})
            sent = [name for one in model.headers for name in one if "encryption-key" in name]
            assert [] == sent
        with pytest.raises(InvalidOptionError, match="exclude"):
            box.upload_object(b"", "a", extra={"kms_key": "k", "customer_key": bytes(32)})


# ---------------------------------------------------------------------- tokens


def test_written_object_is_checked_with_its_own_key(model: Model) -> None:
    """Google refuses the key of another object, and that of one that has none."""
    own, other = b"k" * 32, b"z" * 32
    with made(model, customer_key=own, **HMAC) as driver:
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG)
        box = driver.create_container("box")
        box.upload_object(b"1", "a")
        model.headers.clear()
        for extra in ({"customer_key": other}, {"kms_key": "a-key"}):
            box.upload_object(noise(BIG + 1), "b", extra=extra)
            box.object("a").copy("box", "c", extra=extra)
            sent = {one.get("x-goog-encryption-key") for one in model.headers}
            given = extra.get("customer_key")
            assert {base64.b64encode(given).decode() if given else None} == sent
            model.headers.clear()


def test_lost_upload_is_checked_with_its_own_key(model: Model, driver: GCSDriver) -> None:
    """Google tells digests only to who has the key."""
    model.before = Once("POST .*uploadType=multipart")  # the answer is lost
    key = b"z" * 32
    driver.upload_object(b"1", "box", "a", if_absent=True, extra={"customer_key": key})
    looked = [
        headers.get("x-goog-encryption-key")
        for line, headers in zip(model.seen, model.headers, strict=True)
        if line.startswith("GET ")
    ]
    assert [base64.b64encode(key).decode()] == looked


def test_anonymous_credentials_send_no_token(model: Model, driver: GCSDriver) -> None:
    anonymous = pytest.importorskip("google.auth.credentials").AnonymousCredentials()
    with made(model, token=None, credentials=anonymous) as other:
        other.get_container("box")
    assert "authorization" not in model.headers[-1]


_NAIVE = datetime(2030, 1, 1, tzinfo=timezone.utc).replace(tzinfo=None)


@pytest.mark.parametrize("told", ["", ("t", _NAIVE)], ids=["empty", "naive"])
def test_invalid_token_is_refused(model: Model, told: Any) -> None:
    with made(model, token=lambda: told) as driver, pytest.raises(AuthenticationError):
        driver.get_container("box")
    with pytest.raises(InvalidOptionError):
        made(model, token="")


def grant(error: str, text: str, off: float = 0.0) -> Callable[[], Play]:
    """Return a refusal of the token endpoint, whose clock is ahead of ours by some seconds."""
    body = f'{{"error": "{error}", "error_description": "{text}"}}'.encode()
    return lambda: answer(body, 400, Date=formatdate(time() + off, usegmt=True))


_SHORT = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
)


@pytest.mark.parametrize(
    ("play", "kind", "text"),
    [
        (grant("invalid_grant", _SHORT, 86_400), AuthenticationError, "clock.*wrong by 86"),
        (
            grant("invalid_grant", "No account", -86_400),
            AuthenticationError,
            "clock.*wrong by 86",
        ),
        (grant("invalid_grant", "Invalid JWT Signature."), AuthenticationError, "private key"),
        (grant("invalid_grant", "None associated"), AuthenticationError, "log in again"),
        (answer(b"<html>Log in</html>", 200), ServiceError, "proxy"),
        (answer(b"<html>Denied</html>", 403), ServiceError, "proxy"),
        (answer(b"", 302, Location="http://127.0.0.1:9/"), ServiceError, "proxy"),
    ],
    ids=["clock behind", "clock ahead", "key", "account", "page", "denied", "elsewhere"],
)
def test_reason_of_a_refused_token_is_reported(
    model: Model, play: Play | Callable[[], Play], kind: type[StorageError], text: str
) -> None:
    pytest.importorskip("google.auth")
    server = Server(default=play if isinstance(play, Play) else play())
    told = {**account(), "token_uri": f"{server.url}/token"}
    with made(model, token=None, service_account=told) as driver:
        with pytest.raises(kind, match=text) as caught:
            driver.get_container("box")
    assert caught.value.status is not None
    assert not caught.value.retryable
    assert 1 == len(server.seen)
    server.close()


class _Failing:
    """Credentials of which the token ends soon and that cannot be refreshed."""

    def __init__(self, refuse: Callable[[Any], None]) -> None:
        self.token, self.valid = TOKEN, True
        self.expiry = datetime.now(timezone.utc) + timedelta(seconds=1)
        self.refresh = refuse


def test_token_is_used_until_it_expires_when_refresh_fails(model: Model) -> None:
    def refuse(request: Any) -> None:
        raise ServiceUnavailableError("later")

    model.tokens = {TOKEN}
    with made(model, token=None, credentials=_Failing(refuse)) as driver:
        tokens = driver._access.tokens
        assert tokens is not None
        assert TOKEN == tokens.get()
        tokens._renewal = 0.0
        driver.create_container("box")


def test_scopes_are_added_to_credentials() -> None:
    asked: list[bytes] = []

    def sent(given: Any, scope: str) -> bytes:
        server = Server(default=answer(b'{"access_token": "fresh", "expires_in": 3600}'))
        given._token_uri = f"{server.url}/token"
        transport = Transport()
        assert "fresh" == GoogleCredential(lambda: given, transport).get_token(scope).token
        transport.close()
        server.close()
        return server.seen[0].body

    given = credentials()
    given.token = None
    asked = [sent(given, SCOPE), sent(for_iam(given.with_scopes([SCOPE])), IAM_SCOPE)]
    for body, scope in zip(asked, (SCOPE, IAM_SCOPE), strict=True):
        assert scope == _claims(body)["scope"]


def _claims(body: bytes) -> Mapping[str, Any]:
    from urllib.parse import parse_qs

    (assertion,) = parse_qs(body.decode())["assertion"]
    piece = assertion.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4)))
    return claims


# ---------------------------------------------------------------------- signing by IAM


class _Machine:
    """Credentials of a machine at Google, which has a name once it has a token."""

    def __init__(self) -> None:
        self.token: str | None = None
        self.valid = True
        self.service_account_email = "default"
        self.quota_project_id: str | None = None
        self._lock = threading.Lock()

    def refresh(self, request: Any) -> None:
        self.token, self.service_account_email = TOKEN, "vm@p.iam.gserviceaccount.com"


def iam(*plays: Play, quota: str | None = None) -> tuple[str, list[str]]:
    """Return a signature, and what was sent for it."""
    server, transport, machine = Server(*plays), Transport(), _Machine()
    machine.quota_project_id = quota
    source = GoogleCredential(lambda: machine, transport)
    tokens = TokenCache(source, IAM_SCOPE)
    signer = AccountSigner(lambda: machine, None, tokens, transport, server.url)
    try:
        signature = signer.sign(b"text", "20260101")
        assert all(dict(one.headers).get("x-goog-user-project") == quota for one in server.seen)
        return signature, [one.target for one in server.seen]
    finally:
        transport.close()
        server.close()


_SIGNED = answer(b'{"signedBlob": "c2lnbmVk"}')
_NO = answer(b'{"error": {"code": 403, "status": "PERMISSION_DENIED"}}', 403)


def test_machine_credentials_sign_by_their_account() -> None:
    signature, asked = iam(_SIGNED)
    assert b"signed".hex() == signature
    assert ["/v1/projects/-/serviceAccounts/vm@p.iam.gserviceaccount.com:signBlob"] == asked


def test_temporary_error_of_iam_is_retried() -> None:
    _, asked = iam(answer(b"", 503), _SIGNED)
    assert 2 == len(asked)


def test_quota_project_is_sent_to_iam() -> None:
    """It does not take a person's token otherwise."""
    signature, _ = iam(_SIGNED, quota="some-project")
    assert b"signed".hex() == signature


@pytest.mark.parametrize(
    ("play", "kind"),
    [
        (_NO, AccessDeniedError),
        (answer(b'{"error": {"code": 401}}', 401), AuthenticationError),
        (answer(b"<html></html>", 200), ServiceError),
        (answer(b"<html></html>", 403), ServiceError),
        (answer(b'{"signedBlob": 5}', 200), ServiceError),
    ],
    ids=["no role", "no token", "page", "denied page", "nonsense"],
)
def test_reason_of_a_refused_signature_is_reported(play: Play, kind: type[StorageError]) -> None:
    with pytest.raises(kind) as caught:
        iam(play, play)
    assert caught.value.status is not None


# ---------------------------------------------------------------------- the XML API


def xml(code: str, status: int, off: float = 0.0) -> Play:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.</Message></Error>"
    return answer(body.encode(), status, Date=formatdate(time() + off, usegmt=True))


def test_wrong_clock_is_corrected_in_presigned_urls() -> None:
    listing = b"<?xml version='1.0'?><ListAllMyBucketsResult></ListAllMyBucketsResult>"
    server = Server(xml("RequestTimeTooSkewed", 403, 86_400), default=answer(listing))
    with made(server, **HMAC) as driver:
        assert [] == list(driver.list_containers())
        day = (datetime.now(timezone.utc) + timedelta(days=1)).strftime("%Y%m%d")
        assert f"X-Goog-Date={day}T" in driver.object("box", "a").sign_url()
    assert 2 == len(server.seen)
    server.close()


@pytest.mark.parametrize("way", [{}, HMAC], ids=["oauth", "hmac"])
def test_decompressed_content_is_an_error(way: Mapping[str, Any]) -> None:
    """Google decompresses what says twice that it is compressed, whatever it is asked for."""
    told = {"X_Goog_Generation": "5", "X_Goog_Stored_Content_Length": "25"}
    server = Server(default=answer(b"hello", **told, X_Goog_Stored_Content_Encoding="gzip"))
    with made(server, **way) as driver:
        for options in ({}, {"start": 1, "stop": 3}):
            with pytest.raises(ServiceError, match="no-transform"):
                driver.object("box", "a").read(**options)
    server.close()


@pytest.mark.parametrize("cut", [0, 9])
def test_compressed_error_is_read(cut: int) -> None:
    """Who reads an object says that it may come compressed."""
    told = {"error": {"errors": [{"reason": "notFound"}], "message": "No such object: box/a"}}
    body = gzip.compress(json.dumps(told).encode())[cut:]
    server = Server(default=answer(body, 404, Content_Encoding="gzip"))
    kind = ServiceError if cut else ObjectNotFoundError
    with made(server) as driver, pytest.raises(kind):
        driver.object("box", "a").read()
    server.close()


# ---------------------------------------------------------------------- who answers


@pytest.mark.parametrize("text", [b"", b"<html></html>", b"Welcome!", b"{}"], ids=ascii)
def test_success_of_another_program_is_an_error(text: bytes) -> None:
    server = Server(default=answer(text))
    with made(server) as driver:
        for call in (
            lambda: driver.create_container("box"),
            lambda: driver.get_container("box"),
            lambda: driver.get_object("box", "a"),
            lambda: driver.upload_object(b"1", "box", "a"),
            lambda: driver.upload_object(noise(SIZE), "box", "a"),
            lambda: driver.object("box", "a").update_metadata({}),
        ):
            with pytest.raises(ServiceError):
                call()
        if text != b"{}":  # which is how little there may be to say
            with pytest.raises(ServiceError):
                list(driver.list_objects("box"))
        if text != b"{}":  # as fake-gcs-server says that something was deleted
            with pytest.raises(ServiceError, match="endpoint"):
                driver.object("box", "a").delete()
    server.close()


@pytest.mark.parametrize(
    "body",
    [
        b"404 page not found",
        b'{"status": 404, "error": "Not Found", "path": "/"}',
        b"<?xml version='1.0'?><Error><Code>NoSuchBucket</Code><Message>No.</Message></Error>",
    ],
    ids=["text", "json", "xml"],
)
def test_status_404_of_another_program_is_not_a_missing_bucket(body: bytes) -> None:
    server = Server(default=answer(body, 404))
    with made(server) as driver:
        for call in (
            lambda: driver.create_container("box"),
            lambda: driver.get_container("box"),
            lambda: list(driver.list_objects("box")),
            lambda: driver.get_object("box", "a"),
            lambda: driver.object("box", "a").read(),
            lambda: driver.delete_container("box"),
            lambda: driver.upload_object(b"1", "box", "a"),
            lambda: driver.upload_object(noise(SIZE), "box", "a"),
            driver.object("box", "a").container.enable_cdn,
        ):
            with pytest.raises(ServiceError, match="endpoint"):
                call()
    server.close()


def test_copy_continues_while_it_advances() -> None:
    """The token of all its calls may be the same, as in Google's own storage-testbench."""

    def told(done: bool, size: int) -> Play:
        answered = {"done": done, "rewriteToken": "T", "totalBytesRewritten": str(size)}
        answered |= {"resource": {"name": "b", "size": "3", "generation": "1"}} if done else {}
        return answer(json.dumps(answered).encode(), Content_Type="application/json")

    server = Server(told(False, 1), told(False, 2), told(True, 3), default=told(False, 7))
    with made(server) as driver:
        assert 3 == driver.object("box", "a").copy("box", "b").size
        with pytest.raises(ServiceError, match="does not go on"):
            driver.object("box", "a").copy("box", "b")
    assert 3 + 2 == len(server.seen)
    server.steps.append(told(False, 1))
    cancelled = iter([False, True])
    flag = SimpleNamespace(is_set=lambda: next(cancelled))
    with made(server) as driver, pytest.raises(TransferCancelledError):
        driver.copy_object(driver.object("box", "a"), "box", "b", cancel=flag)
    assert 3 + 2 + 1 == len(server.seen)
    server.close()


def test_copy_with_lost_response_is_checked_with_an_hmac_key(model: Model) -> None:
    """Each write gives another generation, so the same request cannot come twice."""
    with made(model, **HMAC) as driver:
        box = driver.create_container("box")
        obj = box.upload_object(b"1", "a", metadata={"old": "1"})
        model.before = Once("PUT ")
        changed = obj.update_metadata({"new": "2"}, if_match=obj.etag)
        assert {"new": "2"} == dict(box.get_object("a").metadata)
        assert changed.etag == str(model.buckets["box"].live["a"].generation)
        model.before = Once("PUT ")
        driver.copy_object(changed, "box", "b", if_absent=True)
        model.before = Once("PUT ", BUSY)
        with pytest.raises(ObjectAlreadyExistsError):
            driver.copy_object(box.upload_object(b"2", "c"), "box", "b", if_absent=True)
        model.before = Once("PUT ", BUSY)
        with pytest.raises(ObjectChangedError):
            changed.update_metadata({}, if_match=obj.etag)

"""Google's V4 signatures, and the sources of tokens."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from drivers.gcs.support import credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from libstore.auth.bearer import TokenCache
from libstore.auth.google import (
    SCOPE,
    AccountSigner,
    GoogleCredential,
    HMACSigner,
    TokenFunction,
    signed_target,
)
from libstore.auth.sigv4 import GOOGLE, Credentials, SigV4, signing_key
from libstore.errors import AuthenticationError, NotSupportedError
from libstore.http.encoding import encode_path
from libstore.http.transport import Transport

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT.parent / "shared" / "vectors" / "gcs-conformance" / "storage" / "v1"
SHOWN = VECTORS / "v4_signatures.json"


@pytest.fixture
def transport() -> Iterator[Transport]:
    made = Transport()
    yield made
    made.close()


def vectors() -> list[Any]:
    if not SHOWN.exists():
        return []
    return list(json.loads(SHOWN.read_text("utf-8"))["signingV4Tests"])


def canonical_of(case: dict[str, Any]) -> tuple[str, str]:
    """Return our string to sign, and that of the vector."""
    made: list[bytes] = []

    class Signer:
        algorithm = "GOOG4-RSA-SHA256"

        def identity(self) -> str:
            return "test-iam-credentials@dummy-project-id.iam.gserviceaccount.com"

        def sign(self, text: bytes, day: str) -> str:
            made.append(text)
            return "00"

    url = urlsplit(case["expectedUrl"])
    # Which host and whether the bucket is in it is not what is tested here.
    host = re.search(r"(?m)^host:(.*)$", case["expectedCanonicalRequest"])
    assert host
    headers = {name.lower(): value for name, value in case.get("headers", {}).items()}
    when = datetime.fromisoformat(case["timestamp"].replace("Z", "+00:00"))
    target = signed_target(
        Signer(), case["method"], host[1], url.path, case.get("queryParameters", {}), headers,
        case["expiration"], when.timestamp(),
    )  # fmt: skip
    expected, _, _ = f"{url.path}?{url.query}".rpartition("&X-Goog-Signature=")
    assert expected == target.rpartition("&X-Goog-Signature=")[0]
    return made[0].decode(), case["expectedStringToSign"]


@pytest.mark.skipif(not SHOWN.exists(), reason="the vectors are not beside the project")
@pytest.mark.parametrize("case", vectors(), ids=lambda case: case["description"])
def test_signature_equals_published_vector(case: dict[str, Any]) -> None:
    own, theirs = canonical_of(case)
    assert theirs == own


_names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
_values = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(
    name=_names,
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE"]),
    headers=st.dictionaries(st.sampled_from(["content-type", "x-goog-meta-a"]), _values),
    kind=st.none() | _values,
    expires=st.integers(1, 604_800),
)
def test_signed_url_equals_that_of_google_cloud_storage(
    name: str, method: str, headers: dict[str, str], kind: str | None, expires: int
) -> None:
    signing = pytest.importorskip("google.cloud.storage._signing")
    made = credentials()
    query = {} if kind is None else {"response-content-type": kind}
    theirs = signing.generate_signed_url_v4(
        made, resource=f"/box/{encode_path(name)}", expiration=expires, method=method,
        headers=dict(headers), query_parameters=dict(query),
        api_access_endpoint="https://storage.googleapis.com",
        _request_timestamp="20260102T030405Z",
    )  # fmt: skip
    transport = Transport()
    signer = AccountSigner(lambda: made, None, TokenCache(TokenFunction("t"), SCOPE), transport)
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc).timestamp()
    own = signed_target(
        signer, method, "storage.googleapis.com", f"/box/{encode_path(name)}", query, headers,
        expires, when,
    )  # fmt: skip
    transport.close()
    parts = urlsplit(theirs)
    assert f"{parts.path}?{parts.query}" == own


def test_hmac_key_signs_urls_and_requests() -> None:
    signer = HMACSigner("KEY", lambda day: signing_key("s", day, "auto", "storage", GOOGLE))
    target = signed_target(signer, "GET", "h", "/b/o", {}, {}, 60, 0)
    found = dict(parse_qsl(target.partition("?")[2]))
    assert "KEY/19700101/auto/storage/goog4_request" == found["X-Goog-Credential"]
    assert "GOOG4-HMAC-SHA256" == found["X-Goog-Algorithm"]
    assert re.fullmatch("[0-9a-f]{64}", found["X-Goog-Signature"])
    headers = SigV4(Credentials("KEY", "s"), "auto", "storage", GOOGLE).sign_headers(
        "GET", "h", "/b/o", {"x-goog-content-sha256": "UNSIGNED-PAYLOAD"}, 0
    )
    assert headers["authorization"].startswith("GOOG4-HMAC-SHA256 Credential=KEY/19700101/auto/")
    assert "19700101T000000Z" == headers["x-goog-date"]


# ---------------------------------------------------------------------- tokens


def test_threads_share_one_token_request() -> None:
    requested: list[int] = []

    def token() -> tuple[str, datetime]:
        requested.append(1)
        return f"t{len(requested)}", datetime.now(timezone.utc) + timedelta(hours=1)

    cache = TokenCache(TokenFunction(token), SCOPE)
    threads = [threading.Thread(target=cache.get) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 == len(requested)
    assert all(cache.replace("t1") for _ in range(16))
    assert 2 == len(requested)


def test_fixed_token_cannot_be_renewed() -> None:
    cache = TokenCache(TokenFunction("fixed"), SCOPE)
    assert "fixed" == cache.get()
    assert not cache.replace("fixed")


@pytest.mark.parametrize("found", [5, None, "line\nfeed", ("t", "soon"), b"t"], ids=ascii)
def test_invalid_token_is_rejected(found: Any) -> None:
    with pytest.raises(AuthenticationError):
        TokenFunction(lambda: found).get_token()


class _Duck:
    """The interface of google-auth's credentials."""

    def __init__(self) -> None:
        self.token: str | None = None
        self.valid = False
        self.expiry: datetime | None = None
        self.refreshed = 0
        self.fails: Exception | None = None

    def refresh(self, request: Any) -> None:
        if self.fails is not None:
            raise self.fails
        self.refreshed += 1
        self.token, self.valid = f"t{self.refreshed}", True
        self.expiry = datetime(2030, 1, 1, tzinfo=timezone.utc).replace(tzinfo=None)


def test_expired_credentials_are_refreshed(transport: Transport) -> None:
    duck = _Duck()
    source = GoogleCredential(lambda: duck, transport)
    found = source.get_token()
    assert ("t1", datetime(2030, 1, 1, tzinfo=timezone.utc).timestamp()) == found
    # A second request means that the last token was refused.
    assert "t2" == source.get_token().token
    duck.fails = RuntimeError("secret-in-a-message")
    with pytest.raises(AuthenticationError) as caught:
        source.get_token()
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system cannot change its time zone")
def test_token_expiry_is_in_utc_in_any_time_zone(
    monkeypatch: pytest.MonkeyPatch, transport: Transport
) -> None:
    """google-auth's times are naive, and in UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        found = GoogleCredential(_Duck, transport).get_token()
    finally:
        monkeypatch.undo()
        time.tzset()
    assert datetime(2030, 1, 1, tzinfo=timezone.utc).timestamp() == found.expires_on


def test_valid_credentials_are_not_refreshed(transport: Transport) -> None:
    duck = _Duck()
    duck.token, duck.valid = "given", True
    assert "given" == GoogleCredential(lambda: duck, transport).get_token().token
    assert 0 == duck.refreshed


def test_credentials_without_key_cannot_sign(transport: Transport) -> None:
    signer = AccountSigner(_Duck, None, TokenCache(TokenFunction("t"), SCOPE), transport)
    with pytest.raises(NotSupportedError, match="signing_account"):
        signer.identity()

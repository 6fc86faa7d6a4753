"""Test presigned URLs that an HMAC signs."""

from __future__ import annotations

import traceback
from urllib.parse import parse_qsl

import pytest

from libstore import AccessDeniedError, SigningOptions
from libstore.auth.hmac_url import URLSigner
from libstore.drivers.memory import MemoryDriver

SIGNER = URLSigner("key")
OPTIONS = SigningOptions(
    "PUT", 60.0, {"content-type": "a/b", "x-a": " c "}, {"expires": "now & then"}
)
SIGNED = SIGNER.sign("c", "a b/ä", OPTIONS, 1000.0)


def test_url_has_the_options_and_no_values_of_headers() -> None:
    path, _, query = SIGNED.partition("?")
    *parameters, signature = parse_qsl(query)

    assert "c/a%20b/%C3%A4" == path
    assert [
        ("expires", "1060.000"),
        ("method", "PUT"),
        ("headers", "content-type x-a"),
        ("response-expires", "now & then"),
    ] == parameters
    assert "signature" == signature[0]


def test_signature_is_the_same_with_the_same_key() -> None:
    assert SIGNED == URLSigner(b"key").sign("c", "a b/ä", OPTIONS, 1000.0)
    assert SIGNED != URLSigner(b"other").sign("c", "a b/ä", OPTIONS, 1000.0)


@pytest.mark.parametrize("address", ["", "http://localhost/base"])
def test_valid_request_returns_names_and_options(address: str) -> None:
    headers = {"Content-Type": "a/b ", "X-A": "c", "Other": "d"}

    found = SIGNER.verify(f"{address}/{SIGNED}", address, "PUT", headers, 1050.0)

    sent = {"content-type": "a/b", "x-a": "c"}
    assert ("c", "a b/ä", SigningOptions("PUT", 10.0, sent, OPTIONS.response_headers)) == found


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "does not have the signed headers content-type, x-a$"),
        ({"content-type": "a/b"}, "does not have the signed headers x-a$"),
        ({"content-type": "a/b", "x-a": ""}, "other values of the headers content-type, x-a"),
        ({"content-type": "c", "x-a": "a/b"}, "other values of the headers content-type, x-a"),
    ],
)
def test_request_without_a_signed_header_is_refused(headers: dict[str, str], message: str) -> None:
    with pytest.raises(AccessDeniedError, match=message):
        SIGNER.verify(f"/{SIGNED}", "http://a", "PUT", headers, 1000.0)


def test_expired_url_is_refused() -> None:
    headers = {"content-type": "a/b", "x-a": "c"}
    with pytest.raises(AccessDeniedError, match="has expired"):
        SIGNER.verify(f"/{SIGNED}", "http://a", "PUT", headers, 1060.1)


@pytest.mark.parametrize(
    "url", ["", "/", "c/a", "/c/a?", "/c/a?signature", "/?method=PUT&signature=%ff", "/%ff/%C3?a"]
)
def test_other_url_is_refused(url: str) -> None:
    with pytest.raises(AccessDeniedError):
        SIGNER.verify(url, "http://a", "PUT", {}, 0.0)


def test_traceback_has_no_signature() -> None:
    driver = MemoryDriver(base_url="http://localhost")
    url = driver.object("c", "a").sign_url(expires=60)
    with pytest.raises(AccessDeniedError) as caught:
        driver.redeem_url(url, method="DELETE")
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    del frames.stack[0]  # the test itself

    assert "verify" in "".join(frames.format())
    assert url.partition("signature=")[2] not in "".join(frames.format())


def test_parts_of_names_and_headers_cannot_be_exchanged() -> None:
    """Each part ends where the next one begins, whatever characters it has."""
    texts = [
        SIGNER.sign(container, name, SigningOptions("GET", 1.0, headers, {}), 0.0)
        for container, name, headers in (
            ("a", "b/c", {}),
            ("a/b", "c", {}),
            ("a", "b/c\n", {}),
            ("a", "b/c", {"x": "y"}),
            ("a", "b/c", {"x": "y&z=1"}),
            ("a", "b/c", {"x": "y", "z": "1"}),
        )
    ]

    assert len(texts) == len({text.partition("signature=")[2] for text in texts})

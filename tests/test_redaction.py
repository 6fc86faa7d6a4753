"""Test that secrets are removed from messages, and ordinary words are kept."""

from __future__ import annotations

import base64
import html
import json
import pickle
from urllib.parse import quote, quote_plus

import pytest

from libstore.redaction import Hidden, HiddenBytes, hidden_in, redact

SECRET = "s3cr3t/with+signs=&<\"'> ümlaut"
LONG = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("key", "The specified key does not exist."),
        ("secret", "The secret does not match."),
        ("a", "A bucket of this name is there already"),
        ("", "Nothing to hide"),
        ("password", "The passwords differ"),
        ("contain", "The specified container does not exist."),
        ("container", "The specified containers do not exist."),
        ("my-bucket", "no bucket my-buckets"),
        ("test:tester", "latest:tester2 is another"),
    ],
)
def test_words_of_a_message_are_kept(secret: str, message: str) -> None:
    assert message == redact(message, [secret])


@pytest.mark.parametrize("secret", [SECRET, LONG, "p4ssw0rd", "correct horse battery staple"])
@pytest.mark.parametrize(
    "form",
    [
        lambda text: text,
        quote,
        lambda text: quote(text, safe=""),
        lambda text: quote(text, safe="").lower() if text.islower() else quote(text, safe="~"),
        quote_plus,
        lambda text: quote(quote(text, safe=""), safe=""),
        html.escape,
        lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
        lambda text: text.encode().decode("latin-1"),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
        lambda text: base64.b64encode(b"user:" + text.encode()).decode(),
    ],
    ids=[
        "plain", "path", "query", "lower", "form", "twice", "html", "xml", "json", "slashes",
        "latin-1", "base64", "urlsafe", "basic",
    ],
)  # fmt: skip
@pytest.mark.parametrize("around", ["{}", "no {}.", "<a>{}</a>", "key={}&x", "'{}'", "%20{}%20"])
def test_a_secret_is_replaced_in_every_form(secret: str, form: object, around: str) -> None:
    shown = form(secret)  # type: ignore[operator]
    text = around.format(shown)
    redacted = redact(text, [secret])
    assert secret not in redacted
    assert "***" in redacted
    assert len(redacted) <= len(text) - len(shown) + len("user:***===")


def test_a_long_secret_is_replaced_within_words() -> None:
    assert "AWS4***x" == redact(f"AWS4{LONG}x", [LONG])


def test_the_longest_secret_is_replaced_first() -> None:
    assert "no ***!" == redact(f"no {LONG}-and-more!", [LONG, f"{LONG}-and-more"])


def test_keys_that_are_bytes_are_found_in_text() -> None:
    key = bytes(range(200, 232))
    for shown in (key.hex(), key.hex().upper(), base64.b64encode(key).decode()):
        redacted = redact(f"the key {shown} is wrong", [key])
        assert shown[:40] not in redacted
        assert redacted.startswith("the key ***")


@pytest.mark.parametrize(
    "marked",
    [
        "Signature=0123abcd", "X-Amz-Signature=0123abcd", "X-Goog-Signature=0123abcd",
        "X-Amz-Security-Token=FwoGZ", "sig=ab%2Bcd%3D", "temp_url_sig=0123abcd",
        "SharedKey account:ab+cd/ef==", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
        "Basic dXNlcjpwYXNzd29yZDE=", "AccountKey=ab+cd/ef==",
    ],
)  # fmt: skip
def test_marked_signature_is_replaced(marked: str) -> None:
    redacted = redact(f"we got {marked} instead")
    assert redacted.startswith("we got ")
    assert redacted.endswith("*** instead")
    assert len(redacted) < len(f"we got {marked} instead")


@pytest.mark.parametrize(
    "message",
    [
        "The request signature we calculated does not match the signature you provided.",
        "The provided token is malformed: no Bearer token was found",
        "Basic authentication is not supported",
        "the query parameter sig is missing",
    ],
)
def test_messages_about_signatures_are_kept(message: str) -> None:
    assert message == redact(message, [LONG])


def test_hidden_values_differ_only_in_repr() -> None:
    text, data = Hidden(LONG), HiddenBytes(LONG.encode())
    assert (LONG, LONG.encode()) == (text, data)
    assert hash(LONG) == hash(text)
    assert LONG not in repr({"a": [text, data]})
    again = pickle.loads(pickle.dumps([text, data]))
    assert [Hidden, HiddenBytes] == [type(value) for value in again]
    assert [text, data] == again


def test_signatures_in_headers_are_replaced() -> None:
    headers = {
        "authorization": Hidden("AWS4-HMAC-SHA256 Credential=AK/x, Signature=0123abcd"),
        "x-ms-copy-source": Hidden("https://a.example/b?sv=1&sig=ab%2Bcd&se=2"),
        "content-type": "text/plain",
    }
    found = list(hidden_in(headers))
    assert {"0123abcd", "ab%2Bcd"} <= set(found)
    assert "text/plain" not in found

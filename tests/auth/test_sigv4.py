"""Signatures: AWS's published examples and suite, and what botocore makes of the same requests."""

from __future__ import annotations

import base64
import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libstore.auth.sigv4 import (
    PAYLOAD_HEADER,
    UNSIGNED,
    Credentials,
    HeaderSigner,
    SigV4,
    canonical_request,
)
from libstore.http.client import Unsigned
from libstore.http.message import Request

KEY, SECRET, TOKEN = (
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "the/token+=",
)
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def seconds(text: str) -> float:
    """Return the time that is written as ``20130524T000000Z``."""
    moment = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    return moment.timestamp()


def sha256(body: bytes) -> str:
    from hashlib import sha256 as hasher

    return hasher(body).hexdigest()


# ---------------------------------------------------------------------- vectors


def test_signatures_equal_the_examples_of_the_s3_reference(shared_vectors: Path) -> None:
    """AWS prints them in its reference."""
    path = shared_vectors / "generated" / "aws_s3_documentation_examples.json"
    examples = json.loads(path.read_text())
    credentials = Credentials(**_renamed(examples["credentials"]))
    now, host = seconds(examples["date"]), examples["bucket_host"]
    sigv4 = SigV4(credentials, examples["region"])
    for name in ("get_object_range", "put_object", "get_lifecycle", "list"):
        example = examples[name]
        headers = {label.lower(): value for label, value in example.get("headers", {}).items()}
        headers[PAYLOAD_HEADER] = sha256(example.get("body", "").encode())
        signed = sigv4.sign_headers(example["method"], host, example["path"], headers, now)
        assert signed["authorization"].endswith(f"Signature={example['signature']}"), name
    example = examples["presigned_get"]
    target = sigv4.sign_query("GET", host, example["path"], {}, example["expires"], now)
    assert target.endswith(f"X-Amz-Signature={example['signature']}")


def test_signatures_equal_recorded_ones_of_botocore(shared_vectors: Path) -> None:
    """They have names of all kinds, queries, tokens and regions."""
    path = shared_vectors / "generated" / "s3_sigv4_botocore.json"
    cases = json.loads(path.read_text())["cases"]
    assert len(cases) > 200
    for case in cases:
        token = case["session_token"]
        sigv4 = SigV4(
            Credentials(case["access_key"], case["secret_key"], token),
            case["region"],
            case["service"],
        )
        target = case["path_prefix"] + quote(case["key"], safe="/~")
        if case["query"]:
            target += f"?{case['query']}"
        headers = {name.lower(): value for name, value in case["headers"].items()}
        if "date" in headers and not case["presign_expires"]:
            continue  # botocore signs that in place of x-amz-date; S3 takes the newer one alone
        now = seconds(case["time"])
        expected = case["expect"]
        if case["presign_expires"]:
            signed = sigv4.sign_query(
                case["method"], case["host"], target, headers, case["presign_expires"], now
            )
            assert _split(expected["url"]) == _split(f"https://{case['host']}{signed}"), case
        else:
            given = {name.lower(): value for name, value in expected["headers"].items()}
            assert sha256(base64.b64decode(case["body_b64"])) == given[PAYLOAD_HEADER]
            headers[PAYLOAD_HEADER] = given[PAYLOAD_HEADER]
            result = sigv4.sign_headers(case["method"], case["host"], target, headers, now)
            assert given["authorization"] == result["authorization"], case


def _renamed(credentials: dict[str, str]) -> dict[str, str]:
    return {"key": credentials["access_key"], "secret": credentials["secret_key"]}


def _split(url: str) -> tuple[str, list[tuple[str, str]]]:
    parts = urlsplit(url)
    return parts.path, sorted(parse_qsl(parts.query, keep_blank_values=True))


def suite() -> list[Any]:
    """Return AWS's cases, without those for normalised paths, which S3 does not use."""
    root = Path(__file__).parents[2].parent / "shared" / "vectors" / "aws-c-auth-signing-suite"
    folder = root / "tests" / "aws-signing-test-suite" / "v4"
    return [
        pytest.param(case, id=case.name)
        for case in (sorted(folder.iterdir()) if folder.is_dir() else [])
        if not case.name.endswith("-normalized")
    ]


_NO_SUITE = pytest.param(
    None, marks=pytest.mark.skip(reason="no folder shared/vectors beside the project")
)


@pytest.mark.parametrize("case", suite() or [_NO_SUITE])
def test_signatures_equal_the_suite_of_aws(case: Path) -> None:
    """Canonical requests and signatures of AWS's suite, in headers and in the query."""
    context = json.loads((case / "context.json").read_text())
    given = context["credentials"]
    credentials = Credentials(
        given["access_key_id"], given["secret_access_key"], given.get("token")
    )
    method, target, headers, body = _parse((case / "request.txt").read_text())
    stamp = context["timestamp"].replace("-", "").replace(":", "")
    now = seconds(stamp)
    host = headers.pop("host")
    if context["sign_body"]:
        headers[PAYLOAD_HEADER] = sha256(body)
    elif body:
        # The suite signs the body's digest without sending it, which S3 does not allow.
        digest = sha256(body)
        signed = {**headers, "host": host, "x-amz-date": stamp}
        canonical, _ = canonical_request(method, target, signed, digest)
        assert (case / "header-canonical-request.txt").read_text().strip() == canonical
        return
    sigv4 = SigV4(credentials, context["region"], context["service"])
    if context.get("omit_session_token"):
        pytest.skip("the token is not signed, which S3 does not allow")
    result = sigv4.sign_headers(method, host, target, headers, now)
    expected = (case / "header-signature.txt").read_text().strip()
    assert result["authorization"].endswith(f"Signature={expected}")
    headers.pop(PAYLOAD_HEADER, None)
    expires = context["expiration_in_seconds"]
    query = sigv4.sign_query(method, host, target, headers, expires, now, sha256(body))
    expected = (case / "query-signature.txt").read_text().strip()
    assert query.endswith(f"X-Amz-Signature={expected}")


def _parse(text: str) -> tuple[str, str, dict[str, str], bytes]:
    """Return method, target, headers and body; values on several lines are joined."""
    head, _, body = text.partition("\n\n")
    first, *lines = head.rstrip("\n").split("\n")
    method, rest = first.split(" ", 1)
    path, _, query = rest.rsplit(" ", 1)[0].partition("?")
    target = quote(path, safe="/~%")
    if query:
        target += "?" + quote(query, safe="=&~%")
    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[0] == " ":
            headers[name] += f" {line.strip()}"
            continue
        name, _, value = line.partition(":")
        name = name.lower()
        headers[name] = f"{headers[name]},{value.strip()}" if name in headers else value
    return method, target, headers, body.encode()


# ---------------------------------------------------------------------- botocore, side by side

_text = st.text(st.characters(codec="utf-8"), max_size=20)
_token_text = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@settings(deadline=None)
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"]),
    name=_text,
    query=st.dictionaries(_token_text, _text, max_size=4),
    headers=st.dictionaries(_token_text.map(lambda name: f"x-amz-meta-{name}"), _values),
    token=st.none() | st.just(TOKEN),
    region=st.sampled_from(["us-east-1", "eu-west-3", "auto"]),
    now=st.integers(0, 4_000_000_000),
    expires=st.integers(1, 604_800),
)
def test_signature_of_any_request_equals_that_of_botocore(
    method: str,
    name: str,
    query: dict[str, str],
    headers: dict[str, str],
    token: str | None,
    region: str,
    now: int,
    expires: int,
) -> None:
    """Both forms are compared: in headers and in a query."""
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as TheirCredentials

    host = "bucket.s3.example.com"
    encoded = "&".join(
        f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in query.items()
    )
    target = f"/{quote(name, safe='/~')}" + (f"?{encoded}" if encoded else "")
    theirs = TheirCredentials(KEY, SECRET, token)
    moment = time.gmtime(now)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", moment)
    sigv4 = SigV4(Credentials(KEY, SECRET, token), region)

    request = AWSRequest(method, f"https://{host}{target}", headers=dict(headers))
    request.context["timestamp"] = stamp
    signer = auth.S3SigV4Auth(theirs, "s3", region)
    request.headers["X-Amz-Date"] = stamp
    if token is not None:
        request.headers["X-Amz-Security-Token"] = token
    request.headers["X-Amz-Content-SHA256"] = UNSIGNED
    request.context["payload_signing_enabled"] = False
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    own = sigv4.sign_headers(method, host, target, {**headers, PAYLOAD_HEADER: UNSIGNED}, now)
    assert own["authorization"].endswith(f"Signature={signature}")

    request = AWSRequest(method, f"https://{host}{target}", headers=dict(headers))
    request.context["timestamp"] = stamp
    query_signer = auth.S3SigV4QueryAuth(theirs, "s3", region, expires)
    query_signer._modify_request_before_signing(request)
    canonical = query_signer.canonical_request(request)
    signature = query_signer.signature(query_signer.string_to_sign(request, canonical), request)
    signed = sigv4.sign_query(method, host, target, headers, expires, now)
    assert signed.endswith(f"X-Amz-Signature={signature}")


# ---------------------------------------------------------------------- the rest


def test_signature_depends_on_second_and_day() -> None:
    """The cached parts of a signature are not used at another time."""
    sigv4 = SigV4(Credentials(KEY, SECRET), "us-east-1")
    fresh = [
        SigV4(Credentials(KEY, SECRET), "us-east-1").sign_headers("GET", "h", "/", {}, now)
        for now in (0.0, 1.5, 86_400.0)
    ]
    again = [sigv4.sign_headers("GET", "h", "/", {}, now) for now in (0.9, 1.1, 86_400.2)]
    assert fresh == again
    assert len({headers["authorization"] for headers in again}) == 3


def test_signer_signs_the_host_of_the_connection() -> None:
    """The signature is that of `sign_headers`."""
    sigv4 = SigV4(Credentials(KEY, SECRET, TOKEN), "us-east-1")
    request = Request("GET", "https://host:8443", "/a", {PAYLOAD_HEADER: EMPTY})
    signer = HeaderSigner(sigv4)
    expected = sigv4.sign_headers("GET", "host:8443", "/a", request.headers, 5.0)
    assert expected == signer.sign(request, 5.0)
    assert "host" not in expected
    assert not signer.renew(request)


def test_anonymous_request_is_not_signed() -> None:
    """Its headers are unchanged."""
    request = Request("GET", "https://host", "/a", {"range": "bytes=0-1"})
    assert request.headers == Unsigned().sign(request, 0.0)
    assert not Unsigned().renew(request)


def test_repr_of_credentials_has_no_secrets() -> None:
    """Neither the secret nor the token is in a repr."""
    shown = repr(Credentials(KEY, SECRET, TOKEN))
    assert KEY in shown
    assert SECRET not in shown
    assert TOKEN not in shown


def test_repr_of_signed_headers_has_no_token() -> None:
    """Tracebacks may show the variables that hold them."""
    request = Request("GET", "https://host", "/c/b", {})
    headers = HeaderSigner(SigV4(Credentials(KEY, SECRET, TOKEN), "us-east-1")).sign(request, 0.0)
    assert headers["x-amz-security-token"] == TOKEN
    assert TOKEN not in repr(headers)

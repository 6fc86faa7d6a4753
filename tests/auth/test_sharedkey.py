"""Shared Key: what Microsoft's own client signs of the same requests."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libstore.auth.sharedkey import SharedKey, SharedKeySigner, string_to_sign
from libstore.http.encoding import encode_path, encode_query
from libstore.http.message import Request

ACCOUNT = "someaccount"
KEY = base64.b64encode(b"a key that nobody knows, of some length").decode()
SHARED = SharedKey(ACCOUNT, base64.b64decode(KEY))


def theirs(method: str, target: str, headers: dict[str, str]) -> str:
    """Return the header Authorization of azure-storage-blob."""
    authentication = pytest.importorskip("azure.storage.blob._shared.authentication")
    _, _, query = target.partition("?")
    pairs = dict(pair.partition("=")[::2] for pair in query.split("&")) if query else {}
    http_request = SimpleNamespace(
        method=method, url=f"https://host{target}", headers=dict(headers), query=pairs
    )
    transport = SimpleNamespace(_transport=None)
    request = SimpleNamespace(
        http_request=http_request, context=SimpleNamespace(transport=transport)
    )
    policy: Any = authentication.SharedKeyCredentialPolicy(ACCOUNT, KEY)
    policy.on_request(request)
    return str(http_request.headers["Authorization"])


def signature_of(method: str, target: str, headers: dict[str, str]) -> str:
    return SHARED.authorization(method, target, headers)


def test_signatures_equal_the_vectors(shared_vectors: Path) -> None:
    """They are of azure-storage-blob: 79 requests, some with unusual names."""
    path = shared_vectors / "generated" / "azure_sharedkey.json"
    cases = json.loads(path.read_text())["cases"]
    assert len(cases) == 79
    for case in cases:
        target = case["url"].partition("://")[2]
        target = target[target.index("/") :]
        headers = {name.lower(): value for name, value in case["headers"].items()}
        text = string_to_sign(case["account"], case["method"], target, headers)
        assert case["string_to_sign"] == text
        key = SharedKey(case["account"], base64.b64decode(case["key"]))
        assert case["authorization"] == key.authorization(case["method"], target, headers)


def test_headers_are_sorted_as_words() -> None:
    """Hyphens matter only between names that are equal without them."""
    names = ["x-ms-meta-a_b", "x-ms-meta-a1", "x-ms-meta-ab", "x-ms-meta-a-c", "x-ms-meta-ad"]
    headers = dict.fromkeys(reversed(names), "v")
    lines = string_to_sign(ACCOUNT, "GET", "/c/b", headers).split("\n")
    assert [f"{name}:v" for name in names] == lines[12:-1]


_word = st.from_regex(r"[a-z0-9_]{1,6}", fullmatch=True)
_value = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
_dashed = st.lists(_word, min_size=1, max_size=3).map("-".join)


@settings(max_examples=200, deadline=None)
@given(
    method=st.sampled_from(["GET", "PUT", "DELETE", "HEAD", "POST"]),
    name=st.text(st.characters(codec="utf-8"), max_size=20),
    query=st.dictionaries(_word, st.text(st.characters(codec="utf-8"), max_size=10), max_size=4),
    own=st.dictionaries(_dashed.map("x-ms-{}".format), _value, max_size=6),
    standard=st.dictionaries(
        st.sampled_from(
            ["content-type", "content-md5", "content-encoding", "if-match", "if-none-match"]
        ),
        _value,
    ),
    size=st.integers(0, 2**40),
)
def test_signature_of_any_request_equals_that_of_azure_storage_blob(
    method: str,
    name: str,
    query: dict[str, str],
    own: dict[str, str],
    standard: dict[str, str],
    size: int,
) -> None:
    target = f"/container/{encode_path(name)}"
    if query:
        target += f"?{encode_query(query)}"
    headers = {**own, **standard, "content-length": str(size)}
    assert theirs(method, target, headers) == signature_of(method, target, headers)


def test_signed_request_has_date_and_length() -> None:
    request = Request("PUT", "https://host", "/c/b", {"x-ms-version": "2021-12-02"}, b"12345")
    headers = SharedKeySigner(SHARED).sign(request, 0.0)
    assert headers["x-ms-date"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    signed = {name: value for name, value in headers.items() if name != "authorization"}
    signed["content-length"] = "5"
    assert headers["authorization"] == signature_of("PUT", "/c/b", signed)
    assert "content-length" not in headers


def test_repeated_parameters_are_one_line_sorted_by_value() -> None:
    target = "/c?Include=snapshots&include=metadata&include=a%2Fb&comp=list"
    lines = string_to_sign(ACCOUNT, "GET", target, {}).split("\n")
    assert [f"/{ACCOUNT}/c", "comp:list", "include:a/b,metadata,snapshots"] == lines[-3:]


def test_shared_key_cannot_be_renewed() -> None:
    assert not SharedKeySigner(SHARED).renew(Request("GET", "https://host", "/"))


def test_repr_has_no_key() -> None:
    assert KEY not in repr(SHARED)
    assert ACCOUNT in repr(SHARED)

"""Signatures of Swift's TempURL, against published ones and those of OpenStack's own client."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libstore.auth.tempurl import sign_path, signature

_names = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30
).filter(lambda name: not name.startswith("/"))


def test_signatures_equal_the_vectors(shared_vectors: Path) -> None:
    """All digests, methods, prefixes and ranges of addresses."""
    cases = json.loads((shared_vectors / "generated" / "swift_tempurl.json").read_text())["cases"]
    assert len(cases) > 50
    for case in cases:
        own = signature(
            case["path"], case["method"], case["key"], case["expires"],
            digest=case["digest"], prefix=case["prefix"], ip_range=case["ip"],
        )  # fmt: skip
        assert f"_sig={own}&" in case["url"]


@settings(deadline=None)
@given(
    name=_names,
    method=st.sampled_from(["GET", "HEAD", "PUT", "DELETE"]),
    key=st.text(st.characters(codec="utf-8"), min_size=1),
    expires=st.integers(1, 2**40),
    digest=st.sampled_from(["sha1", "sha256", "sha512"]),
    prefix=st.booleans(),
)
def test_signature_of_any_url_equals_that_of_swiftclient(
    name: str, method: str, key: str, expires: int, digest: str, prefix: bool
) -> None:
    utils = pytest.importorskip("swiftclient.utils")
    path = f"/v1/AUTH_test/c/{name}"
    theirs = utils.generate_temp_url(
        path, expires, key, method, absolute=True, digest=digest, prefix=prefix
    )
    own = signature(path, method, key, expires, digest=digest, prefix=prefix)
    assert f"temp_url_sig={own}&" in theirs


@settings(deadline=None)
@given(name=_names)
def test_url_has_the_percent_encoded_name(name: str) -> None:
    """The decoded name is signed."""
    address = sign_path("/v1/AUTH_test", f"c/{name}", "GET", "key", 7, extra={"inline": ""})
    path, _, query = address.partition("?")
    assert f"/v1/AUTH_test/c/{quote(name, safe='/~')}" == path
    assert f"/v1/AUTH_test/c/{name}" == unquote(path)
    expected = signature(f"/v1/AUTH_test/c/{name}", "GET", "key", 7)
    assert f"temp_url_sig={expected}&temp_url_expires=7&inline=" == query

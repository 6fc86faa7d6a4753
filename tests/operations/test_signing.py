"""Test the attributes and the representations of presigned URLs."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import pytest
from typing_extensions import override

from libstore import InvalidOptionError, SignedURL
from libstore.drivers.memory import MemoryDriver

LINK = "https://host/c/a%20b?expires=5&signature=0123"


def test_signed_url_has_the_method_and_all_headers() -> None:
    class OtherDriver(MemoryDriver):
        name: ClassVar[str] = "other"

        @override
        def _signed_headers(self, method: str, headers: Mapping[str, str]) -> Mapping[str, str]:
            return {"x-kind": "block", **headers} if method == "PUT" else headers

    obj = OtherDriver().object("c", "a")
    put = obj.sign_url(method="PUT", headers={"Content-Type": "a/b"})

    assert ("PUT", {"x-kind": "block", "content-type": "a/b"}) == (put.method, put.headers)
    assert ("GET", {}) == (obj.sign_url().method, obj.sign_url().headers)
    assert "x-kind" in put


def test_signed_headers_are_what_clients_can_send() -> None:
    """Outer spaces are removed: HTTP does not keep them."""
    url = MemoryDriver().object("c", "a").sign_url(headers={"X-A": "  a  b "})

    assert {"x-a": "a  b"} == url.headers


def test_encryption_keys_in_headers_are_not_shown() -> None:
    names = ["x-amz-server-side-encryption-customer-key", "x-goog-encryption-key"]
    url = MemoryDriver().object("c", "a").sign_url(headers=dict.fromkeys(names, "c2VjcmV0"))

    assert dict.fromkeys(names, "c2VjcmV0") == url.headers
    assert "c2VjcmV0" not in repr(url.headers)


def test_headers_of_a_signed_url_are_read_only() -> None:
    with pytest.raises(TypeError, match="read-only"):
        cast("Any", SignedURL(LINK).headers)["a"] = "b"


def test_text_of_a_signed_url_is_the_whole_url(capsys: pytest.CaptureFixture[str]) -> None:
    url = SignedURL(LINK, "PUT", {"a": "b"})
    print(url)

    assert f"{LINK}\n" == capsys.readouterr().out
    assert [LINK, LINK, LINK] == [str(url), f"{url}", json.loads(json.dumps(url))]
    assert "SignedURL('https://host/c/a%20b?…')" == repr(url)


def test_notebook_shows_a_link_for_get() -> None:
    assert SignedURL(LINK)._repr_html_() == (
        '<a href="https://host/c/a%20b?expires=5&amp;signature=0123">https://host/c/a%20b</a>'
    )


@pytest.mark.parametrize("url", [SignedURL(LINK, "PUT"), SignedURL("memory://a/b?c")])
def test_notebook_shows_the_repr_of_a_url_without_a_link(url: SignedURL) -> None:
    assert url._repr_html_() is None


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda url: pickle.loads(pickle.dumps(url))]
)
def test_copy_of_a_signed_url_has_its_attributes(copied: Any) -> None:
    again = copied(SignedURL(LINK, "PUT", {"a": "b"}))

    assert (SignedURL, LINK, "PUT", {"a": "b"}) == (
        type(again), str(again), again.method, again.headers
    )  # fmt: skip


def test_memory_driver_signs_ascii_headers_only() -> None:
    with pytest.raises(InvalidOptionError, match="ASCII"):
        MemoryDriver().object("c", "a").sign_url(method="PUT", headers={"x-a": "ä"})

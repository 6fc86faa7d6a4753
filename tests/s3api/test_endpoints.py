"""Addresses with the bucket in the path, and the names of regions."""

from __future__ import annotations

import pytest

from libstore.s3api.endpoints import Endpoint, Place, is_region


def test_bucket_is_in_the_path() -> None:
    endpoint = Endpoint("https://host", "/base")
    bucket = Place("https://host", "/base/bucket/", "auto", "/base/bucket")

    assert bucket == endpoint.place("bucket", "auto")
    assert Place("https://host", "/base/", "auto", "/base/") == endpoint.place(None, "auto")


@pytest.mark.parametrize(("url", "secure"), [("https://host", True), ("http://host:1", False)])
def test_only_https_is_secure(url: str, secure: bool) -> None:
    endpoint = Endpoint(url)

    assert secure == endpoint.secure
    assert not endpoint.regional


@pytest.mark.parametrize("text", [None, "", "Eu", "eu-", "eu.west", "eu/../x", "a" * 64])
def test_hint_of_another_form_is_no_region(text: str | None) -> None:
    assert not is_region(text)
    assert is_region("eu-west-1")

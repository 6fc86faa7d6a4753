"""The headers of how objects are stored, and the options of one write."""

from __future__ import annotations

import pytest

from libstore import InvalidOptionError
from libstore.s3api.options import ObjectSettings, tag_headers

KEY = bytes(range(32))
_SSE = "x-amz-server-side-encryption"


def test_write_without_options_uses_the_settings_of_the_driver() -> None:
    settings = ObjectSettings(encryption="AES256", acl="private")

    assert settings is settings.overridden({"tags": {"a": "b"}})
    assert {_SSE: "AES256", "x-amz-acl": "private"} == settings.writes


def test_key_of_a_write_replaces_the_encryption_of_the_driver() -> None:
    settings = ObjectSettings(encryption="aws:kms", kms_key="id", acl="private")
    found = settings.overridden({"customer_key": KEY})

    assert ObjectSettings(customer_key=KEY, acl="private") == found
    assert KEY.hex() not in repr(found)
    assert f"{_SSE}-customer-key" in found.reads
    assert "x-amz-copy-source-server-side-encryption-customer-key" in found.copy_source


def test_encryption_of_a_write_replaces_the_key_of_the_driver() -> None:
    found = ObjectSettings(customer_key=KEY).overridden({"encryption": "aws:kms", "kms_key": "id"})

    assert {_SSE: "aws:kms", f"{_SSE}-aws-kms-key-id": "id"} == found.writes
    assert {_SSE: "AES256"} == found.overridden({"encryption": "AES256"}).writes


@pytest.mark.parametrize(
    "extra", [{"kms_key": "id"}, {"encryption": "AES256", "customer_key": KEY}]
)
def test_encryptions_that_exclude_each_other_are_refused(extra: dict[str, object]) -> None:
    with pytest.raises(InvalidOptionError):
        ObjectSettings().overridden(extra)


def test_requester_pays_is_in_every_request() -> None:
    settings = ObjectSettings(requester_pays=True)

    for headers in (settings.payer, settings.access, settings.reads, settings.writes):
        assert "requester" == headers["x-amz-request-payer"]


def test_tags_are_written_like_a_query() -> None:
    assert {"x-amz-tagging": "a%20b=c%26d&e="} == tag_headers({"a b": "c&d", "e": ""})
    assert {} == tag_headers({}) == tag_headers(None)

"""The resources and headers of Google, to and from records."""

from __future__ import annotations

import base64
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from libstore import ObjectChangedError, ServiceError
from libstore.drivers.gcs import dialect
from libstore.values import Conditions, ListQuery, ObjectInfo, Prefix, Span, WriteOptions

MD5, CRC = "d41d8cd98f00b204e9800998ecf8427e", "00000000"
RESOURCE = {
    "name": "a/b",
    "size": "7",
    "generation": "1700000000000001",
    "md5Hash": base64.b64encode(bytes.fromhex(MD5)).decode(),
    "crc32c": base64.b64encode(bytes.fromhex(CRC)).decode(),
    "timeCreated": "2026-01-01T00:00:00Z",
    "updated": "2026-01-02T03:04:05.678Z",
    "contentType": "text/plain",
    "storageClass": "NEARLINE",
    "metadata": {"Key": "=?UTF-8?B?w7w=?=", "number": 5},
    "cacheControl": "no-store",
    "contentEncoding": "gzip",
    "customTime": "2026-01-01T00:00:00Z",
    "temporaryHold": True,
    "eventBasedHold": False,
    "retentionExpirationTime": "2027-01-01T00:00:00Z",
    "componentCount": 3,
    "customerEncryption": {"encryptionAlgorithm": "AES256"},
}


def test_all_attributes_of_a_resource_are_read() -> None:
    info = dialect.object_info(RESOURCE)
    assert ("a/b", 7, "1700000000000001", "1700000000000001") == (
        info.name, info.size, info.etag, info.version,
    )  # fmt: skip
    assert {"md5": MD5, "crc32c": CRC} == dict(info.checksums)
    assert datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc) == info.last_modified
    assert ("text/plain", "NEARLINE", True) == (
        info.content_type, info.storage_class, info.complete,
    )  # fmt: skip
    assert {"key": "ü"} == dict(info.metadata or {})
    assert {
        "cache_control": "no-store",
        "content_encoding": "gzip",
        "custom_time": "2026-01-01T00:00:00Z",
        "temporary_hold": True,
        "locked_until": "2027-01-01T00:00:00Z",
        "components": 3,
        "customer_encryption": "AES256",
    } == dict(info.extra)


@pytest.mark.parametrize(
    ("change", "attribute", "expected"),
    [
        ({"generation": 12}, "etag", "12"),
        ({"generation": "x", "etag": "CAE="}, "etag", "CAE="),
        ({"generation": "1" * 21}, "version", None),
        ({"size": "-1"}, "size", None),
        ({"size": None}, "size", None),
        ({"md5Hash": "AAAA"}, "checksums", {"crc32c": CRC}),
        ({"contentType": ""}, "content_type", "application/octet-stream"),
        ({"updated": None}, "last_modified", datetime(2026, 1, 1, tzinfo=timezone.utc)),
        ({"metadata": ["a"]}, "metadata", {}),
    ],
    ids=str,
)
def test_one_odd_value_leaves_the_rest_of_a_resource(
    change: dict[str, Any], attribute: str, expected: object
) -> None:
    found = getattr(dialect.object_info({**RESOURCE, **change}), attribute)
    assert expected == (dict(found) if isinstance(expected, dict) else found)


def test_empty_object_without_a_size_is_empty() -> None:
    """Google's storage-testbench omits the size."""
    assert 0 == dialect.object_info({"name": "a", "crc32c": "AAAAAA=="}).size
    assert dialect.object_info({"name": "a", "crc32c": "AAAAAQ=="}).size is None


@pytest.mark.parametrize("read", [dialect.object_info, dialect.bucket_info])
@pytest.mark.parametrize("resource", [{}, {"name": 5}, {"name": None}], ids=str)
def test_resource_without_a_name_is_an_error(read: Any, resource: dict[str, Any]) -> None:
    with pytest.raises(ServiceError, match="no name"):
        read(resource)


def test_headers_of_a_read_are_read() -> None:
    headers = {
        "x-goog-generation": "12",
        "x-goog-metageneration": "3",
        "x-goog-hash": f"crc32c=AAAAAA==, md5={RESOURCE['md5Hash']},sha=AAAA",
        "x-goog-stored-content-encoding": "identity",
        "x-goog-stored-content-length": "7",
        "x-goog-storage-class": "STANDARD",
        "content-range": "bytes 2-4/7",
        "content-type": "text/plain",
        "last-modified": "Fri, 02 Jan 2026 03:04:05 GMT",
    }
    response: Any = SimpleNamespace(status=206, size=3, headers=headers)
    info, span = dialect.read_info("a", response)
    assert Span(2, 5) == span
    assert (7, "12", "12", "STANDARD", "text/plain") == (
        info.size, info.etag, info.version, info.storage_class, info.content_type,
    )  # fmt: skip
    assert {"md5": MD5, "crc32c": CRC} == dict(info.checksums)
    assert {"metageneration": "3"} == dict(info.extra)
    assert not info.complete
    written = dialect.written_info("a", headers)
    assert ("12", dict(info.checksums)) == (written.etag, dict(written.checksums))


def test_hash_header_has_the_digests_that_google_knows() -> None:
    text = dialect.hash_header({"sha256": "00", "crc32c": CRC, "md5": MD5})
    assert f"md5={RESOURCE['md5Hash']},crc32c=AAAAAA==" == text
    assert dialect.header_digests(text) == {"md5": MD5, "crc32c": CRC}


def test_conditions_are_generations() -> None:
    assert {} == dialect.conditions(Conditions())
    assert {"ifGenerationMatch": "0"} == dialect.conditions(Conditions(if_absent=True))
    assert {"ifGenerationMatch": "12"} == dialect.conditions(Conditions(if_match="12"))
    for etag in ("0", "CAE=", "-1", "²", ""):
        with pytest.raises(ObjectChangedError):
            dialect.conditions(Conditions(if_match=etag))


def test_new_object_has_all_options_and_the_token() -> None:
    options = WriteOptions(
        content_type="text/plain", metadata={"a": "ü", "b": "=?UTF-8?B?w7w=?="},
        conditions=Conditions(if_absent=True, token="t"), storage_class="COLDLINE",
        cache_control="no-store", content_disposition="inline", content_language="de",
        extra={"custom_time": "2026-01-01T00:00:00Z"},
    )  # fmt: skip
    resource = dialect.new_object("a", options)
    assert "t" == dialect.token_of(resource)
    metadata = resource.pop("metadata")
    assert "ü" == metadata["a"]
    assert "=?UTF-8?B?w7w=?=" != metadata["b"]
    assert {
        "name": "a",
        "contentType": "text/plain",
        "storageClass": "COLDLINE",
        "cacheControl": "no-store",
        "contentDisposition": "inline",
        "contentLanguage": "de",
        "customTime": "2026-01-01T00:00:00Z",
    } == resource
    assert dialect.object_info({**resource, "metadata": metadata}).metadata == options.metadata
    assert dialect.token_of(None) is None


def test_page_is_sorted_and_begins_behind_the_last_name() -> None:
    query = ListQuery("p", "/", start_after="p1")
    assert {
        "maxResults": "7", "prefix": "p", "delimiter": "/", "startOffset": "p1", "pageToken": "t",
    } == dialect.list_query(query, "t", 7)  # fmt: skip
    assert {"maxResults": "1"} == dialect.list_query(ListQuery(), None, 1)
    document = {"items": [{"name": "p1"}, {"name": "p3"}], "prefixes": ["p2/"]}
    page = dialect.list_page(document, query)
    assert ["p2/", "p3"] == [item.name for item in page.items]
    assert [Prefix, ObjectInfo] == [type(item) for item in page.items]
    assert page.token is None
    assert "n" == dialect.list_page({"nextPageToken": "n"}, query).token
    with pytest.raises(ServiceError, match="not a listing"):
        dialect.list_page({"items": {"name": "a"}}, query)


def test_bucket_is_read_and_written() -> None:
    extra = {
        "location": "EU",
        "storage_class": "NEARLINE",
        "labels": {"a": "b"},
        "versioning": True,
        "uniform_access": True,
        "public_access_prevention": "enforced",
    }
    resource = dialect.new_bucket("box", extra)
    assert {
        "name": "box",
        "location": "EU",
        "storageClass": "NEARLINE",
        "labels": {"a": "b"},
        "versioning": {"enabled": True},
        "iamConfiguration": {
            "uniformBucketLevelAccess": {"enabled": True},
            "publicAccessPrevention": "enforced",
        },
    } == resource
    info = dialect.bucket_info({**resource, "timeCreated": "2026-01-01T00:00:00Z"})
    assert ("box", datetime(2026, 1, 1, tzinfo=timezone.utc)) == (info.name, info.created)
    assert extra == dict(info.extra)
    assert {"name": "box"} == dialect.new_bucket("box", {})


def test_response_with_another_name_proves_nothing() -> None:
    dialect.require_name({"name": "a"}, "a")
    with pytest.raises(ServiceError, match="does not name") as caught:
        dialect.require_name({"name": "b"}, "a")
    assert caught.value.unproven

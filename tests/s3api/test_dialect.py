"""Conversions between S3's headers and listings and records of libstore."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libstore import ObjectInfo, Prefix, ServiceError
from libstore.drivers.s3.services import AWS, SERVICES
from libstore.http.xml import read_listing
from libstore.rest.client import XMLResponse
from libstore.rest.header_text import decode_text, encode_text
from libstore.s3api import dialect, listings
from libstore.s3api.xml import complete_body, delete_body, location_body
from libstore.values import ListQuery, Part, WriteOptions

MD5 = "9e107d9d372bb6826bd81d3542a419d6"


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc",))))
def test_metadata_value_is_returned_unchanged(value: str) -> None:
    encoded = encode_text(value)
    assert encoded.isascii()
    assert encoded == encoded.strip()
    assert value == decode_text(encoded)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("plain", "plain"),
        ("=?UTF-8?B?Z3LDvMOfZQ==?=", "grüße"),
        ("=?UTF-8?Q?gr=C3=BC=C3=9Fe_an_alle?=", "grüße an alle"),
        ("=?utf-8?b?Z3LDvA==?= =?UTF-8?B?w59l?=", "grüße"),
        ("=?UTF-8?B?no base64?=", "=?UTF-8?B?no base64?="),
        ("=?UTF-8?B?////?=", "=?UTF-8?B?////?="),
        ("=?unknown?B?Z3LDvA==?=", "=?unknown?B?Z3LDvA==?="),
        ("=?UTF-8?B?Z3LDvA==?= and more", "=?UTF-8?B?Z3LDvA==?= and more"),
    ],
)
def test_metadata_of_other_clients_is_decoded(written: str, meant: str) -> None:
    assert meant == decode_text(written)


def test_object_info_has_every_header() -> None:
    headers = {
        "etag": f'"{MD5}"',
        "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT",
        "content-type": "image/png",
        "content-encoding": "aws-chunked,gzip",
        "cache-control": "no-cache",
        "x-amz-meta-owner": "me",
        "x-amz-version-id": "v1",
        "x-amz-storage-class": "GLACIER",
        "x-amz-checksum-crc32": "AAAAAQ==",
        "x-amz-checksum-sha256": "not base64",
        "x-amz-server-side-encryption": "AES256",
    }
    info = dialect.object_info("name", headers, 5, AWS)
    assert info == ObjectInfo(
        name="name",
        size=5,
        etag=MD5,
        checksums={"md5": MD5, "crc32": "00000001"},
        last_modified=datetime(2015, 10, 21, 7, 28, tzinfo=timezone.utc),
        content_type="image/png",
        metadata={"owner": "me"},
        version="v1",
        storage_class="GLACIER",
        extra={"cache_control": "no-cache", "content_encoding": "gzip", "encryption": "AES256"},
        complete=True,
    )
    assert dialect.object_info("name", {"x-amz-version-id": "null"}, 0, AWS).version is None


def test_kept_headers_repeat_the_object_info() -> None:
    """Changing the metadata keeps all the rest."""
    info = ObjectInfo(
        "name",
        content_type="image/png",
        metadata={"a": "b"},
        storage_class="GLACIER_IR",
        extra={
            "cache_control": "no-cache",
            "expires": "never",
            "website_redirect": "/x",
            "encryption": "aws:kms",
            "kms_key": "k",
        },
    )
    headers = dialect.HEADERS.kept_headers(info, None, "image/gif") | dialect.carried_headers(info)
    assert headers == {
        "content-type": "image/gif",
        "x-amz-meta-a": "b",
        "cache-control": "no-cache",
        "expires": "never",
        "x-amz-website-redirect-location": "/x",
        "x-amz-storage-class": "GLACIER_IR",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "k",
    }


def test_headers_beyond_ascii_are_refused() -> None:
    with pytest.raises(ValueError, match="RFC 6266"):
        dialect.HEADERS.write_headers(WriteOptions(content_disposition="attachment; filename=ü"))


def page_of(
    body: str, requested: str | None = None, **query: str
) -> tuple[list[ObjectInfo | Prefix], str | None]:
    document = read_listing(body.encode(), {"Contents", "CommonPrefixes"})
    response = XMLResponse(document.tag, document.head, document.rows, {})
    page = listings.list_page(response, ListQuery(**query), requested)
    return list(page.items), page.token


def test_a_page_is_sorted_and_decoded() -> None:
    items, token = page_of(
        "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
        "<NextContinuationToken>more+of/it=</NextContinuationToken>"
        "<Contents><Key>a+b%2Bc%0A</Key><Size>5</Size><ETag>&quot;e&quot;</ETag>"
        "<LastModified>2026-01-02T03:04:05.678Z</LastModified></Contents>"
        "<Contents><Key>z</Key></Contents>"
        "<CommonPrefixes><Prefix>b%2F</Prefix></CommonPrefixes></ListBucketResult>"
    )
    assert ["a b+c\n", "b/", "z"] == [item.name for item in items]
    assert items[0] == ObjectInfo(
        "a b+c\n",
        5,
        "e",
        last_modified=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc),
        storage_class="STANDARD",
    )
    assert token == "more+of/it="


def test_page_of_a_version_1_listing_continues_after_its_last_name() -> None:
    start = "<ListBucketResult><IsTruncated>true</IsTruncated>"
    rows = "<Contents><Key>a%2F</Key></Contents></ListBucketResult>"
    for page, marker in ((rows, "a%2F"), (f"<NextMarker>m</NextMarker>{rows}", "m")):
        token = page_of(start + page)[1]
        for service in ("ibm", "r2"):
            query = listings.list_query(ListQuery("a", "/"), token, 9, SERVICES[service])
            assert query["marker"] == marker
            assert "list-type" not in query
    with pytest.raises(ServiceError):
        page_of(f"{start}</ListBucketResult>")


def test_repeated_page_is_an_error() -> None:
    """Or a listing of a server that passes over where a page begins would never end."""
    start = "<ListBucketResult><IsTruncated>true</IsTruncated>"
    rows = "<Contents><Key>a</Key></Contents></ListBucketResult>"
    for page in (rows, f"<NextContinuationToken>t</NextContinuationToken>{rows}"):
        token = page_of(start + page)[1]
        with pytest.raises(ServiceError):
            page_of(start + page, token)


def test_prefix_before_the_start_is_omitted() -> None:
    rows = "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes><Contents><Key>b</Key></Contents>"
    items, _ = page_of(f"<ListBucketResult>{rows}</ListBucketResult>", start_after="a/1")
    assert ["b"] == [item.name for item in items]


def test_request_bodies_are_valid_xml() -> None:
    assert b"<LocationConstraint>eu-west-1</LocationConstraint>" in location_body("eu-west-1")
    assert b"<Quiet>true</Quiet><Object><Key>a&lt;b&#13;&amp;</Key></Object>" in delete_body(
        [("a<b\r&", None)]
    )
    parts = [Part(number, 0, 1, MD5, {"crc32": "00000000"}) for number in (1, 2)]
    assert b"Checksum" not in complete_body(parts)
    body = complete_body(parts, "crc32")
    assert body.count(b"<Part>") == 2
    assert b"<ChecksumCRC32>AAAAAA==</ChecksumCRC32>" in body


def test_composite_etag_is_made_of_the_etags_of_parts() -> None:
    empty = hashlib.md5(b"").digest()
    whole = hashlib.md5(empty + empty).hexdigest()
    assert f"{whole}-2" == dialect.composite_etag([empty.hex(), empty.hex()])
    assert dialect.is_composite(f"{whole}-2")
    assert not dialect.is_composite(whole)
    assert dialect.composite_etag(["no md5"]) is None


def test_version_without_an_id_is_the_null_version() -> None:
    rows = [("Version", {"Key": "a"}), ("DeleteMarker", {"Key": "b", "VersionId": "1"})]
    page = listings.version_page(XMLResponse("ListVersionsResult", {}, rows, {}))
    assert [("a", "null"), ("b", "1")] == [(item.name, item.version) for item in page.items]
    assert page.token is None

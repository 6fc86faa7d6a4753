"""
The requests of each operation, with every network driver.

The lines of a table are requests that must have been sent, in this order, with the parameters and
headers that they must have had at least: conditions, pins to the version that was read, digests,
and all that is kept with an object where the service would lose it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drivers.rich_server import (
    CONTENT,
    ETAG,
    GENERATION,
    KEPT,
    UPLOAD_ID,
    MiB,
    RichServer,
    Sent,
    crc32,
    fits,
    missing,
    play,
    xml,
)
from scripted import Play

from libstore import (
    IntegrityError,
    ObjectChangedError,
    RetryPolicy,
    ServiceError,
    StorageDriver,
    TransferOptions,
    Upload,
    get_driver,
)
from libstore.drivers.s3 import driver_class
from libstore.drivers.s3.services import AWS

SECRET = "a secret that nobody sees"
LARGE = bytes(range(256)) * (5 * MiB // 256) + b"tail"
MD5 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
LARGE_MD5 = base64.b64encode(hashlib.md5(LARGE).digest()).decode()
HEX_MD5 = hashlib.md5(CONTENT).hexdigest()

#: The record of Amazon's own service, at an address that is not Amazon's.
_Amazon = driver_class(replace(AWS, name="amazon", path_style=True))


def _s3(url: str, **more: Any) -> StorageDriver:
    return _Amazon("AKID", SECRET, endpoint=url, **more)


def _azure(url: str, **more: Any) -> StorageDriver:
    key = base64.b64encode(SECRET.encode()).decode()
    return get_driver("azure")("account", key, endpoint=f"{url}/account", **more)


def _gcs(url: str, **more: Any) -> StorageDriver:
    return get_driver("gcs")(token="token", endpoint=url, project="project", **more)


def _gcs_parallel(url: str, **more: Any) -> StorageDriver:
    return _gcs(url, parallel_uploads=True, **more)


def _gcs_hmac(url: str, **more: Any) -> StorageDriver:
    return get_driver("gcs")("GOOGKEY", SECRET, endpoint=url, **more)


def _swift(url: str, **more: Any) -> StorageDriver:
    return get_driver("swift")(token="token", storage_url=f"{url}/v1/AUTH_test", **more)


MAKERS: Mapping[str, Callable[..., StorageDriver]] = {
    "s3": _s3,
    "azure": _azure,
    "gcs": _gcs,
    "gcs-parallel": _gcs_parallel,
    "gcs-hmac": _gcs_hmac,
    "swift": _swift,
}
_SERVERS = {"gcs-parallel": "gcs"}


def served(label: str) -> RichServer:
    return RichServer(_SERVERS.get(label, label))


def patient(driver: StorageDriver) -> StorageDriver:
    driver.retry = RetryPolicy(2, base=0.0)
    driver.transfer = TransferOptions(
        part_size=5 * MiB, multipart_threshold=5 * MiB, concurrency=1
    )
    return driver


@pytest.fixture
def server(label: str) -> Iterator[RichServer]:
    server = served(label)
    yield server
    server.close()


@pytest.fixture
def driver(label: str, server: RichServer) -> Iterator[StorageDriver]:
    with MAKERS[label](server.url) as driver:
        yield patient(driver)


WRITE: Mapping[str, Any] = {
    "content_type": "text/x-fox",
    "metadata": {"owner": "me"},
    "cache_control": KEPT["Cache-Control"],
    "content_disposition": KEPT["Content-Disposition"],
    "content_encoding": KEPT["Content-Encoding"],
    "content_language": KEPT["Content-Language"],
}
_PLAIN = (
    "cache-control: no-cache | content-disposition: inline | content-encoding: br"
    " | content-language: de"
)
#: The headers of stored attributes, for each service.
WRITTEN = {
    "s3": f"content-type: text/x-fox | x-amz-meta-owner: me | {_PLAIN}",
    "azure": (
        "x-ms-blob-content-type: text/x-fox | x-ms-meta-owner: me"
        " | x-ms-blob-cache-control: no-cache | x-ms-blob-content-disposition: inline"
        " | x-ms-blob-content-encoding: br | x-ms-blob-content-language: de"
    ),
    "gcs": (
        '~"contentType": "text/x-fox" | ~"owner": "me" | ~"cacheControl": "no-cache"'
        ' | ~"contentDisposition": "inline" | ~"contentEncoding": "br" | ~"contentLanguage": "de"'
    ),
    "gcs-hmac": f"content-type: text/x-fox | x-goog-meta-owner: me | {_PLAIN}",
    "swift": f"content-type: text/x-fox | x-object-meta-owner: me | {_PLAIN}",
}

# ---------------------------------------------------------------------- the operations

#: What a server is shown each request with; see `RichServer.before`.
Before = Callable[[Sent], Play | None]
Operation = Callable[[StorageDriver], object]


def put_absent(driver: StorageDriver) -> object:
    return driver.upload_object(CONTENT, "bucket", "name", if_absent=True, **WRITE)


def put_matching(driver: StorageDriver) -> object:
    return driver.upload_object(CONTENT, "bucket", "name", if_match=current(driver))


def put_large(driver: StorageDriver) -> object:
    return driver.upload_object(LARGE, "bucket", "name", **WRITE)


def put_large_absent(driver: StorageDriver) -> object:
    return driver.upload_object(LARGE, "bucket", "name", if_absent=True, **WRITE)


def read_far_ranges(driver: StorageDriver) -> object:
    return driver.object("bucket", "name").read_ranges([(0, 10), (3 * MiB, 3 * MiB + 10)])


def delete_matching(driver: StorageDriver) -> object:
    return driver.object("bucket", "name").delete(if_match=current(driver))


def delete_many(driver: StorageDriver) -> object:
    return driver.delete_objects([driver.object("bucket", name) for name in "ab"])


def copy_plain(driver: StorageDriver) -> object:
    return driver.object("bucket", "name").copy("bucket", "copy")


def copy_absent(driver: StorageDriver) -> object:
    return driver.copy_object(driver.object("bucket", "name"), "bucket", "copy", if_absent=True)


def copy_typed(driver: StorageDriver) -> object:
    return driver.object("bucket", "name").copy("bucket", "copy", content_type="text/x-new")


def copy_typed_absent(driver: StorageDriver) -> object:
    obj = driver.object("bucket", "name")
    return driver.copy_object(obj, "bucket", "copy", content_type="text/x-new", if_absent=True)


def copy_bare(driver: StorageDriver) -> object:
    return driver.object("bucket", "name").copy("bucket", "copy", metadata={})


def copy_onto_itself(driver: StorageDriver) -> object:
    return driver.object("bucket", "name").copy("bucket", "name", storage_class="COLDLINE")


def move(driver: StorageDriver) -> object:
    return driver.object("bucket", "name").move("bucket", "moved")


def describe(driver: StorageDriver) -> object:
    return driver.update_metadata(driver.object("bucket", "name"), {"new": "1"})


def describe_matching(driver: StorageDriver) -> object:
    obj = driver.object("bucket", "name")
    return driver.update_metadata(obj, {"new": "1"}, if_match=current(driver))


def retype(driver: StorageDriver) -> object:
    return driver.update_metadata(driver.object("bucket", "name"), content_type="text/x-new")


def current(driver: StorageDriver) -> str:
    return GENERATION if driver.name == "gcs" else ETAG


_COPY_SOURCE = "x-amz-copy-source: /bucket/name | x-amz-copy-source-if-match: " + f'"{ETAG}"'
_GOOG_SOURCE = (
    "x-goog-copy-source: /bucket/name"
    f" | x-goog-copy-source-if-generation-match: {GENERATION}"
)  # fmt: skip
_BESIDE_TYPE = {
    "s3": f"x-amz-meta-owner: me | {_PLAIN} | x-amz-website-redirect-location: /there",
    "gcs-hmac": f"x-goog-meta-owner: me | {_PLAIN}",
    "gcs": WRITTEN["gcs"].replace('~"contentType": "text/x-fox" | ', "")
    + ' | ~"customTime": "2026-01-02T03:04:05Z"',
    "swift": f"x-object-meta-owner: me | {_PLAIN} | x-delete-at: 1900000000",
    "azure": WRITTEN["azure"].replace("x-ms-blob-content-type: text/x-fox | ", ""),
}
_OBJECT = "/storage/v1/b/bucket/o/name"
_SWIFT = "/v1/AUTH_test/bucket"
_AZURE = "/account/bucket"
_SEGMENTS = "/v1/AUTH_test/bucket_libstore_segments"

SENT: Mapping[Operation, Mapping[str, str]] = {
    put_absent: {
        "s3": f"PUT /bucket/name | if-none-match: * | x-amz-checksum-crc32: {crc32(CONTENT)}"
        f" | {WRITTEN['s3']}",
        "azure": f"PUT {_AZURE}/name | if-none-match: * | content-md5: {MD5}"
        f" | x-ms-blob-type: BlockBlob | {WRITTEN['azure']}",
        "gcs": "POST /upload/storage/v1/b/bucket/o?uploadType=multipart&ifGenerationMatch=0"
        f' | ~"md5Hash": "{MD5}" | {WRITTEN["gcs"]}',
        "gcs-hmac": f"PUT /bucket/name | x-goog-if-generation-match: 0 | content-md5: {MD5}"
        f" | {WRITTEN['gcs-hmac']}",
        "swift": f"PUT {_SWIFT}/name | if-none-match: * | etag: {HEX_MD5} | {WRITTEN['swift']}",
    },
    put_matching: {
        "s3": f'PUT /bucket/name | if-match: "{ETAG}" | !if-none-match',
        "azure": f'PUT {_AZURE}/name | if-match: "{ETAG}"',
        "gcs": "POST /upload/storage/v1/b/bucket/o?uploadType=multipart&ifGenerationMatch=17",
        "gcs-hmac": "PUT /bucket/name | x-goog-if-generation-match: 17",
    },
    put_large: {
        "s3": f"""
            POST /bucket/name?uploads | x-amz-checksum-algorithm: CRC32
                | x-amz-checksum-type: FULL_OBJECT | {WRITTEN["s3"]}
            PUT /bucket/name?partNumber=1&uploadId={UPLOAD_ID}
                | x-amz-checksum-crc32: {crc32(LARGE[: 5 * MiB])}
            PUT /bucket/name?partNumber=2&uploadId={UPLOAD_ID}
                | x-amz-checksum-crc32: {crc32(b"tail")}
            POST /bucket/name?uploadId={UPLOAD_ID} | x-amz-checksum-crc32: {crc32(LARGE)}
                | x-amz-checksum-type: FULL_OBJECT | !if-none-match | !if-match
                | ~<ChecksumCRC32>{crc32(b"tail")}</ChecksumCRC32>
                | ~<ETag>"{hashlib.md5(b"tail").hexdigest()}"</ETag>
        """,
        "azure": f"""
            PUT {_AZURE}/name?comp=block
                | content-md5: {base64.b64encode(hashlib.md5(LARGE[: 5 * MiB]).digest()).decode()}
            PUT {_AZURE}/name?comp=block
                | content-md5: {base64.b64encode(hashlib.md5(b"tail").digest()).decode()}
            PUT {_AZURE}/name?comp=blocklist | x-ms-blob-content-md5: {LARGE_MD5}
                | !if-none-match | {WRITTEN["azure"]}
        """,
        "gcs": f"""
            POST /upload/storage/v1/b/bucket/o?uploadType=resumable
                | x-upload-content-type: text/x-fox | !?ifGenerationMatch | {WRITTEN["gcs"]}
            PUT /session?upload_id=1 | content-range: *
            PUT /session?upload_id=1 | content-range: bytes 5242880-5242883/5242884
                | x-goog-hash: md5={LARGE_MD5}
        """,
        "gcs-parallel": f"""
            POST /bucket/name?uploads | {WRITTEN["gcs-hmac"]}
            PUT /bucket/name?partNumber=1&uploadId={UPLOAD_ID} | content-md5: *
            PUT /bucket/name?partNumber=2&uploadId={UPLOAD_ID}
                | content-md5: {base64.b64encode(hashlib.md5(b"tail").digest()).decode()}
            POST /bucket/name?uploadId={UPLOAD_ID}
                | ~<ETag>"{hashlib.md5(b"tail").hexdigest()}"</ETag>
        """,
        "gcs-hmac": f"""
            POST /bucket/name?uploads | {WRITTEN["gcs-hmac"]}
            PUT /bucket/name?partNumber=1&uploadId={UPLOAD_ID} | content-md5: *
            PUT /bucket/name?partNumber=2&uploadId={UPLOAD_ID} | content-md5: *
            POST /bucket/name?uploadId={UPLOAD_ID}
        """,
        "swift": f"""
            PUT {_SWIFT}/name?multipart-manifest=put | {WRITTEN["swift"]}
                | ~"etag": "{hashlib.md5(b"tail").hexdigest()}" | ~"size_bytes": 4
        """,
    },
    put_large_absent: {
        "s3": f"POST /bucket/name?uploadId={UPLOAD_ID} | if-none-match: *",
        "azure": f"PUT {_AZURE}/name?comp=blocklist | if-none-match: *",
        "gcs": "POST /upload/storage/v1/b/bucket/o?uploadType=resumable&ifGenerationMatch=0",
        "gcs-parallel": "POST /upload/storage/v1/b/bucket/o?uploadType=resumable"
        "&ifGenerationMatch=0",
        "gcs-hmac": f"""
            POST /bucket/name | x-goog-resumable: start | x-goog-if-generation-match: 0
                | {WRITTEN["gcs-hmac"]}
            PUT /session?upload_id=1 | content-range: bytes 5242880-5242883/5242884
                | x-goog-hash: *
        """,
        "swift": f"PUT {_SWIFT}/name?multipart-manifest=put | if-none-match: *",
    },
    read_far_ranges: {
        "s3": f'GET /bucket/name | range: bytes=3145728-3145737 | if-match: "{ETAG}"',
        "azure": f'GET {_AZURE}/name | range: bytes=3145728-3145737 | if-match: "{ETAG}"',
        "gcs": f"GET {_OBJECT}?alt=media&ifGenerationMatch=17 | range: bytes=3145728-3145737",
        "gcs-hmac": "GET /bucket/name | range: bytes=3145728-3145737"
        " | x-goog-if-generation-match: 17",
        "swift": f'GET {_SWIFT}/name | range: bytes=3145728-3145737 | if-match: "{ETAG}"',
    },
    delete_matching: {
        "s3": f'DELETE /bucket/name | if-match: "{ETAG}"',
        "azure": f'DELETE {_AZURE}/name | if-match: "{ETAG}" | x-ms-delete-snapshots: include',
        "gcs": f"DELETE {_OBJECT}?ifGenerationMatch=17",
        "gcs-hmac": "DELETE /bucket/name | x-goog-if-generation-match: 17",
    },
    delete_many: {
        "s3": "POST /bucket?delete | content-md5: * | ~<Key>a</Key> | ~<Key>b</Key>"
        " | ~<Quiet>true</Quiet>",
        "azure": "POST /account/bucket?comp=batch&restype=container"
        " | ~DELETE /account/bucket/a HTTP/1.1 | ~x-ms-delete-snapshots: include",
        "gcs": "POST /batch/storage/v1 | ~DELETE /storage/v1/b/bucket/o/b HTTP/1.1",
    },
    copy_plain: {
        "s3": "PUT /bucket/copy | x-amz-copy-source: /bucket/name | !x-amz-metadata-directive",
        "azure": f"PUT {_AZURE}/copy | x-ms-copy-source: *",
        "gcs": f"POST {_OBJECT}/rewriteTo/b/bucket/o/copy",
        "gcs-hmac": "PUT /bucket/copy | x-goog-copy-source: /bucket/name",
        "swift": f'PUT {_SWIFT}/copy | x-copy-from: /bucket/name | if-match: "{ETAG}"'
        f" | {_BESIDE_TYPE['swift']} | content-type: text/x-fox",
    },
    copy_absent: {
        "s3": "PUT /bucket/copy | x-amz-copy-source: * | if-none-match: *",
        "azure": f"PUT {_AZURE}/copy | x-ms-copy-source: * | if-none-match: *",
        "gcs": f"POST {_OBJECT}/rewriteTo/b/bucket/o/copy?ifGenerationMatch=0",
        "gcs-hmac": "PUT /bucket/copy | x-goog-copy-source: * | x-goog-if-generation-match: 0",
    },
    copy_typed: {
        "s3": f"PUT /bucket/copy | {_COPY_SOURCE} | x-amz-metadata-directive: REPLACE"
        f" | content-type: text/x-new | {_BESIDE_TYPE['s3']}",
        "azure": f"""
            PUT {_AZURE}/copy?comp=block | x-ms-source-if-match: "{ETAG}" | x-ms-source-range: *
            PUT {_AZURE}/copy?comp=blocklist | x-ms-blob-content-type: text/x-new
                | x-ms-blob-content-md5: {MD5} | {_BESIDE_TYPE["azure"]}
        """,
        "gcs": f"POST {_OBJECT}/rewriteTo/b/bucket/o/copy?ifSourceGenerationMatch=17"
        f' | ~"contentType": "text/x-new" | {_BESIDE_TYPE["gcs"]}',
        "gcs-hmac": f"PUT /bucket/copy | {_GOOG_SOURCE} | x-goog-metadata-directive: REPLACE"
        f" | content-type: text/x-new | {_BESIDE_TYPE['gcs-hmac']}",
        "swift": f'PUT {_SWIFT}/copy | x-copy-from: /bucket/name | if-match: "{ETAG}"'
        f" | x-fresh-metadata: true | content-type: text/x-new | {_BESIDE_TYPE['swift']}",
    },
    copy_typed_absent: {
        "s3": f"PUT /bucket/copy | {_COPY_SOURCE} | if-none-match: * | content-type: text/x-new",
        "azure": f"""
            PUT {_AZURE}/copy?comp=block | x-ms-source-if-match: "{ETAG}"
            PUT {_AZURE}/copy?comp=blocklist | if-none-match: * | content-type: application/xml
        """,
        "gcs": f"POST {_OBJECT}/rewriteTo/b/bucket/o/copy"
        "?ifSourceGenerationMatch=17&ifGenerationMatch=0",
        "gcs-hmac": f"PUT /bucket/copy | {_GOOG_SOURCE} | x-goog-if-generation-match: 0",
    },
    copy_bare: {
        "s3": f"PUT /bucket/copy | {_COPY_SOURCE} | x-amz-metadata-directive: REPLACE"
        f" | content-type: text/x-fox | !x-amz-meta-owner | {_PLAIN}",
        "azure": f"""
            PUT {_AZURE}/copy?comp=block | x-ms-source-if-match: "{ETAG}"
            PUT {_AZURE}/copy?comp=blocklist | x-ms-blob-content-type: text/x-fox
                | !x-ms-meta-owner | x-ms-blob-cache-control: no-cache
        """,
        "gcs": f"POST {_OBJECT}/rewriteTo/b/bucket/o/copy?ifSourceGenerationMatch=17"
        ' | ~"contentType": "text/x-fox" | ~"metadata": {} | ~"cacheControl": "no-cache"',
        "gcs-hmac": f"PUT /bucket/copy | {_GOOG_SOURCE} | x-goog-metadata-directive: REPLACE"
        f" | content-type: text/x-fox | !x-goog-meta-owner | {_PLAIN}",
        "swift": f'PUT {_SWIFT}/copy | x-copy-from: /bucket/name | if-match: "{ETAG}"'
        f" | x-fresh-metadata: true | content-type: text/x-fox | !x-object-meta-owner | {_PLAIN}",
    },
    copy_onto_itself: {
        "s3": f"PUT /bucket/name | {_COPY_SOURCE} | x-amz-metadata-directive: REPLACE"
        f" | x-amz-storage-class: COLDLINE | {WRITTEN['s3']}",
        "azure": f"PUT {_AZURE}/name | x-ms-copy-source: * | x-ms-access-tier: COLDLINE",
        "gcs": f"POST {_OBJECT}/rewriteTo/b/bucket/o/name?ifSourceGenerationMatch=17"
        f' | ~"storageClass": "COLDLINE" | {WRITTEN["gcs"]}',
        "gcs-hmac": f"PUT /bucket/name | {_GOOG_SOURCE} | x-goog-metadata-directive: REPLACE"
        f" | x-goog-storage-class: COLDLINE | {WRITTEN['gcs-hmac']}",
    },
    move: {
        "s3": f'PUT /bucket/moved\nDELETE /bucket/name | if-match: "{ETAG}"',
        "azure": f'PUT {_AZURE}/moved\nDELETE {_AZURE}/name | if-match: "{ETAG}"',
        "gcs": f"POST {_OBJECT}/rewriteTo/b/bucket/o/moved\nDELETE {_OBJECT}?ifGenerationMatch=17",
        "gcs-hmac": "PUT /bucket/moved\nDELETE /bucket/name | x-goog-if-generation-match: 17",
        "swift": f"PUT {_SWIFT}/moved\nDELETE {_SWIFT}/name",
    },
    describe: {
        "s3": f"PUT /bucket/name | {_COPY_SOURCE} | x-amz-metadata-directive: REPLACE"
        f" | x-amz-meta-new: 1 | !x-amz-meta-owner | content-type: text/x-fox | {_PLAIN}"
        " | x-amz-storage-class: NEARLINE",
        "azure": f"PUT {_AZURE}/name?comp=metadata | x-ms-meta-new: 1 | !x-ms-meta-owner",
        "gcs": f"PATCH {_OBJECT}?ifGenerationMatch=17&ifMetagenerationMatch=3"
        ' | ~{"metadata": {"owner": null, "new": "1"}}',
        "gcs-hmac": f"PUT /bucket/name | {_GOOG_SOURCE} | x-goog-metadata-directive: REPLACE"
        f" | x-goog-meta-new: 1 | !x-goog-meta-owner | content-type: text/x-fox | {_PLAIN}"
        " | x-goog-storage-class: NEARLINE",
        "swift": f"POST {_SWIFT}/name | x-object-meta-new: 1 | !x-object-meta-owner"
        f" | content-type: text/x-fox | {_PLAIN} | x-delete-at: 1900000000",
    },
    describe_matching: {
        "s3": f"PUT /bucket/name | {_COPY_SOURCE}",
        "azure": f'PUT {_AZURE}/name?comp=metadata | if-match: "{ETAG}"',
        "gcs": f"PATCH {_OBJECT}?ifGenerationMatch=17&ifMetagenerationMatch=3",
        "gcs-hmac": f"PUT /bucket/name | {_GOOG_SOURCE}",
    },
    retype: {
        "s3": f"PUT /bucket/name | {_COPY_SOURCE} | content-type: text/x-new"
        f" | {_BESIDE_TYPE['s3']}",
        "azure": f'PUT {_AZURE}/name?comp=properties | if-match: "{ETAG}"'
        f" | x-ms-blob-content-type: text/x-new | x-ms-blob-content-md5: {MD5}"
        " | x-ms-blob-cache-control: no-cache | x-ms-blob-content-disposition: inline"
        " | x-ms-blob-content-encoding: br | x-ms-blob-content-language: de",
        "gcs": f"PATCH {_OBJECT}?ifGenerationMatch=17&ifMetagenerationMatch=3"
        ' | ~{"contentType": "text/x-new"}',
        "gcs-hmac": f"PUT /bucket/name | {_GOOG_SOURCE} | content-type: text/x-new"
        f" | {_BESIDE_TYPE['gcs-hmac']}",
        "swift": f"POST {_SWIFT}/name | content-type: text/x-new | {_BESIDE_TYPE['swift']}",
    },
}


def joined(lines: str) -> str:
    """Return lines of which each begins with the method, whatever it was broken for."""
    return lines.replace("\n                |", " |")


@pytest.mark.parametrize(
    ("operation", "label"),
    [
        pytest.param(operation, label, id=f"{operation.__name__}-{label}")
        for operation, lines in SENT.items()
        for label in lines
    ],
)
def test_requests_of_operations(
    operation: Operation, label: str, server: RichServer, driver: StorageDriver
) -> None:
    if operation in {put_large, put_large_absent, read_far_ranges}:
        server.content = LARGE
    operation(driver)

    assert [] == missing(server, joined(SENT[operation][label])), server.requested


# ---------------------------------------------------------------------- who pays


def list_some(driver: StorageDriver) -> object:
    return list(driver.list_objects("bucket"))


def recall(driver: StorageDriver) -> object:
    return driver.get_object("bucket", "name"), driver.object_exists("bucket", "name")


def read(driver: StorageDriver) -> object:
    return driver.object("bucket", "name").read()


def read_late(driver: StorageDriver) -> object:
    return driver.object("bucket", "name").read(start=5, stop=5)


def delete(driver: StorageDriver) -> object:
    return driver.object("bucket", "name").delete()


def list_unfinished(driver: StorageDriver) -> object:
    return list(driver.list_uploads("bucket"))


def list_arrived(driver: StorageDriver) -> object:
    return list(driver.list_parts(Upload("bucket", "name", UPLOAD_ID)))


def give_up(driver: StorageDriver) -> object:
    return driver.abort_upload(Upload("bucket", "name", UPLOAD_ID))


def empty(driver: StorageDriver) -> object:
    return driver.delete_container("bucket")


_PAID = {
    "s3": "x-amz-request-payer: requester",
    "gcs": "userProject=payer",
    "gcs-parallel": "userProject=payer",
    "gcs-hmac": "x-goog-user-project: payer",
}
_READS = (
    list_some,
    recall,
    read,
    read_late,
    delete,
    list_unfinished,
    list_arrived,
    give_up,
    empty,
)


@pytest.mark.parametrize(
    ("operation", "label"),
    [
        pytest.param(operation, label, id=f"{operation.__name__}-{label}")
        for operation in (*SENT, *_READS)
        for label in _PAID
        if (operation, label) != (list_arrived, "gcs")  # it has no parts but its own
    ],
)
def test_requester_pays_is_sent_with_every_request(
    operation: Operation, label: str, server: RichServer
) -> None:
    """Amazon bills requests for objects and listings; Google requires the header in each."""
    payer = {"requester_pays": True} if label == "s3" else {"user_project": "payer"}
    server.content = LARGE if "large" in operation.__name__ else CONTENT
    with MAKERS[label](server.url, **payer) as driver:
        operation(patient(driver))
    unpaid = [sent for sent in server.requested if not _is_paid(sent, label)]

    assert server.requested or operation is give_up
    assert [] == unpaid


def _is_paid(sent: Sent, label: str) -> bool:
    if sent.path == "/session":  # its address says who pays
        return True
    if label == "s3" and re.fullmatch("/bucket", sent.path) and sent.method in {"DELETE", "HEAD"}:
        return True
    name, _, value = _PAID[label].partition(": ")
    return sent.headers.get(name) == value if value else _PAID[label] in sent.target


@pytest.mark.parametrize("label", ["s3", "gcs"])
def test_requester_pays_is_part_of_presigned_urls(label: str, server: RichServer) -> None:
    options: dict[str, dict[str, Any]] = {
        "s3": {"requester_pays": True},
        "gcs": {"user_project": "payer", "token": None, "key": "GOOGKEY", "secret": SECRET},
    }
    maker = _s3 if label == "s3" else lambda url, **more: get_driver("gcs")(endpoint=url, **more)
    with maker(server.url, **options[label]) as driver:
        url = driver.object("bucket", "name").sign_url()
    assert {"s3": "x-amz-request-payer=requester", "gcs": "userProject=payer"}[label] in url


# ---------------------------------------------------------------------- pages

PAGES: Mapping[Operation, Mapping[str, str]] = {
    list_some: {
        "s3": "GET /bucket?list-type=2&continuation-token=more",
        "azure": f"GET {_AZURE}?comp=list&restype=container&marker=more",
        "gcs": "GET /storage/v1/b/bucket/o?pageToken=more",
        "gcs-hmac": "GET /bucket?list-type=2&continuation-token=more",
        "swift": f"GET {_SWIFT}?marker=a\nGET {_SWIFT}?marker=b",
    },
    list_unfinished: {
        "s3": "GET /bucket?uploads&key-marker=a&upload-id-marker=1",
        "gcs-parallel": "GET /bucket?uploads&key-marker=a&upload-id-marker=1",
        "gcs-hmac": "GET /bucket?uploads&key-marker=a&upload-id-marker=1",
        "azure": f"GET {_AZURE}?comp=list&include=uncommittedblobs&marker=more",
        "swift": f"GET {_SEGMENTS}?prefix=uploads/&marker=uploads/1",
    },
    list_arrived: {
        "s3": f"GET /bucket/name?uploadId={UPLOAD_ID}&part-number-marker=1",
        "gcs-parallel": f"GET /bucket/name?uploadId={UPLOAD_ID}&part-number-marker=1",
        "gcs-hmac": f"GET /bucket/name?uploadId={UPLOAD_ID}&part-number-marker=1",
    },
    empty: {
        "s3": """
            GET /bucket?versions&key-marker=a&version-id-marker=1
            POST /bucket?delete | ~<VersionId>1</VersionId> | ~<Key>a</Key><VersionId>2</VersionId>
            DELETE /bucket
        """,
        "gcs": """
            GET /storage/v1/b/bucket/o?versions=true&pageToken=more
            DELETE /storage/v1/b/bucket/o/a?generation=2
            DELETE /storage/v1/b/bucket
        """,
        "gcs-hmac": """
            GET /bucket?versions&marker=a&generation-marker=1
            DELETE /bucket/a?generation=2
            DELETE /bucket
        """,
        "swift": f"""
            GET {_SWIFT}?versions&marker=a&version_marker=1
            DELETE {_SWIFT}/a?version-id=2
            DELETE {_SWIFT}
        """,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "label"),
    [
        pytest.param(operation, label, id=f"{operation.__name__}-{label}")
        for operation, lines in PAGES.items()
        for label in lines
    ],
)
def test_second_page_starts_after_the_first(
    operation: Operation, label: str, server: RichServer, driver: StorageDriver
) -> None:
    """Also where one name has so many versions, or uploads, that they are on both pages."""
    operation(driver)

    assert [] == missing(server, PAGES[operation][label]), server.requested


@pytest.mark.parametrize(
    ("label", "line"),
    [
        ("s3", "GET /?continuation-token=more"),
        ("azure", "GET /account/?comp=list&marker=more"),
        ("gcs-hmac", "GET /?continuation-token=more"),
        ("gcs", "GET /storage/v1/b?pageToken=more"),
        ("swift", "GET /v1/AUTH_test?marker=a\nGET /v1/AUTH_test?marker=b"),
    ],
)
def test_containers_come_on_two_pages(
    line: str, server: RichServer, driver: StorageDriver
) -> None:
    assert 2 == len(list(driver.list_containers()))
    assert [] == missing(server, line), server.requested


@pytest.mark.parametrize("label", ["s3", "gcs-parallel", "gcs-hmac"])
def test_repeated_parts_in_a_listing_are_an_error(
    server: RichServer, driver: StorageDriver
) -> None:
    """The service passes over what says where the second page begins."""

    def before(sent: Sent) -> Play | None:
        sent.query.pop("part-number-marker", None)
        return None

    server.before = before
    with pytest.raises(ServiceError, match="does not advance after 1"):
        list_arrived(driver)
    assert 2 == len(server.requested)


# ---------------------------------------------------------------------- copies in parts


def _refuse_whole_copies(sent: Sent) -> Play | None:
    """Respond as S3 does where a source is too large for one request."""
    if "x-amz-copy-source" not in sent.headers or "uploadId" in sent.query:
        return None
    return play(400, {"x-amz-request-id": "R1"}, b"<Error><Code>EntityTooLarge</Code></Error>")


@pytest.mark.parametrize("label", ["azure"])
def test_change_of_a_copy_is_pinned_to_its_etag(server: RichServer, driver: StorageDriver) -> None:
    """Where the service reads no source by itself, what the copy shall not have is taken away."""

    def before(sent: Sent) -> Play | None:
        if sent.query.get("comp") != "block":
            return None
        return play(501, {"x-ms-request-id": "R1", "x-ms-error-code": "NotImplemented"})

    server.before = before
    copy_bare(driver)
    assert [] == missing(server, f"""
        PUT {_AZURE}/copy | x-ms-copy-source: *
        PUT {_AZURE}/copy?comp=metadata | if-match: "new" | !x-ms-meta-owner
    """), server.requested  # fmt: skip


@pytest.mark.parametrize("label", ["s3"])
def test_requests_of_a_copy_in_parts(server: RichServer) -> None:
    """Its parts are pinned, its tags are copied, and each request is paid for."""
    server.before = _refuse_whole_copies
    with _s3(server.url, requester_pays=True) as driver:
        driver.object("bucket", "name").copy("bucket", "copy", content_type="text/x-new")
    assert [] == missing(server, joined(f"""
            HEAD /bucket/name
            GET /bucket/name?tagging
            POST /bucket/copy?uploads | content-type: text/x-new | x-amz-tagging: t=1
                | {_BESIDE_TYPE["s3"]} | !x-amz-metadata-directive
            PUT /bucket/copy?partNumber=1&uploadId={UPLOAD_ID} | {_COPY_SOURCE}
                | x-amz-copy-source-range: bytes=0-9
            POST /bucket/copy?uploadId={UPLOAD_ID}
    """)), server.requested  # fmt: skip
    assert [] == [sent for sent in server.requested if not _is_paid(sent, "s3")]


@pytest.mark.parametrize(
    ("label", "read", "written"),
    [
        (
            "s3", "x-amz-copy-source-server-side-encryption-customer-key",
            "x-amz-server-side-encryption-customer-key",
        ),
        ("gcs", "x-goog-copy-source-encryption-key", "x-goog-encryption-key"),
        ("gcs-hmac", "x-goog-copy-source-encryption-key", "x-goog-encryption-key"),
    ],
)  # fmt: skip
def test_a_copy_is_read_and_written_with_the_drivers_key(
    label: str, read: str, written: str, server: RichServer
) -> None:
    key = bytes(range(32))
    text = base64.b64encode(key).decode()
    line = {"gcs": f"POST {_OBJECT}/rewriteTo/b/bucket/o/copy"}.get(label, "PUT /bucket/copy")
    with MAKERS[label](server.url, customer_key=key) as driver:
        copy_plain(patient(driver))
    assert [] == missing(server, f"{line} | {read}: {text} | {written}: {text}"), server.requested


class _Interrupt:
    """A flag that is pressed like Ctrl-C as soon as a request of some kind has arrived."""

    def __init__(self, server: RichServer, line: str) -> None:
        self._server, self._line = server, line

    def is_set(self) -> bool:
        if any(fits(self._line, sent) for sent in self._server.requested):
            raise KeyboardInterrupt
        return False


@pytest.mark.parametrize(
    ("label", "begun", "left"),
    [
        ("s3", "POST /bucket/copy?uploads", f"DELETE /bucket/copy?uploadId={UPLOAD_ID}"),
        ("s3", "PUT /bucket/copy?partNumber=1", f"DELETE /bucket/copy?uploadId={UPLOAD_ID}"),
        ("s3", "PUT /bucket/copy?partNumber=12", f"DELETE /bucket/copy?uploadId={UPLOAD_ID}"),
        ("azure", f"PUT {_AZURE}/copy?comp=block", f"HEAD {_AZURE}/copy"),
        ("swift", f"PUT {_SEGMENTS}/*", f"DELETE {_SEGMENTS}/*"),
    ],
)
def test_interrupted_copy_in_parts_is_aborted(
    begun: str, left: str, label: str, server: RichServer, driver: StorageDriver
) -> None:
    """Ctrl-C while the service copies parts leaves none of them."""
    server.size = 3 * 1024**3
    if label == "s3":
        server.before = _refuse_whole_copies
    cancel = _Interrupt(server, begun)
    with pytest.raises(KeyboardInterrupt):
        driver.copy_object(
            driver.object("bucket", "name"), "bucket", "copy", content_type="x/y", cancel=cancel
        )
    assert [] == missing(server, f"{begun}\n{left}"), server.requested
    assert not any(
        fits(f"POST /bucket/copy?uploadId={UPLOAD_ID}", sent) for sent in server.requested
    )


# ---------------------------------------------------------------------- digests

OTHER = base64.b64encode(hashlib.md5(b"another content").digest()).decode()
_HEX_OTHER = hashlib.md5(b"another content").hexdigest()
_TELLING = {
    "s3": {"ETag": f'"{_HEX_OTHER}"', "x-amz-checksum-crc32": crc32(b"another content")},
    "azure": {"ETag": '"new"', "Content-MD5": OTHER},
    "gcs-parallel": {"ETag": f'"{_HEX_OTHER}"', "x-goog-hash": f"md5={OTHER}"},
    "gcs-hmac": {"ETag": '"x"', "x-goog-hash": f"md5={OTHER}", "x-goog-generation": "18"},
    "swift": {"ETag": _HEX_OTHER},
}


def _name_another(label: str, part: bool) -> Before:
    """Return the response to a write, or that of a part, with the digest of another content."""

    def before(sent: Sent) -> Play | None:
        is_part = "partNumber" in sent.query or sent.path.startswith(f"{_SEGMENTS}/segments")
        if sent.method != "PUT" or is_part != part or sent.path.startswith(f"{_SEGMENTS}/uploads"):
            return None
        status = 201 if label in {"azure", "swift"} else 200
        return play(status, {"x-ms-request-id": "R1", "x-trans-id": "R1", **_TELLING[label]})

    return before


@pytest.mark.parametrize("label", ["s3", "azure", "gcs-hmac", "swift"])
def test_corrupted_upload_is_detected(
    label: str, server: RichServer, driver: StorageDriver
) -> None:
    server.before = _name_another(label, part=False)
    with pytest.raises(IntegrityError):
        driver.upload_object(CONTENT, "bucket", "name")


@pytest.mark.parametrize("text", ["ETag", "x-amz-checksum-crc32"])
@pytest.mark.parametrize("label", ["s3"])
def test_every_digest_in_a_response_of_s3_is_compared(
    text: str, server: RichServer, driver: StorageDriver
) -> None:
    """Also the MD5 that nothing was sent of."""
    headers = {"ETag": f'"{ETAG}"', text: _TELLING["s3"][text], "x-amz-request-id": "R1"}
    server.before = lambda sent: play(200, headers)
    with pytest.raises(IntegrityError, match="stored a different"):
        driver.upload_object(CONTENT, "bucket", "name")


@pytest.mark.parametrize("label", ["s3", "gcs-parallel", "gcs-hmac", "swift"])
def test_corrupted_part_is_detected(label: str, server: RichServer, driver: StorageDriver) -> None:
    """And named; the parts are dropped."""
    server.content = LARGE
    server.before = _name_another(label, part=True)
    with pytest.raises(IntegrityError, match="part 1"):
        driver.upload_object(LARGE, "bucket", "name")
    assert "DELETE" in {sent.method for sent in server.requested}


def _report_other_parts(label: str) -> Before:
    def before(sent: Sent) -> Play | None:
        if label == "s3" and sent.method == "POST" and "uploadId" in sent.query:
            return xml("CompleteMultipartUploadResult", f"<ETag>&quot;{_HEX_OTHER}-2&quot;</ETag>")
        if sent.query.get("multipart-manifest") == "put":
            return play(201, {"x-trans-id": "R1", "ETag": _HEX_OTHER})
        return None

    return before


@pytest.mark.parametrize("label", ["s3", "swift"])
def test_completion_with_other_parts_is_detected(
    label: str, server: RichServer, driver: StorageDriver
) -> None:
    server.before = _report_other_parts(label)
    with pytest.raises(IntegrityError, match="different parts"):
        driver.upload_object(LARGE, "bucket", "name")


@pytest.mark.parametrize("label", ["gcs-parallel", "gcs"])
def test_corrupted_upload_to_google_is_detected(
    label: str, server: RichServer, driver: StorageDriver
) -> None:
    """What the service says at the end has another size, or another digest."""
    for content in (LARGE[:-1], LARGE[:-1] + b"!"):
        server.content = content
        with pytest.raises(IntegrityError):
            driver.upload_object(LARGE, "bucket", "name")


@pytest.mark.parametrize("label", ["s3", "azure", "gcs", "gcs-hmac", "swift"])
def test_digest_of_another_version_is_not_compared(
    label: str, server: RichServer, driver: StorageDriver, tmp_path: Path
) -> None:
    """Where the first range has no digest, a later one may be that of a newer version."""
    content = LARGE + LARGE
    server.content = content
    real = server.respond

    def before(sent: Sent) -> Play | None:
        if sent.method == "GET" and "range" in sent.headers:
            server.content = content
            found = real(sent)
            head, _, body = found.data.partition(b"\r\n\r\n")
            head = re.sub(rb"\r\n[\w-]*(?:hash|md5):[^\r]*", b"", head, flags=re.IGNORECASE)
            found.data = head + b"\r\n\r\n" + body
            return found
        server.content = bytes(len(content))
        found = real(sent)
        for old, new in ((f'"{ETAG}"', '"other"'), (f" {ETAG}", " other"), ("v1", "v2"),
                         (GENERATION, "18")):  # fmt: skip
            found.data = found.data.replace(old.encode(), new.encode())
        crc = f"x-amz-checksum-crc32: {crc32(server.content)}"
        extra = f"\r\n{crc}\r\nx-amz-checksum-type: FULL_OBJECT\r\n\r\n" if label == "s3" else ""
        if extra and sent.method == "HEAD":
            found.data = found.data.replace(b"\r\n\r\n", extra.encode())
        return found

    server.before = before
    try:
        path = driver.object("bucket", "name").download(tmp_path / "name")
    except ObjectChangedError:
        return
    assert content == path.read_bytes()


@pytest.mark.parametrize("label", ["s3"])
def test_batch_response_about_other_objects_is_an_error(
    server: RichServer, driver: StorageDriver
) -> None:
    """The outcome for the requested objects is unknown."""
    failure = "<Error><Key>c</Key><Code>AccessDenied</Code></Error>"
    server.before = lambda sent: xml("DeleteResult", failure)
    results = driver.delete_objects([driver.object("bucket", name) for name in "ab"])
    assert [False, False] == [result.ok for result in results]
    assert all("the request did not" in str(result.error) for result in results)


# ---------------------------------------------------------------------- what is sent


@pytest.mark.parametrize("label", ["s3", "azure", "gcs", "gcs-hmac", "swift"])
def test_versions_are_returned(label: str, server: RichServer, driver: StorageDriver) -> None:
    """That of what was read, and that of what was written."""
    google = label.startswith("gcs")
    read, written = (GENERATION, "18") if google else ("v1", "v2")
    assert read == driver.get_object("bucket", "name").version
    assert written == driver.upload_object(CONTENT, "bucket", "name").version
    if label in {"s3", "azure", "gcs"}:  # the others do not say that of a copy
        assert written == driver.object("bucket", "name").copy("bucket", "copy").version

"""Copies that are too large for one request, which the service makes in parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from scripted import Play, Seen, Server, respond

from libstore import (
    NotSupportedError,
    RetryPolicy,
    ServiceError,
    TransferCancelledError,
    get_driver,
)
from libstore.drivers.s3 import S3Driver
from libstore.s3api.dialect import composite_etag

GIB = 1024**3
SIZE = 6 * GIB + 1
PARTS = 25  # of 256 MiB, the last of one byte
ETAG = "0" * 32


@pytest.fixture
def driver(server: Server) -> Iterator[S3Driver]:
    with S3Driver("KEY", "SECRET", endpoint=server.url, retry=RetryPolicy(2, base=0.0)) as driver:
        yield driver


def document(root: str, inside: str, status: int = 200) -> Play:
    return respond(f"<{root}>{inside}</{root}>".encode(), status)


def head(size: int, etag: str, more: str = "") -> Play:
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nETag: "{etag}"\r\n{more}\r\n'
    return Play(head.encode())


# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html: up to 5 GB in one request.
TOO_LARGE = document(
    "Error",
    "<Code>InvalidRequest</Code><Message>The specified copy source is larger than the maximum"
    " allowable size for a copy source: 5368709120</Message>",
    400,
)
SOURCE = head(
    SIZE, "abc", "Content-Type: text/x-fox\r\nx-amz-meta-owner: me\r\nx-amz-tagging-count: 1\r\n"
)
TAGS = document("Tagging", "<TagSet><Tag><Key>a b</Key><Value>c</Value></Tag></TagSet>")
BEGUN = document("InitiateMultipartUploadResult", "<UploadId>an id</UploadId>")
PART = document("CopyPartResult", f"<ETag>&quot;{ETAG}&quot;</ETag>")
DONE = document("CompleteMultipartUploadResult", f"<ETag>&quot;{ETAG}-{PARTS}&quot;</ETag>")


def methods(seen: list[Seen]) -> list[str]:
    return [one.line.split(" ")[0] for one in seen]


def test_large_object_is_copied_in_parts(server: Server, driver: S3Driver) -> None:
    """All bytes once, of one version of the source, and all that is kept with it."""
    server.steps.extend([TOO_LARGE, SOURCE, TAGS, BEGUN, *[PART] * PARTS, DONE])
    copy = driver.object("bucket", "a b").copy("target", "c")
    assert (SIZE, f"{ETAG}-{PARTS}") == (copy.size, copy.etag)
    _, _, tags, begun, *parts, done = server.seen
    assert methods(server.seen) == ["PUT", "HEAD", "GET", "POST", *["PUT"] * PARTS, "POST"]
    assert "/bucket/a%20b?tagging=" == tags.target
    kept = dict(begun.headers)
    assert ("text/x-fox", "me") == (kept["content-type"], kept["x-amz-meta-owner"])
    assert "a%20b=c" == kept["x-amz-tagging"]
    spans = []
    for part in parts:
        headers = dict(part.headers)
        assert '"abc"' == headers["x-amz-copy-source-if-match"]
        assert "/bucket/a%20b" == headers["x-amz-copy-source"]
        number = re.search(r"partNumber=(\d+)", part.target)
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", headers["x-amz-copy-source-range"])
        assert number is not None
        assert span is not None
        spans.append((int(number[1]), int(span[1]), int(span[2])))
    spans.sort()
    assert list(range(1, PARTS + 1)) == [number for number, _, _ in spans]
    assert [0, *(last + 1 for _, _, last in spans)] == [*(first for _, first, _ in spans), SIZE]
    assert PARTS == done.body.count(b"<Part>")


def test_failed_copy_of_a_part_aborts_the_upload(server: Server, driver: S3Driver) -> None:
    refused = document("Error", "<Code>InvalidArgument</Code>", 400)
    server.steps.extend([TOO_LARGE, SOURCE, TAGS, BEGUN])
    server.default = refused
    with pytest.raises(ServiceError) as caught:
        driver.object("bucket", "a").copy("target", "c")
    assert "InvalidArgument" == caught.value.code
    assert "DELETE /target/c?uploadId=an%20id" in server.seen[-1].line


def test_cancelled_copy_aborts_the_upload(server: Server, driver: S3Driver) -> None:
    """It goes no further than the parts that are under way."""
    server.steps.extend([TOO_LARGE, SOURCE, TAGS, BEGUN, PART])
    server.default = PART
    cancel = SimpleNamespace(is_set=lambda: len(server.seen) > 4)
    with pytest.raises(TransferCancelledError):
        driver.copy_object(driver.object("bucket", "a"), "target", "c", cancel=cancel)
    assert len(server.seen) < 5 + PARTS
    assert any("DELETE /target/c?uploadId=an%20id" in seen.line for seen in server.seen)


def test_completion_of_a_copy_with_lost_response_is_checked(
    server: Server, driver: S3Driver
) -> None:
    """The ETag of an object in parts follows from those of its parts."""
    etag = composite_etag([ETAG] * PARTS)
    assert etag is not None
    gone = document("Error", "<Code>NoSuchUpload</Code>", 404)
    lost = Play(then="reset")
    steps = [TOO_LARGE, SOURCE, TAGS, BEGUN, *[PART] * PARTS, lost, gone, head(SIZE, etag)]
    server.steps.extend(steps)
    copy = driver.object("bucket", "a").copy("target", "c")
    assert (SIZE, etag) == (copy.size, copy.etag)
    assert "HEAD" == methods(server.seen)[-1]


def test_empty_object_is_copied_without_parts(server: Server) -> None:
    """A condition on the copy needs parts, and S3 makes no object of none."""
    server.steps.extend([head(0, "abc"), respond(ETag='"new"')])
    with get_driver("seaweedfs")("KEY", "SECRET", endpoint=server.url) as driver:
        copy = driver.object("bucket", "a").copy("target", "c", if_absent=True)
    assert (0, "new") == (copy.size, copy.etag)
    last = server.seen[-1]
    assert ("PUT /target/c HTTP/1.1", b"") == (last.line, last.body)
    assert "*" == dict(last.headers)["if-none-match"]


def test_large_copy_is_refused_by_services_without_part_copies(server: Server) -> None:
    server.steps.extend([TOO_LARGE, SOURCE])
    with get_driver("storj")("KEY", "SECRET", endpoint=server.url) as driver:
        with pytest.raises(NotSupportedError, match=f"cannot copy an object of {SIZE} bytes"):
            driver.object("bucket", "a").copy("target", "c")

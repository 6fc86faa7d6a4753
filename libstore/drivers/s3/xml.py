"""The documents of S3: what is sent, and how an answer is taken for what it should be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ...errors import ServiceError
from ...http.xml import Listing, read_listing, write
from ...values import MiB

#: The largest page of a listing: 1,000 names of 1,024 bytes, each byte encoded with three, and
#: what stands around them.
MAX_PAGE = 16 * MiB
#: The largest answer to anything else.
MAX_ANSWER = MiB

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def parse(body: bytes, rows: Collection[str], *expected: str) -> Listing:
    """
    Return a document.

    Args:
        rows: The names of the elements that it may have many of.
        expected: The names that the root may have; any, if there are none.

    Raises:
        ServiceError: The body is no such document.
    """
    # Complete and Copy keep the connection alive with blanks ahead of the document:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    document = read_listing(body.lstrip(), rows)
    if expected and document.tag not in expected:
        raise ServiceError(
            f"the service's answer should be <{expected[0]}>, but is <{document.tag[:40]}>",
            retryable=True,
        )
    return document


def location_body(region: str) -> bytes:
    """Return the body of CreateBucket."""
    return write("CreateBucketConfiguration", [("LocationConstraint", region)], _NAMESPACE)


def delete_body(objects: Iterable[tuple[str, str | None]]) -> bytes:
    """Return the body of DeleteObjects, of names and versions; its answer tells of failures."""
    content = [
        ("Object", [("Key", name)] + ([("VersionId", version)] if version else []))
        for name, version in objects
    ]
    return write("Delete", [("Quiet", "true"), *content], _NAMESPACE)


def public_access_body(blocked: Mapping[str, bool]) -> bytes:
    """Return the body of PutPublicAccessBlock."""
    content = [(name, str(value).lower()) for name, value in blocked.items()]
    return write("PublicAccessBlockConfiguration", content, _NAMESPACE)


def complete_body(parts: Iterable[tuple[int, str, tuple[str, str] | None]]) -> bytes:
    """Return the body of CompleteMultipartUpload, of numbers, ETags and checksums in base64."""
    content = []
    for number, etag, checksum in parts:
        part = [("PartNumber", str(number)), ("ETag", f'"{etag}"')]
        if checksum is not None:
            part.append((f"Checksum{checksum[0].upper()}", checksum[1]))
        content.append(("Part", part))
    return write("CompleteMultipartUpload", content, _NAMESPACE)

"""The XML documents that requests of S3 have as their body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..http.xml import enclose, write, written
from ..rest.checksums import base64_of
from ..values import Part

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def location_body(region: str) -> bytes:
    """Return the body of CreateBucket."""
    return write("CreateBucketConfiguration", [("LocationConstraint", region)], _NAMESPACE)


def delete_body(objects: Sequence[tuple[str, str | None]]) -> bytes:
    """Return the body of DeleteObjects, of names and versions; its response has errors only."""
    names = written([name for name, _ in objects])
    versions = written([version or "" for _, version in objects])
    rows = [
        f"<Key>{name}</Key><VersionId>{version}</VersionId>" if version else f"<Key>{name}</Key>"
        for name, version in zip(names, versions, strict=True)
    ]
    content = f"<Quiet>true</Quiet><Object>{'</Object><Object>'.join(rows)}</Object>"
    return enclose("Delete", content, _NAMESPACE)


def versioning_body() -> bytes:
    """Return the body of PutBucketVersioning."""
    return write("VersioningConfiguration", [("Status", "Enabled")], _NAMESPACE)


def public_access_body(blocked: Mapping[str, bool]) -> bytes:
    """Return the body of PutPublicAccessBlock."""
    content = [(name, str(value).lower()) for name, value in blocked.items()]
    return write("PublicAccessBlockConfiguration", content, _NAMESPACE)


def complete_body(parts: Sequence[Part], algorithm: str = "") -> bytes:
    """Return the body of CompleteMultipartUpload, with the parts' checksums of an algorithm."""
    content = []
    for part in parts:
        fields = [("PartNumber", str(part.number)), ("ETag", f'"{part.token}"')]
        if algorithm:
            fields.append((f"Checksum{algorithm.upper()}", base64_of(part.checksums[algorithm])))
        content.append(("Part", fields))
    return write("CompleteMultipartUpload", content, _NAMESPACE)

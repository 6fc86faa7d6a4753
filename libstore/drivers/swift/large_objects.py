"""
Large objects: a manifest, and the segments that it names in another container.

The segments of ``photos`` are in ``photos`` + `SUFFIX`, those of each upload below a prefix:
``segments/<hash of the object's name>/<upload id>/<number>``. An unfinished upload also has a
marker there, ``uploads/<upload id>``, whose content type contains the object's name, so that a
listing shows it. A segment is deleted only if the manifest that is deleted or replaced names it
and its own name shows that it belongs to that object; or if its upload has a marker and no
manifest names it.
https://docs.openstack.org/swift/latest/overview_large_objects.html
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from contextlib import closing

from ... import rest
from ...errors import (
    AccessDeniedError,
    ContainerNotEmptyError,
    ContainerNotFoundError,
    ObjectNotFoundError,
    ServiceError,
    StorageError,
)
from ...http.json import parse_json
from ...values import Composite, ObjectInfo, Part, Upload
from . import operations
from .batches import Deleter, split_path
from .client import ITSELF, SwiftClient
from .dialect import NEWEST, Rows, is_large, name_of, rows_of
from .endpoints import MAX_CONTAINER_NAME

_log = logging.getLogger("libstore")

#: The end of the name of a container with the segments of this library's large objects.
SUFFIX = "_libstore_segments"
#: The beginning of the names of markers.
MARKERS = "uploads/"
_SEGMENTS = "segments/"


# ---------------------------------------------------------------------- names


def segments_container(container: str) -> str:
    """Return the container that has the segments of a container's large objects."""
    name = container + SUFFIX
    if len(name.encode()) <= MAX_CONTAINER_NAME:
        return name
    return hashlib.sha256(container.encode()).hexdigest() + SUFFIX


def prefix_of(name: str, upload_id: str = "") -> str:
    """Return the beginning of the names of the segments of an object, or of one upload of it."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:32]
    prefix = f"{_SEGMENTS}{digest}/"
    return f"{prefix}{upload_id}/" if upload_id else prefix


def segment_name(upload: Upload, number: int) -> str:
    """Return the name of one segment."""
    return f"{prefix_of(upload.name, upload.id)}{number:08}"


def belongs_to(container: str, name: str, path: str) -> bool:
    """Return whether a segment was written for this object and no other, by its path."""
    place, segment = split_path(path)
    if place == segments_container(container):
        return segment.startswith(prefix_of(name))
    # Those of python-swiftclient and of Swift's S3 API are below the object's name.
    return place in {f"{container}_segments", f"{container}+segments"} and segment.startswith(
        f"{name}/"
    )


def manifest_body(upload: Upload, parts: Sequence[Part]) -> bytes:
    """Return the manifest of all parts of an upload."""
    place = f"/{segments_container(upload.container)}"
    rows = [
        {
            "path": f"{place}/{segment_name(upload, part.number)}",
            "etag": part.token,
            "size_bytes": part.size,
        }
        for part in parts
    ]
    return json.dumps(rows).encode()


def etag_of(digests: Iterable[str]) -> str:
    """Return the ETag of a large object: the MD5 of its segments' MD5s, in hexadecimal digits."""
    return hashlib.md5("".join(digests).encode(), usedforsecurity=False).hexdigest()


def is_made_of(entries: Rows, upload: Upload) -> bool:
    """Return whether a manifest names segments of an upload."""
    start = f"/{segments_container(upload.container)}/{prefix_of(upload.name, upload.id)}"
    return any(path.startswith(start) for path in _paths(entries))


def _paths(entries: Rows | None) -> list[str]:
    return [str(row.get("name", "")) for row in entries or ()]


@rest.rejects_malformed
def _composite_of(entries: Rows | None) -> Composite | None:
    """Return the digests in a manifest; `None` if it names not only segments."""
    sizes, digests = [], []
    for row in entries or ():
        size, digest = rest.parse_size(row.get("bytes")), str(row.get("hash", ""))
        whole = not (row.get("range") or row.get("sub_slo") or "data" in row)
        if size is None or len(digest) != 32 or not whole:
            return None
        sizes.append(size)
        digests.append(digest)
    return Composite("md5", sizes, digests) if sizes else None


# ---------------------------------------------------------------------- requests


class LargeObjects:
    """Reads the manifests of one account, and deletes the segments that they name."""

    def __init__(self, client: SwiftClient) -> None:
        self._client = client
        self.deleter = Deleter(client)

    def manifest(self, container: str, name: str, version: str | None = None) -> Rows | None:
        """Return the entries of a manifest; none if it does not exist, `None` if unknown."""
        # Ceph's gateway does not return the entries: https://github.com/ceph/ceph/pull/70699
        query = {"multipart-manifest": "get", **({"version-id": version} if version else {})}
        try:  # segments are deleted by it, so an older one of another server must not be used
            response = self._client.send(
                operations.GET_OBJECT, container, name, query=query, headers=NEWEST
            )
        except ObjectNotFoundError:
            return ()
        with closing(response):
            if not is_large(response.headers):
                return ()
            body = response.read(self._client.max_document)
        try:
            return rows_of(parse_json(body)) if body.strip() else None
        except ValueError:
            raise ServiceError("the manifest of a large object is not JSON") from None

    def find_composite(self, container: str, name: str, info: ObjectInfo) -> Composite | None:
        """Return the digests of an object's segments, if its manifest is still the same."""
        found = _composite_of(self.manifest(container, name, info.version))
        return found if found and etag_of(found.digests) == info.etag else None

    def segments(self, container: str, name: str) -> list[str] | None:
        """Return the paths of the segments to delete with an object; `None` if it is missing."""
        # None are deleted where older versions are kept, of which one may consist of the same
        # segments, and without the right to read the object.
        try:
            response = self._client.send(operations.HEAD_OBJECT, container, name, query=ITSELF)
        except ObjectNotFoundError:
            return None
        except AccessDeniedError:
            return []
        if not is_large(response.headers):
            return []
        entries = self.manifest(container, name)
        if entries is None:
            found = self._finished(container, name)
        else:
            found = [path for path in _paths(entries) if belongs_to(container, name, path)]
        return [] if found and self.keeps_versions(container) else found

    def _finished(self, container: str, name: str) -> list[str]:
        """Return the paths of the segments of all finished uploads of an object."""
        place = segments_container(container)
        names = [name_of(row) for row in self._client.rows(place, prefix_of(name))]
        ids = {segment: segment.split("/")[2] for segment in names if segment.count("/") > 1}
        uploads = [Upload(container, name, upload_id) for upload_id in dict.fromkeys(ids.values())]
        finished = {upload.id for upload in uploads if not self.is_unfinished(upload)}
        return [f"/{place}/{segment}" for segment, found in ids.items() if found in finished]

    def is_unfinished(self, upload: Upload) -> bool:
        """Return whether an upload has a marker."""
        return self._client.has_object(segments_container(upload.container), MARKERS + upload.id)

    def keeps_versions(self, container: str) -> bool:
        """Return whether a container has or may have versions of its objects."""
        headers = self._client.head_container(container)
        # After versioning is disabled, the header x-versions-enabled and the versions stay.
        others = headers.get("x-versions-location") or headers.get("x-history-location")
        return bool(others) or "x-versions-enabled" in headers

    def prefixes(self, container: str) -> set[str]:
        """Return `prefix_of` of all objects that have segments in the container of segments."""
        rows = self._client.rows(segments_container(container), _SEGMENTS, delimiter="/")
        try:
            return {str(row["subdir"]) for row in rows if "subdir" in row}
        except ContainerNotFoundError:
            return set()

    def delete_segments_container(self, container: str) -> None:
        """Delete the container of segments of a container that is deleted; log a failure."""
        place = segments_container(container)
        try:
            for _ in range(3):
                try:
                    self._client.send(operations.DELETE_CONTAINER, place).close()
                except ContainerNotEmptyError:
                    rows = self._client.rows(place)
                    self.deleter.remove(f"/{place}/{name_of(row)}" for row in rows)
                else:
                    return
        except ContainerNotFoundError:
            pass
        except StorageError as error:
            _log.warning("could not delete the container of segments %r: %s", place, error)

"""
Large objects: a manifest, and the segments that it names in a container beside.

The segments of ``photos`` are in ``photos`` + `SUFFIX`, each upload's below a prefix of its own:
``segments/<hash of the object's name>/<upload id>/<number>``. While an upload goes on there is
also a mark, ``uploads/<upload id>``, that has the object's name in its content type, where a
listing tells it. A segment is removed only if a manifest that goes away named it, and if by its
own name it belongs to that object; or if its upload's mark is there and no manifest names it.
https://docs.openstack.org/swift/latest/overview_large_objects.html
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import quote, unquote

from ...errors import (
    AccessDeniedError,
    ContainerNotEmptyError,
    ContainerNotFoundError,
    ObjectNotFoundError,
    ServiceError,
    StorageError,
)
from ...http.headers import parse_size, parse_timestamp
from ...http.json import parse_json
from ...listing import iterate_pages
from ...rest.confirming import is_lost
from ...rest.errors import rejects_malformed
from ...transfer.workers import map_concurrently
from ...values import Composite, ObjectInfo, Page, Part, Upload
from . import operations
from .bulk import outcome_of, refusal_of
from .client import SwiftClient, target_of
from .dialect import Rows, is_large, name_of, next_marker, rows_of

_log = logging.getLogger("libstore")

#: What the name of a container of segments ends with.
SUFFIX = "_libstore_segments"
_MOST_NAME = 256
_MARKS = "uploads/"
_TYPE = "application/octet-stream;libstore-name="
_SIDE_BY_SIDE = 8
#: Asks for a symlink or a manifest, where there is one, and not for what it leads to, which may be
#: missing: https://docs.openstack.org/swift/latest/middleware.html#symlink
#: https://docs.openstack.org/swift/latest/middleware.html#dynamic-large-objects
ITSELF: Mapping[str, str] = {"symlink": "get", "multipart-manifest": "get"}


def segments_container(container: str) -> str:
    """Return the container that has the segments of a container's large objects."""
    name = container + SUFFIX
    if len(name.encode()) <= _MOST_NAME:
        return name
    return hashlib.sha256(container.encode()).hexdigest() + SUFFIX


def is_segments_container(name: str) -> bool:
    """Return whether a container has segments of ours."""
    return name.endswith(SUFFIX)


def prefix_of(name: str, upload_id: str = "") -> str:
    """Return what the names of the segments of an object, or of one upload of it, begin with."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:32]
    return f"segments/{digest}/{upload_id}/" if upload_id else f"segments/{digest}/"


def segment_name(upload: Upload, number: int) -> str:
    """Return the name of one segment."""
    return f"{prefix_of(upload.name, upload.id)}{number:08}"


def belongs(container: str, name: str, path: str) -> bool:
    """
    Return whether a segment was written for this object and no other, by its path.

    Ours are, and those of python-swiftclient and of Swift's S3 API, whose segments are in a
    container named after the object's, below the object's name.
    """
    where, _, segment = path.removeprefix("/").partition("/")
    if where == segments_container(container):
        return segment.startswith(prefix_of(name))
    return where in {f"{container}_segments", f"{container}+segments"} and segment.startswith(
        f"{name}/"
    )


def manifest_body(container: str, upload: Upload, parts: Sequence[Part]) -> bytes:
    """Return what names all parts of an upload."""
    return json.dumps(
        [
            {
                "path": f"/{container}/{segment_name(upload, part.number)}",
                "etag": part.token,
                "size_bytes": part.size,
            }
            for part in parts
        ]
    ).encode()


def etag_of(digests: Iterable[str]) -> str:
    """Return the ETag of a large object: the MD5 of its segments' MD5s, in hexadecimal digits."""
    return hashlib.md5("".join(digests).encode(), usedforsecurity=False).hexdigest()


def is_made_of(entries: Rows, upload: Upload) -> bool:
    """Return whether a manifest names segments of an upload."""
    begin = f"/{segments_container(upload.container)}/{prefix_of(upload.name, upload.id)}"
    return any(str(row.get("name", "")).startswith(begin) for row in entries)


@rejects_malformed
def composite_of(entries: Rows | None) -> Composite | None:
    """Return how a manifest tells to verify the content; `None` if it names not just segments."""
    if not entries or any(
        row.get("range") or row.get("sub_slo") or "data" in row for row in entries
    ):
        return None
    digests = [str(row.get("hash", "")) for row in entries]
    if not all(len(digest) == 32 for digest in digests):
        return None
    sizes = [size for row in entries if (size := parse_size(row.get("bytes"))) is not None]
    return Composite("md5", sizes, digests) if len(sizes) == len(digests) else None


class LargeObjects:
    """Writes and removes segments, and keeps marks of uploads."""

    def __init__(self, client: SwiftClient) -> None:
        self._client = client

    # ------------------------------------------------------------------ manifests

    def manifest(self, container: str, name: str, version: str | None = None) -> Rows | None:
        """
        Return the entries of a manifest; none if the object has none.

        Ceph's gateway tells of none what it has, for which there is `None`:
        https://github.com/ceph/ceph/pull/70699
        """
        query = {"multipart-manifest": "get"}
        if version is not None:
            query["version-id"] = version
        # Segments are removed by what it says, so that an older one of another server will not do.
        response = self._client.send(
            operations.GET_OBJECT, container, name, query=query, headers={"x-newest": "true"}
        )
        try:
            if not is_large(response.headers):
                return ()
            body = response.read(64 * 1024 * 1024)
            return rows_of(parse_json(body)) if body.strip() else None
        except ValueError:
            raise ServiceError("the manifest of a large object is not JSON") from None
        finally:
            response.close()

    def owned(self, container: str, name: str) -> list[str]:
        """
        Return the paths of the segments that go with an object when it goes.

        None where older versions are kept, for one of them may be made of the same segments.
        """
        try:
            entries = self.manifest(container, name)
        except ObjectNotFoundError:
            return []
        if entries is None:
            found = self._ended(container, name)
        else:
            paths = [str(row.get("name", "")) for row in entries]
            found = [path for path in paths if belongs(container, name, path)]
        return [] if found and self._keeps_versions(container) else found

    def _ended(self, container: str, name: str) -> list[str]:
        """Return the paths of all segments of an object's uploads, but for those that go on."""
        place = segments_container(container)
        marked: dict[str, bool] = {}
        found = []
        for row in self.rows(place, prefix_of(name)):
            pieces = name_of(row).split("/")
            if len(pieces) < 3:  # it is none of ours
                continue
            upload = Upload(container, name, pieces[2])
            if upload.id not in marked:
                marked[upload.id] = self._is_marked(upload)
            if not marked[upload.id]:
                found.append(f"/{place}/{name_of(row)}")
        return found

    def foreign_segments(self, container: str, info: ObjectInfo) -> list[str]:
        """Return the segments of an object that are not in our container of segments."""
        try:
            entries = self.manifest(container, info.name, info.version)
        except ObjectNotFoundError:
            return []
        own = f"/{segments_container(container)}/"
        paths = [str(row.get("name", "")) for row in entries or ()]
        return [
            path
            for path in paths
            if belongs(container, info.name, path) and not path.startswith(own)
        ]

    def _keeps_versions(self, container: str) -> bool:
        told = self._client.send(operations.HEAD_CONTAINER, container).headers
        # Where it is off again, the header is there still, and so are the versions.
        return bool(
            told.get("x-versions-location")
            or told.get("x-history-location")
            or "x-versions-enabled" in told
        )

    def replaced(self, container: str, name: str) -> list[str]:
        """Return the segments that an object has which is about to be replaced or deleted."""
        try:
            told = self._client.send(operations.HEAD_OBJECT, container, name, query=ITSELF).headers
        except (ObjectNotFoundError, AccessDeniedError):  # who may write need not be able to read
            return []
        return self.owned(container, name) if is_large(told) else []

    def remove(self, paths: Iterable[str]) -> None:
        """Remove segments that nothing names any more; what stays is told in a log."""
        try:
            listed = list(paths)
            for path, error in zip(listed, self.delete(listed)[0], strict=True):
                if error is not None:
                    _log.warning("could not remove the segment %s: %s", path, error)
        except StorageError as error:
            _log.warning("could not remove segments: %s", error)

    # ------------------------------------------------------------------ deleting

    def delete(self, paths: Sequence[str]) -> tuple[list[StorageError | None], int]:
        """
        Delete objects, given as ``/container/name``.

        Returns:
            What became of each, and how many of them there were.
        """
        if not paths:
            return [], 0
        most = self._client.info.bulk_delete if len(paths) > 1 else 0
        if not most:
            return self._delete_all(paths)
        found: list[StorageError | None] = []
        deleted = 0
        iterator = iter(paths)
        while batch := list(islice(iterator, most)):
            errors, gone = self._delete_batch(batch)
            found += errors
            deleted += gone
        return found, deleted

    def _delete_all(self, paths: Sequence[str]) -> tuple[list[StorageError | None], int]:
        """Delete objects with one request for each."""
        outcomes = map_concurrently(self._delete_one, paths, _SIDE_BY_SIDE)
        return [error for error, _ in outcomes], sum(gone for _, gone in outcomes)

    def _delete_one(self, path: str) -> tuple[StorageError | None, bool]:
        """Delete one object; return what keeps it, and whether it was there."""
        try:
            self.delete_one(*_split(path))
        except ObjectNotFoundError:
            return None, False
        except StorageError as error:
            return error, True
        return None, True

    def delete_one(self, container: str, name: str, version: str | None = None) -> None:
        """Delete one object with one request; raise `ObjectNotFoundError` if there is none."""
        query = {"version-id": version} if version else {}

        def send() -> bool:
            self._client.send(operations.DELETE_OBJECT, container, name, query=query).close()
            return True

        def look() -> bool | None:
            asked = ITSELF if version is None else query
            try:
                self._client.send(operations.HEAD_OBJECT, container, name, query=asked).close()
            except ObjectNotFoundError:
                return True
            return None

        self._client.confirmer.prove(send, look)

    def _delete_batch(self, paths: Sequence[str]) -> tuple[list[StorageError | None], int]:
        # https://docs.openstack.org/swift/latest/api/bulk-delete.html
        lines = [target_of(*_split(path)) for path in paths]
        operation = operations.BULK_DELETE

        def send() -> tuple[Any, str | None]:
            response = self._client.send(
                operation, query={"bulk-delete": "true"}, content="\n".join(lines).encode(),
                headers={"accept": "application/json", "content-type": "text/plain"},
            )  # fmt: skip
            request_id = self._client.request_id(response.headers)
            return self._client.read_json(operation, response), request_id

        document, request_id = self._client.confirmer.repeat(send)
        if not isinstance(document, Mapping) or "Errors" not in document:
            raise ServiceError("the service did not parse a request to delete many objects")
        failed, counted = outcome_of(document)
        errors = {path: failed[path] for path in paths if path in failed}
        status = str(document.get("Response Status", "200"))
        if not status.startswith("2") and not errors:
            reason = document.get("Response Body", "")
            text = f"the service deleted none: {status} {reason}".strip()
            raise ServiceError(text, request_id=request_id, retryable=status[:1] == "5")
        deleted, missing = counted
        found = {path: refusal_of(errors.get(path), request_id) for path in paths}
        if deleted + missing + len(errors) < len(paths):
            # It gave up before it came to the end, and does not say where.
            rest = [path for path in paths if path not in errors]
        else:
            rest = []
        # What failed in passing, and after a token's end, is tried again as single requests are.
        rest += [path for path, status in errors.items() if status.startswith(("401", "5"))]
        found |= dict(zip(rest, self._delete_all(rest)[0], strict=True))
        return [found[path] for path in paths], deleted + len(errors) + len(rest)

    # ------------------------------------------------------------------ uploads

    def start(self, container: str, name: str) -> str:
        """Begin an upload: leave its mark, and make the container of segments if need be."""
        upload_id = secrets.token_hex(12)
        try:
            self._begin(Upload(container, name, upload_id))
        except BaseException as error:
            if not isinstance(error, StorageError) or is_lost(error):
                with self._client.cleanup_budget():
                    self.unmark(Upload(container, name, upload_id))
            raise
        return upload_id

    def _begin(self, upload: Upload) -> None:
        container, upload_id = upload.container, upload.id
        headers = {"content-type": _TYPE + quote(upload.name, safe="")}
        try:
            self._mark(container, upload_id, headers)
        except ContainerNotFoundError:
            told = self._client.send(operations.HEAD_CONTAINER, container).headers
            # Who may read or write an object must be able to do so with its segments.
            kept = {
                label: told[label]
                for label in ("x-container-read", "x-container-write", "x-storage-policy")
                if told.get(label)
            }
            self._client.send(
                operations.PUT_CONTAINER, segments_container(container), headers=kept
            ).close()
            self._mark(container, upload_id, headers)

    def _mark(self, container: str, upload_id: str, headers: Mapping[str, str]) -> None:
        place = segments_container(container)
        self._client.send(
            operations.PUT_OBJECT, place, _MARKS + upload_id, headers=headers
        ).close()

    def unmark(self, upload: Upload) -> None:
        """Take back the mark of an upload that has ended."""
        mark = f"/{segments_container(upload.container)}/{_MARKS}{upload.id}"
        error, _ = self._delete_one(mark)
        if error is not None:
            _log.warning("could not remove the mark of upload %s: %s", upload.id, error)

    def abort(self, upload: Upload) -> None:
        """Remove the segments of an upload, unless the object is made of them, and its mark."""
        container = segments_container(upload.container)
        try:
            paths = [f"/{container}/{name_of(row)}" for row in self.segments(upload)]
        except ContainerNotFoundError:
            return
        if paths and not self._is_published(upload):
            for error in self.delete(paths)[0]:
                if error is not None:
                    raise error
        self.unmark(upload)
        self._leave(upload.container)

    def _leave(self, container: str) -> None:
        """Delete the container of segments if it is empty, and that of the objects is gone."""
        try:
            self._client.send(operations.HEAD_CONTAINER, container).close()
        except ContainerNotFoundError:
            place = segments_container(container)
            try:
                self._client.send(operations.DELETE_CONTAINER, place).close()
            except StorageError:  # others use it still, or it is gone
                pass
        except StorageError:  # who may not ask need not be able to delete either
            pass

    def _is_published(self, upload: Upload) -> bool:
        try:
            entries = self.manifest(upload.container, upload.name)
        except (ObjectNotFoundError, ContainerNotFoundError):
            return False
        return entries is None or is_made_of(entries, upload)

    def rivals(self, upload: Upload) -> list[Upload]:
        """Return the other uploads of the same object that go on."""
        try:
            return [
                one
                for page in iterate_pages(
                    lambda token: self.uploads(upload.container, token),
                    f"uploads in {upload.container!r}",
                )
                for one in page.items
                if one.name == upload.name and one.id != upload.id
            ]
        except AccessDeniedError:
            return []

    def settle(self, upload: Upload, rivals: Sequence[Upload]) -> None:
        """
        Remove the segments of those that lost where several uploads replaced one object at once.

        Each of them removes what was there before it wrote, which is not what another has written
        meanwhile. So each looks once more when its own mark is gone: the last one to look sees of
        all others how they ended, and that of the object all segments are but its own.

        Args:
            rivals: Went on shortly before this upload was published.
        """
        try:
            if not rivals or self._keeps_versions(upload.container):
                return
            ended = [one for one in (upload, *rivals) if not self._is_marked(one)]
            try:
                entries = self.manifest(upload.container, upload.name)
            except ObjectNotFoundError:
                entries = ()
            if entries is None:
                return
            place = segments_container(upload.container)
            for one in ended:
                if not is_made_of(entries, one):
                    self.remove([f"/{place}/{name_of(row)}" for row in self.segments(one)])
        except StorageError as error:
            _log.warning("could not look for segments that nothing names: %s", error)

    def _is_marked(self, upload: Upload) -> bool:
        try:
            self.require_mark(upload)
        except ObjectNotFoundError:
            return False
        return True

    def require_mark(self, upload: Upload) -> None:
        """Raise `ObjectNotFoundError` if an upload does not go on."""
        place = segments_container(upload.container)
        try:
            self._client.send(operations.HEAD_OBJECT, place, _MARKS + upload.id).close()
        except ObjectNotFoundError as error:
            raise ObjectNotFoundError(
                "there is no such upload", status=404, request_id=error.request_id
            ) from None

    def segments(self, upload: Upload) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of an upload's segments."""
        prefix = prefix_of(upload.name, upload.id)
        yield from self.rows(segments_container(upload.container), prefix)

    def rows(self, container: str, prefix: str = "") -> Iterator[Mapping[str, Any]]:
        """Yield the rows of all objects whose names begin alike."""
        pages = iterate_pages(
            lambda token: self._page(container, {"prefix": prefix}, token),
            f"objects in {container!r}",
        )
        for page in pages:
            yield from page.items

    def _page(
        self, container: str, asked: Mapping[str, str], marker: str | None
    ) -> Page[Mapping[str, Any]]:
        """Return one page of rows, of as many as the cluster likes to send."""
        query = {"format": "json", "marker": marker or "", **asked}
        document = self._client.send_json(
            operations.LIST_CONTAINER, container,
            query={name: value for name, value in sorted(query.items()) if value},
        )  # fmt: skip
        rows = rows_of(document)
        return Page(rows, next_marker(rows, marker))

    def uploads(self, container: str, token: str | None) -> Page[Upload]:
        """Return one page of the uploads that have a mark."""
        try:
            page = self._page(segments_container(container), {"prefix": _MARKS}, token)
        except ContainerNotFoundError:
            self._require(container)
            return Page([])
        uploads = [
            Upload(
                container,
                unquote(str(row.get("content_type", "")).rpartition("libstore-name=")[2]),
                name_of(row)[len(_MARKS) :],
                parse_timestamp(str(row.get("last_modified"))),
            )
            for row in page.items
        ]
        return Page(uploads, page.token)

    def _require(self, container: str) -> None:
        """Raise `ContainerNotFoundError` if the service says that there is no such container."""
        try:
            self._client.send(operations.HEAD_CONTAINER, container).close()
        except ContainerNotFoundError:
            raise
        except StorageError:  # who may not ask for the container can still use what is in it
            pass

    def large_names(self, container: str) -> set[str]:
        """Return what the segments begin with of all objects that have any of ours."""
        place = segments_container(container)
        asked = {"delimiter": "/", "prefix": "segments/"}
        pages = iterate_pages(
            lambda token: self._page(place, asked, token), f"segments in {place!r}"
        )
        try:
            return {str(row["subdir"]) for page in pages for row in page.items if "subdir" in row}
        except ContainerNotFoundError:
            return set()

    def drop_container(self, container: str) -> None:
        """Delete the container of segments of a container that is gone."""
        place = segments_container(container)
        try:
            for _ in range(3):
                try:
                    self._client.send(operations.DELETE_CONTAINER, place).close()
                except ContainerNotEmptyError:
                    self.remove([f"/{place}/{name_of(row)}" for row in self.rows(place)])
                else:
                    return
        except ContainerNotFoundError:
            pass
        except StorageError as error:  # the other container is gone all the same
            _log.warning("could not delete the container of segments %s: %s", place, error)


def _split(path: str) -> tuple[str, str]:
    container, _, name = path.removeprefix("/").partition("/")
    return container, name

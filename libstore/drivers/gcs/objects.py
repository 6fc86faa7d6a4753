"""Single objects: attributes, reads, small uploads, deletes and changes of metadata."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...errors import ObjectChangedError
from ...http.message import Response
from ...rest.checksums import base64_of
from ...rest.client import StartedRequest
from ...rest.confirming import Written
from ...rest.copying import require_etag
from ...rest.reading import read_headers, require_stored_form
from ...transfer.payload import Payload
from ...values import TOKEN_KEY, Conditions, MiB, ObjectInfo, Reading, Span, WriteOptions
from . import dialect, operations
from .client import GCSClient
from .options import Encryption
from .resumable import Started

# How often metadata is read and changed, if other clients change it meanwhile.
_ROUNDS = 5


class Objects:
    """The objects of one driver."""

    def __init__(self, client: GCSClient, encryption: Encryption, digests: Sequence[str]) -> None:
        self._client = client
        self._encryption = encryption
        self._digests = digests

    def head(self, container: str, name: str, version: str | None = None) -> ObjectInfo:
        """Return all attributes of an object."""
        return dialect.object_info(self.resource(container, name, version))

    def head_written(self, container: str, name: str, extra: Mapping[str, object]) -> ObjectInfo:
        """Return the object that is stored after a write with these options."""
        # Google sends checksums only to clients that send the key.
        return dialect.object_info(self.resource(container, name, None, extra))

    def resource(
        self,
        container: str,
        name: str,
        version: str | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        """Return an object as Google describes it; `extra` has the options of its write."""
        resource: dict[str, Any] = self._client.send_json(
            operations.GET_OBJECT, container, name,
            query={"generation": version} if version else None,
            headers=self._encryption.headers(extra or {}),
        )  # fmt: skip
        return resource

    def start(self, container: str, name: str, version: str | None) -> StartedRequest | None:
        """Send the request of `open` for the whole object."""
        query, headers = self._read_request(Span(), Conditions(), version)
        return self._client.start(
            operations.READ_OBJECT, container, name, query=query, headers=headers
        )

    def open(
        self,
        container: str,
        name: str,
        span: Span,
        conditions: Conditions,
        version: str | None,
        started: StartedRequest | None = None,
    ) -> Reading:
        """Open an object for reading, unless `start` has done so."""
        query, headers = self._read_request(span, conditions, version)
        response = self._client.send(
            operations.READ_OBJECT, container, name, query=query, headers=headers, started=started
        )
        require_stored_form(response)
        info, sent = dialect.read_info(name, response)
        return Reading(info, sent, response, response.close)

    def _read_request(
        self, span: Span, conditions: Conditions, version: str | None
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return the query and the headers of a read."""
        # Without Accept-Encoding Google decompresses what is stored compressed, and hash and size
        # are not those of the bytes: https://cloud.google.com/storage/docs/transcoding
        headers = {
            **self._encryption.headers({}), **read_headers(span, Conditions()),
            "accept-encoding": "gzip",
        }  # fmt: skip
        query = {"alt": "media", **dialect.conditions(conditions)}
        if version:
            query["generation"] = version
        return query, headers

    def put(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        """Write an object with one request; Google refuses content with other digests."""
        resource = dialect.new_object(name, options)
        digests = {algorithm: payload.digest(algorithm) for algorithm in self._digests}
        for algorithm, digest in digests.items():
            resource[dialect.DIGESTS[algorithm]] = base64_of(digest)
        content = _Related(resource, payload)
        extra = options.extra
        query = {
            "uploadType": "multipart",
            **dialect.conditions(options.conditions),
            **self._encryption.query(extra),
        }
        headers = {**self._encryption.headers(extra), "content-type": content.content_type}

        def read(response: Response) -> ObjectInfo:
            document = self._client.read_json(operations.INSERT_OBJECT, response)
            dialect.require_name(document, name)
            return dialect.object_info(document)

        return self._client.write(
            operations.INSERT_OBJECT, container, "", read,
            lambda: self.head_written(container, name, extra),
            Written(payload.size, checksums=digests).matches,
            options.conditions, dialect.token_of(resource),
            path=self._client.endpoint.uploads(container),
            query=query, headers=headers, content=content,
        )  # fmt: skip

    def start_session(self, container: str, name: str, options: WriteOptions) -> Started:
        """Create the session of a resumable upload."""
        resource = dialect.new_object(name, options)
        key = self._encryption.headers(options.extra)
        response = self._client.send(
            operations.START_UPLOAD, path=self._client.endpoint.uploads(container),
            query={
                "uploadType": "resumable",
                **dialect.conditions(options.conditions),
                **self._encryption.query(options.extra),
            },
            headers={
                **key,
                "content-type": "application/json; charset=UTF-8",
                "x-upload-content-type": options.content_type,
            },
            content=json.dumps(resource).encode(),
        )  # fmt: skip
        return Started(response, key, dialect.token_of(resource))

    def delete(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        """Delete an object."""
        query = dialect.conditions(conditions)
        if version:
            query["generation"] = version
        self._client.delete(
            operations.DELETE_OBJECT, container, name,
            lambda: self.head(container, name), conditions, query=query,
        )  # fmt: skip

    # ------------------------------------------------------------------ metadata

    def set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        """Replace metadata or content type; start again if they change meanwhile."""
        for attempt in range(_ROUNDS):
            resource = self.resource(container, name)
            info = dialect.object_info(resource)
            require_etag(info, conditions.if_match)
            change = _change(resource, metadata, content_type)
            written = Written(etag=info.etag, metadata=metadata, content_type=content_type)
            try:
                info = self._patch(container, resource, change, written)
            except ObjectChangedError:
                if attempt == _ROUNDS - 1:
                    raise
            else:
                return info if metadata is None else replace(info, metadata=dict(metadata))
        raise AssertionError("every round returns or raises")

    def _patch(
        self,
        container: str,
        resource: Mapping[str, Any],
        change: Mapping[str, Any],
        written: Written,
    ) -> ObjectInfo:
        name: str = resource["name"]
        query = {
            f"if{field.title()}Match": str(resource[field])
            for field in ("generation", "metageneration")
            if resource.get(field)
        }

        def send() -> ObjectInfo:
            document = self._client.send_json(
                operations.PATCH_OBJECT, container, name, body=change, query=query
            )
            dialect.require_name(document, name)
            return dialect.object_info({**resource, **document})

        return self._client.confirmer.write(
            send,
            lambda: self.head(container, name),
            written.matches,
            once=True,
        )


def _change(
    resource: Mapping[str, Any], metadata: Mapping[str, str] | None, content_type: str | None
) -> dict[str, Any]:
    """Return the body of a PATCH request; `None` leaves a value as it is."""
    change: dict[str, Any] = {}
    if content_type is not None:
        change["contentType"] = content_type
    if metadata is not None:
        # https://cloud.google.com/storage/docs/json_api/v1/how-tos/performance#patch: null removes
        # a key. Other keys stay, as the token of a conditional write must.
        removed: dict[str, str | None] = dict.fromkeys(resource.get("metadata") or {})
        removed.pop(TOKEN_KEY, None)
        change["metadata"] = {**removed, **dialect.stored_metadata(metadata)}
    return change


class _Related:
    """
    The attributes and the content of an object in one body; a `libstore.http.message.Content`.

    https://cloud.google.com/storage/docs/uploading-objects#uploading-an-object
    """

    def __init__(self, resource: Mapping[str, Any], payload: Payload) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/related; boundary={boundary}"
        head = (
            f"--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n"
            f"{json.dumps(resource)}\r\n"
            f"--{boundary}\r\ncontent-type: {resource['contentType']}\r\n\r\n"
        )
        self._head = head.encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._payload = payload
        self.size = len(self._head) + payload.size + len(self._tail)

    def blocks(self, block_size: int = MiB) -> Iterator[memoryview]:
        """Yield the body in blocks."""
        yield memoryview(self._head)
        yield from self._payload.blocks(block_size)
        yield memoryview(self._tail)

"""
Copies within the account, and from other accounts.

Copy Blob makes a copy of any size with one request, if the copy is to have what its source has.
Other copies (with another content type, or without metadata) go in blocks that the service copies
by itself, so that the copy appears only when it is complete.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

from ... import rest
from ...auth.sas import Grant, service_sas
from ...errors import (
    ContainerNotFoundError,
    NotSupportedError,
    ObjectChangedError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
)
from ...rest.copying import check_copy_onto_itself, copy_in_parts, find_missing
from ...rest.dialect import quoted_etag
from ...rest.reading import range_of
from ...values import Conditions, CopyOptions, Limits, ObjectInfo, Span, Upload
from . import dialect, operations
from .client import VERSION, AzureClient
from .endpoints import check_root_name
from .multipart import Uploads
from .objects import Objects

Place: TypeAlias = "tuple[str, str]"

_LIMITS = Limits(max_parts=50_000)
# For so many seconds a signed URL of a source is valid.
_URL_LIFE = 86_400.0
# https://learn.microsoft.com/en-us/rest/api/storageservices/copy-blob#request-headers: the URL of
# a source has at most 2 KiB, encoded.
_MAX_URL = 2_048
# So many seconds pass between two checks of a copy that is not complete, at first and at most.
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0


class Copier:
    """Copies blobs to one account."""

    def __init__(self, client: AzureClient, objects: Objects, uploads: Uploads) -> None:
        self._client = client
        self._objects = objects
        self._uploads = uploads
        # Emulators have no operations that read from a URL.
        self._reads_urls = True

    def copy(self, source: Place, target: Place, options: CopyOptions) -> ObjectInfo | None:
        """
        Copy a blob; source and target are containers and names.

        `None`: Azure cannot copy it by itself, since it has a customer-provided key or its URL is
        too long.
        """
        check_root_name(*target)
        if self._has_customer_key(options):
            return None
        if source == target:
            info = self._objects.head(*source)
            check_copy_onto_itself(info, options)
            if options.storage_class is None and not options.extra:
                return self._change(source, info, options)
            options = self._keep_scope(info, options)
        if self._has_long_url(source):
            return None
        scoped = bool(self._client.encryption.of(options.extra))
        # Copy Blob cannot leave all metadata behind, nor change a content type, and takes no scope
        # of encryption: https://learn.microsoft.com/en-us/rest/api/storageservices/copy-blob
        if options.metadata != {} and options.content_type is None and not scoped:
            return self._copy_whole(source, target, options)
        # Blocks onto itself could undo what another client writes meanwhile.
        if scoped or source != target:
            found = self._copy_by_url(self, source, target, options)
            if scoped or found is not None:
                return found
        kept = replace(options, content_type=None, metadata=None)
        return self._change(target, self._copy_whole(source, target, kept), options)

    def copy_across(
        self, other: Copier, source: Place, target: Place, options: CopyOptions
    ) -> ObjectInfo | None:
        """Copy a blob of another account; `None` if this account cannot read that one's."""
        check_root_name(*target)
        if self._has_customer_key(options) or other._has_customer_key(CopyOptions()):
            return None
        return self._copy_by_url(other, source, target, options)

    def _has_customer_key(self, options: CopyOptions) -> bool:
        headers = {**self._client.encryption.reads, **dialect.encryption_headers(options.extra)}
        return "x-ms-encryption-key" in headers

    def _has_long_url(self, source: Place) -> bool:
        return len(self._source_url(source, signed=True)) > _MAX_URL

    def _keep_scope(self, info: ObjectInfo, options: CopyOptions) -> CopyOptions:
        """Return the options of a copy that has the encryption scope of its source."""
        scope = info.extra.get("encryption_scope")
        if scope is None or self._client.encryption.of(options.extra):
            return options
        return replace(options, extra={**options.extra, "encryption_scope": scope})

    def _change(self, place: Place, info: ObjectInfo, options: CopyOptions) -> ObjectInfo:
        return self._objects.change(
            place, info, options.metadata, options.content_type, Conditions(), info.etag
        )

    # ------------------------------------------------------------------ one request

    def _copy_whole(self, source: Place, target: Place, options: CopyOptions) -> ObjectInfo:
        # https://learn.microsoft.com/en-us/rest/api/storageservices/copy-blob
        metadata = options.metadata
        headers: dict[str, str] = {}
        if metadata is None and options.conditions.token is not None:
            # The service carries over all metadata or none: a token among them needs the others.
            info = self._objects.head(*source)
            metadata = info.metadata
            if info.etag is not None:
                headers["x-ms-source-if-match"] = quoted_etag(info.etag)
        headers |= {
            "x-ms-copy-source": rest.Hidden(self._source_url(source, signed=False)),
            **dialect.metadata_headers(metadata or {}, options.conditions),
            **dialect.extra_headers(options.storage_class, options.extra),
            **rest.condition_headers(options.conditions),
        }

        def read(response: rest.Response) -> ObjectInfo:
            info = dialect.written_info(target[1], response.headers)
            if response.headers.get("x-ms-copy-status") == "success":
                return info
            copy_id = response.headers.get("x-ms-copy-id", "")
            return replace(info, extra={"copy_status": "pending", "copy_id": copy_id})

        def matches(info: ObjectInfo) -> bool:
            copied = self._objects.head(*source)
            return rest.Written.copy_of(copied, options.metadata or copied.metadata).matches(info)

        try:
            info = self._client.write(
                operations.COPY_BLOB, *target, read, lambda: self._objects.head(*target), matches,
                options.conditions, headers.get(dialect.TOKEN), headers=headers,
            )  # fmt: skip
        except ContainerNotFoundError as error:
            missing = find_missing([target[0]], self._client.head_container)
            error.container = source[0] if missing is None else missing.container
            raise
        if info.extra.get("copy_status") == "pending":
            return self._wait(target, str(info.extra.get("copy_id")), options.checkpoint)
        return info

    def _wait(self, target: Place, copy_id: str, checkpoint: Callable[[], None]) -> ObjectInfo:
        """Wait for a copy that the service makes in the background, and return it."""
        delay = _FIRST_DELAY
        try:
            while True:
                info = self._objects.head(*target)
                status = info.extra.get("copy_status")
                if info.extra.get("copy_id") != copy_id:
                    raise ObjectChangedError("the copy was replaced before it was complete")
                if status == "success":
                    return info
                if status != "pending":
                    why = info.extra.get("copy_status_description", "no reason given")
                    raise ServiceError(f"the service did not complete the copy ({status}): {why}")
                self._client.sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY)
                checkpoint()
        except BaseException:
            self._discard(target, copy_id)
            raise

    def _discard(self, target: Place, copy_id: str) -> None:
        """Stop a copy, and delete the empty blob that it leaves."""
        # https://learn.microsoft.com/en-us/rest/api/storageservices/abort-copy-blob
        with suppress(StorageError):  # it may have ended
            self._client.send(
                operations.ABORT_COPY_BLOB, *target,
                query={"comp": "copy", "copyid": copy_id},
                headers={"x-ms-copy-action": "abort"},
            ).close()  # fmt: skip
        with suppress(StorageError):
            info = self._objects.head(*target)
            status = info.extra.get("copy_status")
            if info.extra.get("copy_id") == copy_id and status != "success":
                headers = rest.condition_headers(Conditions(if_match=info.etag))
                self._client.send(operations.DELETE_BLOB, *target, headers=headers).close()

    # ------------------------------------------------------------------ many requests

    def _copy_by_url(
        self, other: Copier, source: Place, target: Place, options: CopyOptions
    ) -> ObjectInfo | None:
        """Have the service read the source by itself; `None` if it cannot."""
        if not self._reads_urls or other._has_long_url(source):
            return None
        try:
            return self._copy_blocks(other, source, target, options)
        except (NotSupportedError, ServiceUnavailableError) as error:
            self._reads_urls = isinstance(error, ServiceUnavailableError)
        except StorageError as error:
            if error.code != "CannotVerifyCopySource":  # the service may not read the source
                raise
        return None

    def _copy_blocks(
        self, other: Copier, source: Place, target: Place, options: CopyOptions
    ) -> ObjectInfo:
        """Have the service read a blob in blocks, and publish them with one request."""
        info = other._objects.head(*source)
        encryption = self._client.encryption.of(options.extra)
        headers = dict(encryption)
        if info.etag is not None:
            headers["x-ms-source-if-match"] = quoted_etag(info.etag)
        upload = Upload(*target, self._uploads.new_id())

        def copy(number: int, span: Span) -> str:
            # The headers are made anew for each block: a token may expire before the last one.
            source_headers = {"x-ms-source-range": range_of(span), **other._source_headers(source)}
            return self._uploads.put_block(upload, number, {**headers, **source_headers})

        def finish(ids: list[str]) -> ObjectInfo:
            return self._uploads.commit(
                upload, ids, dialect.copy_headers(info, options), encryption, options.conditions,
                rest.Written(info.size, checksums=info.checksums),
            )  # fmt: skip

        return copy_in_parts(
            upload, info, _LIMITS, options.checkpoint,
            copy=copy, finish=finish, abort=self._uploads.abort,
        )  # fmt: skip

    def _source_url(self, source: Place, *, signed: bool) -> str:
        access = self._client.access
        if not signed or access.key is None:
            return access.endpoint.url + self._client.target(access.endpoint.path(*source), None)
        # The signature of the request does not cover its source, whose URL needs its own.
        grant = Grant(
            access.account, *source, "r", self._client.service_time() + _URL_LIFE, VERSION
        )
        return f"{access.endpoint.url_of(*source)}?{service_sas(grant, access.key)}"

    def _source_headers(self, source: Place) -> dict[str, str]:
        headers: dict[str, str] = {
            "x-ms-copy-source": rest.Hidden(self._source_url(source, signed=True))
        }
        tokens = self._client.access.tokens
        if tokens is not None:
            headers["x-ms-copy-source-authorization"] = rest.Hidden(f"Bearer {tokens.get()}")
        return headers

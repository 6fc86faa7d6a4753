"""
Copies within the account, and from other accounts.

Copy Blob makes a copy of any size with one request, if the copy is to have what its source has.
Other copies (with another content type, or without metadata) go in blocks that the service copies
by itself, so that the copy appears only when it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from ...auth.sas import Grant, service_sas
from ...errors import (
    ContainerNotFoundError,
    NotSupportedError,
    ObjectChangedError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
)
from ...redaction import Hidden
from ...rest.copying import (
    check_copy_onto_itself,
    copy_in_parts,
    find_missing,
    is_copy,
)
from ...rest.dialect import condition_headers, quoted_etag
from ...rest.reading import range_of
from ...values import Conditions, CopyOptions, Limits, ObjectInfo, Span, Upload, WriteOptions
from . import dialect, operations
from .blocks import Blocks
from .client import VERSION, AzureClient
from .dialect import Encryption
from .endpoints import check_root_name
from .metadata import Metadata
from .objects import Objects

Place: TypeAlias = "tuple[str, str]"

_LIMITS = Limits(max_parts=50_000)
# For so many seconds a signed URL of a source is valid.
_URL_LIFE = 86_400.0
_AUTHORIZATION = "x-ms-copy-source-authorization"
# The code of the error if the service may not read a source.
_UNREADABLE = "CannotVerifyCopySource"
# https://learn.microsoft.com/en-us/rest/api/storageservices/copy-blob#request-headers: the URL of
# a source has at most 2 KiB, encoded.
_MAX_URL = 2_048
_POLLS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Copier:
    """Copies blobs to one account."""

    def __init__(
        self,
        client: AzureClient,
        objects: Objects,
        blocks: Blocks,
        metadata: Metadata,
        encryption: Encryption,
    ) -> None:
        self._client = client
        self._objects = objects
        self._blocks = blocks
        self._metadata = metadata
        self._encryption = encryption
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
            return self._copy_onto_itself(source, options)
        if self._has_long_url(source):
            return None
        scoped = bool(self._encryption.of(options.extra))
        # Copy Blob cannot leave all metadata behind, nor change a content type, and takes no scope
        # of encryption: https://learn.microsoft.com/en-us/rest/api/storageservices/copy-blob
        if options.metadata != {} and options.content_type is None and not scoped:
            return self._copy_whole(source, target, options)
        found = self._copy_by_url(self, source, target, options)
        if found is None and not scoped:
            return self._copy_and_change(source, target, options)
        return found

    def copy_across(
        self, other: Copier, source: Place, target: Place, options: CopyOptions
    ) -> ObjectInfo | None:
        """Copy a blob of another account; `None` if this account cannot read that one's."""
        check_root_name(*target)
        if self._has_customer_key(options) or other._has_customer_key(CopyOptions()):
            return None
        return self._copy_by_url(other, source, target, options)

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
            if error.code != _UNREADABLE:
                raise
        return None

    def _has_customer_key(self, options: CopyOptions) -> bool:
        headers = {**self._encryption.reads, **dialect.encryption_headers(options.extra)}
        return "x-ms-encryption-key" in headers

    def _has_long_url(self, source: Place) -> bool:
        return len(self._source_url(source, signed=True)) > _MAX_URL

    def _copy_onto_itself(self, place: Place, options: CopyOptions) -> ObjectInfo | None:
        info = self._objects.head(*place)
        check_copy_onto_itself(info, options)
        if options.storage_class is None and not options.extra:
            return self._change(place, info, options)
        scope = info.extra.get("encryption_scope")
        if scope is not None and not self._encryption.of(options.extra):
            options = replace(options, extra={**options.extra, "encryption_scope": scope})
        if self._encryption.of(options.extra):
            return self._copy_by_url(self, place, place, options)
        return None if self._has_long_url(place) else self._copy_and_change(place, place, options)

    def _change(self, place: Place, info: ObjectInfo, options: CopyOptions) -> ObjectInfo:
        return self._metadata.replace(
            place, info, options.metadata, options.content_type, Conditions(), info.etag
        )

    def _copy_and_change(self, source: Place, target: Place, options: CopyOptions) -> ObjectInfo:
        """Copy a blob, and change metadata and content type of the copy at once."""
        kept = replace(options, content_type=None, metadata=None)
        return self._change(target, self._copy_whole(source, target, kept), options)

    # ------------------------------------------------------------------ one request

    def _copy_whole(self, source: Place, target: Place, options: CopyOptions) -> ObjectInfo:
        # https://learn.microsoft.com/en-us/rest/api/storageservices/copy-blob
        metadata, match = options.metadata, None
        if metadata is None and options.conditions.token is not None:
            # The service carries over all metadata or none: a token among them needs the others.
            info = self._objects.head(*source)
            metadata, match = info.metadata, info.etag
        headers = {
            "x-ms-copy-source": Hidden(self._source_url(source, signed=False)),
            **dialect.metadata_headers(metadata or {}, options.conditions),
            **dialect.extra_headers(options.storage_class, options.extra),
            **condition_headers(options.conditions),
        }
        if match is not None:
            headers["x-ms-source-if-match"] = quoted_etag(match)
        bound = options.conditions != Conditions()

        def send() -> ObjectInfo:
            try:
                response = self._client.send(
                    operations.COPY_BLOB, *target, headers=headers, idempotent=not bound
                )
            except ContainerNotFoundError as error:
                missing = find_missing([target[0]], self._client.head_container)
                error.container = source[0] if missing is None else missing.container
                raise
            response.close()
            info = dialect.written_info(target[1], response.headers)
            if response.headers.get("x-ms-copy-status") != "success":
                copy_id = response.headers.get("x-ms-copy-id", "")
                info = self._wait(target, copy_id, options.checkpoint)
            return info

        info = self._client.confirmer.write(
            send,
            lambda: self._objects.head(*target),
            lambda info: self._is_copy(info, source, options),
            options.conditions, headers.get(dialect.TOKEN),
        )  # fmt: skip
        if info.extra.get("copy_status") == "pending":  # by an attempt whose response was lost
            info = self._wait(target, str(info.extra.get("copy_id")), options.checkpoint)
        return info

    def _is_copy(self, info: ObjectInfo, source: Place, options: CopyOptions) -> bool:
        """Return whether the target is the object that the copy stores."""
        copied = self._objects.head(*source)
        return is_copy(info, copied, options.metadata or copied.metadata)

    def _wait(self, target: Place, copy_id: str, checkpoint: Callable[[], None]) -> ObjectInfo:
        """Wait for a copy that the service makes in the background, and return it."""
        polls = iter(_POLLS)
        delay = next(polls)
        try:
            while True:
                info = self._objects.head(*target)
                status = info.extra.get("copy_status")
                if info.extra.get("copy_id") != copy_id:
                    raise ObjectChangedError("the copy was replaced before it was complete")
                if status == "success":
                    return info
                if status != "pending":
                    break
                self._client.sleep(delay)
                delay = next(polls, delay)
                checkpoint()
        except BaseException:
            self._abort(target, copy_id)
            raise
        why = info.extra.get("copy_status_description", "no reason given")
        self._clear(target, copy_id)
        raise ServiceError(f"the service did not complete the copy ({status}): {why}")

    def _abort(self, target: Place, copy_id: str) -> None:
        """Stop a copy, and delete the empty blob that it leaves."""
        # https://learn.microsoft.com/en-us/rest/api/storageservices/abort-copy-blob
        try:
            self._client.send(
                operations.ABORT_COPY_BLOB, *target,
                query={"comp": "copy", "copyid": copy_id},
                headers={"x-ms-copy-action": "abort"},
            ).close()  # fmt: skip
            self._clear(target, copy_id)
        except StorageError:
            pass

    def _clear(self, target: Place, copy_id: str) -> None:
        info = self._objects.head(*target)
        if info.extra.get("copy_id") != copy_id or info.extra.get("copy_status") == "success":
            return
        headers = condition_headers(Conditions(if_match=info.etag))
        self._client.send(operations.DELETE_BLOB, *target, headers=headers).close()

    # ------------------------------------------------------------------ many requests

    def _copy_blocks(
        self, other: Copier, source: Place, target: Place, options: CopyOptions
    ) -> ObjectInfo:
        """Have the service read a blob in blocks, and publish them with one request."""
        info = other._objects.head(*source)
        encryption = self._encryption.of(options.extra)
        headers = dict(encryption)
        if info.etag is not None:
            headers["x-ms-source-if-match"] = quoted_etag(info.etag)
        upload = self._blocks.begin(*target)

        def finish(ids: list[str]) -> ObjectInfo:
            kept = dialect.write_headers(_write_options(info, options))
            return self._blocks.commit(
                upload, ids, {**kept, **encryption},
                info.checksums.get("md5"), info.size or 0, options.conditions,
                lambda: self._objects.head(*target),
            )  # fmt: skip

        return copy_in_parts(
            upload, info, _LIMITS, options.checkpoint,
            copy=lambda number, span: self._copy_block(
                other, source, upload, number, span, headers
            ),
            finish=finish, abort=self._blocks.drop,
        )  # fmt: skip

    def _copy_block(
        self,
        other: Copier,
        source: Place,
        upload: Upload,
        number: int,
        span: Span,
        headers: Mapping[str, str],
    ) -> str:
        headers = {**headers, "x-ms-source-range": range_of(span)}
        # Made anew for each block: a token may expire before the last one is copied.
        used = other._source_headers(source)
        try:
            return self._blocks.put(upload, number, {**headers, **used})
        except StorageError as error:
            fresh = other._source_headers(source)
            if error.code != _UNREADABLE or fresh.get(_AUTHORIZATION) == used.get(_AUTHORIZATION):
                raise
            return self._blocks.put(upload, number, {**headers, **fresh})

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
            "x-ms-copy-source": Hidden(self._source_url(source, signed=True))
        }
        tokens = self._client.access.tokens
        if tokens is not None:
            headers[_AUTHORIZATION] = Hidden(f"Bearer {tokens.get()}")
        return headers


def _write_options(info: ObjectInfo, options: CopyOptions) -> WriteOptions:
    """Return the options of a copy: those of the source, unless the copy's replace them."""
    kept: dict[str, Any] = {
        option: str(info.extra[option])
        for option in dialect.HEADERS.content
        if option in info.extra and option != "content_type"
    }
    write = WriteOptions(
        content_type=options.content_type or info.content_type or "application/octet-stream",
        metadata=(info.metadata or {}) if options.metadata is None else options.metadata,
        storage_class=options.storage_class,
        conditions=options.conditions,
        extra=options.extra,
    )
    return replace(write, **kept)

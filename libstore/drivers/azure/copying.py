"""
Copies within the account, and what is changed of a blob without its content.

What a copy keeps of its source is copied along by Copy Blob, in one request, for any size. What
it does not keep (another content type, no metadata) goes in blocks that the service copies by
itself, so that the copy is seen only when it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from ...auth.sas import Grant, service_sas
from ...errors import (
    ContainerNotFoundError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
)
from ...http.headers import clean_etag
from ...redaction import Hidden
from ...rest.checksums import base64_of
from ...rest.confirming import StoredObject, Written
from ...rest.dialect import ascii_value, condition_headers, quoted_etag
from ...rest.operation import Operation
from ...transfer.aborting import abort_after_error
from ...transfer.part_sizes import ranges
from ...transfer.workers import map_concurrently
from ...values import Conditions, CopyOptions, MiB, ObjectInfo, Span, Upload, WriteOptions
from . import dialect, operations
from .blocks import Blocks
from .client import VERSION, AzureClient

Head: TypeAlias = Callable[[str, str, "str | None"], ObjectInfo]
Place: TypeAlias = "tuple[str, str]"

# Put Block From URL takes up to 4,000 MiB; smaller ones travel side by side.
_BLOCK = 256 * MiB
_MOST_BLOCKS = 50_000
_SIDE_BY_SIDE = 8
# How long the service may take to read a block from its source.
_GRANTED = 86_400.0
_OPENER = "x-ms-copy-source-authorization"
# What the service says where it may not read a source.
_UNREADABLE = "CannotVerifyCopySource"
# What it says where a change is not encrypted as the blob is.
_OTHERWISE_ENCRYPTED = frozenset(
    {
        "BlobCustomerSpecifiedEncryptionMismatch",
        "BlobDoesNotUseCustomerSpecifiedEncryption",
        "BlobUsesCustomerSpecifiedEncryption",
    }
)
# https://learn.microsoft.com/en-us/rest/api/storageservices/copy-blob#request-headers: the address
# of a source has 2 KiB at most, where each byte of a letter beyond ASCII counts three times.
_LONGEST_URL = 2_048
_POLLS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Copier:
    """
    Copies blobs of one account, and changes what is kept with them.

    Args:
        access: The headers of how what is read and changed is encrypted.
        encryption: The headers of how copies are encrypted.
    """

    def __init__(
        self,
        client: AzureClient,
        blocks: Blocks,
        head: Head,
        access: Mapping[str, str],
        encryption: Mapping[str, str],
    ) -> None:
        self._client = client
        self._blocks = blocks
        self._head = head
        self._access = access
        self._encryption = encryption
        # Emulators have no operations that read from a URL.
        self._reads_urls = True

    def copy(self, source: Place, target: Place, options: CopyOptions) -> ObjectInfo | None:
        """
        Copy a blob; source and target are containers and names.

        `None` says that Azure cannot copy it by itself: what has a customer-provided key, or an
        address that is too long.
        """
        if self._is_sealed(options):
            return None
        if source == target:
            return self._onto_itself(source, options)
        if self._is_far(source):
            return None
        scoped = bool(self._encrypted(options))
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
        if self._is_sealed(options) or other._is_sealed(CopyOptions()):
            return None
        return self._copy_by_url(other, source, target, options)

    def _copy_by_url(
        self, other: Copier, source: Place, target: Place, options: CopyOptions
    ) -> ObjectInfo | None:
        """Have the service read the source by itself; `None` if it cannot."""
        if not self._reads_urls or other._is_far(source):
            return None
        try:
            return self._copy_blocks(other, source, target, options)
        except (NotSupportedError, ServiceUnavailableError) as error:
            self._reads_urls = isinstance(error, ServiceUnavailableError)
        except StorageError as error:
            if error.code != _UNREADABLE:
                raise
        return None

    def _is_sealed(self, options: CopyOptions) -> bool:
        headers = {**self._access, **dialect.encryption_headers(options.extra)}
        return "x-ms-encryption-key" in headers

    def _is_far(self, source: Place) -> bool:
        return len(self._source_url(source, signed=True)) > _LONGEST_URL

    def _encrypted(self, options: CopyOptions) -> Mapping[str, str]:
        """Return the headers of how a copy is encrypted."""
        return dialect.encryption_headers(options.extra) or self._encryption

    def _onto_itself(self, place: Place, options: CopyOptions) -> ObjectInfo | None:
        """Do what a copy onto itself amounts to, without moving a byte."""
        info = self._head(*place, None)
        if options.conditions.if_absent:
            raise ObjectAlreadyExistsError("there is a blob of this name already")
        wanted = (options.if_source_match, options.conditions.if_match)
        if any(etag not in {None, info.etag} for etag in wanted):
            raise ObjectChangedError(f"the blob has another ETag, {info.etag}")
        if options.storage_class is None and not options.extra:
            return self._change(place, info, options)
        scope = info.extra.get("encryption_scope")
        if scope is not None and not self._encrypted(options):
            options = replace(options, extra={**options.extra, "encryption_scope": scope})
        if self._encrypted(options):
            return self._copy_by_url(self, place, place, options)
        return None if self._is_far(place) else self._copy_and_change(place, place, options)

    def _change(self, place: Place, info: ObjectInfo, options: CopyOptions) -> ObjectInfo:
        """Replace metadata and content type of what `info` tells of."""
        etag = info.etag
        if options.metadata is not None:
            etag = self.replace_metadata(place, options.metadata, Conditions(), etag).etag
        if options.content_type is not None:
            etag = self.replace_type(place, options.content_type, Conditions(), etag).etag
        if options.metadata is None and options.content_type is None:
            return info
        known = replace(info, etag=etag, last_modified=None)
        return self.changed(place, known, options.metadata, options.content_type)

    def changed(
        self,
        place: Place,
        info: ObjectInfo,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
    ) -> ObjectInfo:
        """
        Return all that the service knows of a blob that was changed.

        Args:
            info: What is known of it, which has to do where it cannot be read: the change is made.
        """
        try:
            return self._head(*place, None)
        except StorageError:
            return replace(
                info,
                metadata=info.metadata if metadata is None else dict(metadata),
                content_type=content_type or info.content_type,
                complete=False,
            )

    # ------------------------------------------------------------------ one request

    def _copy_whole(self, source: Place, target: Place, options: CopyOptions) -> ObjectInfo:
        # https://learn.microsoft.com/en-us/rest/api/storageservices/copy-blob
        metadata, match = options.metadata, options.if_source_match
        if metadata is None and options.conditions.token is not None:
            # The service carries over all metadata or none, so a token for them takes a look.
            info = self._head(*source, None)
            metadata, match = info.metadata, match or info.etag
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
                error.container = self._missing(source[0], target[0])
                raise
            response.close()
            info = dialect.written_info(target[1], response.headers)
            if response.headers.get("x-ms-copy-status") != "success":
                copy_id = response.headers.get("x-ms-copy-id", "")
                info = self._wait(target, copy_id, options.checkpoint)
            return info

        info = self._client.confirmer.write(
            send,
            lambda: StoredObject(self._head(*target, None)),
            lambda info: self._is_copy(info, source, options),
            options.conditions, headers.get(dialect.TOKEN),
        )  # fmt: skip
        if info.extra.get("copy_status") == "pending":  # by an attempt whose response was lost
            info = self._wait(target, str(info.extra.get("copy_id")), options.checkpoint)
        return info

    def _is_copy(self, info: ObjectInfo, source: Place, options: CopyOptions) -> bool:
        """Return whether the target has what the copy stores."""
        copied = self._head(*source, None)
        metadata = options.metadata or copied.metadata
        return Written(copied.size, None, copied.checksums, metadata).matches(info)

    def _wait(self, target: Place, copy_id: str, checkpoint: Callable[[], None]) -> ObjectInfo:
        """Return what a copy came to that the service makes in its own time."""
        polls = iter(_POLLS)
        delay = next(polls)
        try:
            while True:
                info = self._head(*target, None)
                status = info.extra.get("copy_status")
                if info.extra.get("copy_id") != copy_id:
                    raise ObjectChangedError("something else was written while it was copied")
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
        why = info.extra.get("copy_status_description", "it does not say why")
        self._clear(target, copy_id)
        raise ServiceError(f"the service gave up the copy ({status}): {why}")

    def _abort(self, target: Place, copy_id: str) -> None:
        """Stop a copy, and take away what it leaves: an empty blob."""
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
        info = self._head(*target, None)
        if info.extra.get("copy_id") != copy_id or info.extra.get("copy_status") == "success":
            return
        headers = condition_headers(Conditions(if_match=info.etag))
        self._client.send(operations.DELETE_BLOB, *target, headers=headers).close()

    def _missing(self, source: str, target: str) -> str:
        """Return which of two containers it is that there is not."""
        try:
            self._client.send(
                operations.GET_CONTAINER, target, query={"restype": "container"}
            ).close()
        except ContainerNotFoundError:
            return target
        except StorageError:
            pass
        return source

    def _copy_and_change(self, source: Place, target: Place, options: CopyOptions) -> ObjectInfo:
        """Copy a blob, and change at once what the copy shall have of its own."""
        kept = replace(options, content_type=None, metadata=None)
        return self._change(target, self._copy_whole(source, target, kept), options)

    # ------------------------------------------------------------------ many requests

    def _copy_blocks(
        self, other: Copier, source: Place, target: Place, options: CopyOptions
    ) -> ObjectInfo:
        """Have the service read a blob in blocks, and put them together in one step."""
        info = other._head(*source, None)
        if options.if_source_match not in {None, info.etag}:
            raise ObjectChangedError("the source has another ETag")
        size = info.size or 0
        write = _write_options(info, options)
        encryption = self._encrypted(options)
        headers = dict(encryption)
        if info.etag is not None:
            headers["x-ms-source-if-match"] = quoted_etag(info.etag)
        upload = self._blocks.begin(*target)
        step = max(_BLOCK, -(-size // _MOST_BLOCKS))
        numbered = list(enumerate(ranges(Span(0, size), step), 1))

        def copy(one: tuple[int, Span]) -> str:
            options.checkpoint()
            return self._copy_block(other, source, upload, one, headers)

        try:
            ids = map_concurrently(copy, numbered, _SIDE_BY_SIDE)
            md5 = info.checksums.get("md5")
            ending = {**dialect.write_headers(write), **encryption}
            ending |= condition_headers(options.conditions)
            done = self._blocks.publish(
                upload, ids, ending, md5, size, options.conditions,
                lambda: StoredObject(self._head(*target, None)),
            )  # fmt: skip
        except BaseException:
            abort_after_error(lambda: self._blocks.drop(upload), upload)
            raise
        return replace(done, size=size)

    def _copy_block(
        self,
        other: Copier,
        source: Place,
        upload: Upload,
        numbered: tuple[int, Span],
        headers: Mapping[str, str],
    ) -> str:
        # Asked anew for each block: a token may end before the last one is copied.
        opener = other._source_headers(source)
        try:
            return self._blocks.put_from_url(upload, *numbered, {**headers, **opener})
        except StorageError as error:
            fresh = other._source_headers(source)
            if error.code != _UNREADABLE or fresh.get(_OPENER) == opener.get(_OPENER):
                raise
            return self._blocks.put_from_url(upload, *numbered, {**headers, **fresh})

    def _source_url(self, source: Place, *, signed: bool) -> str:
        access = self._client.access
        if not signed or access.key is None:
            return access.place.url + self._client.target(access.place.path(*source), None)
        # The account's key says nothing about the source of these: a URL of its own does.
        grant = Grant(
            access.account, *source, "r", self._client.service_time() + _GRANTED, VERSION
        )
        path = access.place.path(*source)
        return f"{access.place.url}{path}?{service_sas(grant, access.key)}"

    def _source_headers(self, source: Place) -> dict[str, str]:
        headers: dict[str, str] = {
            "x-ms-copy-source": Hidden(self._source_url(source, signed=True))
        }
        tokens = self._client.access.tokens
        if tokens is not None:
            headers[_OPENER] = Hidden(f"Bearer {tokens.get()}")
        return headers

    # ------------------------------------------------------------------ no content

    def replace_metadata(
        self,
        place: Place,
        metadata: Mapping[str, str],
        conditions: Conditions,
        pin: str | None = None,
    ) -> ObjectInfo:
        """
        Replace the metadata of a blob, which leaves all else as it is.

        Args:
            conditions: The user's.
            pin: The ETag that the blob must have for the change to be part of another one.
        """
        headers = dialect.metadata_headers(metadata, conditions)

        def change(encryption: Mapping[str, str]) -> ObjectInfo:
            sent = {**headers, **encryption}
            return self._change_once(
                operations.SET_BLOB_METADATA,
                "metadata",
                place,
                sent,
                conditions,
                pin,
                Written(metadata=metadata),
            )

        return self._change_encrypted(place, self._encryption, change)

    def replace_type(
        self,
        place: Place,
        content_type: str,
        conditions: Conditions,
        pin: str | None = None,
    ) -> ObjectInfo:
        """Replace the content type of a blob; see `replace_metadata`."""
        # https://learn.microsoft.com/en-us/rest/api/storageservices/set-blob-properties: what
        # is not said again is lost.
        info = self._head(*place, None)
        if not {conditions.if_match, pin} <= {None, info.etag}:
            raise ObjectChangedError(f"the blob has another ETag, {info.etag}")
        headers = {
            header: str(info.extra[option])
            for option, header in dialect.HEADERS.content.items()
            if option in info.extra
        }
        headers["x-ms-blob-content-type"] = ascii_value(content_type, "content_type")
        if "md5" in info.checksums:
            headers["x-ms-blob-content-md5"] = base64_of(info.checksums["md5"])
        elif "content_md5" in info.extra:  # it is not believed, but it is not ours to remove
            headers["x-ms-blob-content-md5"] = str(info.extra["content_md5"])

        def change(encryption: Mapping[str, str]) -> ObjectInfo:
            sent = {**headers, **encryption}
            return self._change_once(
                operations.SET_BLOB_PROPERTIES,
                "properties",
                place,
                sent,
                conditions,
                info.etag,
                Written(content_type=content_type),
            )

        done = self._change_encrypted(place, {}, change)
        return replace(info, etag=done.etag, last_modified=None)

    def _change_encrypted(
        self,
        place: Place,
        encryption: Mapping[str, str],
        change: Callable[[Mapping[str, str]], ObjectInfo],
    ) -> ObjectInfo:
        """Make a change, and again as the blob is encrypted if that is what was wrong with it."""
        # Reading needs no scope, but a change of metadata does; that of a content type may want
        # the key: https://github.com/Azure/azure-sdk-for-python/blob/main/sdk/storage/
        # azure-storage-blob/tests/test_cpk_n.py and
        # https://learn.microsoft.com/en-us/azure/storage/blobs/encryption-customer-provided-keys
        try:
            return change(encryption)
        except ObjectError as error:
            if error.code not in _OTHERWISE_ENCRYPTED:
                raise
            wanted = self._access or self._scope_of(place)
            if wanted == encryption:
                raise
        return change(wanted)

    def _scope_of(self, place: Place) -> Mapping[str, str]:
        """Return the header of the scope that encrypts a blob, if one does."""
        scope = self._head(*place, None).extra.get("encryption_scope")
        return {} if scope is None else {"x-ms-encryption-scope": str(scope)}

    def _change_once(
        self,
        operation: Operation,
        what: str,
        place: Place,
        headers: Mapping[str, str],
        conditions: Conditions,
        pin: str | None,
        written: Written,
    ) -> ObjectInfo:
        match = conditions if pin is None else Conditions(if_match=pin)
        bound = match != Conditions()
        sent = {**headers, **condition_headers(match)}

        def send() -> ObjectInfo:
            response = self._client.send(
                operation, *place,
                query={"comp": what}, headers=sent, idempotent=not bound,
            )  # fmt: skip
            response.close()
            return ObjectInfo(place[1], etag=clean_etag(response.headers.get("etag")))

        return self._client.confirmer.write(
            send,
            lambda: StoredObject(self._head(*place, None)),
            written.matches, conditions, headers.get(dialect.TOKEN),
            once=bound,
        )  # fmt: skip


def _write_options(info: ObjectInfo, options: CopyOptions) -> WriteOptions:
    """Return what is kept with a copy: the source's, but for what takes its place."""
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

"""What the hooks of uploads in parts ask of Google."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from typing_extensions import override

from ...errors import (
    AccessDeniedError,
    IntegrityError,
    ObjectChangedError,
    ObjectNotFoundError,
    StorageError,
)
from ...rest.confirming import Written
from ...rest.header_text import encode_text
from ...transfer.payload import Payload
from ...values import Conditions, ObjectInfo, Page, Part, Upload, WriteOptions
from . import dialect
from .copying import CopyHooks
from .resumable import PREFIX, Resumable
from .xml_uploads import Multipart


class PartHooks(CopyHooks):
    """
    The hooks of uploads in parts.

    Parts travel side by side as the XML API has it. That has no conditions and takes no text
    beyond ASCII, so uploads with those go into a resumable session, and so do those with a key of
    their own, and all where there is no such API:
    https://cloud.google.com/storage/docs/request-preconditions
    """

    _resumable: Resumable
    _multipart: Multipart | None

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        multipart = self._multipart
        headers = self._customer(options.extra)
        keys = {"customer_key", "kms_key"} if self._settings.customer_key else {"customer_key"}
        bound = options.conditions != Conditions() or not keys.isdisjoint(options.extra)
        if multipart is not None and not bound and _plain(options):
            kms = options.extra.get("kms_key", self._settings.kms_key)
            if kms is not None and not headers:
                headers["x-goog-encryption-kms-key-name"] = str(kms)
            return multipart.start(container, name, options, headers)
        return self._resumable.start(
            lambda number: Upload(container, name, number),
            self._client.place.uploads(container),
            options,
            query={
                **dialect.conditions(options.conditions),
                **dialect.write_query(options.extra, self._settings.kms_key),
            },
            headers=headers,
        )

    def _parallel(self, upload: Upload) -> Multipart | None:
        return None if upload.id.startswith(PREFIX) else self._multipart

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        multipart = self._parallel(upload)
        if multipart is None:
            return self._resumable.put(upload, number, offset, payload)
        return multipart.put(upload, number, offset, payload, self._customer())

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        size = sum(part.size for part in parts)
        multipart = self._parallel(upload)
        if multipart is None:
            info = self._finish_session(upload, size, options, checksums)
            self._resumable.forget(upload)
            return info

        def complete() -> ObjectInfo | None:
            try:
                multipart.finish(upload, parts, self._customer(options.extra))
            except ObjectNotFoundError as error:
                # It was finished already, by a request whose answer was lost.
                raise ObjectChangedError(
                    "the upload is gone: it was finished or aborted",
                    status=error.status, code=error.code, request_id=error.request_id,
                ) from None  # fmt: skip
            return None

        def found() -> ObjectInfo | None:
            info = self._head_object(upload.container, upload.name, None)
            crc = checksums.get("crc32c")
            same = info.size == size and crc in {None, info.checksums.get("crc32c")}
            return info if same and not self._is_open(upload) else None

        known = self._client.confirmer.once(complete, found)
        multipart.end(upload)
        # The response has neither generation nor CRC-32C.
        info = known or self._told(upload.container, ObjectInfo(upload.name, size=size))
        if info.size != size:
            raise IntegrityError(f"{size} bytes were sent, Google has stored {info.size}")
        return info

    def _finish_session(
        self, upload: Upload, size: int, options: WriteOptions, checksums: Mapping[str, str]
    ) -> ObjectInfo:
        """
        Publish what a resumable session has.

        The session tells whether it has published it; where it is gone, the object tells.
        """
        return self._client.confirmer.write(
            lambda: self._resumable.finish(upload, options, checksums),
            lambda: self._head_written(upload.container, upload.name, options.extra),
            Written(size, checksums=checksums).matches,
            options.conditions,
            dialect.token_of(dialect.new_object(upload.name, options)),
            once=True,
        )

    def _told(self, container: str, written: ObjectInfo) -> ObjectInfo:
        """Return what Google tells of an object that was written, if that can be read."""
        try:
            return self._head_object(container, written.name, None)
        except StorageError:
            # https://cloud.google.com/storage/docs/access-control/iam-roles: an Object Creator
            # may not look at what it has made.
            return written

    def _is_open(self, upload: Upload) -> bool:
        assert self._multipart is not None
        try:
            self._multipart.parts(upload, None)
        except ObjectNotFoundError:
            return False
        return True

    @override
    def _abort_upload(self, upload: Upload) -> None:
        multipart = self._parallel(upload)
        if multipart is None:
            self._resumable.abort(upload)
        else:
            multipart.abort(upload)

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        ours = [] if token else self._resumable.open_sessions(container)
        if self._multipart is None:
            try:
                self._head_container(container)
            except AccessDeniedError:
                pass  # who may write objects need not be allowed to read what their bucket is
            return Page(ours)
        page = self._multipart.uploads(container, token)
        return replace(page, items=[*ours, *page.items])

    @override
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        multipart = self._parallel(upload)
        if multipart is not None:
            return multipart.parts(upload, token)
        session = self._resumable.session(upload)
        if session is None:
            raise ObjectNotFoundError("there is no such upload, or another driver has begun it")
        return Page(sorted(session.parts, key=lambda part: part.number))


def _plain(options: WriteOptions) -> bool:
    """Return whether headers can carry what is kept with an object."""
    headers = (
        options.content_type,
        options.cache_control or "-",
        options.content_disposition or "-",
        options.content_encoding or "-",
        options.content_language or "-",
        *options.metadata.values(),
    )
    return all(text and encode_text(text) == text for text in headers)

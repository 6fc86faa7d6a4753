"""Uploads in parts that were begun and never ended, and that the service still keeps."""

from __future__ import annotations

from datetime import datetime, timezone

from typing_extensions import final

from .. import arguments
from ..core import DriverCore
from ..errors import InvalidTypeError
from ..handles import Container
from ..listing import LazyList
from ..values import Page, Part, Upload


class Uploads(DriverCore):
    """Finding and dropping unfinished uploads."""

    @final
    def list_uploads(self, container: Container | str) -> LazyList[Upload]:
        """
        List the uploads in parts that were begun and neither finished nor aborted.

        Raises:
            NotSupportedError: The service takes no parts.
        """
        return self._unfinished("list_uploads", container)

    @final
    def list_parts(self, upload: Upload) -> LazyList[Part]:
        """
        List the parts that an unfinished upload has, sorted by number.

        Raises:
            NotSupportedError: The service takes no parts, or does not tell them.
            ObjectNotFoundError: There is no such upload (any more); when the list is read.
        """
        self._check_upload("list_parts", upload)

        def fetch(token: str | None, limit: int) -> Page[Part]:
            return self._list_parts(upload, token)

        guard = self._guard("list_parts", upload.container, upload.name)
        return LazyList(fetch, self.limits.page_size, f"parts of {upload.name!r}", guard)

    @final
    def abort_upload(self, upload: Upload) -> None:
        """
        Drop one unfinished upload and its parts. One that is gone already is no error.

        Raises:
            NotSupportedError: The service takes no parts.
        """
        self._check_upload("abort_upload", upload)
        with self._guard("abort_upload", upload.container, upload.name):
            self._abort_upload(upload)

    @final
    def abort_uploads(
        self, container: Container | str, *, older_than: float = 0.0
    ) -> list[Upload]:
        """
        Drop the unfinished uploads of a container, and return them.

        Only one that nobody is working on should be dropped: give an age that no living upload
        of yours reaches.

        Args:
            older_than: Seconds since the upload was begun; younger ones are left alone. One whose
                beginning the service does not tell counts as old.

        Raises:
            NotSupportedError: The service takes no parts.
        """
        with self._guard("abort_uploads", container):
            age = arguments.seconds(older_than, "older_than")
        now = datetime.now(timezone.utc)
        stale = [
            upload
            for upload in self._unfinished("abort_uploads", container)
            # An age of 0 is any: the service's clock may be ahead of ours.
            if not age or upload.started is None or (now - upload.started).total_seconds() >= age
        ]
        for upload in stale:
            self.abort_upload(upload)
        return stale

    def _check_upload(self, operation: str, upload: object) -> None:
        with self._guard(operation):
            if not isinstance(upload, Upload):
                raise InvalidTypeError(f"upload must be an Upload, not {type(upload).__name__}")
            if not self.takes_parts:
                raise self._unsupported("take an object in parts")

    def _unfinished(self, operation: str, container: Container | str) -> LazyList[Upload]:
        with self._guard(operation, container):
            name = self._container_name(container)
            if not self.takes_parts:
                raise self._unsupported("take an object in parts")

        def fetch(token: str | None, limit: int) -> Page[Upload]:
            return self._list_uploads(name, token)

        guard = self._guard(operation, name)
        return LazyList(fetch, self.limits.page_size, f"unfinished uploads in {name!r}", guard)

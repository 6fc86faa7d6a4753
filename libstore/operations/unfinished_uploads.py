"""Multipart uploads that were started and neither finished nor aborted."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from .. import arguments
from ..core import DriverCore
from ..error_context import ErrorContext
from ..errors import InvalidTypeError
from ..listing import LazyList
from ..values import Page, Part, Upload


def list_uploads(driver: DriverCore, operation: str, container: str) -> LazyList[Upload]:
    """List the unfinished uploads of a container."""
    _require_multipart(driver)

    def fetch(token: str | None, limit: int) -> Page[Upload]:
        return driver._list_uploads(container, token)

    label = f"unfinished uploads in {container!r}"
    context = ErrorContext(driver, operation, container)
    return LazyList(fetch, driver.limits.page_size, label, context)


def list_parts(driver: DriverCore, upload: Upload) -> LazyList[Part]:
    """List the parts of an unfinished upload, sorted by number."""
    _check_upload(driver, upload)

    def fetch(token: str | None, limit: int) -> Page[Part]:
        return driver._list_parts(upload, token)

    context = ErrorContext(driver, "list_parts", upload.container, upload.name)
    return LazyList(fetch, driver.limits.page_size, f"parts of {upload.name!r}", context)


def abort(driver: DriverCore, upload: Upload) -> None:
    """Delete one unfinished upload and its parts."""
    _check_upload(driver, upload)
    with ErrorContext(driver, "abort_upload", upload.container, upload.name):
        driver._abort_upload(upload)


def abort_all(driver: DriverCore, container: str, older_than: float | timedelta) -> list[Upload]:
    """Abort the uploads that started at least so long ago, and return them."""
    age = arguments.duration(older_than, "older_than")
    now = datetime.now(timezone.utc)
    old = [
        upload
        for upload in list_uploads(driver, "abort_uploads", container)
        # With an age of 0 all are old, also if the service's clock is ahead of this one.
        if not age or upload.started is None or (now - upload.started).total_seconds() >= age
    ]
    for upload in old:
        abort(driver, upload)
    return old


def _check_upload(driver: DriverCore, upload: object) -> None:
    if not isinstance(upload, Upload):
        raise InvalidTypeError(f"upload must be an Upload, not {type(upload).__name__}")
    _require_multipart(driver)


def _require_multipart(driver: DriverCore) -> None:
    if not driver.takes_parts:
        raise driver._unsupported("upload objects in parts")

"""Aborting an upload because of an error, which remains the error that the caller sees."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from ..errors import StorageError
from ..values import Upload

_log = logging.getLogger("libstore")


def abort_after_error(abort: Callable[[], object], upload: Upload) -> None:
    """
    Abort an upload; if that fails, log it and set `upload_id` of the error being handled.

    Call it in an ``except`` block.
    """
    error = sys.exc_info()[1]
    try:
        abort()
    except StorageError as failure:
        _log.warning(
            "could not abort upload %s of %r in %r; its parts are still stored, and abort_upload()"
            " deletes them: %s",
            upload.id,
            upload.name,
            upload.container,
            failure,
        )
        if isinstance(error, StorageError):
            error.upload_id = upload.id
        elif error is not None and sys.version_info >= (3, 11):
            error.add_note(
                f"the unfinished upload {upload.id} of {upload.name!r} in {upload.container!r}"
                " could not be aborted; abort_upload() deletes its parts"
            )

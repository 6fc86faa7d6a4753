"""What a request to delete many objects is answered with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from ...errors import ServiceError, StorageError
from ...http.headers import parse_size
from ...rest.errors import rejects_malformed


@rejects_malformed
def outcome_of(told: Mapping[str, Any]) -> tuple[dict[str, str], tuple[int, int]]:
    """Return what kept objects, by their paths, and how many were deleted and were missing."""
    errors = {unquote(str(path)): str(status) for path, status in told["Errors"]}
    return errors, (int(told.get("Number Deleted", 0)), int(told.get("Number Not Found", 0)))


def refusal_of(status: str | None, request_id: str | None) -> StorageError | None:
    """Return why an object of a batch is still there."""
    if status is None or status.startswith("404"):
        return None
    number = parse_size(status[:3])
    return ServiceError(
        f"the service did not delete it: {status}",
        status=number, request_id=request_id, retryable=(number or 0) >= 500,
    )  # fmt: skip

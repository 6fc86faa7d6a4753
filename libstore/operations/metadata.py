"""Changing the metadata of an object without uploading it again."""

from __future__ import annotations

from collections.abc import Mapping

from .. import arguments
from ..core import DriverCore
from ..errors import InvalidOptionError
from ..values import ObjectInfo


def update(
    driver: DriverCore,
    container: str,
    name: str,
    metadata: Mapping[str, str] | None,
    content_type: str | None,
    if_match: str | None,
) -> ObjectInfo:
    """Replace an object's metadata, its content type or both; `None` leaves them unchanged."""
    if metadata is None and content_type is None:
        raise InvalidOptionError("nothing to update: pass metadata, content_type or both")
    return driver._set_metadata(
        container,
        name,
        None if metadata is None else arguments.metadata(metadata, driver.limits),
        arguments.header_value(content_type, "content_type"),
        driver._conditions(False, if_match),
    )

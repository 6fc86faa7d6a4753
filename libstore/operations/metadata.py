"""Changing what is kept with an object without uploading it again."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import final

from .. import arguments
from ..core import DriverCore
from ..errors import InvalidOptionError
from ..handles import Object


class Metadata(DriverCore):
    """Metadata after the upload."""

    @final
    def update_metadata(
        self,
        obj: Object,
        metadata: Mapping[str, str] | None = None,
        *,
        content_type: str | None = None,
        if_match: str | None = None,
    ) -> Object:
        """
        Replace an object's metadata, its content type or both, and return a fresh handle.

        The new pairs take the place of all old ones; what is `None` stays as it is, and so does
        the content.

        Args:
            if_match: The ETag that the object must have.

        Raises:
            NotSupportedError: The service cannot change metadata.
            ObjectNotFoundError: There is no such object.
            ObjectChangedError: `if_match` does not hold.
        """
        with self._guard("update_metadata", obj):
            container, name = self._target(obj)
            if metadata is None and content_type is None:
                raise InvalidOptionError("give metadata, content_type or both")
            info = self._set_metadata(
                container,
                name,
                None if metadata is None else arguments.metadata(metadata, self.limits),
                arguments.header_value(content_type, "content_type"),
                self._conditions(False, if_match),
            )
        return self._object_handle(obj.container, info)

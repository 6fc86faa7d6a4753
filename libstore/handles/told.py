"""What a service has told, and what it may know besides."""

from __future__ import annotations

from ..values import ContainerInfo, ObjectInfo


def untold(info: ContainerInfo | ObjectInfo, field: str) -> bool:
    """Return whether the service may know more of a field than it has told."""
    value = getattr(info, field)
    empty = value is None or (field != "metadata" and value == {})
    return empty and not info.complete

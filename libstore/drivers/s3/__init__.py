"""
Amazon S3, and the services that are compatible with it.

`S3Driver` is for Amazon S3, or for an endpoint that the caller passes. Each service of
`libstore.drivers.s3.services` has a class of its own, made from its record: ``R2Driver`` for
``"r2"``, and so on.
"""

from __future__ import annotations

from ...s3api.service import Service
from .driver import S3Driver, driver_class
from .services import SERVICES

__all__ = ["S3Driver", "Service", "driver_class"]

_CLASSES = {"".join(map(str.capitalize, name.split("-"))) + "Driver": name for name in SERVICES}


def __getattr__(name: str) -> type[S3Driver]:
    service = _CLASSES.get(name)
    if service is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    cls = driver_class(SERVICES[service], name)
    globals()[name] = cls
    return cls

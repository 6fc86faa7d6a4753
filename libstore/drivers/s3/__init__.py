"""
Amazon S3, and whatever speaks its dialect.

`S3Driver` is Amazon's own service, or an endpoint that the caller names. Each service of
`libstore.drivers.s3.services` is a class of its own besides, made of its record: ``R2Driver`` for
the one that is called ``"r2"``, and so on.
"""

from __future__ import annotations

from .driver import S3Driver, driver_class
from .services import SERVICES, Service

__all__ = ["S3Driver", "Service", "driver_class"]

_CLASSES = {"".join(map(str.capitalize, name.split("-"))) + "Driver": name for name in SERVICES}


def __getattr__(name: str) -> type[S3Driver]:
    service = _CLASSES.get(name)
    if service is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    cls = driver_class(SERVICES[service], name)
    globals()[name] = cls
    return cls

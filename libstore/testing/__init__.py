"""
The conformance suite for drivers, and a server for presigned URLs.

Provide the driver under test as a fixture and run pytest:

    import pytest
    from libstore.testing import DriverConformance

    class TestMyDriver(DriverConformance):
        @pytest.fixture
        def driver(self):
            return MyDriver(...)

Each test checks one rule through public operations only. Tests of unsupported features are
skipped, according to `StorageDriver.supports` and `Limits`.

Applications test their presigned URLs with `serve_signed_urls`, which needs no pytest.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Topic, names_of, noise, unfinished
    from .conformance import DriverConformance
    from .container_pool import fresh_name
    from .server import SignedURLApp, serve_signed_urls

# Where the public names are defined. The suite needs pytest, the server does not.
_MODULES = {
    "DriverConformance": "conformance",
    "SignedURLApp": "server",
    "Topic": "base",
    "fresh_name": "container_pool",
    "names_of": "base",
    "noise": "base",
    "serve_signed_urls": "server",
    "unfinished": "base",
}

__all__ = [
    "DriverConformance",
    "SignedURLApp",
    "Topic",
    "fresh_name",
    "names_of",
    "noise",
    "serve_signed_urls",
    "unfinished",
]

_TOPICS = (
    "concurrency",
    "conditional_reads",
    "conditions",
    "containers",
    "copying",
    "deleting",
    "downloads",
    "errors",
    "handles",
    "integrity",
    "listing",
    "many_reads",
    "metadata",
    "names",
    "objects",
    "pickling",
    "ranges",
    "readers",
    "seekable_writers",
    "signing",
    "sources",
    "uploads",
    "versions",
    "walking",
    "writers",
)

# Assertions outside of test modules show both values only if registered before the import.
if "pytest" in sys.modules:
    sys.modules["pytest"].register_assert_rewrite(*(f"{__name__}.{topic}" for topic in _TOPICS))


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{module}", __name__), name)
    globals()[name] = value
    return value

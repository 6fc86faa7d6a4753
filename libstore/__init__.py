"""
Keep, list and move objects in any object store, with one interface.

    from libstore import get_driver

    driver = get_driver("local")("/srv/store")
    photos = driver.create_container("photos", exist_ok=True)
    cat = photos.upload_object("cat.jpg", "2026/cat.jpg")

Names are loaded when they are first used: importing this package imports no provider and no HTTP.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .version import __version__ as __version__

if TYPE_CHECKING:
    from .driver import StorageDriver
    from .errors import (
        AccessDeniedError,
        AuthenticationError,
        ContainerAlreadyExistsError,
        ContainerError,
        ContainerNotEmptyError,
        ContainerNotFoundError,
        CredentialsNotFoundError,
        IntegrityError,
        InvalidNameError,
        InvalidOptionError,
        InvalidTypeError,
        LocalFileError,
        LocalFileExistsError,
        LocalFileIsADirectoryError,
        LocalFileNotFoundError,
        LocalFilePermissionError,
        NotSupportedError,
        ObjectAlreadyExistsError,
        ObjectChangedError,
        ObjectError,
        ObjectNameConflictError,
        ObjectNotFoundError,
        OutcomeUnknownError,
        RateLimitedError,
        ServiceError,
        ServiceUnavailableError,
        StorageError,
        StorageFullError,
        TransferCancelledError,
        TransportError,
        TransportTimeoutError,
        UnknownDriverError,
    )
    from .files import ObjectReader, ObjectTextWriter, ObjectWriter
    from .handles import Container, Object
    from .listing import LazyList, fold_page
    from .operations.signing import SignedURL
    from .registry import get_driver, list_drivers, register_driver
    from .retry import RetryEvent, RetryPolicy
    from .transfer.options import TransferOptions
    from .transfer.payload import Payload
    from .values import (
        Composite,
        Conditions,
        ContainerInfo,
        CopyOptions,
        DeleteResult,
        Limits,
        ListQuery,
        ObjectInfo,
        Page,
        Part,
        Prefix,
        Reading,
        SigningOptions,
        Span,
        Upload,
        WriteOptions,
    )

_ROOMS = {
    "driver": ("StorageDriver",),
    "operations.signing": ("SignedURL",),
    "errors": (
        "AccessDeniedError",
        "AuthenticationError",
        "ContainerAlreadyExistsError",
        "ContainerError",
        "ContainerNotEmptyError",
        "ContainerNotFoundError",
        "CredentialsNotFoundError",
        "IntegrityError",
        "InvalidNameError",
        "InvalidOptionError",
        "InvalidTypeError",
        "LocalFileError",
        "LocalFileExistsError",
        "LocalFileIsADirectoryError",
        "LocalFileNotFoundError",
        "LocalFilePermissionError",
        "NotSupportedError",
        "ObjectAlreadyExistsError",
        "ObjectChangedError",
        "ObjectError",
        "ObjectNameConflictError",
        "ObjectNotFoundError",
        "OutcomeUnknownError",
        "RateLimitedError",
        "ServiceError",
        "ServiceUnavailableError",
        "StorageError",
        "StorageFullError",
        "TransferCancelledError",
        "TransportError",
        "TransportTimeoutError",
        "UnknownDriverError",
    ),
    "files": ("ObjectReader", "ObjectTextWriter", "ObjectWriter"),
    "handles": ("Container", "Object"),
    "listing": ("LazyList", "fold_page"),
    "registry": ("get_driver", "list_drivers", "register_driver"),
    "retry": ("RetryEvent", "RetryPolicy"),
    "transfer.options": ("TransferOptions",),
    "transfer.payload": ("Payload",),
    "values": (
        "Composite",
        "Conditions",
        "ContainerInfo",
        "CopyOptions",
        "DeleteResult",
        "Limits",
        "ListQuery",
        "ObjectInfo",
        "Page",
        "Part",
        "Prefix",
        "Reading",
        "SigningOptions",
        "Span",
        "Upload",
        "WriteOptions",
    ),
}
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "Composite",
    "Conditions",
    "Container",
    "ContainerAlreadyExistsError",
    "ContainerError",
    "ContainerInfo",
    "ContainerNotEmptyError",
    "ContainerNotFoundError",
    "CopyOptions",
    "CredentialsNotFoundError",
    "DeleteResult",
    "IntegrityError",
    "InvalidNameError",
    "InvalidOptionError",
    "InvalidTypeError",
    "LazyList",
    "Limits",
    "ListQuery",
    "LocalFileError",
    "LocalFileExistsError",
    "LocalFileIsADirectoryError",
    "LocalFileNotFoundError",
    "LocalFilePermissionError",
    "NotSupportedError",
    "Object",
    "ObjectAlreadyExistsError",
    "ObjectChangedError",
    "ObjectError",
    "ObjectInfo",
    "ObjectNameConflictError",
    "ObjectNotFoundError",
    "ObjectReader",
    "ObjectTextWriter",
    "ObjectWriter",
    "OutcomeUnknownError",
    "Page",
    "Part",
    "Payload",
    "Prefix",
    "RateLimitedError",
    "Reading",
    "RetryEvent",
    "RetryPolicy",
    "ServiceError",
    "ServiceUnavailableError",
    "SignedURL",
    "SigningOptions",
    "Span",
    "StorageDriver",
    "StorageError",
    "StorageFullError",
    "TransferCancelledError",
    "TransferOptions",
    "TransportError",
    "TransportTimeoutError",
    "UnknownDriverError",
    "Upload",
    "WriteOptions",
    "fold_page",
    "get_driver",
    "list_drivers",
    "register_driver",
]


def __getattr__(name: str) -> Any:
    room = _HOMES.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{room}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # Not the modules, which come and go as names are loaded: what is here is what is public.
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])

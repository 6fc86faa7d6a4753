"""
One interface to object stores: S3, Azure, Google Cloud Storage, Swift, local files and memory.

    from libstore import get_driver

    driver = get_driver("local")("/srv/store")
    photos = driver.create_container("photos", exist_ok=True)
    cat = photos.upload_object("cat.jpg", "2026/cat.jpg")

Names are loaded when they are first used. Importing this package imports no driver and no HTTP.
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
        ObjectNotModifiedError,
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
    from .files import (
        BufferedObjectReader,
        ObjectReader,
        ObjectTextReader,
        ObjectTextWriter,
        ObjectWriter,
        SeekableObjectWriter,
    )
    from .handles import Container, Object
    from .listing import LazyList, fold_page
    from .operations.requesting import ServiceResponse
    from .operations.signing import SignedURL
    from .progress_bars import ProgressBar, progress_bar
    from .registry import get_driver, list_drivers, register_driver
    from .retry import RetryEvent, RetryPolicy
    from .sync.report import SyncAction, SyncReport
    from .transfer.options import TransferOptions
    from .transfer.partials import clean_partials
    from .transfer.payload import Payload
    from .urls import driver_from_url, open_url
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
        RawRequest,
        RawResponse,
        Reading,
        SigningOptions,
        Span,
        StartedRead,
        Undecided,
        Upload,
        WriteOptions,
    )

#: Where the public names are defined, by module.
_NAMES = {
    "driver": ("StorageDriver",),
    "operations.requesting": ("ServiceResponse",),
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
        "ObjectNotModifiedError",
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
    "files": (
        "BufferedObjectReader",
        "ObjectReader",
        "ObjectTextReader",
        "ObjectTextWriter",
        "ObjectWriter",
        "SeekableObjectWriter",
    ),
    "handles": ("Container", "Object"),
    "listing": ("LazyList", "fold_page"),
    "progress_bars": ("ProgressBar", "progress_bar"),
    "registry": ("get_driver", "list_drivers", "register_driver"),
    "retry": ("RetryEvent", "RetryPolicy"),
    "sync.report": ("SyncAction", "SyncReport"),
    "transfer.options": ("TransferOptions",),
    "transfer.partials": ("clean_partials",),
    "transfer.payload": ("Payload",),
    "urls": ("driver_from_url", "open_url"),
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
        "RawRequest",
        "RawResponse",
        "Reading",
        "SigningOptions",
        "Span",
        "StartedRead",
        "Undecided",
        "Upload",
        "WriteOptions",
    ),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "BufferedObjectReader",
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
    "ObjectNotModifiedError",
    "ObjectReader",
    "ObjectTextReader",
    "ObjectTextWriter",
    "ObjectWriter",
    "OutcomeUnknownError",
    "Page",
    "Part",
    "Payload",
    "Prefix",
    "ProgressBar",
    "RateLimitedError",
    "RawRequest",
    "RawResponse",
    "Reading",
    "RetryEvent",
    "RetryPolicy",
    "SeekableObjectWriter",
    "ServiceError",
    "ServiceResponse",
    "ServiceUnavailableError",
    "SignedURL",
    "SigningOptions",
    "Span",
    "StartedRead",
    "StorageDriver",
    "StorageError",
    "StorageFullError",
    "SyncAction",
    "SyncReport",
    "TransferCancelledError",
    "TransferOptions",
    "TransportError",
    "TransportTimeoutError",
    "Undecided",
    "UnknownDriverError",
    "Upload",
    "WriteOptions",
    "clean_partials",
    "driver_from_url",
    "fold_page",
    "get_driver",
    "list_drivers",
    "open_url",
    "progress_bar",
    "register_driver",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{module}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # Without the modules that happen to be loaded: only public names.
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])

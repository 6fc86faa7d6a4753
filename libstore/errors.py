"""
The errors that this library raises; there are no others that a caller must catch.

    StorageError
    ├── ContainerError
    │   ├── ContainerNotFoundError          (FileNotFoundError)
    │   ├── ContainerAlreadyExistsError     (FileExistsError)
    │   └── ContainerNotEmptyError          (OSError)
    ├── ObjectError
    │   ├── ObjectNotFoundError             (FileNotFoundError)
    │   ├── ObjectAlreadyExistsError        (FileExistsError)
    │   ├── ObjectChangedError
    │   ├── ObjectNotModifiedError
    │   └── ObjectNameConflictError         (FileExistsError)
    ├── IntegrityError
    ├── InvalidNameError                    (ValueError)
    ├── InvalidOptionError                  (ValueError)
    │   └── InvalidTypeError                (TypeError)
    ├── UnknownDriverError                  (LookupError)
    ├── NotSupportedError
    ├── OutcomeUnknownError
    ├── AuthenticationError
    │   └── CredentialsNotFoundError
    ├── AccessDeniedError                   (PermissionError)
    ├── ServiceError
    │   ├── RateLimitedError
    │   ├── ServiceUnavailableError
    │   └── StorageFullError                (OSError)
    ├── TransportError                      (ConnectionError)
    │   └── TransportTimeoutError           (TimeoutError)
    ├── LocalFileError                      (OSError)
    │   ├── LocalFileNotFoundError          (FileNotFoundError)
    │   ├── LocalFileExistsError            (FileExistsError)
    │   ├── LocalFileIsADirectoryError      (IsADirectoryError)
    │   └── LocalFilePermissionError        (PermissionError)
    └── TransferCancelledError

The class in brackets is the builtin exception that an error is, too, so that ``except
FileNotFoundError`` works as expected. Every error can be pickled and has the attributes that
`StorageError` lists.
"""

from __future__ import annotations

import errno
from typing import Any, ClassVar

from typing_extensions import override

__all__ = [
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
]


class StorageError(Exception):
    """
    The base class of all errors that this library raises.

    Attributes:
        message: What happened and, if known, what to do.
        operation: The public operation that failed, such as ``"upload_object"``.
        driver: The name of the driver, such as ``"s3"``.
        container: The container's name.
        object: The object's name.
        status: The HTTP status of the response.
        code: The service's error code, such as ``"NoSuchKey"``.
        request_id: The service's id of the request, for its support.
        retryable: Whether the same call may succeed later, unchanged.
        retry_after: The number of seconds to wait before that, if the service sent one.
        credentials_source: What the credentials are from that the service rejected, or that do not
            permit the operation, such as ``"environment variable AWS_ACCESS_KEY_ID"``.
        upload_id: The id of an unfinished upload that could not be aborted; pass it to
            `abort_upload` to delete its parts. `None` if nothing is left.
    """

    retryable: bool = False
    retry_after: float | None = None
    upload_id: str | None = None
    credentials_source: str | None = None
    _errno: ClassVar[int | None] = None
    # The error was raised before the request was sent, by the renewal of its credentials.
    _unsent: bool = False

    def __init__(
        self,
        message: str = "",
        *,
        operation: str | None = None,
        driver: str | None = None,
        container: str | None = None,
        object: str | None = None,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.driver = driver
        self.container = container
        self.object = object
        self.status = status
        self.code = code
        self.request_id = request_id
        if retryable is not None:
            self.retryable = retryable
        if retry_after is not None:
            self.retry_after = retry_after
        if isinstance(self, OSError):
            set_os_fields(self, self._errno, message, None)

    @override
    def __str__(self) -> str:
        facts = [
            f"{label} {value!r}" if label in _QUOTED else f"{label} {value}"
            for label, value in (
                ("driver", self.driver),
                ("operation", self.operation),
                ("container", self.container),
                ("object", self.object),
                ("status", self.status),
                ("code", self.code),
                ("request id", self.request_id),
                ("credentials", self.credentials_source),
                ("unfinished upload", self.upload_id),
            )
            if value is not None
        ]
        return f"{self.message} [{', '.join(facts)}]" if facts else self.message

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by calling the class with `args`, which leaves the keywords out.
        os_fields = None
        if isinstance(self, OSError):
            os_fields = (self.errno, self.strerror, self.filename)
        return _restore, (type(self), self.message, dict(self.__dict__), os_fields)


_QUOTED = frozenset({"container", "object"})


def set_os_fields(
    error: OSError, number: int | None, text: str | None, filename: str | None
) -> None:
    """Set the attributes that errors of the operating system have."""
    error.errno, error.strerror, error.filename = number, text, filename


def _restore(
    kind: type[StorageError],
    message: str,
    state: dict[str, Any],
    os_fields: tuple[int | None, str | None, str | None] | None,
) -> StorageError:
    error = kind(message)
    error.__dict__.update(state)
    if os_fields is not None and isinstance(error, OSError):
        set_os_fields(error, *os_fields)
    return error


class ContainerError(StorageError):
    """An operation on a container failed."""


class ContainerNotFoundError(ContainerError, FileNotFoundError):
    """The container does not exist."""

    _errno = errno.ENOENT


class ContainerAlreadyExistsError(ContainerError, FileExistsError):
    """The container already exists; pass ``exist_ok=True`` to accept that."""

    _errno = errno.EEXIST


class ContainerNotEmptyError(ContainerError, OSError):
    """The container is not empty; pass ``recursive=True`` to delete its objects too."""

    _errno = errno.ENOTEMPTY


class ObjectError(StorageError):
    """An operation on an object failed."""


class ObjectNotFoundError(ObjectError, FileNotFoundError):
    """The object does not exist."""

    _errno = errno.ENOENT


class ObjectAlreadyExistsError(ObjectError, FileExistsError):
    """The object already exists, and ``if_absent=True`` was given."""

    _errno = errno.EEXIST


class ObjectChangedError(ObjectError):
    """The object's ETag is not the one of ``if_match``, or it was replaced while being read."""


class ObjectNotModifiedError(ObjectError):
    """The object still has the ETag of ``if_none_match``; nothing was read."""


class ObjectNameConflictError(ObjectError, FileExistsError):
    """The name conflicts with an existing one: ``a`` and ``a/b`` on a file system."""

    _errno = errno.EEXIST


class IntegrityError(StorageError):
    """A checksum or a length does not match: the bytes differ from those stored or sent."""


class InvalidNameError(StorageError, ValueError):
    """The service does not support this name of a container or an object. Nothing was sent."""


class InvalidOptionError(StorageError, ValueError):
    """An argument has an invalid value. Nothing was sent."""


class InvalidTypeError(InvalidOptionError, TypeError):
    """An argument has the wrong type. Nothing was sent."""


class UnknownDriverError(StorageError, LookupError):
    """There is no driver of this name."""


class NotSupportedError(StorageError):
    """The service does not support this. Nothing was sent."""


class OutcomeUnknownError(StorageError):
    """
    The response to a conditional request was lost, and it is unknown whether it took effect.

    The message says how to find out. The last error is the `__cause__`.
    """


class AuthenticationError(StorageError):
    """The service rejected the credentials."""


class CredentialsNotFoundError(AuthenticationError):
    """No credentials were given, and none were found in the environment."""


class AccessDeniedError(StorageError, PermissionError):
    """The credentials are valid but do not permit this."""

    _errno = errno.EACCES


class ServiceError(StorageError):
    """
    The service failed or sent an unexpected response.

    Attributes:
        unproven: The response has a status of success, but does not show that the service has
            carried out the request.
        likely: With `unproven`: the service itself has sent the response, as far as can be seen.
    """

    unproven: bool = False
    likely: bool = False


class RateLimitedError(ServiceError):
    """The service limits the rate of requests."""

    retryable = True


class ServiceUnavailableError(ServiceError):
    """The service is temporarily unavailable."""

    retryable = True


class StorageFullError(ServiceError, OSError):
    """No space is left, or a quota is exceeded."""

    _errno = errno.ENOSPC


class TransportError(StorageError, ConnectionError):
    """
    The service could not be reached, or the connection broke before the response was complete.

    Attributes:
        sent: Whether the service may have received the request. If false, it had no effect.
    """

    retryable = True
    sent: bool = True


class TransportTimeoutError(TransportError, TimeoutError):
    """The service did not respond in time."""

    _errno = errno.ETIMEDOUT


class LocalFileError(StorageError, OSError):
    """The local file of an upload or download failed, not the storage service."""


class LocalFileNotFoundError(LocalFileError, FileNotFoundError):
    """The file to upload, or the directory to download into, does not exist."""

    _errno = errno.ENOENT


class LocalFileExistsError(LocalFileError, FileExistsError):
    """The destination of a download already exists; pass ``overwrite=True`` to replace it."""

    _errno = errno.EEXIST


class LocalFileIsADirectoryError(LocalFileError, IsADirectoryError):
    """The path is a directory, and a file was expected."""

    _errno = errno.EISDIR


class LocalFilePermissionError(LocalFileError, PermissionError):
    """The operating system denied reading the source or writing the destination."""

    _errno = errno.EACCES


class TransferCancelledError(StorageError):
    """The transfer was cancelled, and nothing was published."""

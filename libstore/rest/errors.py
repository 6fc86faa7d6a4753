"""What the answers of services mean where they mean the same, and the errors made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TypeVar

from typing_extensions import ParamSpec

from ..errors import (
    AuthenticationError,
    ContainerNotFoundError,
    IntegrityError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    RateLimitedError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
    StorageFullError,
)
from ..http.message import Fault
from ..redaction import redact, sent_secrets

P = ParamSpec("P")
T = TypeVar("T")

# What a service says itself is cut off after as many characters.
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Meaning:
    """
    What an answer means; the flags are those of `libstore.http.message.Fault`.

    Attributes:
        advice: What has happened, or what to do about it, where the service's word for it is not
            enough.
    """

    kind: type[StorageError]
    advice: str = ""
    retry: bool = False
    renew: bool = False
    skewed: bool = False
    throttled: bool = False

    def error(
        self,
        status: int | None,
        message: str = "",
        *,
        code: str | None = None,
        request_id: str | None = None,
        secrets: Iterable[str | bytes] = (),
    ) -> StorageError:
        """
        Return what to raise.

        Args:
            message: What the service says.
            secrets: What must not stand in it, in the code or in the request's id, even if the
                service says it, besides what was sent last.
        """
        text = self.advice
        known = (*secrets, *sent_secrets())
        said = " ".join(redact(message, known).split())[:_LONGEST]
        if said:
            text += f" (the service says: {said})"
        retryable = True if self.retry else None
        return self.kind(
            text,
            status=status,
            code=redact(code, known) if code else code,
            request_id=redact(request_id, known) if request_id else request_id,
            retryable=retryable,
        )

    def fault(self, error: Exception) -> Fault:
        """Return what the wire is told."""
        return Fault(error, self.retry, self.renew, self.skewed, self.throttled)


# ---------------------------------------------------------------------- what all services tell

BUSY = Meaning(ServiceUnavailableError, "the service cannot answer at the moment", retry=True)
SLOWER = Meaning(
    RateLimitedError,
    "the service asks for fewer requests; send fewer at once",
    retry=True,
    throttled=True,
)
DAMAGED = Meaning(
    IntegrityError, "the bytes that arrived are not the ones that were sent", retry=True
)
CLOCK = Meaning(AuthenticationError, "the clock of this machine is wrong; set it", skewed=True)
#: Statuses that say by themselves that another attempt may succeed, whoever says them: a load
#: balancer answers with a page of its own, or with nothing.
PASSING: Mapping[int, Meaning] = {
    408: BUSY, 429: SLOWER, 500: BUSY, 502: BUSY, 503: BUSY, 504: BUSY,
}  # fmt: skip
FULL = Meaning(StorageFullError, "the service has no room left")
QUOTA = Meaning(StorageFullError, "a quota is used up")
LACKING = Meaning(NotSupportedError, "the service cannot do this")
REFUSED = Meaning(ServiceError, "the service does not accept the request")
EXISTS = Meaning(ObjectAlreadyExistsError, "there is an object of this name already")
CHANGED = Meaning(ObjectChangedError, "the object has another ETag")
NO_OBJECT = Meaning(ObjectNotFoundError, "there is no such object")
NO_BUCKET = Meaning(ContainerNotFoundError, "there is no such bucket")
NO_CONTAINER = Meaning(ContainerNotFoundError, "there is no such container")


# ---------------------------------------------------------------------- what none of them tells


def foreign(status: int, service: str, where: str = "the endpoint") -> Meaning:
    """
    Return the meaning of an answer that is not the service's.

    Args:
        where: The arguments that say where the service is.
    """
    return Meaning(
        ServiceError,
        f"the answer, status {status}, is not one of {service}; look whether {where} is right,"
        " and whether a proxy or a login page answers in its place",
    )


# ---------------------------------------------------------------------- what makes no sense


def understood(read: Callable[P, T]) -> Callable[P, T]:
    """
    Have a function that reads an answer raise `ServiceError` where that has another form.

    JSON may have anything anywhere, such as a number where there should be a name.
    """

    @wraps(read)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return read(*args, **kwargs)
        except StorageError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            raise ServiceError(
                "an answer has another form than the service's; look whether the endpoint is"
                " right, and whether a proxy answers in its place"
            ) from None

    return wrapped

"""Where the service is, which names buckets and objects can have, and the paths of both."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import InvalidNameError
from ...http.encoding import encode, encode_path, split_origin
from ...rest.settings import is_loopback, split_endpoint

#: Google's own.
PUBLIC_URL = "https://storage.googleapis.com"

# https://cloud.google.com/storage/docs/buckets#naming
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", re.ASCII)
_ADDRESS = re.compile(r"\d+(\.\d+){3}", re.ASCII)
# https://cloud.google.com/storage/docs/objects#naming
_UNFIT = re.compile(r"[\r\n]")
_RESERVED = ".well-known/acme-challenge/"


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where the service is.

    Attributes:
        url: ``scheme://host[:port]``.
        prefix: What stands before the paths of all requests; mostly nothing.
    """

    url: str
    prefix: str = ""

    @property
    def secure(self) -> bool:
        """Whether nobody on the way can read along."""
        return self.url.startswith("https:")

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(split_origin(self.url)[1])

    def buckets(self) -> str:
        """Return the path of all buckets."""
        return f"{self.prefix}/storage/v1/b"

    def bucket(self, name: str) -> str:
        """Return the path of a bucket."""
        return f"{self.prefix}/storage/v1/b/{encode(name)}"

    def object(self, bucket: str, name: str) -> str:
        """Return the path of an object."""
        return f"{self.prefix}/storage/v1/b/{encode(bucket)}/o/{encode(name)}"

    def uploads(self, bucket: str) -> str:
        """Return the path that uploads go to."""
        return f"{self.prefix}/upload/storage/v1/b/{encode(bucket)}/o"

    def batch(self) -> str:
        """Return the path that batches go to."""
        return f"{self.prefix}/batch/storage/v1"

    def public(self, bucket: str, name: str = "") -> str:
        """Return the path of the XML API, which is also the public one."""
        return f"{self.prefix}/{encode(bucket)}" + (f"/{encode_path(name)}" if name else "")


def find_place(endpoint: str | None, *, insecure: bool) -> Place:
    """
    Return where the service is.

    Raises:
        InvalidOptionError: The endpoint is none, or would be spoken to in clear.
    """
    if endpoint is None:
        return Place(PUBLIC_URL)
    return Place(*split_endpoint(endpoint, "endpoint", insecure=insecure))


def emulator_endpoint(text: str) -> str:
    """Return what ``STORAGE_EMULATOR_HOST`` names; it may lack the scheme."""
    return text if "://" in text else f"http://{text}"


def check_bucket_name(name: str) -> None:
    """Raise `InvalidNameError` for what no bucket can be called."""
    pieces = name.split(".")
    short = all(0 < len(piece) <= 63 for piece in pieces)
    if not _BUCKET.fullmatch(name) or not short or _ADDRESS.fullmatch(name):
        raise InvalidNameError(
            f"Google takes no bucket of the name {name[:80]!r}: it must have at least 3 lower-case"
            " letters, digits, dots, hyphens and underscores, at most 63 between two dots, begin"
            " and end with a letter or a digit, and be no IP address"
        )


def check_object_name(name: str) -> None:
    """Raise `InvalidNameError` for what Google cannot hold."""
    if name in {".", ".."} or name.startswith(_RESERVED) or _UNFIT.search(name):
        raise InvalidNameError(
            f"Google cannot hold the name {name[:80]!r}: a name is not '.' or '..', has no line"
            f" feed or carriage return, and does not begin with {_RESERVED}"
        )

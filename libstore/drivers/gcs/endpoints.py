"""The address of the service, its paths, and the names that buckets and objects can have."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ... import arguments
from ...errors import InvalidNameError
from ...http.encoding import encode, encode_path, split_origin

#: Google's own address.
PUBLIC_URL = "https://storage.googleapis.com"

# https://cloud.google.com/storage/docs/buckets#naming
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", re.ASCII)
_IP_ADDRESS = re.compile(r"\d+(\.\d+){3}", re.ASCII)
# https://cloud.google.com/storage/docs/objects#naming
_LINE_END = re.compile(r"[\r\n]")
_RESERVED = ".well-known/acme-challenge/"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    The address of the service.

    Attributes:
        url: ``scheme://host[:port]``.
        prefix: The beginning of the paths of all requests; usually empty.
    """

    url: str = PUBLIC_URL
    prefix: str = ""

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return self.url.startswith("https:")

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return arguments.is_loopback(split_origin(self.url)[1])

    def path(self, bucket: str = "", name: str = "") -> str:
        """Return the path of an object, a bucket or all buckets in the JSON API."""
        path = f"{self.prefix}/storage/v1/b"
        if bucket:
            path += f"/{encode(bucket)}"
        return f"{path}/o/{encode(name)}" if name else path

    def uploads(self, bucket: str) -> str:
        """Return the path for uploads to a bucket."""
        return f"{self.prefix}/upload/storage/v1/b/{encode(bucket)}/o"

    def batch(self) -> str:
        """Return the path for batches."""
        return f"{self.prefix}/batch/storage/v1"

    def public(self, bucket: str, name: str = "") -> str:
        """Return the path in the XML API, which is also that of public URLs."""
        return f"{self.prefix}/{encode(bucket)}" + (f"/{encode_path(name)}" if name else "")


def check_bucket_name(name: str) -> None:
    """Raise `InvalidNameError` if no bucket can have this name."""
    pieces = name.split(".")
    short = all(0 < len(piece) <= 63 for piece in pieces)
    if not _BUCKET.fullmatch(name) or not short or _IP_ADDRESS.fullmatch(name):
        raise InvalidNameError(
            f"invalid bucket name {name[:80]!r}: it must have at least 3 lower-case letters,"
            " digits, dots, hyphens and underscores, at most 63 between two dots, begin and end"
            " with a letter or a digit, and not be an IP address"
        )


def check_object_name(name: str) -> None:
    """Raise `InvalidNameError` if no object can have this name."""
    if name in {".", ".."} or name.startswith(_RESERVED) or _LINE_END.search(name):
        raise InvalidNameError(
            f"invalid object name {name[:80]!r}: Google does not allow '.', '..', names with a"
            f" line feed or carriage return, and names that begin with {_RESERVED}"
        )

"""Where requests for a bucket go."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

from typing_extensions import override

#: A label of a host name, which regions and accounts are.
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where requests for a bucket go.

    Attributes:
        url: ``scheme://host[:port]``.
        prefix: The path before an object's name.
        region: The region that requests are signed for.
        top: The path of requests for the bucket itself. It does not end with a slash if the
            bucket is in the path: most clients send none, and some servers require that.
    """

    url: str
    prefix: str
    region: str
    top: str


class Endpoint(ABC):
    """
    The address of a service.

    Attributes:
        secure: Requests are sent by https.
        regional: Each region has a host of its own.
    """

    secure: bool
    regional: bool = False

    @abstractmethod
    def place(self, bucket: str | None, region: str) -> Place:
        """Return where requests for a bucket go, or those for none."""


class PathEndpoint(Endpoint):
    """
    An address whose URLs have the bucket in the path.

    Args:
        url: ``scheme://host[:port]``.
        path: The beginning of all paths; it does not end with a slash.
    """

    def __init__(self, url: str, path: str = "") -> None:
        self._url = url
        self._path = path
        self.secure = not url.startswith("http:")

    @override
    def place(self, bucket: str | None, region: str) -> Place:
        prefix = self._path if bucket is None else f"{self._path}/{bucket}"
        top = f"{prefix}/" if bucket is None else prefix
        return Place(self._url, f"{prefix}/", region, top)


def is_region(text: str | None) -> bool:
    """Return whether a text has the form of a region's name."""
    return text is not None and LABEL.fullmatch(text) is not None

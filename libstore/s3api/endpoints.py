"""Where requests for a bucket go."""

from __future__ import annotations

import re
from typing import NamedTuple

#: A label of a host name, which regions and accounts are.
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


class Place(NamedTuple):
    """
    Where requests for a bucket go.

    Attributes:
        prefix: The path before an object's name.
        region: The region that requests are signed for.
        top: The path of requests for the bucket itself. It does not end with a slash if the
            bucket is in the path: most clients send none, and some servers require that.
    """

    url: str
    prefix: str
    region: str
    top: str


class Endpoint:
    """
    The address of a service, whose URLs have the bucket in the path.

    Args:
        path: The beginning of all paths; it does not end with a slash.

    Attributes:
        regional: Each region has a host of its own.
    """

    regional = False

    def __init__(self, url: str, path: str = "") -> None:
        self.url = url
        self.path = path
        self.secure = not url.startswith("http:")

    def place(self, bucket: str | None, region: str) -> Place:
        """Return the address of a bucket, or of the account without one."""
        return self.place_in_path(self.url, bucket, region)

    def place_in_path(self, url: str, bucket: str | None, region: str) -> Place:
        """Return the address of a bucket whose name is in the path."""
        top = f"{self.path}/{bucket or ''}"
        return Place(url, f"{top}/" if bucket else top, region, top)


def is_region(text: str | None) -> bool:
    """Return whether a text has the form of a region's name."""
    return text is not None and LABEL.fullmatch(text) is not None

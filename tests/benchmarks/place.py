"""Where clients connect to, and the names that all of them use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
BUCKET = "bench"
KEY, SECRET, REGION, PROJECT = "AKIDEXAMPLE", "secret", "us-east-1", "test-project"


@dataclass(frozen=True)
class Place:
    """
    A server, or a directory, with what the rows need.

    Attributes:
        url: Of the server.
        folder: Has a directory for files of clients, and one for each bucket.
        authority: The file of the certificate authority that clients have to trust.
        https: The same server over TLS.
    """

    url: str
    folder: Path
    authority: str = ""
    https: str = ""

    def secured(self) -> Place:
        """Return the same place over TLS."""
        return replace(self, url=self.https)

    def file(self, name: str) -> Path:
        """Return the file with the content of an object."""
        return self.folder / BUCKET / name

    def scratch(self, name: str) -> Path:
        """Return a file that a client may write."""
        return self.folder / "scratch" / name


class NotAvailableError(Exception):
    """What a row needs is not installed."""


def listing_bucket(count: int) -> str:
    """Return the name of a bucket with so many keys."""
    return f"keys-{count}"


def tree_bucket(count: int) -> str:
    """Return the name of a bucket with so many directories of `KEYS_OF_A_DIRECTORY` keys."""
    return f"tree-{count}"


KEYS_OF_A_DIRECTORY = 10


def key(number: int) -> str:
    """Return a key as listings have it, and requests to delete many."""
    return f"data/year=2026/part-{number:08}.parquet"

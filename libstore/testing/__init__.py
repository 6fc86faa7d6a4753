"""
The conformance suite for drivers, also those of other packages.

Provide the driver under test as a fixture and run pytest:

    import pytest
    from libstore.testing import DriverConformance

    class TestMyDriver(DriverConformance):
        @pytest.fixture
        def driver(self):
            return MyDriver(...)

Each test checks one rule through public operations only. Tests of unsupported features are
skipped, according to `StorageDriver.supports` and `Limits`.
"""

from __future__ import annotations

from .base import Topic, fresh_name, names_of, noise, unfinished
from .concurrency import Concurrency
from .conditional_reads import ConditionalReads
from .conditions import Conditionals
from .containers import Containers
from .copying import Copies
from .deleting import Deletes
from .downloads import Downloads
from .errors import Errors
from .handles import Handles
from .integrity import Integrity
from .listing import Listings
from .metadata import MetadataPairs
from .names import Names
from .objects import Objects
from .pickling import Pickles
from .publishing import Publishing
from .ranges import Ranges
from .readers import Readers
from .seekable_writers import SeekableWriters
from .signing import Signatures
from .sources import Sources
from .uploads import Uploads
from .walking import Walks
from .writers import Writers

__all__ = [
    "DriverConformance",
    "Topic",
    "fresh_name",
    "names_of",
    "noise",
    "unfinished",
]


class DriverConformance(
    Containers,
    Objects,
    Names,
    Listings,
    Walks,
    ConditionalReads,
    Ranges,
    Sources,
    Uploads,
    Downloads,
    Conditionals,
    Errors,
    Handles,
    Readers,
    Writers,
    SeekableWriters,
    Integrity,
    MetadataPairs,
    Copies,
    Deletes,
    Signatures,
    Publishing,
    Concurrency,
    Pickles,
):
    """
    Run all topics of the suite.

    Fixtures:
        driver: The driver under test, which the adopter provides. Tests may share one.
        redeem: A function that sends a request to a presigned URL. Provide it only for a driver
            whose URLs are not HTTP.
    """

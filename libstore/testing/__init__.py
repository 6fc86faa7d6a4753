"""
The suite that every driver passes, those of this library and those of others.

A driver adopts it with one fixture, and pytest does the rest:

    import pytest
    from libstore.testing import DriverConformance

    class TestMyDriver(DriverConformance):
        @pytest.fixture
        def driver(self):
            return MyDriver(...)

Each test states one rule of what an operation means, and works through public operations alone.
What a service does not have is skipped by what `StorageDriver.supports` and `Limits` tell of it.
"""

from __future__ import annotations

from .base import Topic, fresh_name, names_of, noise, unfinished
from .concurrency import Concurrency
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
    Ranges,
    Sources,
    Uploads,
    Downloads,
    Conditionals,
    Errors,
    Handles,
    Readers,
    Writers,
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
    All topics of the suite in one class.

    Fixtures:
        driver: The driver under test; the adopter supplies it. Several tests may share one.
        redeem: Sends a request to a signed URL. Only a driver whose URLs are not HTTP supplies it.
    """

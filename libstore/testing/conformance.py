"""The conformance suite: all topics in one class."""

from __future__ import annotations

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
from .many_reads import ManyReads
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
from .versions import Versions
from .walking import Walks
from .writers import Writers


class DriverConformance(
    Containers,
    Objects,
    Names,
    Listings,
    Walks,
    ConditionalReads,
    Ranges,
    ManyReads,
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
    Versions,
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

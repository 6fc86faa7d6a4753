"""The options of large transfers."""

from __future__ import annotations

from dataclasses import dataclass

from .. import arguments
from ..values import MiB


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """
    The part size and concurrency of large transfers.

    An upload holds at most ``(concurrency + 1) * part_size`` bytes in memory.

    Attributes:
        part_size: The size in bytes of a part of an upload and of a range of a download. It
            increases when an upload would exceed the service's maximum number of parts.
        multipart_threshold: The maximum size in bytes of a transfer with a single request.
        concurrency: The maximum number of concurrent requests of one transfer or batch.
    """

    part_size: int = 8 * MiB
    multipart_threshold: int = 16 * MiB
    concurrency: int = 8

    def __post_init__(self) -> None:
        arguments.positive_size(self.part_size, "part_size")
        arguments.positive_size(self.multipart_threshold, "multipart_threshold")
        arguments.positive_size(self.concurrency, "concurrency")

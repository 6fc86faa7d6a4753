"""How transfers are cut up and how many parts travel at once."""

from __future__ import annotations

from dataclasses import dataclass

from .. import arguments
from ..values import MiB


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """
    The shape of large transfers.

    An upload holds at most ``(concurrency + 1) * part_size`` bytes in memory.

    Attributes:
        part_size: Bytes of one part of an upload and of one range of a download. It grows where
            a service's limit on the number of parts asks for it.
        multipart_threshold: Larger transfers, in bytes, go in parts; others in one request.
        concurrency: The most parts, or requests of a batch, that travel at once.
    """

    part_size: int = 8 * MiB
    multipart_threshold: int = 16 * MiB
    concurrency: int = 8

    def __post_init__(self) -> None:
        arguments.positive_size(self.part_size, "part_size")
        arguments.positive_size(self.multipart_threshold, "multipart_threshold")
        arguments.positive_size(self.concurrency, "concurrency")

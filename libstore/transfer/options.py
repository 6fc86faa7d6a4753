"""The options of large transfers."""

from __future__ import annotations

from dataclasses import dataclass

from .. import arguments
from ..errors import InvalidOptionError
from ..retry import MIN_RATE
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
        max_bytes_per_second: The maximum rate at which the driver sends and receives the content
            of objects, in both directions and all threads together; at least 4 KiB. `None` means
            no limit.
    """

    part_size: int = 8 * MiB
    multipart_threshold: int = 16 * MiB
    concurrency: int = 8
    max_bytes_per_second: int | None = None

    def __post_init__(self) -> None:
        arguments.positive_size(self.part_size, "part_size")
        arguments.positive_size(self.multipart_threshold, "multipart_threshold")
        arguments.positive_size(self.concurrency, "concurrency")
        if self.max_bytes_per_second is not None:
            rate = arguments.positive_size(self.max_bytes_per_second, "max_bytes_per_second")
            if rate < MIN_RATE:
                raise InvalidOptionError(
                    f"max_bytes_per_second must be at least {MIN_RATE}, not {rate}: services close"
                    " connections that are slower"
                )

"""What one request of an upload carries: bytes of a known size that can be sent again."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence

from typing_extensions import override

from ..errors import IntegrityError
from ..values import MiB
from .digests import Digests


def _go_on() -> None:
    """Do nothing: for a payload that nobody cancels."""


class Payload(ABC):
    """
    The content of one put or one part.

    A driver may go over it as often as it needs to: once for a digest, once for each try.

    Attributes:
        size: Bytes in all.
    """

    def __init__(self, size: int, checkpoint: Callable[[], None] = _go_on) -> None:
        self.size = size
        self._checkpoint = checkpoint
        self._digests: dict[str, str] = {}

    @abstractmethod
    def _blocks(self, block_size: int) -> Iterator[memoryview]:
        """Yield the content from its beginning."""

    def blocks(self, block_size: int = MiB) -> Iterator[memoryview]:
        """
        Yield the content from its beginning, in pieces of at most `block_size` bytes.

        A piece is valid until the next one is asked for.

        Raises:
            TransferCancelledError: The transfer was stopped meanwhile.
        """
        for block in self._blocks(block_size):
            self._checkpoint()
            yield block

    def read(self) -> bytes:
        """Return the whole content; for a service whose client wants it in one piece."""
        return b"".join(self._blocks(max(self.size, 1)))

    @property
    def computed(self) -> Collection[str]:
        """The algorithms of the digests that were computed so far."""
        return self._digests.keys()

    def digest(self, algorithm: str) -> str:
        """Return the hexadecimal digest of the content. It is computed once."""
        if algorithm not in self._digests:
            digests = Digests((algorithm,))
            for block in self.blocks():
                digests.update(block)
            self._digests.update(digests.hexdigests())
        return self._digests[algorithm]


class BufferPayload(Payload):
    """Content that is in memory."""

    def __init__(
        self, buffers: Sequence[memoryview], checkpoint: Callable[[], None] = _go_on
    ) -> None:
        super().__init__(sum(buffer.nbytes for buffer in buffers), checkpoint)
        self._buffers = buffers

    @override
    def _blocks(self, block_size: int) -> Iterator[memoryview]:
        for buffer in self._buffers:
            for start in range(0, buffer.nbytes, block_size):
                yield buffer[start : start + block_size]


class FilePayload(Payload):
    """Content that lies in a file, from `offset` on."""

    def __init__(
        self,
        descriptor: int,
        offset: int,
        size: int,
        checkpoint: Callable[[], None] = _go_on,
    ) -> None:
        super().__init__(size, checkpoint)
        self._descriptor = descriptor
        self._offset = offset

    @override
    def _blocks(self, block_size: int) -> Iterator[memoryview]:
        position = 0
        while position < self.size:
            wanted = min(block_size, self.size - position)
            block = os.pread(self._descriptor, wanted, self._offset + position)
            if not block:
                raise IntegrityError(
                    f"the source became shorter while it was uploaded: {self.size} bytes were"
                    f" there at first, {position} are left"
                )
            position += len(block)
            yield memoryview(block)

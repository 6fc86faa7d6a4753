"""The body of one request of an upload: bytes of a known size that can be sent again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

from typing_extensions import override

from ..errors import IntegrityError
from ..values import MiB, no_checkpoint
from .digests import new_hasher
from .local_files import read_at


class Payload(ABC):
    """
    The content of one put or one part.

    A driver may iterate over it more than once: for a checksum, and for each attempt.

    Attributes:
        size: The number of bytes.
        digests: The digests that have been computed, by algorithm.
        checkpoint: Raises an error if the transfer was cancelled.
    """

    def __init__(self, size: int, checkpoint: Callable[[], None] = no_checkpoint) -> None:
        self.size = size
        self.checkpoint = checkpoint
        self.digests: dict[str, str] = {}

    @abstractmethod
    def blocks(self, block_size: int = MiB) -> Iterator[memoryview]:
        """
        Yield the content from the beginning, in blocks of at most `block_size` bytes.

        A block is valid until the next one is requested.

        Raises:
            TransferCancelledError: The transfer was cancelled meanwhile.
        """

    def keep(self, size: int) -> Payload:  # noqa: ARG002
        """
        Return the same content, of which `size` bytes are kept to be sent later.

        A limit of the rate counts these bytes now, and none while iterating over the result.
        """
        return self

    def read(self) -> bytes:
        """Return the whole content as one `bytes` object."""
        return b"".join(self.blocks(max(self.size, 1)))

    def digest(self, algorithm: str) -> str:
        """Return the hexadecimal digest of the content, which is computed at the first call."""
        digest = self.digests.get(algorithm)
        if digest is None:
            hasher = new_hasher(algorithm)
            for block in self.blocks():
                hasher.update(block)
            digest = self.digests[algorithm] = hasher.hexdigest()
        return digest


class BufferPayload(Payload):
    """Content that is in memory."""

    def __init__(
        self, buffers: Sequence[memoryview], checkpoint: Callable[[], None] = no_checkpoint
    ) -> None:
        super().__init__(sum(map(len, buffers)), checkpoint)
        self._buffers = buffers

    @override
    def blocks(self, block_size: int = MiB) -> Iterator[memoryview]:
        if self.size <= block_size and self.checkpoint is no_checkpoint:
            return filter(len, self._buffers)
        return self._split(block_size)

    def _split(self, block_size: int) -> Iterator[memoryview]:
        for buffer in self._buffers:
            for start in range(0, buffer.nbytes, block_size):
                self.checkpoint()
                yield buffer[start : start + block_size]


class FilePayload(Payload):
    """Content of a file, from `offset` on."""

    def __init__(
        self,
        descriptor: int,
        offset: int,
        size: int,
        checkpoint: Callable[[], None] = no_checkpoint,
    ) -> None:
        super().__init__(size, checkpoint)
        self._descriptor = descriptor
        self._offset = offset

    @override
    def blocks(self, block_size: int = MiB) -> Iterator[memoryview]:
        position = 0
        while position < self.size:
            wanted = min(block_size, self.size - position)
            block = read_at(self._descriptor, wanted, self._offset + position)
            if not block:
                raise IntegrityError(
                    f"the source became shorter during the upload: it had {self.size} bytes and"
                    f" now has {position}"
                )
            position += len(block)
            self.checkpoint()
            yield memoryview(block)

"""What one request carries: bytes of a known size that can be sent again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libstore import IntegrityError, Payload, TransferCancelledError
from libstore.transfer.payload import BufferPayload, FilePayload

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def descriptor(tmp_path: Path) -> object:
    """Return an open file with ten bytes before and after the content."""
    path = tmp_path / "content"
    path.write_bytes(b"x" * 10 + CONTENT + b"y" * 10)
    handle = os.open(path, os.O_RDWR)
    yield handle
    os.close(handle)


@pytest.fixture(params=["buffers", "file"])
def make(request: pytest.FixtureRequest, descriptor: int) -> Callable[..., Payload]:
    """Return what makes a payload of the content, in memory or in a file."""
    if request.param == "file":
        return lambda *check: FilePayload(descriptor, 10, len(CONTENT), *check)
    pieces = [memoryview(CONTENT)[start : start + 999] for start in range(0, len(CONTENT), 999)]
    return lambda *check: BufferPayload(pieces, *check)


@pytest.mark.parametrize("block_size", [1, 7, 999, 1000, 10_240, 1 << 20])
def test_blocks_are_the_content_in_order(make: Callable[..., Payload], block_size: int) -> None:
    """No block is larger than requested, none is empty, and together they are all."""
    payload = make()
    blocks = [bytes(block) for block in payload.blocks(block_size)]
    assert CONTENT == b"".join(blocks)
    assert all(0 < len(block) <= block_size for block in blocks)
    assert len(CONTENT) == payload.size


def test_payload_can_be_sent_again(make: Callable[..., Payload]) -> None:
    """Each attempt gets all bytes from the beginning, also after half an attempt."""
    payload = make()
    next(payload.blocks(100))
    assert CONTENT == payload.read()
    assert CONTENT == b"".join(payload.blocks(100))
    assert hashlib.sha256(CONTENT).hexdigest() == payload.digest("sha256")
    assert CONTENT == payload.read()


def test_digest_is_computed_once(make: Callable[..., Payload]) -> None:
    """A second request for a digest does not read the bytes again."""
    passes: list[int] = []
    payload = make(lambda: passes.append(1))
    assert hashlib.md5(CONTENT).hexdigest() == payload.digest("md5")
    once = len(passes)
    payload.digest("md5")
    assert once == len(passes) > 0


def test_payload_of_cancelled_transfer_stops(make: Callable[..., Payload]) -> None:
    """Between two blocks is where a transfer can be cancelled."""
    allowed = [3]

    def checkpoint() -> None:
        allowed[0] -= 1
        if allowed[0] < 0:
            raise TransferCancelledError("enough")

    blocks = make(checkpoint).blocks(100)
    for _ in range(3):
        next(blocks)
    with pytest.raises(TransferCancelledError):
        next(blocks)


def test_empty_payload_has_no_blocks(descriptor: int) -> None:
    """Nothing is sent of nothing, and its digest is the one of nothing."""
    for payload in (BufferPayload([]), FilePayload(descriptor, 0, 0)):
        assert [] == list(payload.blocks())
        assert b"" == payload.read()
        assert hashlib.md5(b"").hexdigest() == payload.digest("md5")


def test_truncated_file_is_an_error(descriptor: int) -> None:
    """Fewer bytes than announced are an error, never a short request."""
    payload = FilePayload(descriptor, 10, len(CONTENT))
    os.ftruncate(descriptor, 10 + 500)
    with pytest.raises(IntegrityError, match=rf"{len(CONTENT)} bytes and now has 500"):
        payload.read()


def test_reading_does_not_move_the_file_position(descriptor: int) -> None:
    """Two parts of one file can be sent concurrently."""
    os.lseek(descriptor, 3, os.SEEK_SET)
    FilePayload(descriptor, 10, len(CONTENT)).read()
    assert 3 == os.lseek(descriptor, 0, os.SEEK_CUR)


@given(pieces=st.lists(st.binary(max_size=20), max_size=8), block_size=st.integers(1, 25))
def test_payload_of_any_pieces_is_their_content(pieces: list[bytes], block_size: int) -> None:
    """Where the pieces in memory end is not where the blocks end."""
    payload = BufferPayload([memoryview(piece) for piece in pieces])
    whole = b"".join(pieces)
    assert whole == b"".join(payload.blocks(block_size)) == payload.read()
    assert len(whole) == payload.size

"""Integrity: the stored content is the content that was sent, with correct checksums."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import Any

import pytest

from libstore import Container, IntegrityError, InvalidOptionError, Object

from .base import CONTENT, Topic, noise, unfinished

_ALGORITHMS = ("md5", "sha1", "sha256", "sha512", "crc32")
_SIZES = pytest.mark.parametrize(
    "parts", [pytest.param(0.1, id="small"), pytest.param(2.5, id="in parts")]
)


def _digest(algorithm: str, content: bytes) -> str:
    if algorithm == "crc32":
        return f"{zlib.crc32(content):08x}"
    return hashlib.new(algorithm, content).hexdigest()


def _compare(algorithm: str, digest: str, obj: Object, content: bytes) -> None:
    """Compare a checksum of an object, by computing it or by a verified read."""
    if algorithm in _ALGORITHMS:
        assert _digest(algorithm, content) == digest
    else:
        assert content == obj.read()


class Integrity(Topic):
    """Test checksums."""

    @_SIZES
    def test_the_hash_is_that_of_the_content(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """object_hash, if not None, is the checksum of the whole content."""
        content = noise(int(parts * part_size))
        uploaded = container.upload_object(content, "a")
        for obj in (uploaded, container.get_object("a"), container.list_objects()[0]):
            algorithm, digest = obj.hash_algorithm, obj.object_hash
            assert (algorithm is None) == (digest is None)
            if algorithm is not None and digest is not None:
                assert obj.checksums[algorithm] == digest
                _compare(algorithm, digest, obj, content)

    def test_all_checksums_are_those_of_the_content(self, container: Container) -> None:
        """Each checksum is that of the content, in hexadecimal."""
        container.upload_object(CONTENT, "a")
        obj = container.get_object("a")
        for algorithm, digest in obj.checksums.items():
            assert bytes.fromhex(digest).hex() == digest
            _compare(algorithm, digest, obj, CONTENT)
        assert obj.hash_algorithm is None or obj.hash_algorithm in obj.checksums

    def test_the_hash_of_an_empty_object_is_that_of_nothing(self, container: Container) -> None:
        """An object of 0 bytes has a checksum too."""
        container.upload_object(b"", "a")
        obj = container.get_object("a")
        assert (obj.hash_algorithm is None) == (obj.object_hash is None)
        if obj.hash_algorithm is not None and obj.object_hash is not None:
            _compare(obj.hash_algorithm, obj.object_hash, obj, b"")

    def test_a_copy_has_the_hash_of_its_source(self, container: Container) -> None:
        """Equal content has equal checksums."""
        obj = container.upload_object(CONTENT, "a")
        copied = obj.copy(container, "b")
        for algorithm in {*obj.checksums} & {*copied.checksums}:
            assert obj.checksums[algorithm] == copied.checksums[algorithm]
        assert CONTENT == copied.read()

    @_SIZES
    def test_verified_by_names_the_checksum_of_the_last_transfer(
        self, container: Container, folder: Path, part_size: int, parts: float
    ) -> None:
        """It is the same for all ways to read the content, and None for a range."""
        content = noise(int(parts * part_size))
        uploaded = container.upload_object(content, "a")
        obj = container.object("a")
        assert obj.verified_by is None
        assert content == obj.read()
        expected = obj.verified_by
        assert expected is None or expected.startswith("composite ") or expected in obj.checksums
        assert expected is None or uploaded.verified_by is not None
        obj.download(folder / "a")
        assert expected == obj.verified_by
        assert content == b"".join(obj.stream())
        assert expected == obj.verified_by
        assert content[1:] == obj.read(start=1)
        assert obj.verified_by is None

    def test_sequentially_read_file_sets_verified_by(self, container: Container) -> None:
        container.upload_object(CONTENT, "a")
        obj = container.object("a")
        obj.read()
        expected = obj.verified_by
        with obj.as_file() as file:
            assert CONTENT == file.read()
        assert expected == obj.verified_by

    @pytest.mark.parametrize("algorithm", _ALGORITHMS)
    def test_a_checksum_that_matches_lets_the_upload_through(
        self, container: Container, algorithm: str
    ) -> None:
        """All algorithms are accepted, in upper and lower case."""
        checksum = f"{algorithm}:{_digest(algorithm, CONTENT).upper()}"
        assert CONTENT == container.upload_object(CONTENT, "a", checksum=checksum).read()

    @pytest.mark.parametrize("algorithm", _ALGORITHMS)
    def test_a_checksum_that_does_not_match_stops_the_upload(
        self, container: Container, algorithm: str
    ) -> None:
        """A mismatch raises IntegrityError, and nothing is stored."""
        checksum = f"{algorithm}:{_digest(algorithm, CONTENT)}"
        with pytest.raises(IntegrityError):
            container.upload_object(CONTENT + b"!", "a", checksum=checksum)
        assert not container.object_exists("a")

    @pytest.mark.parametrize("known", [True, False], ids=["known length", "unknown length"])
    def test_a_checksum_holds_for_an_upload_in_parts(
        self, container: Container, part_size: int, known: bool
    ) -> None:
        """The checksum is that of the whole; a mismatch aborts the upload."""
        content = noise(2 * part_size + 9)

        def upload(checksum: str) -> None:
            container.upload_object(content if known else iter([content]), "a", checksum=checksum)

        with pytest.raises(IntegrityError):
            upload(f"sha256:{_digest('sha256', CONTENT)}")
        assert not container.object_exists("a")
        assert [] == unfinished(container)
        upload(f"sha256:{_digest('sha256', content)}")
        assert content == container.read_object("a")

    def test_a_wrong_checksum_leaves_the_old_object(self, container: Container) -> None:
        """A mismatch does not change the existing object."""
        container.upload_object(CONTENT, "a")
        with pytest.raises(IntegrityError):
            container.upload_object(b"other", "a", checksum=f"md5:{_digest('md5', CONTENT)}")
        assert CONTENT == container.read_object("a")

    @pytest.mark.parametrize(
        "checksum",
        ["", "md5", "md5:", "md5:abc", "md5:" + "g" * 32, "sha3:" + "0" * 64, "0" * 32, 5, b"md5"],
        ids=ascii,
    )
    def test_malformed_checksum_is_refused(self, container: Container, checksum: Any) -> None:
        """A checksum is an algorithm, a colon and a hexadecimal value."""
        with pytest.raises(InvalidOptionError):
            container.upload_object(CONTENT, "a", checksum=checksum)
        assert not container.object_exists("a")

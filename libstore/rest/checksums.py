"""Digests as headers, XML and JSON have them: in base64, where ours are hexadecimal."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping

from ..redaction import Hidden
from ..values import ObjectInfo

_SIZES = {"md5": 16, "sha1": 20, "sha256": 32, "crc32": 4, "crc32c": 4, "crc64nvme": 8}


def base64_of(digest: str) -> str:
    """Return a hexadecimal digest in base64."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def hex_digest(algorithm: str, text: object) -> str | None:
    """
    Return a digest in hexadecimal; `None` for what is none.

    That of digests of parts, which has a dash at its end, is none either.
    """
    if not isinstance(text, str) or not text:
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == _SIZES[algorithm] else None


def is_same(info: ObjectInfo, size: int | None, checksums: Mapping[str, str]) -> bool:
    """Return whether an object has this size, and one of these digests and no other than them."""
    known = [digest for digest in info.checksums if digest in checksums]
    same = all(info.checksums[digest] == checksums[digest] for digest in known)
    return bool(known) and same and info.size == size


def key_headers(key: object, prefix: str) -> dict[str, str]:
    """
    Return the headers of a key that the service does not keep; none if there is no key.

    Azure's and Google's differ by no more than what they begin with:
    https://learn.microsoft.com/en-us/azure/storage/blobs/encryption-customer-provided-keys and
    https://cloud.google.com/storage/docs/encryption/customer-supplied-keys
    """
    if not isinstance(key, (bytes, bytearray, memoryview)):
        return {}
    return {
        f"{prefix}encryption-algorithm": "AES256",
        f"{prefix}encryption-key": Hidden(base64.b64encode(key).decode()),
        f"{prefix}encryption-key-sha256": base64.b64encode(hashlib.sha256(key).digest()).decode(),
    }

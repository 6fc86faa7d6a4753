"""Digests in base64, as headers, XML and JSON have them, and in hexadecimal, as records do."""

from __future__ import annotations

import base64
import binascii
import hashlib
import sys
from collections.abc import Callable, Mapping
from functools import partial

from ..errors import IntegrityError, NotSupportedError
from ..redaction import Hidden

_SIZES = {"md5": 16, "sha1": 20, "sha256": 32, "crc32": 4, "crc32c": 4, "crc64nvme": 8}
# A page of a listing has two digests for each object, and `b64decode` takes twice as long.
_decode: Callable[[str], bytes] = partial(base64.b64decode, validate=True)
if sys.version_info >= (3, 11):
    _decode = partial(binascii.a2b_base64, strict_mode=True)


def base64_of(digest: str) -> str:
    """Return a hexadecimal digest in base64."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def hex_digest(algorithm: str, text: object) -> str | None:
    """
    Return a digest in hexadecimal; `None` if the text is not a digest of this algorithm.

    The digest of a multipart upload, which ends with a dash and a number, is not one.
    """
    if not isinstance(text, str) or not text:
        return None
    try:
        digest = _decode(text)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == _SIZES[algorithm] else None


def require_digest(expected: str | None, found: str | None, what: str) -> None:
    """
    Raise `IntegrityError` if a digest or ETag is not the expected one; `None` stands for any.

    Args:
        what: The beginning of the message: what happened, and the subject of the digest.
    """
    if expected is not None and found != expected:
        raise IntegrityError(f"{what} should be {expected}, but is {found}")


def check_key_is_sent(key: bytes | None, header: str, headers: Mapping[str, str]) -> None:
    """
    Refuse to sign a URL whose request needs the driver's customer-provided key but has none.

    The key is never added: it would be in the headers that programs hand to clients.

    Args:
        header: The header that has the key.
        headers: The headers that the request must have.
    """
    if key is not None and header not in headers:
        raise NotSupportedError(
            "a presigned URL does not contain the customer_key of this driver, without which the"
            " service would store the object unencrypted by it, or not decrypt it; sign with a"
            f" driver that has no customer_key, or pass headers= with {header} and the headers"
            " that belong to it, which gives the key to the client"
        )


def key_headers(key: object, prefix: str) -> dict[str, str]:
    """Return the headers of a customer-provided encryption key; none without a key."""
    # Azure and Google use different prefixes and the same names:
    # https://learn.microsoft.com/en-us/azure/storage/blobs/encryption-customer-provided-keys and
    # https://cloud.google.com/storage/docs/encryption/customer-supplied-keys
    if not isinstance(key, (bytes, bytearray, memoryview)):
        return {}
    return {
        f"{prefix}encryption-algorithm": "AES256",
        f"{prefix}encryption-key": Hidden(base64.b64encode(key).decode()),
        f"{prefix}encryption-key-sha256": base64.b64encode(hashlib.sha256(key).digest()).decode(),
    }

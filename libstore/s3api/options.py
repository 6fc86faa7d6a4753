"""The settings with which a driver stores and reads objects, and their headers."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote

from ..errors import InvalidOptionError
from ..redaction import Hidden

#: The header that has the customer-provided key.
CUSTOMER_KEY = "x-amz-server-side-encryption-customer-key"
_OWN = ("acl", "encryption", "kms_key", "customer_key")


@dataclass(frozen=True)
class ObjectSettings:
    """
    The settings with which a driver stores and reads objects; a write can override them.

    Attributes:
        encryption: The value of ``x-amz-server-side-encryption``.
        kms_key: The key for an `encryption` by a key management service.
        customer_key: A key of 32 bytes that is sent with each request.
        acl: The canned ACL of new objects.
        requester_pays: The requester pays for requests to requester-pays buckets.

    Raises:
        InvalidOptionError: Two of them exclude each other.
    """

    encryption: str | None = None
    kms_key: str | None = None
    customer_key: bytes | None = field(default=None, repr=False)
    acl: str | None = None
    requester_pays: bool = False

    def __post_init__(self) -> None:
        if self.kms_key is not None and not (self.encryption or "").startswith("aws:kms"):
            raise InvalidOptionError("kms_key goes with encryption='aws:kms' or 'aws:kms:dsse'")
        if self.customer_key is not None and self.encryption is not None:
            raise InvalidOptionError("encryption and customer_key exclude each other; pass one")

    def overridden(self, extra: Mapping[str, object]) -> ObjectSettings:
        """Return the settings of one write, overridden by its own options."""
        given: dict[str, Any] = {name: extra[name] for name in _OWN if name in extra}
        if not given:
            return self
        # The encryption of a write replaces any other.
        if given.get("customer_key") is not None:
            given = {"encryption": None, "kms_key": None, **given}
        elif given.get("encryption") is not None:
            given.setdefault("customer_key", None)
        if not str(given.get("encryption", self.encryption)).startswith("aws:kms"):
            given.setdefault("kms_key", None)
        return replace(self, **given)

    @cached_property
    def payer(self) -> dict[str, str]:
        """The header of requests to requester-pays buckets."""
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/ObjectsinRequesterPaysBuckets.html
        return {"x-amz-request-payer": "requester"} if self.requester_pays else {}

    @cached_property
    def access(self) -> dict[str, str]:
        """The headers of each read of an object."""
        return {**self._customer("x-amz-server-side-encryption-customer-"), **self.payer}

    @cached_property
    def reads(self) -> dict[str, str]:
        """The headers of a read whose response has the object's checksum."""
        return {**self.access, "x-amz-checksum-mode": "ENABLED"}

    @cached_property
    def writes(self) -> dict[str, str]:
        """The headers of each write of an object."""
        return {**self.access, **self.signed}

    @cached_property
    def signed(self) -> dict[str, str]:
        """The headers of each write of an object, without those that reads have too."""
        headers = {}
        if self.encryption is not None:
            headers["x-amz-server-side-encryption"] = self.encryption
        if self.kms_key is not None:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = self.kms_key
        if self.acl is not None:
            headers["x-amz-acl"] = self.acl
        return headers

    @property
    def copy_source(self) -> dict[str, str]:
        """The headers with the encryption key of the source of a copy."""
        return self._customer("x-amz-copy-source-server-side-encryption-customer-")

    def _customer(self, prefix: str) -> dict[str, str]:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-s3-c-encryption.html
        if self.customer_key is None:
            return {}
        digest = hashlib.md5(self.customer_key, usedforsecurity=False).digest()
        return {
            f"{prefix}algorithm": "AES256",
            f"{prefix}key": Hidden(base64.b64encode(self.customer_key).decode()),
            f"{prefix}key-md5": base64.b64encode(digest).decode(),
        }


def tag_headers(tags: object) -> dict[str, str]:
    """Return the header of an object's tags, which has the form of a query."""
    if not isinstance(tags, Mapping):
        return {}
    joined = "&".join(
        f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in tags.items()
    )
    return {"x-amz-tagging": joined} if joined else {}

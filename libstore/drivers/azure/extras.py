"""The options that only Azure has, and how they are checked."""

from __future__ import annotations

from collections.abc import Mapping

from ...hooks import Check
from .._extras import key, one_of, optional, tags, text

UPLOAD_EXTRAS: Mapping[str, Check] = {
    "access_tier": text,
    "customer_key": key,
    "encryption_scope": text,
    "tags": tags,
}
CONTAINER_EXTRAS: Mapping[str, Check] = {"public_access": optional(one_of("blob", "container"))}

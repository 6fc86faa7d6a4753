"""Google Cloud Storage."""

from __future__ import annotations

from .driver import GCSDriver
from .hmac import HMACDriver

__all__ = ["GCSDriver"]

GCSDriver._with_hmac = HMACDriver

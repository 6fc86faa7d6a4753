"""Google Cloud Storage."""

from __future__ import annotations

from .driver import GCSDriver

__all__ = ["GCSDriver"]

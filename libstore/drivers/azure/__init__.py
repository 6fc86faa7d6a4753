"""Azure Blob Storage."""

from __future__ import annotations

from .driver import AzureDriver

__all__ = ["AzureDriver"]

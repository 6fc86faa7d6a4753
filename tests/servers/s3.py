"""What tests need to know of a server that speaks S3."""

from __future__ import annotations

from dataclasses import dataclass

KEY, SECRET = "AKIDTEST", "secrettest12345"


@dataclass(frozen=True)
class S3Server:
    """Where a server is, and who may use it."""

    endpoint: str
    key: str = KEY
    secret: str = SECRET
    region: str = "us-east-1"

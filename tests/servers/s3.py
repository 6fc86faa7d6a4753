"""A server that speaks S3, and boto3's client of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

KEY, SECRET = "AKIDTEST", "secrettest12345"


@dataclass(frozen=True)
class S3Server:
    """Where a server is, and who may use it."""

    endpoint: str
    key: str = KEY
    secret: str = SECRET
    region: str = "us-east-1"


def client_of(server: S3Server) -> Any:
    """Return boto3's client of a server; without boto3 the test is skipped."""
    boto3 = pytest.importorskip("boto3")
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
        region_name=server.region,
        config=Config(s3={"addressing_style": "path"}),
    )


def server_among(*names: str) -> Any:
    """Return a fixture with one parameter for each of these servers."""

    @pytest.fixture(params=names)
    def server(request: pytest.FixtureRequest) -> S3Server:
        found: S3Server = request.getfixturevalue(f"{request.param}_server")
        return found

    return server

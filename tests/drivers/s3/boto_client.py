"""The servers of S3 that a test runs on, and boto3's client of them."""

from __future__ import annotations

from typing import Any

import pytest

from servers.s3 import S3Server


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
    """Return a fixture that is one of some servers after the other; `conftest` starts them."""

    @pytest.fixture(params=names)
    def server(request: pytest.FixtureRequest) -> S3Server:
        found: S3Server = request.getfixturevalue(f"{request.param}_server")
        return found

    return server

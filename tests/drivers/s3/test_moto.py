"""The S3 driver on moto, as on any unknown endpoint."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from drivers.s3_faults import Faulty, Raised, cases

from libstore import ServiceError
from libstore.drivers.s3 import S3Driver
from libstore.testing import DriverConformance
from servers.s3 import S3Server

_UNSIGNED = "moto verifies no signatures"
_START = "moto repeats start-after where XML cannot carry it"
_LINE_FEED = "moto finds no object whose name has a line feed"


@pytest.fixture(scope="module")
def shared_driver(moto_server: S3Server) -> Iterator[S3Driver]:
    """Return a driver that knows nothing of the server but its address."""
    server = moto_server
    with S3Driver(server.key, server.secret, endpoint=server.endpoint) as driver:
        yield driver


class TestMoto(Faulty, DriverConformance):
    """All that the driver does, on a server that checks little and has much."""

    faults: ClassVar[Mapping[str, str]] = {
        "test_a_signed_url_is_for_one_method": _UNSIGNED,
        "test_a_signed_url_is_for_one_object": _UNSIGNED,
        "test_signed_length_limits_an_upload": _UNSIGNED,
        **cases("test_request_without_signed_headers_is_refused", _UNSIGNED, "none", "other"),
        "test_abort_uploads_keeps_recent_uploads": "moto says that every upload was begun in 2010",
        "test_start_after_omits_earlier_names[\\x00]": _START,
        "test_a_difficult_name_comes_back_unchanged_or_is_refused['line\\\\nfeed']": _LINE_FEED,
        "test_different_names_are_different_objects['a\\\\n'-'a\\\\r\\\\n']": _LINE_FEED,
        "test_a_name_is_not_found_under_another['a\\\\n'-'a\\\\r\\\\n']": _LINE_FEED,
    }

    raising: ClassVar[Mapping[str, Raised]] = {_START: ServiceError, _LINE_FEED: ServiceError}

    @pytest.fixture
    def driver(self, shared_driver: S3Driver) -> S3Driver:
        """Return the driver that all tests share."""
        return shared_driver

    @pytest.fixture
    def storage_class(self) -> str:
        """Return a class that is not the default one."""
        return "STANDARD_IA"


def test_the_quickstart_needs_nothing_but_the_environment(
    moto_server: S3Server, project: Path, tmp_path: Path
) -> None:
    """Keys, endpoint and region are Amazon's variables; the region is optional."""
    (tmp_path / "cat.txt").write_bytes(b"meow")
    environment = {
        "AWS_ENDPOINT_URL": moto_server.endpoint,
        "AWS_ACCESS_KEY_ID": moto_server.key,
        "AWS_SECRET_ACCESS_KEY": moto_server.secret,
        "AWS_REGION": "eu-west-1",
    }
    done = subprocess.run(
        [sys.executable, str(project / "docs/examples/quickstart.py"), str(tmp_path), "s3"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "" == done.stderr
    assert "Verified 1 downloads" in done.stdout

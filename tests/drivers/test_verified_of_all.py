"""By what the content is verified that is written to real servers, and read from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from drivers.all_drivers import ALL_DRIVERS

from libstore import TransferOptions
from libstore.values import MiB

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("all_drivers")]

#: An upload in one piece, one in parts, and reads of both, also in ranges.
EXPECTED = {
    "local": ("md5", "md5", "md5", "md5"),
    "memory": ("md5", "md5", "md5", "md5"),
    "s3": ("md5", "composite md5", "md5", "composite md5"),
    "azure": ("md5", "composite md5", "md5", "md5"),
    "gcs": ("md5", "md5", "md5", "md5"),
    "swift": ("md5", "composite md5", "md5", "md5"),
    "swift-s3": ("md5", "composite md5", "md5", "composite md5"),
}


@pytest.mark.parametrize("label", ALL_DRIVERS)
def test_content_is_verified(request: pytest.FixtureRequest, label: str, tmp_path: Path) -> None:
    options = TransferOptions(part_size=5 * MiB, multipart_threshold=6 * MiB, concurrency=4)
    driver = ALL_DRIVERS[label](request).driver(transfer=options)
    container = driver.create_container(f"verified-{label}")
    written = [
        container.upload_object(b"content", "small"),
        container.upload_object(b"content" * MiB, "large"),
    ]
    found = [obj.verified_by for obj in written]
    for name in ("small", "large"):
        obj = container.object(name)
        obj.read()
        found.append(obj.verified_by)
        obj.download(tmp_path / name)
        assert found[-1] == obj.verified_by

    assert EXPECTED[label] == tuple(found)

    container.delete()

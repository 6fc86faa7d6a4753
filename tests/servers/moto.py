"""
The moto server: much of S3's surface, in memory.

It checks neither signatures nor digests. https://docs.getmoto.org/en/latest/docs/server_mode.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .process import ServerProcess, free_ports, program
from .s3 import S3Server


@contextmanager
def moto(folder: Path, certificate: Path | None = None) -> Iterator[S3Server]:
    """Run a server; with a certificate (and its key in the same file) it speaks TLS."""
    (port,) = free_ports(1)
    command = [program("moto_server", "moto[server]"), "-H", "127.0.0.1", "-p", str(port)]
    scheme = "http"
    if certificate is not None:
        command += ["-c", str(certificate), "-k", str(certificate)]
        scheme = "https"
    with ServerProcess("moto", command, folder, [port]):
        yield S3Server(f"{scheme}://127.0.0.1:{port}")

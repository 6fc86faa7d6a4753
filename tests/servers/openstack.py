"""
OpenStack Swift, all its parts with one replica, with the S3 API in front.

It is the strictest of the servers: it checks signatures, regions, clocks, and the digests of all
that arrives, and takes every awkward name. https://docs.openstack.org/swift/latest/
"""

from __future__ import annotations

import getpass
import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .process import ServerProcess, free_ports, missing, program
from .s3 import S3Server

_PACKAGE = "swift"
_SWIFT_CONF = """\
[swift-hash]
swift_hash_path_suffix = libstore
swift_hash_path_prefix = libstore
[storage-policy:0]
name = gold
default = yes
"""
_BACK_END = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {folder}
devices = {devices}
mount_check = false
user = {user}
workers = 0
log_level = WARNING
log_address = /nowhere
disable_fallocate = true
fallocate_reserve = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
_PROXY = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {folder}
user = {user}
workers = 0
log_level = WARNING
[pipeline:main]
pipeline = {pipeline} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
{filters}"""
# Name, entry point and settings, in the order of the pipeline.
_FILTERS: Sequence[tuple[str, str, str]] = (
    ("catch_errors", "catch_errors", ""),
    ("gatekeeper", "gatekeeper", ""),
    ("healthcheck", "healthcheck", ""),
    ("listing_formats", "listing_formats", ""),
    ("bulk", "bulk", ""),
    (
        "s3api",
        "s3api",
        "s3_acl = false\ndns_compliant_bucket_names = true\ncheck_bucket_owner = false\n",
    ),
    ("tempauth", "tempauth", "user_test_tester = testing .admin\nstorage_url_scheme = default\n"),
    ("copy", "copy", ""),
    ("slo", "slo", ""),
    ("dlo", "dlo", ""),
    (
        "versioned_writes",
        "versioned_writes",
        "allow_versioned_writes = true\nallow_object_versioning = true\n",
    ),
    ("symlink", "symlink", ""),
)


@contextmanager
def swift_s3(folder: Path) -> Iterator[S3Server]:
    """Run a proxy with the S3 API, and an account, a container and an object server."""
    if importlib.util.find_spec("swift") is None:
        if sys.version_info >= (3, 13):
            pytest.skip("Swift 2.38 does not run on this Python")
        missing(_PACKAGE)
    kinds = ("account", "container", "object")
    *back, front = free_ports(len(kinds) + 1)
    user = getpass.getuser()
    etc, devices = folder / "etc", folder / "srv"
    (devices / "d1").mkdir(parents=True)
    etc.mkdir()
    (etc / "swift.conf").write_text(_SWIFT_CONF)
    rings = [f"{kind}={port}" for kind, port in zip(kinds, back, strict=True)]
    script = Path(__file__).with_name("openstack_rings.py")
    subprocess.run([sys.executable, str(script), str(etc), *rings], check=True, timeout=120)
    with ExitStack() as stack:
        for kind, port in zip(kinds, back, strict=True):
            text = _BACK_END.format(port=port, folder=etc, devices=devices, user=user, kind=kind)
            stack.enter_context(_serve(kind, port, etc, text))
        text = _PROXY.format(
            port=front,
            folder=etc,
            user=user,
            pipeline=" ".join(name for name, _, _ in _FILTERS),
            filters="".join(
                f"[filter:{name}]\nuse = egg:swift#{entry}\n{settings}"
                for name, entry, settings in _FILTERS
            ),
        )
        stack.enter_context(_serve("proxy", front, etc, text))
        yield S3Server(f"http://127.0.0.1:{front}", "test:tester", "testing")


def _serve(kind: str, port: int, folder: Path, text: str) -> ServerProcess:
    config = folder / f"{kind}-server.conf"
    config.write_text(text)
    command = [program(f"swift-{kind}-server", _PACKAGE), str(config)]
    return ServerProcess(f"swift-{kind}", command, folder, [port])

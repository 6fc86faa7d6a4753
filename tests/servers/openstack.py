"""
OpenStack Swift, all its parts with one replica: its own API, and the S3 API in front.

It is the strictest of the servers: it checks tokens, signatures, regions, clocks, and the digests
of all that arrives, and takes every awkward name. https://docs.openstack.org/swift/latest/
"""

from __future__ import annotations

import getpass
import importlib.util
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
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
allow_versions = true
log_requests = false
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
_TEMPAUTH = """\
user_test_tester = testing .admin
user_test2_tester2 = testing2 .admin
user_test_tester3 = testing3
storage_url_scheme = default
"""
_S3 = "s3_acl = false\ndns_compliant_bucket_names = true\ncheck_bucket_owner = false\n"
_VERSIONS = "allow_versioned_writes = true\nallow_object_versioning = true\n"
# Small segments are read at one a second otherwise.
_AT_ONCE = "rate_limit_under_size = 0\n"

Filters = Sequence[tuple[str, str, str]]


def filters(cache: int, auth: Filters, s3: Filters) -> Filters:
    """Return name, entry point and settings of each filter, in the order of the pipeline."""
    return (
        ("catch_errors", "egg:swift#catch_errors", ""),
        ("gatekeeper", "egg:swift#gatekeeper", ""),
        ("healthcheck", "egg:swift#healthcheck", ""),
        ("cache", "egg:swift#memcache", f"memcache_servers = 127.0.0.1:{cache}\n"),
        ("listing_formats", "egg:swift#listing_formats", ""),
        ("bulk", "egg:swift#bulk", ""),
        ("tempurl", "egg:swift#tempurl", ""),
        ("formpost", "egg:swift#formpost", ""),
        *s3,
        *auth,
        ("staticweb", "egg:swift#staticweb", ""),
        ("copy", "egg:swift#copy", ""),
        ("container-quotas", "egg:swift#container_quotas", ""),
        ("slo", "egg:swift#slo", _AT_ONCE),
        ("dlo", "egg:swift#dlo", _AT_ONCE),
        ("versioned_writes", "egg:swift#versioned_writes", _VERSIONS),
        ("symlink", "egg:swift#symlink", ""),
    )


@dataclass(frozen=True)
class SwiftServer(S3Server):
    """
    Where Swift is, and who may use it.

    Attributes:
        folder: Of its configuration.
        cache: The port of what keeps its tokens.
    """

    folder: Path = field(default_factory=Path)
    cache: int = 0

    @property
    def auth_url(self) -> str:
        """Where to log in."""
        return f"{self.endpoint}/auth/v1.0"

    def forget_tokens(self) -> None:
        """Make all tokens invalid that were handed out."""
        with socket.create_connection(("127.0.0.1", self.cache), 10) as connection:
            connection.sendall(b"flush_all\r\n")
            connection.recv(100)


@contextmanager
def swift(folder: Path) -> Iterator[SwiftServer]:
    """Run a proxy, and an account, a container and an object server."""
    require_swift()
    kinds = ("account", "container", "object")
    *back, front, cache = free_ports(len(kinds) + 2)
    user = getpass.getuser()
    etc, devices = folder / "etc", folder / "srv"
    (devices / "d1").mkdir(parents=True)
    etc.mkdir()
    (etc / "swift.conf").write_text(_SWIFT_CONF)
    rings = [f"{kind}={port}" for kind, port in zip(kinds, back, strict=True)]
    script = Path(__file__).with_name("openstack_rings.py")
    subprocess.run([sys.executable, str(script), str(etc), *rings], check=True, timeout=120)
    with ExitStack() as stack:
        keeper = [sys.executable, str(Path(__file__).with_name("openstack_cache.py")), str(cache)]
        stack.enter_context(ServerProcess("swift-cache", keeper, folder, [cache]))
        for kind, port in zip(kinds, back, strict=True):
            text = _BACK_END.format(port=port, folder=etc, devices=devices, user=user, kind=kind)
            stack.enter_context(_serve(kind, port, etc, text))
        s3 = (("s3api", "egg:swift#s3api", _S3),)
        auth = (("tempauth", "egg:swift#tempauth", _TEMPAUTH),)
        with proxy(etc, "proxy", front, filters(cache, auth, s3)):
            yield SwiftServer(
                f"http://127.0.0.1:{front}", "test:tester", "testing", folder=etc, cache=cache
            )


@contextmanager
def proxy(folder: Path, name: str, port: int, filters: Filters) -> Iterator[None]:
    """Run a proxy before servers that run already."""
    text = _PROXY.format(
        port=port,
        folder=folder,
        user=getpass.getuser(),
        pipeline=" ".join(label for label, _, _ in filters),
        filters="".join(
            f"[filter:{label}]\n{'use' if entry.startswith('egg:') else 'paste.filter_factory'}"
            f" = {entry}\n{settings}"
            for label, entry, settings in filters
        ),
    )
    with _serve(name, port, folder, text):
        yield


def require_swift() -> None:
    """Skip where Swift cannot run, or is not installed."""
    if importlib.util.find_spec("swift") is None:
        if sys.version_info >= (3, 13):
            pytest.skip("Swift 2.38 does not run on this Python")
        missing(_PACKAGE)


def _serve(name: str, port: int, folder: Path, text: str) -> ServerProcess:
    config = folder / f"{name}-server.conf"
    config.write_text(text)
    kind = name.partition("-")[0]
    command = [program(f"swift-{kind}-server", _PACKAGE), str(config)]
    return ServerProcess(f"swift-{name}", command, folder, [port])

"""
OpenStack Keystone on SQLite, and a proxy of Swift that takes its tokens.

https://docs.openstack.org/keystone/latest/
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .openstack import SwiftServer, filters, proxy
from .process import ServerProcess, free_ports, missing

_CONFIG = """\
[DEFAULT]
log_file = {folder}/keystone.log
[database]
connection = sqlite:///{folder}/keystone.db
[token]
provider = fernet
[fernet_tokens]
key_repository = {folder}/fernet
[fernet_receipts]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[cache]
enabled = true
backend = dogpile.cache.memory
[identity]
password_hash_rounds = 4
"""
_AUTHTOKEN = """\
www_authenticate_uri = {url}
auth_url = {url}
auth_plugin = password
project_domain_id = default
user_domain_id = default
project_name = service
username = swift
password = swiftpass
delay_auth_decision = true
cache = swift.cache
include_service_catalog = false
log_level = ERROR
"""
_KEYSTONEAUTH = "operator_roles = admin, member\nreseller_admin_role = ResellerAdmin\n"


@dataclass(frozen=True)
class KeystoneServer:
    """
    Where Keystone is, and who may use it.

    Attributes:
        auth_url: Of its API v3.
        project_id: Of the project ``demo``.
        user_id: Of the user ``demo``.
        credential: The id of an application credential of that user.
        region: Where the storage is; another one has an internal address that leads nowhere.
    """

    auth_url: str
    project_id: str
    user_id: str
    credential: str
    credential_name: str = "robot"
    credential_secret: str = "robotsecret"
    user: str = "demo"
    secret: str = "demopass"
    project: str = "demo"
    region: str = "RegionOne"


@contextmanager
def keystone(folder: Path, swift: SwiftServer) -> Iterator[KeystoneServer]:
    """Run Keystone, and a proxy before a Swift that runs already."""
    if importlib.util.find_spec("keystone") is None:
        if not (3, 11) <= sys.version_info < (3, 13):
            pytest.skip("Keystone 30 and Swift 2.38 do not both run on this Python")
        missing("keystone")
    port, front = free_ports(2)
    url = f"http://127.0.0.1:{port}/v3"
    (folder / "keystone.conf").write_text(_CONFIG.format(folder=folder))
    environment = {"OS_KEYSTONE_CONFIG_FILES": str(folder / "keystone.conf")}
    # Without -P, Python would take this module for Keystone.
    script = str(Path(__file__).with_name("keystone_setup.py"))
    done = subprocess.run(
        [sys.executable, "-P", script, str(folder), url, f"http://127.0.0.1:{front}"],
        check=True, timeout=180, stdout=subprocess.PIPE, env={**os.environ, **environment},
    )  # fmt: skip
    known = json.loads(done.stdout.splitlines()[-1])
    serve = [sys.executable, "-P", str(Path(__file__).with_name("keystone_serve.py")), str(port)]
    with ServerProcess("keystone", serve, folder, [port], environment):
        auth = (
            ("authtoken", "keystonemiddleware.auth_token:filter_factory",
             _AUTHTOKEN.format(url=url)),
            ("keystoneauth", "egg:swift#keystoneauth", _KEYSTONEAUTH),
        )  # fmt: skip
        with proxy(swift.folder, "proxy-keystone", front, filters(swift.cache, auth, ())):
            yield KeystoneServer(url, **known)

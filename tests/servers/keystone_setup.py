"""
Makes Keystone's database, and in it who may use Swift. Run as a program.

All of it is written by Keystone's own managers in one process; its command line would take half a
minute for the history of the tables alone.
"""

from __future__ import annotations

import json
import os
import sys
import uuid

import keystone.conf
from keystone.cmd.bootstrap import Bootstrapper
from keystone.common import fernet_utils, sql
from keystone.common.provider_api import ProviderAPIs as Providers
from keystone.common.sql.core import ModelBase
from keystone.server import configure

DOMAIN = "default"
CREDENTIAL_SECRET = "robotsecret"


def main() -> None:
    """Set up the folder, and print what tests must know as JSON."""
    folder, url, storage = sys.argv[1:]
    sys.argv = ["keystone"]
    configure(config_files=[os.path.join(folder, "keystone.conf")])
    make_keys("fernet_tokens")
    make_keys("credential")
    bootstrap = Bootstrapper()
    with sql.session_for_write() as session:
        ModelBase.metadata.create_all(session.connection())
    bootstrap.admin_username = bootstrap.admin_role_name = bootstrap.project_name = "admin"
    bootstrap.admin_password = "adminpass"
    bootstrap.service_name = "keystone"
    bootstrap.region_id = "RegionOne"
    bootstrap.public_url = bootstrap.internal_url = bootstrap.admin_url = url
    bootstrap.bootstrap()
    for name, secret, project, role in (
        ("swift", "swiftpass", "service", "admin"),
        ("demo", "demopass", "demo", "member"),
        ("reader", "readerpass", "demo", "reader"),
    ):
        add_user(name, secret, project, role)
    add_catalog(storage)
    user, project = user_of("demo"), project_of("demo")
    credential = add_credential(user, project)
    print(json.dumps({"project_id": project, "user_id": user, "credential": credential}))


def make_keys(section: str) -> None:
    """Make the keys that tokens or credentials are encrypted with."""
    settings = getattr(keystone.conf.CONF, section)
    os.makedirs(settings.key_repository, mode=0o700, exist_ok=True)
    keys = fernet_utils.FernetUtils(settings.key_repository, 3, section)
    keys.initialize_key_repository(os.getuid(), os.getgid())


def project_of(name: str) -> str:
    """Return the id of a project, which is made if there is none."""
    for project in Providers.resource_api.list_projects():
        if project["name"] == name:
            return str(project["id"])
    made = {"id": uuid.uuid4().hex, "name": name, "domain_id": DOMAIN, "enabled": True}
    return str(Providers.resource_api.create_project(made["id"], made)["id"])


def user_of(name: str) -> str:
    """Return the id of a user."""
    return str(Providers.identity_api.get_user_by_name(name, DOMAIN)["id"])


def role_of(name: str) -> str:
    """Return the id of a role."""
    return next(
        str(role["id"]) for role in Providers.role_api.list_roles() if role["name"] == name
    )


def add_user(name: str, secret: str, project: str, role: str) -> None:
    """Make a user who has a role in a project."""
    user = Providers.identity_api.create_user(
        {"name": name, "password": secret, "domain_id": DOMAIN, "enabled": True}
    )
    Providers.assignment_api.add_role_to_user_and_project(
        user["id"], project_of(project), role_of(role)
    )


def add_catalog(storage: str) -> None:
    """Make Swift known, in a region that there is and in one that leads nowhere."""
    service = {"id": uuid.uuid4().hex, "type": "object-store", "name": "swift", "enabled": True}
    Providers.catalog_api.create_service(service["id"], service)
    Providers.catalog_api.create_region({"id": "RegionTwo"})
    nowhere = "http://127.0.0.1:1"
    for region, address, interfaces in (
        ("RegionOne", storage, ("public", "internal")),
        ("RegionTwo", nowhere, ("internal",)),
    ):
        for interface in interfaces:
            endpoint = {
                "id": uuid.uuid4().hex, "service_id": service["id"], "region_id": region,
                "interface": interface, "url": f"{address}/v1/AUTH_$(project_id)s",
                "enabled": True,
            }  # fmt: skip
            Providers.catalog_api.create_endpoint(endpoint["id"], endpoint)


def add_credential(user: str, project: str) -> str:
    """Make an application credential, and return its id."""
    made = {
        "id": uuid.uuid4().hex, "name": "robot", "secret": CREDENTIAL_SECRET, "user_id": user,
        "project_id": project, "roles": [{"id": role_of("member")}], "unrestricted": False,
    }  # fmt: skip
    Providers.application_credential_api.create_application_credential(made)
    return made["id"]


main()

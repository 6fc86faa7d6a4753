"""
The clouds of OpenStack's files ``clouds.yaml`` and ``secure.yaml``, which openstacksdk reads.

https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from ..errors import CredentialsNotFoundError, InvalidOptionError
from ..redaction import HiddenDict, hide, without_frames
from .searched import shown_path

_INSTALL = "pip install 'libstore[openstack]'"
_OWN, _COMMON = os.path.join("~", ".config", "openstack"), "/etc/openstack"
_SERVICE = "object-store"
_SUFFIXES = (".yaml", ".yml", ".json")

# The settings of a cloud by the names of `SwiftDriver`'s arguments, as openstacksdk names them.
_AUTH: Mapping[str, str] = {
    "auth_url": "auth_url",
    "user": "username",
    "user_id": "user_id",
    "user_domain": "user_domain_name",
    "user_domain_id": "user_domain_id",
    "project": "project_name",
    "project_id": "project_id",
    "project_domain": "project_domain_name",
    "project_domain_id": "project_domain_id",
}
_LOGIN = (
    "password", "token", "application_credential_id", "application_credential_name",
    "application_credential_secret",
)  # fmt: skip
_PASSWORD = frozenset({"password", "v3password", "v2password", "v1password"})
_TOKEN = frozenset({"token", "v3token", "v2token"})
_APPLICATION = "v3applicationcredential"


class Cloud(NamedTuple):
    """
    The settings of a cloud.

    Attributes:
        source: The name for `StorageDriver.credentials_source`.
        values: The arguments of the driver.
    """

    source: str
    values: Mapping[str, Any]


def find_cloud(name: str, label: str, region: str | None) -> Cloud:
    """
    Return the settings of a cloud.

    Args:
        label: What names the cloud, for messages.
        region: The region to use, in place of the cloud's first one.

    Raises:
        CredentialsNotFoundError: There is no such cloud, or openstacksdk is not installed.
        InvalidOptionError: The cloud logs in in a way that Swift's driver cannot.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of openstacksdk about its own parts
        config = _load(name, label)
        source = f"cloud {name!r} of {shown_path(str(config.config_filename))}"
        try:
            listed = bool(config.cloud_config["clouds"][name].get("regions"))
            given = {"region_name": region} if listed and region is not None else {}
            found = config.get_one(name, validate=False, **given)
            interface = found.get_interface(_SERVICE)
            storage = found.get_endpoint(_SERVICE)
            verify, cert = found.get_requests_verify_args()
        except Exception as error:  # noqa: BLE001 - its classes are those of an optional package
            without_frames(error)
            raise InvalidOptionError(
                f"{source} is invalid ({type(error).__name__}); check its region and its form"
            ) from None
    auth = _auth(found.config)
    values: dict[str, Any] = HiddenDict(
        {ours: str(auth[theirs]) for ours, theirs in _AUTH.items() if auth.get(theirs)}
    )
    values |= _secrets(str(found.config.get("auth_type") or "password"), auth, source)
    values |= {
        "region": found.region_name or None, "interface": interface, "storage_url": storage,
        "verify": None if verify is True else verify, "cert": cert,
    }  # fmt: skip
    return Cloud(source, HiddenDict({key: one for key, one in values.items() if one is not None}))


def _auth(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a login, which may also be beside ``auth``, as in old files."""
    beside = {name: config[name] for name in (*_AUTH.values(), *_LOGIN) if config.get(name)}
    return hide({**beside, **(config.get("auth") or {})})


def _load(name: str, label: str) -> Any:
    """Return the configuration with a cloud."""
    try:
        module = import_module("openstack.config")
    except ImportError:
        raise CredentialsNotFoundError(
            f"{label} is {name!r}, but reading clouds.yaml requires the package openstacksdk;"
            f" install it with: {_INSTALL}"
        ) from None
    try:
        # The first folder of openstacksdk is the directory in which it was imported.
        folders = [os.getcwd(), *module.loader.CONFIG_SEARCH_PATH[1:]]
        config = module.OpenStackConfig(
            config_files=_paths("clouds", folders),
            vendor_files=_paths("clouds-public", folders),
            secure_files=_paths("secure", folders),
        )
    except Exception as error:  # noqa: BLE001 - its classes are those of an optional package
        without_frames(error)
        # Its message may repeat a line of the file.
        raise CredentialsNotFoundError(
            f"{label} is {name!r}, but clouds.yaml cannot be read ({type(error).__name__}); check"
            " that it is valid YAML"
        ) from None
    path = config.config_filename
    if path is None:
        # openstacksdk ignores a file that it cannot parse.
        broken = next(_files(os.environ), None)
        reason = (
            f"{broken} has no clouds; check that it is valid YAML"
            if broken
            else f"there is no clouds.yaml in this directory, in {_OWN} or in {_COMMON}, and"
            " OS_CLIENT_CONFIG_FILE names none"
        )
        raise CredentialsNotFoundError(f"{label} is {name!r}, but {reason}")
    names = sorted(str(one) for one in config.cloud_config["clouds"] if one != config.envvar_key)
    if name not in names:
        raise CredentialsNotFoundError(
            f"{label} is {name!r}, but there is no such cloud; {shown_path(str(path))} has the"
            f" clouds {', '.join(names) or 'none'}"
        )
    return config


def _secrets(kind: str, auth: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return what a cloud logs in with, by the kind of its login."""
    application = auth.get("application_credential_id") or auth.get("application_credential_name")
    if kind == _APPLICATION or (kind in _PASSWORD and application):
        found: dict[str, Any] = HiddenDict(
            application_credential=application, secret=auth.get("application_credential_secret")
        )
        # An id needs no user, and the credential is for one project.
        alone = ("user", "user_id") if auth.get("application_credential_id") else ()
        return HiddenDict({**found, **dict.fromkeys(alone)})
    if kind in _TOKEN:
        return HiddenDict(token=auth.get("token"), user=None, user_id=None)
    if kind in _PASSWORD:
        return HiddenDict(secret=auth.get("password"))
    raise InvalidOptionError(
        f"{source}: auth_type {kind!r} is not supported; use password, v3applicationcredential or"
        " token, or pass token= with the output of: openstack token issue"
    )


def files(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each ``clouds.yaml`` on this machine, for the error without a cloud."""
    for path in _files(environ):
        yield f"{path}: there is a file, but no cloud is given; pass cloud= or set OS_CLOUD"


def _files(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the path of each ``clouds.yaml`` on this machine."""
    given = environ.get("OS_CLIENT_CONFIG_FILE")
    paths = _paths("clouds", ("", _OWN, _COMMON))
    for path in [given, *paths] if given else paths:
        if os.path.isfile(os.path.expanduser(path)):
            yield path


def _paths(stem: str, folders: Iterable[str]) -> list[str]:
    """Return the paths that a file may have, in the order in which openstacksdk reads them."""
    return [os.path.join(folder, stem + suffix) for folder in folders for suffix in _SUFFIXES]

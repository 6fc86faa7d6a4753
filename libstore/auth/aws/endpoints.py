"""
The addresses of AWS's services for credentials, and those that are configured in place of them.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ... import arguments
from ...errors import InvalidOptionError
from .profiles import Profile, SharedFiles, read_flag

# The domains of regions outside the public cloud, which botocore's endpoints.json lists as
# "partitions".
_SUFFIXES = (
    ("cn-", "amazonaws.com.cn"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
)
_IGNORE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"


class Configured(NamedTuple):
    """
    A URL from the environment or from a file.

    Attributes:
        label: Where it is from, for messages.
    """

    url: str
    label: str


class Address(NamedTuple):
    """The origin of a service, and the path before that of each request."""

    origin: str
    path: str = ""


def suffix(region: str) -> str:
    """Return the domain of a region."""
    return next((name for start, name in _SUFFIXES if region.startswith(start)), "amazonaws.com")


def ignored(environ: Mapping[str, str], profile: Profile) -> bool:
    """Return whether configured addresses are to be ignored."""
    if environ.get(_IGNORE):
        return read_flag(environ[_IGNORE], _IGNORE)
    return bool(profile.flag("ignore_configured_endpoint_urls"))


def in_profile(service: str, profile: Profile, files: SharedFiles) -> Configured | None:
    """
    Return the address of a service that a profile has, in its section of services first.

    Args:
        service: Its name in that section, such as ``"s3"``.
    """
    name = profile.get("services")
    if name is not None:
        if name not in files.services:
            raise InvalidOptionError(
                f"{profile.where('services')}: services is {name!r}, but there is no section"
                f" [services {name}] in {files.config_file}"
            )
        nested = files.services[name].get(service)
        if isinstance(nested, Mapping) and nested.get("endpoint_url"):
            label = f"endpoint_url of {service} in [services {name}] of {files.config_file}"
            return Configured(str(nested["endpoint_url"]), label)  # not hidden, as in URLs
    url = profile.get("endpoint_url")
    return None if url is None else Configured(url, f"endpoint_url of {profile.where()}")


def configured(
    service: str, environ: Mapping[str, str], profile: Profile, files: SharedFiles
) -> Configured | None:
    """Return the address of a service from the environment or from a profile."""
    if ignored(environ, profile):
        return None
    for variable in (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL"):
        if environ.get(variable):
            return Configured(environ[variable], variable)
    return in_profile(service, profile, files)


def address(found: Configured, *, insecure: bool) -> Address:
    """
    Return a configured address, checked.

    Raises:
        InvalidOptionError: It is invalid, or plain http to another machine without `insecure`.
    """
    parts = arguments.address(found.url, found.label)
    arguments.check_secure(parts.scheme, parts.host, found.label, insecure=insecure)
    return Address(parts.origin, parts.path)

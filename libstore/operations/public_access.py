"""Public read access to containers and objects, and their public addresses."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from .. import arguments
from ..arguments import shorten
from ..core import DriverCore
from ..errors import NotSupportedError

# Characters that a segment of a path may have unencoded (RFC 3986 section 3.3), except those that
# some servers and proxies interpret, such as "+" and ";".
_SAFE = "!$'()*,:@"
# A host name; other characters would make the URL lead to another host, or to none.
_HOST = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)


def enable_container(driver: DriverCore, container: str) -> str:
    """Make the objects of a container public, and return its public address."""
    supported = driver.supports("enable_container_cdn")
    if driver.cdn is not None or supported:
        container_url(driver, container)  # a name without a URL is refused before it is public
    if driver.cdn is None or supported:
        driver._enable_container_cdn(container)
    return container_url(driver, container)


def enable_object(driver: DriverCore, container: str, name: str) -> str:
    """Make one object public, and return its public address."""
    supported = driver.supports("enable_object_cdn")
    if driver.cdn is not None or supported:
        object_url(driver, container, name)
    if driver.cdn is None or supported:
        driver._enable_object_cdn(container, name)
    return object_url(driver, container, name)


def container_url(driver: DriverCore, container: str) -> str:
    """Return the public address of a container; nothing is sent."""
    arguments.reachable_name(container)
    if driver.cdn is None:
        return arguments.stable_url(driver._get_container_cdn_url(container))
    return arguments.stable_url(_below(driver.cdn, container, "").rstrip("/"))


def object_url(driver: DriverCore, container: str, name: str) -> str:
    """Return the public address of an object; nothing is sent."""
    arguments.reachable_name(container, name)
    if driver.cdn is None:
        return arguments.stable_url(driver._get_object_cdn_url(container, name))
    return arguments.stable_url(_below(driver.cdn, container, quote(name, safe=f"/{_SAFE}")))


def _below(address: str, container: str, name: str) -> str:
    """Return the address of an object, whose name is encoded already, below the option `cdn`."""
    if "{container}" in urlsplit(address).netloc and not _HOST.fullmatch(container):
        raise NotSupportedError(
            f"the container {shorten(container)} cannot be part of a host name, but cdn has"
            " '{container}' in its host; put it into the path"
        )
    template = address.removesuffix("{name}").rstrip("/")
    if "{container}" not in template and not address.endswith("{name}"):
        template += "/{container}"
    return f"{template.replace('{container}', quote(container, safe=_SAFE))}/{name}"

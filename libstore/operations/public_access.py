"""Containers and objects that everybody may read, and their public addresses."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from typing_extensions import final

from .. import arguments
from ..arguments import shorten
from ..core import DriverCore
from ..errors import NotSupportedError
from ..handles import Container, Object

# RFC 3986 section 3.3: what a segment of a path may have unencoded, but for what some servers and
# proxies read otherwise, such as "+" and ";".
_SAFE = "!$'()*,:@"
# What a host is made of; with anything else a container's name would lead to another one, or none.
_HOST = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)


class CDN(DriverCore):
    """
    Public reading.

    Attributes:
        cdn: The public address that containers are served at, if one was given.
    """

    cdn: str | None = None

    @final
    def enable_container_cdn(self, container: Container | str) -> str:
        """
        Let everybody read the objects of a container, and return its public address.

        What makes it so is the service's own: a bucket policy, an access level, an ACL. Where the
        service has nothing of the kind, as on disk and in memory, the driver's `cdn` is what
        serves the container, and nothing is done.

        Raises:
            NotSupportedError: The service cannot do it, and the driver was made without `cdn`; or
                no URL leads to a container of this name.
            AccessDeniedError: The account forbids public access.
            ContainerNotFoundError: There is no such container.
        """
        with self._guard("enable_container_cdn", container):
            name = self._container_name(container)
            supported = self.supports("enable_container_cdn")
            if self.cdn is not None or supported:
                self._container_address(name)  # what has no URL is refused before it is published
            if self.cdn is None or supported:
                self._enable_container_cdn(name)
            return self._container_address(name)

    @final
    def enable_object_cdn(self, obj: Object) -> str:
        """
        Let everybody read one object, and return its public address.

        Raises:
            NotSupportedError: The service cannot do it for single objects, and the driver was made
                without `cdn`; or no URL leads to an object of this name.
            AccessDeniedError: The account or the container forbids public access.
            ObjectNotFoundError: There is no such object.
        """
        with self._guard("enable_object_cdn", obj):
            container, name = self._target(obj)
            supported = self.supports("enable_object_cdn")
            if self.cdn is not None or supported:
                self._object_address(container, name)
            if self.cdn is None or supported:
                self._enable_object_cdn(container, name)
            return self._object_address(container, name)

    @final
    def get_container_cdn_url(self, container: Container | str) -> str:
        """
        Return the public address of a container, below which its objects are.

        Nothing is sent, and the address is that of a private container too; see
        `enable_container_cdn`.

        Raises:
            NotSupportedError: The service has none, and the driver was made without `cdn`; or
                `cdn` has ``{container}`` in its host, where this name cannot be; or no URL leads
                to a container of this name.
        """
        with self._guard("get_container_cdn_url", container):
            return self._container_address(self._container_name(container))

    @final
    def get_object_cdn_url(self, obj: Object) -> str:
        """
        Return the public address of an object: the service's own, or one below the driver's `cdn`.

        With ``cdn="https://cdn.example.com/base"`` it is
        ``https://cdn.example.com/base/<container>/<name>``; ``{container}`` in the address stands
        for the container's name, which is then not added to the path, and ``{name}`` at its end
        says where the object's name goes: ``"https://{container}.example.com/{name}"``.
        Nothing is sent.

        Raises:
            NotSupportedError: The service has none, and the driver was made without `cdn`; or
                `cdn` has ``{container}`` in its host, where the container's name cannot be; or no
                URL leads to an object of this name: clients resolve ``.`` and ``..`` in a path.
        """
        with self._guard("get_object_cdn_url", obj):
            return self._object_address(*self._target(obj))

    def _container_address(self, container: str) -> str:
        arguments.reachable_name(container)
        if self.cdn is None:
            return arguments.stable_url(self._get_container_cdn_url(container))
        self._check_host(container)
        return arguments.stable_url(_below(self.cdn, container, "").rstrip("/"))

    def _object_address(self, container: str, name: str) -> str:
        arguments.reachable_name(container, name)
        if self.cdn is None:
            return arguments.stable_url(self._get_object_cdn_url(container, name))
        self._check_host(container)
        return arguments.stable_url(_below(self.cdn, container, quote(name, safe=f"/{_SAFE}")))

    def _check_host(self, container: str) -> None:
        host = "" if self.cdn is None else urlsplit(self.cdn).netloc
        if "{container}" in host and not _HOST.fullmatch(container):
            raise NotSupportedError(
                f"{shorten(container)} cannot be part of a host's name, as cdn has it"
            )


def _below(address: str, container: str, name: str) -> str:
    """Return the address of an object, whose name is encoded already."""
    template = address.removesuffix("{name}").rstrip("/")
    if "{container}" not in template and not address.endswith("{name}"):
        template += "/{container}"
    return f"{template.replace('{container}', quote(container, safe=_SAFE))}/{name}"

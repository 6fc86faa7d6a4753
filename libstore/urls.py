"""
`open_url` and `driver_from_url`: drivers, containers and objects by URL.

The form of a URL is that of `libstore.storage_url`; its scheme is the name of a driver, or one of
`SCHEMES`, which other programs use.
"""

from __future__ import annotations

import os
import posixpath
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .errors import InvalidOptionError, UnknownDriverError
from .options import Option, Options
from .redaction import HiddenDict, hide_address
from .registry import get_driver, list_drivers
from .storage_url import StorageURL

if TYPE_CHECKING:
    from .driver import StorageDriver
    from .handles import Container, Object

#: Schemes that are not the names of drivers. ``file`` has the path of an object or a container,
#: ``abfs`` and ``abfss`` have the form that Hadoop gives them:
#: https://hadoop.apache.org/docs/stable/hadoop-azure/abfs.html
SCHEMES = {
    "file": "local",
    "gs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
    "s3a": "s3",
}


_ADDRESS = re.compile(r"\s*(https?)://(?:[^/?#]*@)?([^/?#]*)/?([^?#]*)", re.IGNORECASE | re.ASCII)
_HOST = re.compile(r"(?:[\w.-]+|\[[\dA-Fa-f:]+\])(?::\d+)?", re.ASCII)
# The addresses of buckets and objects that browsers and the consoles of the services show:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
# https://cloud.google.com/storage/docs/request-endpoints
# https://learn.microsoft.com/azure/storage/common/storage-account-overview
_REGION = r"(?P<region>[a-z]+(?:-[a-z]+)+-\d)"
_HOSTS = (
    (
        "s3",
        rf"(?:(?P<container>.+)\.)?s3(?:[.-](?:dualstack\.)?{_REGION})?\.amazonaws\.com(?:\.cn)?",
    ),
    ("gs", r"(?:(?P<container>.+)\.)?storage\.(?:googleapis|cloud\.google)\.com"),
    ("az", r"(?P<account>[a-z0-9]+)\.(?:blob|dfs)\.core\.windows\.net"),
)


def open_url(url: str, **options: Any) -> StorageDriver | Container | Object:
    """
    Return the driver, the container or the object of a URL, without sending a request.

    Args:
        url: ``s3://bucket/name``, for example; the scheme is the name of a driver, ``file``,
            ``gs``, ``az``, ``abfs``, ``abfss`` or ``s3a``. Names are percent-encoded. Arguments of
            the driver may follow as a query: ``s3://bucket/name?endpoint=https://…&region=…``.
            Without the name of an object the result is a container; without any, the driver.
        options: Further arguments of the driver, such as credentials and those that cannot be
            written as text. They replace the arguments in the URL.

    Raises:
        InvalidOptionError: The URL has no such form, or an argument that it cannot have.
        UnknownDriverError: No driver has the name of the scheme.

    Example:
        >>> open_url("memory://photos/2026/cat.jpg")
        <Object '2026/cat.jpg' in 'photos'>
    """
    url, options = hide_address(url), HiddenDict(options)
    place = _resolved(url)
    driver = _driver(place, options)
    if not place.container:
        return driver
    return (
        driver.object(place.container, place.name)
        if place.name
        else driver.container(place.container)
    )


def driver_from_url(url: str, **options: Any) -> StorageDriver:
    """
    Return the driver of a URL, whose container and object are ignored; see `open_url`.

    Args:
        url: Such as ``s3://?region=eu-west-1``.
        options: Further arguments of the driver, which replace those in the URL.

    Raises:
        InvalidOptionError: The URL has no such form, or an argument that it cannot have.
        UnknownDriverError: No driver has the name of the scheme.
    """
    url, options = hide_address(url), HiddenDict(options)
    return _driver(_resolved(url), options)


def _resolved(url: str) -> StorageURL:
    """Return the parts of a URL whose scheme is the name of a driver."""
    instead = _in_place_of_address(url)
    if instead is not None:
        raise UnknownDriverError(
            "the URL is the address of a server, and not that of an object or a container; write"
            f" {instead}"
        )
    place = StorageURL.parse(url)
    if place.scheme == "file":
        place = _of_path(place)
    elif place.scheme in {"abfs", "abfss"} and place.user:
        place = _of_hadoop(place)
    if place.scheme == "memory":  # URLs without a store have the same one
        place = replace(place, options={"store": "default", **place.options})
    return replace(place, scheme=SCHEMES.get(place.scheme, place.scheme))


def _in_place_of_address(url: object) -> str | None:
    """Return what to write in place of the ``https`` address of an object, without its query."""
    address = _ADDRESS.match(url) if isinstance(url, str) else None
    if address is None or address[1].lower() in list_drivers():
        return None
    scheme, host, path = address.groups()
    for driver, pattern in _HOSTS:
        if found := re.fullmatch(pattern, host.lower()):
            options = {name: text for name, text in found.groupdict().items() if text}
            container = options.pop("container", "")
            if not container:
                container, _, path = path.partition("/")
            return str(StorageURL(driver, container, unquote(path), options))
    if "@" in path or not _HOST.fullmatch(host):  # it may be a part of a secret with a slash
        host = "host"
    return f"the name of the service, such as s3://container/name?endpoint={scheme}://{host}"


def _of_path(place: StorageURL) -> StorageURL:
    """
    Return the parts of a ``file`` URL.

    A path that ends with a slash, and a directory, is a container. Another path is an object in
    its directory.
    """
    if place.container not in {"", "localhost"} or place.user:
        raise InvalidOptionError("a file URL has no host; write file:///path")
    if "root" in place.options:
        raise InvalidOptionError(
            "a file URL cannot have the option root; write local://container/name?root=…"
        )
    path = place.name
    if not path:
        raise InvalidOptionError("a file URL must have a path; write file:///path")
    name = ""
    if not path.endswith("/") and not os.path.isdir(path):
        path, name = posixpath.split(path)
    root, container = posixpath.split(path.rstrip("/"))
    if name and not container:
        raise InvalidOptionError(
            "the URL names a file in the root directory, which cannot be a container; write"
            " file:///directory/name"
        )
    return replace(
        place, container=container, name=name, options={**place.options, "root": root or "/"}
    )


def _of_hadoop(place: StorageURL) -> StorageURL:
    """Return the parts of ``abfss://container@account.dfs.core.windows.net/name``."""
    account, _, domain = place.container.partition(".")
    options = {"account": account, **place.options}
    kind, _, suffix = domain.partition(".")
    if kind not in {"dfs", "blob"} or not suffix:
        raise InvalidOptionError(
            f"the host of an {place.scheme} URL must be the address of the account; write"
            f" {place.scheme}://container@account.dfs.core.windows.net/name"
        )
    if suffix != "core.windows.net":
        options.setdefault("endpoint_suffix", suffix)
    return replace(place, container=str(place.user[0]), options=options, user=())


def _driver(place: StorageURL, options: Mapping[str, Any]) -> StorageDriver:
    cls = _class(place.scheme)
    arguments = HiddenDict({**_arguments(cls, place), **options})
    driver: StorageDriver = cls(**arguments)
    return driver


def _class(scheme: str) -> type[Any]:
    try:
        return get_driver(scheme)
    except UnknownDriverError:
        # Schemes have no case, but the name of a registered driver may have capital letters.
        for name in list_drivers():
            if name.lower() == scheme:
                return get_driver(name)
        raise


def _arguments(cls: type[Any], place: StorageURL) -> dict[str, object]:
    """Return the arguments in a URL, converted to the types of the driver's options."""
    declared: type[Options] | None = getattr(cls.__init__, "options", None)
    table = {} if declared is None else declared.table
    texts = dict(place.options)
    if place.user:
        names = [name for name, known in table.items() if not known.kw_only]
        if len(names) < 2 or not table[names[1]].secret:
            raise InvalidOptionError(
                f"{place.scheme} takes no credentials before @ in a URL; pass them as arguments"
            )
        texts |= zip(names, place.user, strict=False)
    values = {
        # Unknown names are refused by the constructor, which knows the similar ones.
        name: known.from_text(text, f"{name} in the URL") if (known := table.get(name)) else text
        for name, text in texts.items()
    }
    secrets = [name for name in values if name in table and _is_secret(table[name])]
    if secrets:
        warnings.warn(
            f"the URL contains the credentials {' and '.join(secrets)}, which logs and process"
            " lists may show; take them from the environment, or pass them as arguments",
            stacklevel=4,
        )
    return values


def _is_secret(known: Option) -> bool:
    # The text of an option that accepts paths is a path, such as that of a key file.
    return known.secret and os.PathLike not in known.kinds

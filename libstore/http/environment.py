"""
Proxies and certificate authorities as the environment names them, read once.

requests looks at the environment for every request, and takes passwords from a netrc file on the
way; this wire asks it for neither.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from typing_extensions import override

from .. import arguments
from ..errors import InvalidOptionError, InvalidTypeError
from ..redaction import Hidden, hide, hide_address, type_name

# What ends or splits the user and the password in a URL; they are percent-encoded there.
_UNFIT = re.compile(r"[\x00-\x20\x7f/?#\\]")
_SECRET = re.compile(
    r"(?<!ACCESS_)KEY(?!_ID)|ACCESS_KEY$|SECRET|TOKEN|PASSWORD|CONNECTION_STRING|PROXY",
    re.IGNORECASE,
)
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class Environment(Mapping[str, str]):
    """The variables of the environment, whose `repr` shows none, and those with secrets hidden."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables

    @override
    def __getitem__(self, name: str) -> str:
        value = self._variables[name]
        return Hidden(value) if _SECRET.search(name) else hide_address(value)

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    @override
    def __len__(self) -> int:
        return len(self._variables)


@dataclass(frozen=True, slots=True)
class Proxies:
    """
    Which proxy leads where.

    Attributes:
        by_scheme: URLs of proxies by the scheme of what is asked for; they may have passwords.
        exempt: Hosts that are spoken to directly, as in ``NO_PROXY``.
    """

    by_scheme: Mapping[str, str] = field(default_factory=dict, repr=False)
    exempt: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_scheme", hide(self.by_scheme))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords, and what is sent of them."""
        return tuple(secret for url in self.by_scheme.values() for secret in _passwords(url))

    def choose(self, scheme: str, host: str, port: int) -> str | None:
        """Return the URL of the proxy to this host, or `None`."""
        proxy = self.by_scheme.get(scheme) or self.by_scheme.get("all")
        if not proxy or any(_covers(entry, host.lower(), port) for entry in self.exempt):
            return None
        return proxy_address(proxy, f"the proxy for {scheme}")


def proxy_address(url: object, label: str) -> str:
    """
    Return the URL of a proxy, which may have a user and a password, and may lack the scheme.

    Raises:
        InvalidOptionError: It is none, or not one of an HTTP proxy.
    """
    if not isinstance(url, str):
        raise InvalidTypeError(f"{label} must be a str, not {type_name(url)}")
    url, (scheme, mark, user, place) = Hidden(url), _parts(url)
    if scheme.lower().startswith("socks"):
        raise InvalidOptionError(f"{label} must be http://host:port; SOCKS is not supported")
    plain = f"{scheme or 'http'}://{place}"
    path = arguments.address(plain, label, "http://host:port or https://host:port").path
    if path or _UNFIT.search(user):
        raise InvalidOptionError(f"{label} must be http://[user:password@]host:port, and no more")
    return url if mark else Hidden(f"http://{url}")


def _parts(url: str) -> tuple[str, str, Hidden, str]:
    scheme, mark, rest = url.rpartition("://")
    user, _, place = rest.rpartition("@")
    return scheme, mark, Hidden(user), place


def proxies_from(environ: Mapping[str, str]) -> Proxies:
    """Return what ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` name."""
    by_scheme = {}
    for scheme in ("http", "https", "all"):
        proxy = environ.get(f"{scheme}_proxy")
        # A CGI program gets a client's header Proxy as HTTP_PROXY (CVE-2016-5385).
        if proxy is None and not (scheme == "http" and "REQUEST_METHOD" in environ):
            proxy = environ.get(f"{scheme.upper()}_PROXY")
        if proxy:
            by_scheme[scheme] = proxy
    exempt = environ.get("no_proxy", environ.get("NO_PROXY", ""))
    return Proxies(by_scheme, tuple(exempt.lower().replace(",", " ").split()))


def bundle_from(environ: Mapping[str, str]) -> str | None:
    """Return the file or folder of certificate authorities that the environment names."""
    for name in _BUNDLES:
        path = environ.get(name)
        if path:
            if not os.path.exists(path):
                raise InvalidOptionError(f"{name} names {path!r}, which does not exist")
            return path
    return None


def _passwords(url: object) -> Iterator[str]:
    if not isinstance(url, str):
        return
    user, colon, password = url.rpartition("@")[0].rpartition("/")[2].partition(":")
    if colon:
        yield password
        yield unquote(password)
        yield base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()


def _covers(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of ``NO_PROXY`` means this host."""
    if entry == "*":
        return True
    try:
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    else:
        return _is_within(host, network)
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit():
        return int(number) == port and _covers(name, host, port)
    name = entry.removeprefix("*").lstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _is_within(host: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False

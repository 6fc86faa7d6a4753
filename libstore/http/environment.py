"""
Proxies and certificate authorities as the environment names them, read once.

requests looks at the environment for every request, and takes passwords from a netrc file on the
way; this wire asks it for neither.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import InvalidOptionError

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


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

    def choose(self, scheme: str, host: str, port: int) -> str | None:
        """Return the URL of the proxy to this host, or `None`."""
        proxy = self.by_scheme.get(scheme) or self.by_scheme.get("all")
        if not proxy or any(_covers(entry, host.lower(), port) for entry in self.exempt):
            return None
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        if not _is_proxy(proxy):
            socks = proxy.startswith("socks")
            raise InvalidOptionError(
                f"the proxy for {scheme} must be http://host:port or https://host:port"
                f"{'; SOCKS is not supported' if socks else ''}"
            )
        return proxy


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


def _is_proxy(url: str) -> bool:
    """Return whether a URL is that of a proxy; it may have a password."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


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

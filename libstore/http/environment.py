"""
Proxies and certificate authorities from environment variables, read once.

requests reads the environment for every request, and passwords from a netrc file; this library
uses neither.
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

# Characters that must be percent-encoded in the user and the password of a URL.
_UNFIT = re.compile(r"[\x00-\x20\x7f/?#\\]")
_SECRET = re.compile(
    r"(?<!ACCESS_)KEY(?!_ID)|ACCESS_KEY$|SECRET|TOKEN|PASSWORD|CONNECTION_STRING|PROXY",
    re.IGNORECASE,
)
# The first group with a variable that is set applies. Those of the last one are OpenSSL's, which
# uses both, and ignores those that do not exist: https://docs.openssl.org/master/man3/SSL_CTX_load_verify_locations/
_BUNDLES = (("REQUESTS_CA_BUNDLE",), ("CURL_CA_BUNDLE",), ("SSL_CERT_FILE", "SSL_CERT_DIR"))


class Environment(Mapping[str, str]):
    """The environment variables, without a revealing `repr`, and with secret values masked."""

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
    The proxies of a transport.

    Attributes:
        by_scheme: The URLs of proxies by the scheme of the request; they may contain passwords.
        exempt: Hosts that need no proxy, as in ``NO_PROXY``.
        variables: The environment variables that the URLs come from, by scheme.
    """

    by_scheme: Mapping[str, str] = field(default_factory=dict, repr=False)
    exempt: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_scheme", hide(self.by_scheme))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords of proxies, in all forms in which they are sent."""
        return tuple(secret for url in self.by_scheme.values() for secret in _passwords(url))

    def choose(self, scheme: str, host: str, port: int) -> str | None:
        """Return the URL of the proxy for a host, or `None`."""
        named = scheme if self.by_scheme.get(scheme) else "all"
        proxy = self.by_scheme.get(named)
        if not proxy or any(_covers(entry, host.lower(), port) for entry in self.exempt):
            return None
        return proxy_address(proxy, self.variables.get(named, f"the proxy for {scheme}"))


def proxy_address(url: object, label: str) -> str:
    """
    Check the URL of a proxy, which may have a user and a password, and may lack the scheme.

    Raises:
        InvalidOptionError: The URL is invalid, or not one of an HTTP proxy.
    """
    if not isinstance(url, str):
        raise InvalidTypeError(f"{label} must be a str, not {type_name(url)}")
    url, (scheme, mark, user, place) = Hidden(url), _parts(url)
    if scheme.lower().startswith("socks"):
        raise InvalidOptionError(f"{label} must be http://host:port; SOCKS is not supported")
    plain = f"{scheme or 'http'}://{place}"
    path = arguments.address(plain, label, "http://host:port or https://host:port").path
    if path or _UNFIT.search(user):
        raise InvalidOptionError(
            f"{label} must be http://[user:password@]host:port, without a path, and with user and"
            " password percent-encoded"
        )
    return url if mark else Hidden(f"http://{url}")


def _parts(url: str) -> tuple[str, str, Hidden, str]:
    scheme, mark, rest = url.rpartition("://")
    user, _, place = rest.rpartition("@")
    return scheme, mark, Hidden(user), place


def proxies_from(environ: Mapping[str, str]) -> Proxies:
    """Read ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``."""
    by_scheme, variables = {}, {}
    for scheme in ("http", "https", "all"):
        variable = f"{scheme}_proxy"
        # In a CGI program, HTTP_PROXY is the client's header Proxy (CVE-2016-5385).
        if variable not in environ and not (scheme == "http" and "REQUEST_METHOD" in environ):
            variable = variable.upper()
        if proxy := environ.get(variable):
            by_scheme[scheme], variables[scheme] = proxy, variable
    exempt = environ.get("no_proxy", environ.get("NO_PROXY", ""))
    return Proxies(by_scheme, tuple(exempt.lower().replace(",", " ").split()), variables)


def bundles_from(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files and directories of certificate authorities from the environment."""
    for names in _BUNDLES:
        found = [
            (name, path) for name in names for path in _paths(name, environ.get(name, "")) if path
        ]
        existing = tuple(path for _, path in found if os.path.exists(path))
        if found and not existing:
            name, path = found[0]
            raise InvalidOptionError(
                f"the environment variable {name} is {path!r}, which does not exist"
            )
        if existing:
            return existing
    return ()


def _paths(name: str, value: str) -> list[str]:
    """Return the paths in a variable; ``SSL_CERT_DIR`` can have more than one directory."""
    return value.split(os.pathsep) if name == "SSL_CERT_DIR" else [value]


def _passwords(url: object) -> Iterator[str]:
    if not isinstance(url, str):
        return
    user, colon, password = url.rpartition("@")[0].rpartition("/")[2].partition(":")
    if colon:
        yield password
        yield unquote(password)
        yield base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()


def _covers(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of ``NO_PROXY`` matches a host."""
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

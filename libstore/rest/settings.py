"""What the arguments of all network drivers have in common: addresses, connections, pickles."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from .. import arguments
from ..errors import InvalidOptionError, InvalidTypeError, NotSupportedError
from ..http.environment import proxy_address
from ..http.transport import Transport
from ..redaction import hide, hide_address, type_name

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Arguments whose annotation is one of these are checked by it.
_TYPES: Mapping[object, tuple[type, str]] = {
    "str | None": (str, "a str"),
    "bool": (bool, "True or False"),
    "bool | None": (bool, "True or False"),
}
_DEFAULT_TIMEOUT = (5.0, 60.0)
# A week. Sockets take no number of seconds that is beyond all bounds.
_LONGEST_TIMEOUT = 7 * 86_400.0
# Connections that are kept to one host, unless transfers want more.
_CONNECTIONS = 16


# ---------------------------------------------------------------------- where


def split_endpoint(value: str, label: str, *, insecure: bool) -> tuple[str, str]:
    """
    Return ``scheme://host[:port]``, and the path without a slash at its end.

    Every address that a user gives goes through here, so that all drivers take the same ones.

    Args:
        label: The argument or the variable that the address comes from.

    Raises:
        InvalidOptionError: It is no address, or uses plain http without `insecure`.
    """
    found = arguments.address(value, label)
    check_secure(found.scheme, found.host, label, insecure=insecure)
    return found.origin, found.path


def found_endpoint(environ: Mapping[str, str], names: Sequence[str], insecure: bool) -> str | None:
    """Return the first address that the environment names, checked under the variable's name."""
    for name in names:
        if value := environ.get(name):
            split_endpoint(value, name, insecure=insecure)
            return value
    return None


def check_proxies(proxies: Mapping[str, str] | None) -> None:
    """Raise `InvalidOptionError` for a proxy's URL that cannot work."""
    for scheme, url in (proxies or {}).items():
        if url:
            proxy_address(url, f"proxies[{scheme!r}]")


def check_secure(scheme: str, host: str, label: str, *, insecure: bool) -> None:
    """Raise `InvalidOptionError` for what would travel in clear, unless that is asked for."""
    if scheme == "http" and not insecure and not is_loopback(host):
        raise InvalidOptionError(
            f"{label} is http://, so everybody on the way could read and change what is sent; use"
            " https://, or pass insecure=True"
        )


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, as far as its name tells."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


# ---------------------------------------------------------------------- how


def check_types(settings: DataclassInstance) -> None:
    """
    Look at all arguments that are a text or a switch; others are looked at where they are used.

    Raises:
        InvalidTypeError: One is of another type.
    """
    for item in fields(settings):
        value = getattr(settings, item.name)
        kind, name = _TYPES.get(item.type, (object, ""))
        missing = value is None and str(item.type).endswith("None")
        if not (missing or isinstance(value, kind)):
            raise InvalidTypeError(f"{item.name} must be {name}, not {type_name(value)}")


def hide_fields(settings: DataclassInstance) -> None:
    """
    Hide the secrets of settings from whatever shows variables, wherever they were found.

    They are the fields that are left out of the `repr`. Addresses may have some in them.
    """
    for item in fields(settings):
        value = getattr(settings, item.name)
        hidden = hide_address(value) if item.repr else hide(value)
        if hidden is not value:
            object.__setattr__(settings, item.name, hidden)


def ways_of(settings: object, names: Collection[str], *, anonymous: bool) -> list[str]:
    """Return which ways to say who one is were taken; there may be one at most."""
    ways = [name for name in names if getattr(settings, name) is not None]
    if len(ways) + anonymous > 1:
        given = " and ".join([*ways, "anonymous"] if anonymous else ways)
        raise InvalidOptionError(f"{given} exclude each other; give one of them")
    return ways


def make_transport(
    concurrency: int,
    *,
    timeout: float | tuple[float, float] | None,
    verify: bool | str,
    proxies: Mapping[str, str] | None,
    cert: str | tuple[str, str] | None = None,
) -> Transport:
    """
    Return what makes connections.

    Args:
        concurrency: How many transfers want one at once.
        timeout: Seconds for a connection, and for each answer to go on; or a pair of both.
    """
    connect, read = _timeouts(_DEFAULT_TIMEOUT if timeout is None else timeout)
    for value, kinds, label, what in (
        (verify, (bool, str), "verify", "True, False or the path of a file as a str"),
        (proxies, (Mapping, type(None)), "proxies", "a mapping of schemes to URLs"),
        (cert, (str, tuple, type(None)), "cert", "the path of a file as a str, or a pair of them"),
    ):
        if not isinstance(value, kinds):
            raise InvalidTypeError(f"{label} must be {what}, not {type_name(value)}")
    check_proxies(proxies)
    return Transport(
        pool_size=max(_CONNECTIONS, concurrency),
        connect_timeout=connect,
        read_timeout=read,
        verify=verify,
        cert=cert,
        proxies=proxies,
    )


def _timeouts(given: object) -> tuple[float, float]:
    """Return the seconds for a connection, and for an answer to go on."""
    pair = given if isinstance(given, (tuple, list)) else (given, given)
    if len(pair) != 2:
        raise InvalidOptionError("timeout must be a number of seconds, or a pair of two")
    connect, read = (arguments.seconds(value, "timeout") for value in pair)
    if not (0 < connect <= _LONGEST_TIMEOUT and 0 < read <= _LONGEST_TIMEOUT):
        raise InvalidOptionError(
            f"timeout must be above 0 seconds and at most {_LONGEST_TIMEOUT:.0f}"
        )
    return connect, read


# ---------------------------------------------------------------------- pickles


def pickled(
    settings: DataclassInstance,
    secrets: Collection[str],
    *,
    found: Collection[str] = (),
    allowed: bool,
    what: str = "a literal secret",
    instead: str = "take the credentials from the environment",
) -> dict[str, Any]:
    """
    Return the arguments that make the same driver elsewhere.

    Args:
        secrets: The arguments that have, or may have, a secret.
        found: Those that the environment there says again.
        allowed: Whether secrets may be taken along.
        what: What may not go into pickles.
        instead: What else can be done.

    Raises:
        NotSupportedError: They have a secret, and nobody allowed to take it along.
    """
    given = {
        item.name: value
        for item in fields(settings)
        if item.name not in found and (value := getattr(settings, item.name)) != item.default
    }
    if not allowed and not given.keys().isdisjoint(secrets):
        raise NotSupportedError(
            f"this driver was given {what}, which does not go into pickles; {instead}, or make"
            " the driver with pickle_secret=True where pickles are kept as safe as the secret"
        )
    return given

"""The arguments that all drivers of HTTP services share, and the checks of URLs."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, TypeAlias, cast

from .. import arguments
from ..errors import InvalidOptionError, InvalidTypeError, NotSupportedError
from ..http.environment import proxy_address
from ..http.transport import Transport
from ..options import DriverOptions, option
from ..redaction import type_name

_DEFAULT_TIMEOUT = (5.0, 60.0)
# A week. Sockets do not accept arbitrarily large numbers of seconds.
_LONGEST_TIMEOUT = 7 * 86_400.0
#: The path of a file or a directory.
Path: TypeAlias = str | os.PathLike[str]

_VARIABLE = re.compile(r"[A-Z0-9_]+", re.ASCII)
# Connections that are kept to one host, unless transfers need more.
_CONNECTIONS = 16


# ---------------------------------------------------------------------- checks


def _verify(value: object, label: str) -> object:
    if isinstance(value, bool):
        return value
    return _path(value, f"{label} must be True, False or the path of a file or directory")


def _cert(value: object, label: str) -> object:
    message = f"{label} must be the path of a file, or a pair of paths"
    if not isinstance(value, (tuple, list)):
        return _path(value, message)
    if len(value) != 2:
        raise InvalidOptionError(f"{message}, not {len(value)} of them")
    return tuple(_path(one, message) for one in value)


def _path(value: object, message: str) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise InvalidTypeError(f"{message}, not {type_name(value)}")
    return os.fsdecode(value)


def _timeout(value: object, label: str) -> object:
    """Return a timeout; the seconds to connect and to wait for data may differ."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise InvalidOptionError(f"{label} must be a number of seconds, or a pair of two")
    for number in pair:
        if not 0 < arguments.seconds(number, label) <= _LONGEST_TIMEOUT:
            raise InvalidOptionError(
                f"{label} must be above 0 seconds and at most {_LONGEST_TIMEOUT:.0f}"
            )
    return value


_PROXY_SCHEMES = ("http", "https", "all")


def _proxies(value: object, label: str) -> object:
    """Return checked URLs of proxies by scheme."""
    if not isinstance(value, Mapping):
        raise InvalidTypeError(
            f"{label} must be a mapping of schemes to URLs, not {type_name(value)}"
        )
    for scheme, url in value.items():
        if scheme not in _PROXY_SCHEMES:
            raise InvalidOptionError(
                f"{label} has the key {scheme!r}; the keys are {', '.join(_PROXY_SCHEMES)}"
            )
        if url:
            proxy_address(url, f"{label}[{scheme!r}]")
    return value


# ---------------------------------------------------------------------- options


class RestSettings(DriverOptions):
    """
    The arguments of a driver of an HTTP service.

    A subclass declares the driver's own arguments; those of all drivers are declared here.

    Attributes:
        credential_options: The options that are credentials; only one of them may be given.
        reread: The options that a pickle leaves out if they came from the environment, because
            they are read again where it is loaded.
    """

    credential_options: ClassVar[tuple[str, ...]] = ()
    reread: ClassVar[tuple[str, ...]] = ()

    insecure: bool = option("Allow ``http://`` to hosts other than this machine.", default=False)
    verify: bool | Path = option(
        "Whether to check the service's certificate, or the path of a file or directory of"
        " certificate authorities. By default, they are those of the environment's"
        " ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``, or ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``,"
        " and otherwise those of certifi.",
        _verify, default=True
    )  # fmt: skip
    cert: Path | tuple[Path, Path] | None = option(
        "The path of a file with a client certificate and its key, or a pair of paths, for"
        " services that require one.",
        _cert, default=None
    )  # fmt: skip
    timeout: float | tuple[float, float] | None = option(
        "Seconds to wait for a connection and for more data, or a pair of both; 5 and 60 by"
        " default. A service that sends less than 4 KiB a second during a whole timeout has"
        " stalled.",
        _timeout, default=None
    )  # fmt: skip
    proxies: Mapping[str, str] | None = option(
        "URLs of proxies by scheme, in place of those in ``HTTPS_PROXY``, ``HTTP_PROXY``,"
        " ``ALL_PROXY`` and ``NO_PROXY``.",
        _proxies, default=None, hidden=True
    )  # fmt: skip
    pickle_secret: bool = option(
        "Allow pickles of the driver to contain secrets that were given as arguments.",
        default=False
    )  # fmt: skip

    def transport(self, concurrency: int, url: str = "") -> Transport:
        """
        Return the transport, which opens connections and sends requests.

        Args:
            concurrency: How many transfers need a connection at the same time.
            url: The address of the service, if it is known. A proxy for it must have a valid URL.
        """
        timeout = _DEFAULT_TIMEOUT if self.timeout is None else self.timeout
        connect, read = timeout if isinstance(timeout, (tuple, list)) else (timeout, timeout)
        transport = Transport(
            pool_size=max(_CONNECTIONS, concurrency),
            connect_timeout=float(connect),
            read_timeout=float(read),
            # The checks have made them texts.
            verify=cast("bool | str", self.verify),
            cert=cast("str | tuple[str, str] | None", self.cert),
            proxies=self.proxies,
        )
        if url:
            transport.check_proxy(url)
        return transport

    def given_credentials(self, *, anonymous: bool) -> list[str]:
        """Return the names of the credential arguments that were given; at most one may be."""
        given = [name for name in self.credential_options if getattr(self, name) is not None]
        if len(given) + anonymous > 1:
            names = " and ".join([*given, "anonymous"] if anonymous else given)
            raise InvalidOptionError(f"{names} exclude each other; give one of them")
        return given

    def credentials_source(self) -> str | None:
        """Return what the credentials are from; `None` for requests without credentials."""
        for name in self.credential_options:
            if getattr(self, name) is not None:
                source = self.label(name)
                if source in self.table:
                    return f"argument {source}"
                return f"environment variable {source}" if _VARIABLE.fullmatch(source) else source
        return None

    def found_again(self) -> frozenset[str]:
        """Return the options that were found on this machine, and are searched again elsewhere."""
        # The source of a value that was part of another argument is that argument.
        return frozenset(name for name in self.reread if self.label(name) not in self.table)

    def given_secrets(self) -> tuple[str | bytes, ...]:
        """Return the values of the secret options, for `ServiceClient.secrets`."""
        values = (getattr(self, name) for name, known in self.table.items() if known.secret)
        return tuple(value for value in values if isinstance(value, (str, bytes)) and value)

    def pickled(self, public: Collection[str] = ()) -> dict[str, Any]:
        """
        Return the arguments that create the same driver elsewhere.

        Args:
            public: Secret options whose present value is not secret, such as a file's path.

        Raises:
            NotSupportedError: There is a secret among them, and `pickle_secret` is false.
        """
        searched = self.found_again()
        given = {
            name: value
            for name, known in self.table.items()
            if name not in searched and (value := getattr(self, name)) != known.default
        }
        secrets = [name for name in given if self.table[name].secret]
        if not self.pickle_secret and (kept := sorted({*secrets} - {*public})):
            raise NotSupportedError(
                f"this driver has {'= and '.join(kept)}=, which pickles must not contain; take"
                " credentials from the environment or a file, or pass pickle_secret=True if"
                " pickles are kept as safe as the secret"
            )
        return given


# ---------------------------------------------------------------------- addresses


def split_endpoint(value: str, label: str, *, insecure: bool) -> tuple[str, str]:
    """
    Return ``scheme://host[:port]``, and the path without a slash at its end.

    Every driver checks the addresses that a user gives with it, so all accept the same ones.

    Args:
        label: The argument or the variable that contains the URL.
    """
    found = arguments.address(value, label)
    arguments.check_secure(found.scheme, found.host, label, insecure=insecure)
    return found.origin, found.path

"""
The keys of machines and containers, from the services that run on them.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from ... import arguments
from ...errors import (
    AuthenticationError,
    CredentialsNotFoundError,
    InvalidOptionError,
    StorageError,
    TransportError,
    TransportTimeoutError,
)
from ...http.client import Client, Unsigned
from ...http.message import Fault, Request
from ...http.network_errors import OutageError
from ...http.transport import Transport
from ...redaction import Hidden, redact
from ...retry import RetryPolicy
from ..renewal import Lease
from .endpoints import Address
from .keys import (
    BUSY,
    MAX_DOCUMENT,
    Clock,
    Key,
    busy,
    check_valid,
    document,
    read_expiry,
    read_key,
)
from .profiles import Profile

_NAMES = ("AccessKeyId", "SecretAccessKey", "Token")
_ALL = frozenset(range(200, 600))

# ---------------------------------------------------------------------- EC2

_IPV4 = "http://169.254.169.254"
_IPV6 = "http://[fd00:ec2::254]"
_TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_ROLE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
# The statuses of a service with version 1 alone. That version is not used, because it also gives
# keys to requests that a program was made to forward:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
_WITHOUT_TOKENS = frozenset({403, 404, 405})
# Six hours, as in all SDKs.
_TOKEN_LIFE = "21600"  # noqa: S105 - a number of seconds
# New keys are there at least five minutes before the old ones expire. If they are not, the service
# has a fault, and S3 accepts the old ones; they are requested again after a random time:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/iam-roles-for-amazon-ec2.html
_NEXT_KEY = 300.0
_EXTENSION = (300.0, 600.0)
_DEFAULT_TIMEOUT, _DEFAULT_ATTEMPTS = 1.0, 2


class _NothingError(Exception):
    """The service does not provide a key; the text says why."""


@dataclass(frozen=True)
class InstanceSource:
    """
    The keys of the role of an EC2 instance, by version 2 of its metadata service.

    Attributes:
        timeout: The seconds to wait for a connection, and for each response.
        attempts: How often a request without a response is sent.
        fail: Returns the error for a line that says why there is no key.
    """

    address: Address
    timeout: float
    attempts: int
    transport: Transport
    fail: Callable[[str], StorageError]
    clock: Clock = time.time

    @property
    def name(self) -> str:
        """The name for `StorageDriver.credentials_source`."""
        return f"EC2 metadata service at {urlsplit(self.address.origin).hostname}"

    def __call__(self) -> Key:
        """Request a key from the service."""
        reason = ""
        try:
            return self._request_key()
        except _NothingError as error:
            reason = str(error)
        raise self.fail(f"{self.name}: {reason}")

    def _request_key(self) -> Key:
        lifetime = {"x-aws-ec2-metadata-token-ttl-seconds": _TOKEN_LIFE}
        token, _ = self._send("PUT", _TOKEN_PATH, lifetime)
        headers = {"x-aws-ec2-metadata-token": Hidden(token.strip())}
        roles, _ = self._send("GET", _ROLE_PATH, headers, "the instance has no role")
        role = roles.split("\n")[0].strip()
        if not _ROLE.fullmatch(role):
            raise _NothingError("unexpected response to the request for the role")
        shown = f"the role {redact(role, (token.strip(),))!r}"
        text, received = self._send("GET", _ROLE_PATH + role, headers)
        fields = document(text)
        if fields.get("Code", "Success") != "Success":
            raise _NothingError(f"it has no key for {shown} ({fields['Code']!s:.60})")
        now = self.clock()
        try:
            key = read_key(fields, shown, _NAMES)
            expires = read_expiry(fields.get("Expiration"), now, shown, received)
        except AuthenticationError as error:
            raise _NothingError(error.message) from None
        if expires < now + _NEXT_KEY:
            expires = now + random.uniform(*_EXTENSION)
        return Lease(key.value, expires)

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], missing: str = ""
    ) -> tuple[str, Mapping[str, str]]:
        """Return the text of a response, and its headers."""
        request = Request(method, self.address.origin, self.address.path + path, headers,
                          expected=_ALL, operation="GetInstanceMetadata")  # fmt: skip
        reason = ""
        for _ in range(self.attempts):
            try:
                response = self.transport.send(request, headers)
                text = Hidden(response.read(MAX_DOCUMENT).decode("utf-8", "replace"))
            except OutageError as outage:
                late = isinstance(outage.error, TransportTimeoutError)
                reason = f"no response within {self.timeout:g} s" if late else "not reachable"
            except StorageError as error:
                reason = error.message
            else:
                if response.status == 200 and text.strip():
                    return text, response.headers
                reason = f"status {response.status} of {path[: len(_ROLE_PATH)]}"
                if method == "PUT" and response.status in _WITHOUT_TOKENS:
                    reason += "; only version 2 of the service is used"
                if response.status == 404 and missing:
                    raise _NothingError(missing)
                if response.status not in BUSY:
                    break
        raise _NothingError(reason)


def instance_source(
    profile: Profile,
    environ: Mapping[str, str],
    fail: Callable[[str], StorageError],
    clock: Clock = time.time,
) -> InstanceSource:
    """
    Return the source of an instance's keys, as variables and a profile configure it.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html
    """
    setting = partial(_setting, profile, environ)
    timeout, label = setting("metadata_service_timeout")
    seconds = _number(timeout, label) if timeout else _DEFAULT_TIMEOUT
    attempts, label = setting("metadata_service_num_attempts")
    count = int(_number(attempts, label)) if attempts else _DEFAULT_ATTEMPTS
    url, label = setting("ec2_metadata_service_endpoint")
    mode, mode_label = setting("ec2_metadata_service_endpoint_mode")
    if mode and mode.lower() not in {"ipv4", "ipv6"}:
        raise InvalidOptionError(f"{mode_label} must be IPv4 or IPv6")
    found = arguments.address(url or (_IPV6 if (mode or "").lower() == "ipv6" else _IPV4), label)
    if url and found.scheme == "http" and not _is_near(found.host):
        raise InvalidOptionError(
            f"{label} is http:// to another machine; the metadata service of an instance has a"
            " link-local address"
        )
    transport = Transport(pool_size=1, connect_timeout=seconds, read_timeout=seconds, proxies={})
    return InstanceSource(
        Address(found.origin, found.path), seconds, max(1, count), transport, fail, clock
    )


def _setting(profile: Profile, environ: Mapping[str, str], name: str) -> tuple[str | None, str]:
    """Return a setting and what it is from."""
    variable = f"AWS_{name.upper()}"
    if environ.get(variable):
        return environ[variable], variable
    return profile.get(name), f"{name} of {profile.where(name)}"


def _number(text: str, label: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found <= 3600:
        raise InvalidOptionError(f"{label} must be a number from 1 to 3600")
    return found


# ---------------------------------------------------------------------- containers

_CONTAINER_ORIGIN = "http://169.254.170.2"
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
_CONTAINER_HOSTS = frozenset({"169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
_RELATIVE = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
_FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - the name of a variable
_TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - the name of a variable
_CONTAINER_TIMEOUT = 2.0
_CONTAINER_RETRY = RetryPolicy(attempts=3)


@dataclass(frozen=True)
class ContainerSource:
    """The keys of a container, of ECS or of EKS."""

    name: str
    origin: str
    target: str
    environ: Mapping[str, str]
    transport: Transport
    clock: Clock = time.time

    def __call__(self) -> Key:
        """Request a key from the service."""
        headers = {"accept": "application/json"}
        token = self._authorization()
        if token is not None:
            headers["authorization"] = token
        client = Client(self.transport, Unsigned(), self._read_error, _CONTAINER_RETRY, self.clock)
        request = Request("GET", self.origin, self.target, headers, expected=frozenset({200}),
                          operation="GetContainerCredentials")  # fmt: skip
        try:
            response = client.request(request)
        except TransportError as error:
            # Its URL alone could be taken for that of the storage service.
            raise type(error)(
                f"no key from {self.name}: {error.message}", retryable=error.retryable
            ) from None
        fields, now = document(response.read(MAX_DOCUMENT)), self.clock()
        expires = read_expiry(fields.get("Expiration"), now, self.name, response.headers)
        return check_valid(read_key(fields, self.name, _NAMES, expires), now, self.name)

    def _authorization(self) -> str | None:
        path = str(self.environ.get(_TOKEN_FILE, ""))  # a path is not hidden
        if not path:
            return self.environ.get(_TOKEN) or None
        try:
            with open(path, encoding="utf-8") as file:  # read again, because it is replaced
                return Hidden(file.read(MAX_DOCUMENT).strip())
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise CredentialsNotFoundError(
                f"the file {path!r}, which {_TOKEN_FILE} names, cannot be read: {reason}"
            ) from None

    def _read_error(
        self, request: Request, status: int, headers: Mapping[str, str], body: bytes
    ) -> Fault:
        if status in BUSY:
            return busy(self.name, status)
        fields = document(body)
        code = fields.get("code", fields.get("Code", ""))
        text = f"{self.name} refused to provide a key; check the role of the container"
        return Fault(AuthenticationError(text, status=status, code=str(code)[:100] or None))


def container_source(
    environ: Mapping[str, str], transport: Transport, clock: Clock = time.time
) -> ContainerSource | None:
    """
    Return the source of a container's keys; `None` if no variable names it.

    Args:
        transport: The transport for https://; plain http goes through no proxy.
    """
    if environ.get(_RELATIVE):
        variable, url = _RELATIVE, f"{_CONTAINER_ORIGIN}{environ[_RELATIVE]}"
    elif environ.get(_FULL):
        variable, url = _FULL, environ[_FULL]
    else:
        return None
    parts = urlsplit(url)
    found = arguments.address(f"{parts.scheme}://{parts.netloc}", variable, "http://host/path")
    if found.scheme == "http":
        if found.host not in _CONTAINER_HOSTS and not arguments.is_loopback(found.host):
            raise InvalidOptionError(
                f"{variable} is http:// to another host than those of containers; use https://"
            )
        timeout = _CONTAINER_TIMEOUT
        transport = Transport(
            pool_size=1, connect_timeout=timeout, read_timeout=timeout, proxies={}
        )
    # The query may have a secret.
    target = Hidden((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    name = f"container credentials at {found.host} ({variable})"
    return ContainerSource(name, found.origin, target, environ, transport, clock)


def _is_near(host: str) -> bool:
    return arguments.is_loopback(host) or host.startswith("169.254.") or host == "fd00:ec2::254"

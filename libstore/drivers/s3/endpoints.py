"""
Where a bucket is: which host a request goes to, and what stands before the object's name.

Hosts are built here and nowhere else, from an endpoint that the caller gave or a service's
template. What a service answers never becomes a host; a region, at most, and only if it looks
like one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...errors import InvalidNameError, InvalidOptionError
from ...http.encoding import split_origin
from ...rest.settings import split_endpoint
from .services import Service

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_DNS_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
# Buckets from before those rules, and of other services, may also have these.
_ANY_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9._-]", re.ASCII)
_AMAZON_HOST = re.compile(
    r"s3(?:-fips)?(?:[.-]dualstack)?(?:[.-](?P<region>[a-z0-9-]+))?\.amazonaws\.(?:com|com\.cn|eu)",
    re.ASCII,
)
_GOOGLE_HOST = "storage.googleapis.com"
# Regions that are no part of the public cloud have names of their own in DNS; botocore's
# endpoints.json lists them as "partitions".
_SUFFIXES = (
    ("cn-", "amazonaws.com.cn"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where requests for a bucket go.

    Attributes:
        url: ``scheme://host[:port]``.
        prefix: What the target begins with; an object's name follows it.
        top: The target of requests for no object. Of a bucket in the path it has no slash at its
            end, as most clients send it and some servers want it.
    """

    url: str
    prefix: str
    region: str
    top: str


@dataclass(frozen=True, slots=True)
class Variants:
    """Which of Amazon's other endpoints are asked for."""

    dualstack: bool = False
    fips: bool = False
    accelerate: bool = False

    def any(self) -> bool:
        """Return whether one is."""
        return self.dualstack or self.fips or self.accelerate


class Endpoint:
    """
    One service's endpoint.

    Args:
        given: The endpoint that the caller names; it takes the place of the service's own.
        path_style: Whether buckets are in the path; `None` decides by bucket and host.
        insecure: Whether plain http is allowed to hosts other than this machine.
    """

    def __init__(
        self,
        service: Service,
        given: str | None,
        account: str | None,
        variants: Variants,
        path_style: bool | None,
        insecure: bool,
    ) -> None:
        self._service = service
        self._account = _account(service, given, account)
        self._variants = variants
        self._path_style = path_style
        self._origin, self._path = ("", "")
        if given is not None:
            self._origin, self._path = split_endpoint(given, "endpoint", insecure=insecure)
        elif not service.endpoint:
            raise InvalidOptionError(
                f"say where the service is, with endpoint='https://…'; every installation of"
                f" {service.title} is somewhere else"
            )
        if self._origin.endswith("://s3-accelerate.amazonaws.com"):
            raise InvalidOptionError("ask for this endpoint with accelerate=True")
        if variants.any() and (given is not None or service.name != "s3"):
            raise InvalidOptionError(
                "dualstack, fips and accelerate choose one of Amazon's own endpoints; they do not"
                " go with another endpoint"
            )

    @property
    def secure(self) -> bool:
        """Whether what is sent is encrypted on its way."""
        return not self._origin.startswith("http:")

    @property
    def regional(self) -> bool:
        """Whether each region has a host of its own."""
        return not self._origin and "{region}" in self._service.endpoint

    def store_id(self, region: str) -> str | None:
        """
        Return the name of the store, where the host is known to be of one company.

        Names of Amazon's buckets are unique in a partition, whatever the region and the account:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingBucket.html. Behind any other
        host may be anything, a gateway to another store included.
        """
        host = split_origin(self._origin or self._template(region))[1]
        if host == _GOOGLE_HOST:
            return "google"
        if _AMAZON_HOST.fullmatch(host) is None:
            return None
        return f"amazon:{host[host.index('amazonaws.') :]}"

    def place(self, bucket: str | None, region: str) -> Place:
        """Return where requests for a bucket go, or those for none."""
        origin = self._origin or self._template(region)
        path = self._path
        if bucket is None:
            return Place(origin, f"{path}/", region, f"{path}/")
        if self._path_style is None and path.rpartition("/")[2] == bucket:
            # Or all names would begin with the bucket's; pages of services show such addresses.
            raise InvalidOptionError(
                f"the endpoint ends with the bucket's name, {bucket!r}; leave it out of the"
                " endpoint, or say path_style=True if it belongs there"
            )
        if self._variants.accelerate:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/transfer-acceleration.html
            dual = ".dualstack" if self._variants.dualstack else ""
            origin = f"https://s3-accelerate{dual}.amazonaws.com"
        if self._in_path(bucket, origin):
            return Place(origin, f"{path}/{bucket}/", region, f"{path}/{bucket}")
        scheme, _, host = origin.partition("://")
        return Place(f"{scheme}://{bucket}.{host}", f"{path}/", region, f"{path}/")

    def _in_path(self, bucket: str, origin: str) -> bool:
        """Return whether the bucket stands in the path, not in the host."""
        if not _DNS_BUCKET.fullmatch(bucket) or ".." in bucket:
            return True
        secure = origin.startswith("https:")
        if secure and "." in bucket:
            return True  # a certificate's wildcard stands for one label
        if self._path_style is not None:
            return self._path_style
        return bool(self._origin) or self._service.path_style

    def _template(self, region: str) -> str:
        if self._service.name == "s3":
            return _amazon(region, self._variants)
        service = self._service
        found = (where for start, where in service.endpoints if region.startswith(start))
        return next(found, service.endpoint).format(region=region, account=self._account)


def _amazon(region: str, variants: Variants) -> str:
    """Return https://docs.aws.amazon.com/general/latest/gr/s3.html of a region."""
    suffix = next((name for start, name in _SUFFIXES if region.startswith(start)), "amazonaws.com")
    host = "s3-fips" if variants.fips else "s3"
    dual = ".dualstack" if variants.dualstack else ""
    return f"https://{host}{dual}.{region}.{suffix}"


def amazon_region(endpoint: str) -> str | None:
    """Return the region in an endpoint of Amazon's, which may be empty; `None` if it is none."""
    try:
        _, host, _ = split_origin(endpoint.rstrip("/"))
    except InvalidOptionError:
        return None
    match = _AMAZON_HOST.fullmatch(host)
    region = None if match is None else match["region"] or ""
    return "us-east-1" if region == "external-1" else region  # what it was called long ago


@dataclass(frozen=True, slots=True)
class Known:
    """
    A service that an endpoint is known to be of.

    Attributes:
        region: The one that the endpoint names; empty if it names none.
        account: The same.
    """

    service: Service
    region: str
    account: str


def known_service(endpoint: str, services: Iterable[Service]) -> Known | None:
    """Return whose own endpoint this is."""
    text = endpoint.rstrip("/").lower()
    for service in services:
        for template in (service.endpoint, *(where for _, where in service.endpoints)):
            match = re.fullmatch(_pattern(template), text, re.ASCII) if template else None
            if match is not None:
                found = match.groupdict(default="")
                return Known(service, found.get("region", ""), found.get("account", ""))
    return None


def check_no_bucket(endpoint: str, services: Iterable[Service]) -> None:
    """Raise `InvalidOptionError` for the address of a bucket in place of a service's own."""
    scheme, mark, host = endpoint.rstrip("/").partition("://")
    # An account's place may have more before it, such as the jurisdiction at Cloudflare.
    plain = [service for service in services if "{account}" not in service.endpoint]
    for end, sign in enumerate(host):
        place = f"{scheme}{mark}{host[end + 1 :]}"
        if (
            sign == "."
            and _DNS_BUCKET.fullmatch(host[:end])
            and (amazon_region(place) is not None or known_service(place, plain) is not None)
        ):
            raise InvalidOptionError(
                f"the endpoint begins with a bucket's name; it should be {place}, and buckets"
                " are named where they are used"
            )


def _pattern(template: str) -> str:
    pattern = re.escape(template)
    for name in ("region", "account"):
        pattern = pattern.replace(rf"\{{{name}\}}", f"(?P<{name}>{_LABEL.pattern})")
    return pattern


def is_region(text: str | None) -> bool:
    """Return whether the text could be a region's name and nothing else."""
    return text is not None and _LABEL.fullmatch(text) is not None


def checked_region(region: object, label: str = "region") -> str:
    """Return a region that can stand in a host and in a signature."""
    if not isinstance(region, str) or not is_region(region):
        raise InvalidOptionError(
            f"{label} must be lower-case letters, digits and hyphens, such as 'eu-west-1',"
            f" not {region!r}"
        )
    return region


def check_bucket_name(name: str) -> None:
    """Raise `InvalidNameError` for what no bucket can be called, on any service."""
    if not _ANY_BUCKET.fullmatch(name):
        raise InvalidNameError(
            f"no bucket can be called {name[:80]!r}: a name has at least 3 lower-case letters,"
            " digits, dots and hyphens, and begins with a letter or a digit"
        )


def check_new_bucket_name(name: str) -> None:
    """Raise `InvalidNameError` for what no new bucket can be called on Amazon S3."""
    if not _DNS_BUCKET.fullmatch(name) or ".." in name or _is_address(name):
        raise InvalidNameError(
            f"no bucket can be called {name[:80]!r}: a name has 3 to 63 lower-case letters,"
            " digits, dots and hyphens, begins and ends with a letter or a digit, and is no IP"
            " address"
        )


def _account(service: Service, given: str | None, account: str | None) -> str | None:
    if account is not None and not _LABEL.fullmatch(account.lower()):
        raise InvalidOptionError(
            "account must be letters, digits and hyphens; it becomes a part of the host's name"
        )
    if given is None and "{account}" in service.endpoint and account is None:
        raise InvalidOptionError(
            f"{service.title} has an endpoint for each account; give account=, or endpoint="
        )
    return account


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

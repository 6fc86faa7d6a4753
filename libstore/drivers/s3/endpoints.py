"""
The addresses of Amazon S3 and of other services, and the names of buckets.

Of a response, only the name of a region goes into a host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from typing_extensions import override

from ...errors import InvalidNameError, InvalidOptionError
from ...http.encoding import split_origin
from ...rest.settings import split_endpoint
from ...s3api.endpoints import LABEL, Endpoint, Place, is_region
from ...s3api.service import Service

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_DNS_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
# Buckets that are older than those rules, or of other services, may also have these.
_ANY_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9._-]", re.ASCII)
_AMAZON_HOST = re.compile(
    r"s3(?:-fips)?(?:[.-]dualstack)?(?:[.-](?P<region>[a-z0-9-]+))?\.amazonaws\.(?:com|com\.cn|eu)",
    re.ASCII,
)
_ADDRESS = re.compile(r"(?:[0-9]+\.){3}[0-9]+")
_GOOGLE_HOST = "storage.googleapis.com"
# The domains of regions outside the public cloud, which botocore's endpoints.json lists as
# "partitions".
_SUFFIXES = (
    ("cn-", "amazonaws.com.cn"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
)


@dataclass(frozen=True, slots=True)
class Variants:
    """The variants of Amazon's endpoints."""

    dualstack: bool = False
    fips: bool = False
    accelerate: bool = False


class ServiceEndpoint(Endpoint):
    """
    The address of one service.

    Args:
        given: The endpoint that the caller has passed, in place of the service's own.
        path_style: Whether buckets are in the path; `None` decides by bucket and host.
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
        url, path = "", ""
        if given is not None:
            url, path = split_endpoint(given, "endpoint", insecure=insecure)
        elif not service.endpoint:
            raise InvalidOptionError(
                f"each installation of {service.title} has its own address; pass it as"
                " endpoint='https://…'"
            )
        super().__init__(url, path)
        if url.endswith("://s3-accelerate.amazonaws.com"):
            raise InvalidOptionError(
                "this endpoint is for accelerated transfers; pass accelerate=True in place of it"
            )
        if variants != Variants() and (given is not None or service.name != "s3"):
            raise InvalidOptionError(
                "dualstack, fips and accelerate select one of Amazon's own endpoints; they cannot"
                " be combined with another endpoint"
            )
        if variants.fips and variants.accelerate:
            raise InvalidOptionError(
                "accelerate has no endpoint with FIPS 140 cryptography; use one of fips and"
                " accelerate"
            )
        self.regional = not url and "{region}" in service.endpoint

    def store_id(self, region: str) -> str | None:
        """
        Return the name of the store; `None` unless the host belongs to one company.

        Amazon's bucket names are unique in a partition, across regions and accounts:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingBucket.html. Any other host may
        be a gateway to another store.
        """
        host = split_origin(self.url or self._template(region))[1]
        if host == _GOOGLE_HOST:
            return "google"
        if _AMAZON_HOST.fullmatch(host) is None:
            return None
        return f"amazon:{host[host.index('amazonaws.') :]}"

    @override
    def place(self, bucket: str | None, region: str) -> Place:
        origin = self.url or self._template(region)
        path = self.path
        if bucket is None:
            return self.place_in_path(origin, None, region)
        if self._path_style is None and path.rpartition("/")[2] == bucket:
            # Consoles of services show such addresses; the bucket would be in the path twice.
            raise InvalidOptionError(
                f"the endpoint ends with the bucket's name, {bucket!r}; leave it out of the"
                " endpoint, or pass path_style=True if it belongs there"
            )
        if self._variants.accelerate:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/transfer-acceleration.html
            dual = ".dualstack" if self._variants.dualstack else ""
            origin = f"https://s3-accelerate{dual}.amazonaws.com"
        if self._in_path(bucket, origin):
            return self.place_in_path(origin, bucket, region)
        scheme, _, host = origin.partition("://")
        return Place(f"{scheme}://{bucket}.{host}", f"{path}/", region, f"{path}/")

    def _in_path(self, bucket: str, origin: str) -> bool:
        """Return whether the bucket is in the path, not in the host."""
        if not _DNS_BUCKET.fullmatch(bucket) or ".." in bucket:
            return True
        secure = origin.startswith("https:")
        if secure and "." in bucket:
            return True  # the wildcard of a certificate matches one label
        if self._variants.accelerate:
            return False  # its endpoint finds the bucket by its host
        if self._path_style is not None:
            return self._path_style
        return bool(self.url) or self._service.path_style

    def _template(self, region: str) -> str:
        if self._service.name == "s3":
            return _amazon(region, self._variants)
        service = self._service
        found = (where for start, where in service.endpoints if region.startswith(start))
        return next(found, service.endpoint).format(region=region, account=self._account)


def _amazon(region: str, variants: Variants) -> str:
    """Return the endpoint of a region: https://docs.aws.amazon.com/general/latest/gr/s3.html."""
    suffix = next((name for start, name in _SUFFIXES if region.startswith(start)), "amazonaws.com")
    host = "s3-fips" if variants.fips else "s3"
    dual = ".dualstack" if variants.dualstack else ""
    return f"https://{host}{dual}.{region}.{suffix}"


def amazon_region(endpoint: str) -> str | None:
    """Return the region in an endpoint of Amazon, maybe empty; `None` for other endpoints."""
    try:
        _, host, _ = split_origin(endpoint.rstrip("/"))
    except InvalidOptionError:
        return None
    match = _AMAZON_HOST.fullmatch(host)
    region = None if match is None else match["region"] or ""
    return "us-east-1" if region == "external-1" else region  # its old name


class Known(NamedTuple):
    """The service that an endpoint belongs to, with the region and the account in it, if any."""

    service: Service
    region: str
    account: str


def known_service(endpoint: str, services: Iterable[Service]) -> Known | None:
    """Return the service that has this endpoint, if any."""
    text = endpoint.rstrip("/").lower()
    for service in services:
        for template in (service.endpoint, *(where for _, where in service.endpoints)):
            match = re.fullmatch(_pattern(template), text, re.ASCII) if template else None
            if match is not None:
                found = match.groupdict(default="")
                return Known(service, found.get("region", ""), found.get("account", ""))
    return None


def check_no_bucket(endpoint: str, services: Iterable[Service]) -> None:
    """Raise `InvalidOptionError` if an endpoint is the address of a bucket."""
    scheme, mark, host = endpoint.rstrip("/").partition("://")
    # The host of an account may begin with another label, such as Cloudflare's jurisdictions.
    plain = [service for service in services if "{account}" not in service.endpoint]
    for end, sign in enumerate(host):
        place = f"{scheme}{mark}{host[end + 1 :]}"
        if (
            sign == "."
            and _DNS_BUCKET.fullmatch(host[:end])
            and (amazon_region(place) is not None or known_service(place, plain) is not None)
        ):
            raise InvalidOptionError(
                f"the endpoint begins with the name of a bucket; pass {place}, and the bucket's"
                " name to the driver's methods"
            )


def _pattern(template: str) -> str:
    pattern = re.escape(template)
    for name in ("region", "account"):
        pattern = pattern.replace(rf"\{{{name}\}}", f"(?P<{name}>{LABEL.pattern})")
    return pattern


def checked_region(region: object, label: str = "region") -> str:
    """Return a region that may be part of a host and of a signature."""
    if not isinstance(region, str) or not is_region(region):
        raise InvalidOptionError(
            f"{label} must be lower-case letters, digits and hyphens, such as 'eu-west-1',"
            f" not {region!r}"
        )
    return region


def check_bucket_name(name: str) -> None:
    """Raise `InvalidNameError` for a name that no bucket has on any service."""
    if not _ANY_BUCKET.fullmatch(name):
        raise InvalidNameError(
            f"{name[:80]!r} is not the name of a bucket: a name has at least 3 lower-case letters,"
            " digits, dots and hyphens, and begins with a letter or a digit"
        )


def check_new_bucket_name(name: str) -> None:
    """Raise `InvalidNameError` for a name that Amazon S3 does not allow for a new bucket."""
    if not _DNS_BUCKET.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name):
        raise InvalidNameError(
            f"a new bucket cannot have the name {name[:80]!r}: a name has 3 to 63 lower-case"
            " letters, digits, dots and hyphens, begins and ends with a letter or a digit, and is"
            " not an IP address"
        )


def _account(service: Service, given: str | None, account: str | None) -> str | None:
    if account is not None and not LABEL.fullmatch(account.lower()):
        raise InvalidOptionError(
            "account must be letters, digits and hyphens, because it is part of the host name"
        )
    if given is None and "{account}" in service.endpoint and account is None:
        raise InvalidOptionError(
            f"{service.title} has an endpoint for each account; pass account= or endpoint="
        )
    return account

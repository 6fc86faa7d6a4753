"""What a driver is made with: checked once, and turned into what requests need."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...auth.sigv4 import Credentials
from ...errors import CredentialsNotFoundError, InvalidOptionError
from ...http.transport import Transport
from ...redaction import Hidden
from ...rest.settings import check_types, found_endpoint, hide_fields, make_transport, pickled
from . import extras
from .endpoints import (
    Endpoint,
    Known,
    Variants,
    amazon_region,
    check_no_bucket,
    checked_region,
    known_service,
)
from .services import OTHER, SERVICES, Service

_SECRETS = ("secret", "token", "customer_key")


@dataclass(frozen=True)
class Settings:
    """
    The arguments of `S3Driver`, which describes them.

    Attributes:
        from_environment: The key was found in the environment.
    """

    key: str | None = None
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    region: str | None = None
    account: str | None = None
    endpoint: str | None = None
    anonymous: bool = False
    path_style: bool | None = None
    insecure: bool = False
    dualstack: bool = False
    fips: bool = False
    accelerate: bool = False
    requester_pays: bool = False
    encryption: str | None = None
    kms_key: str | None = None
    customer_key: bytes | None = field(default=None, repr=False)
    acl: str | None = None
    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    timeout: float | tuple[float, float] | None = None
    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    pickle_secret: bool = False
    from_environment: bool = False

    def __post_init__(self) -> None:
        hide_fields(self)

    # ------------------------------------------------------------------ from the arguments

    def completed(self, service: Service, environ: Mapping[str, str]) -> Settings:
        """Return the settings with what the environment adds, and checked."""
        check_types(self)
        found = self
        # The names are Amazon's, so they are for Amazon's service, and for endpoints that one
        # names oneself; another company is not told Amazon's key.
        if service.name == "s3":
            found = found._with_environment(environ)
        found._check_credentials(service)
        if found.region is not None:
            checked_region(found.region)
        for label in ("acl", "encryption", "kms_key", "customer_key"):
            extras.UPLOAD[label](getattr(found, label), label)
        found._check_encryption()
        return found

    def _check_encryption(self) -> None:
        if self.kms_key is not None and not (self.encryption or "").startswith("aws:kms"):
            raise InvalidOptionError("kms_key goes with encryption='aws:kms' or 'aws:kms:dsse'")
        if self.customer_key is not None and self.encryption is not None:
            raise InvalidOptionError("encryption and customer_key exclude each other")

    def overridden(self, extra: Mapping[str, object]) -> Settings:
        """
        Return the settings for one upload, with what it has of its own.

        Args:
            extra: Checked one by one already.
        """
        given: dict[str, Any] = {
            name: extra[name]
            for name in ("acl", "encryption", "kms_key", "customer_key")
            if name in extra
        }
        if not given:
            return self
        # The way to encrypt that an upload asks for takes the place of any other.
        if given.get("customer_key") is not None:
            given = {"encryption": None, "kms_key": None, **given}
        elif given.get("encryption") is not None:
            given.setdefault("customer_key", None)
        if not str(given.get("encryption", self.encryption)).startswith("aws:kms"):
            given.setdefault("kms_key", None)
        found = replace(self, **given)
        found._check_encryption()
        return found

    def _with_environment(self, environ: Mapping[str, str]) -> Settings:
        # https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
        found = self
        if found.key is None and found.secret is None and not found.anonymous:
            key, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
            if key and secret:
                found = replace(
                    found,
                    key=key,
                    secret=secret,
                    token=environ.get("AWS_SESSION_TOKEN") or None,
                    from_environment=True,
                )
        if found.endpoint is None and not (found.dualstack or found.fips or found.accelerate):
            names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
            found = replace(found, endpoint=found_endpoint(environ, names, self.insecure))
        if found.region is None:
            region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
            found = replace(found, region=region or None)
        return found

    def _check_credentials(self, service: Service) -> None:
        if self.anonymous:
            if self.key or self.secret or self.token:
                raise InvalidOptionError("anonymous=True and a key exclude each other")
            return
        if not self.key or not self.secret:
            where = (
                ", or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                if service.name == "s3"
                else ""
            )
            raise CredentialsNotFoundError(
                f"give an access key and its secret{where}; anonymous=True does without them"
            )
        for label in ("key", "secret", "token"):
            value = getattr(self, label)
            if value is not None and not (
                isinstance(value, str) and value.isascii() and value.isprintable()
            ):
                raise InvalidOptionError(f"{label} must be printable ASCII")

    def service_of(self, service: Service) -> Service:
        """
        Return the record of the service that is really spoken to.

        The class of a driver for any endpoint claims what Amazon's service does, so conditions are
        looked at wherever else it is.
        """
        if service.name != "s3" or self.endpoint is None:
            return service
        if amazon_region(self.endpoint) is not None:
            return service
        known = self._known(service)
        return OTHER if known is None else replace(known.service, guarded=True)

    def _known(self, service: Service) -> Known | None:
        """Return whose endpoint the given one is, if it is a service's own."""
        if self.endpoint is None or self.account is not None:
            return None
        candidates = SERVICES.values() if service.name == "s3" else [service]
        known = known_service(self.endpoint, candidates)
        # Who names another region than the endpoint has means something else by it.
        if known is not None and known.region and self.region not in {None, known.region}:
            return None
        return known

    # ------------------------------------------------------------------ for requests

    @property
    def credentials(self) -> Credentials | None:
        """Who signs; nobody, if requests are anonymous."""
        if self.key is None or self.secret is None:
            return None
        return Credentials(self.key, self.secret, self.token)

    def first_region(self, service: Service) -> str:
        """Return where buckets are looked for first."""
        named = amazon_region(self.endpoint) if self.endpoint is not None else None
        known = self._known(service)
        region = self.region or named or (known.region if known else "") or service.region
        if not region:
            raise InvalidOptionError(f"say in which region of {service.title}, with region=")
        return region

    def endpoint_of(self, service: Service) -> Endpoint:
        """Return where the service is."""
        variants = Variants(self.dualstack, self.fips, self.accelerate)
        given, account = self.endpoint, self.account
        known = self._known(service)
        if given is not None and known is None and amazon_region(given) is None:
            check_no_bucket(given, SERVICES.values())
        if known is not None:  # it is made of the template again, with buckets where they belong
            given, account = None, known.account or None
        return Endpoint(service, given, account, variants, self.path_style, self.insecure)

    def transport(self, concurrency: int) -> Transport:
        """Return what makes connections."""
        return make_transport(
            concurrency,
            timeout=self.timeout,
            verify=self.verify,
            proxies=self.proxies,
            cert=self.cert,
        )

    @property
    def payer(self) -> dict[str, str]:
        """The header of who pays for requests to buckets of others."""
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/ObjectsinRequesterPaysBuckets.html
        return {"x-amz-request-payer": "requester"} if self.requester_pays else {}

    @property
    def customer(self) -> dict[str, str]:
        """The headers of a key that the service does not keep."""
        return self._customer("x-amz-server-side-encryption-customer-")

    @property
    def source_customer(self) -> dict[str, str]:
        """The same for the source of a copy."""
        return self._customer("x-amz-copy-source-server-side-encryption-customer-")

    def _customer(self, prefix: str) -> dict[str, str]:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-s3-c-encryption.html
        if self.customer_key is None:
            return {}
        digest = hashlib.md5(self.customer_key, usedforsecurity=False).digest()
        return {
            f"{prefix}algorithm": "AES256",
            f"{prefix}key": Hidden(base64.b64encode(self.customer_key).decode()),
            f"{prefix}key-md5": base64.b64encode(digest).decode(),
        }

    @property
    def access(self) -> dict[str, str]:
        """The headers of every read of an object."""
        return {**self.customer, **self.payer}

    @property
    def reads(self) -> dict[str, str]:
        """The headers of a read of an object, which is told its checksum."""
        return {**self.access, "x-amz-checksum-mode": "ENABLED"}

    @property
    def kept(self) -> dict[str, str]:
        """The headers of every write of an object."""
        headers = self.access
        if self.encryption is not None:
            headers["x-amz-server-side-encryption"] = self.encryption
        if self.kms_key is not None:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = self.kms_key
        if self.acl is not None:
            headers["x-amz-acl"] = self.acl
        return headers

    # ------------------------------------------------------------------ pickles

    def pickled(self) -> dict[str, Any]:
        """Return the arguments that make the same driver elsewhere; see `_settings.pickled`."""
        found = ("from_environment", "key", "secret", "token") if self.from_environment else ()
        return pickled(self, _SECRETS, found=found, allowed=self.pickle_secret)

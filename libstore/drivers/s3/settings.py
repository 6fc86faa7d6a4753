"""The arguments of the driver: what they are, how they are checked, and what is made of them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

from ...auth.sigv4 import Credentials
from ...errors import CredentialsNotFoundError, InvalidOptionError
from ...options import option
from ...redaction import Hidden
from ...rest.options import credential
from ...rest.settings import RestSettings, split_endpoint
from . import options
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


# https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
class Settings(RestSettings):
    """The arguments of `S3Driver`; only the driver ``"s3"`` reads the environment."""

    credential_options: ClassVar[tuple[str, ...]] = ("key", "secret", "token")
    reread: ClassVar[tuple[str, ...]] = credential_options

    key: str | None = option(
        "The id of the access key.",
        credential, default=None, variables=["AWS_ACCESS_KEY_ID"], hidden=True, kw_only=False
    )  # fmt: skip
    secret: str | None = option(
        "The secret access key.",
        credential, default=None, variables=["AWS_SECRET_ACCESS_KEY"], secret=True, kw_only=False
    )  # fmt: skip
    token: str | None = option(
        "The session token of temporary credentials.",
        credential, default=None, variables=["AWS_SESSION_TOKEN"], secret=True
    )  # fmt: skip
    region: str | None = option(
        "Where new buckets are created, and where others are looked for first. A bucket in another"
        " region is found automatically.",
        checked_region, default=None, variables=["AWS_REGION", "AWS_DEFAULT_REGION"]
    )  # fmt: skip
    account: str | None = option(
        "The id of your account, for services that have it in their endpoint.", default=None
    )
    endpoint: str | None = option(
        "The address of the service, as ``https://host[:port][/path]``.",
        default=None, variables=["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
    )  # fmt: skip
    anonymous: bool = option("Send requests without credentials.", default=False)
    path_style: bool | None = option(
        "Whether buckets are named in the path of URLs or in their host; by default, whichever the"
        " endpoint and the bucket's name allow.",
        default=None
    )  # fmt: skip
    dualstack: bool = option("Use Amazon's endpoints for IPv6 and IPv4.", default=False)
    fips: bool = option("Use Amazon's endpoints with FIPS 140 cryptography.", default=False)
    accelerate: bool = option("Use Amazon's endpoint for long distances.", default=False)
    requester_pays: bool = option("Pay for requests to requester-pays buckets.", default=False)
    encryption: str | None = option(options.ENCRYPTION, default=None)
    kms_key: str | None = option(options.KMS_KEY, default=None)
    customer_key: bytes | None = option(options.CUSTOMER_KEY, default=None)
    acl: str | None = option(options.ACL, default=None)

    def completed(self, service: Service, environ: Mapping[str, str]) -> Settings:
        """Return the settings with those of the environment added, checked together."""
        found = self
        if service.name == "s3":  # another company must not be sent Amazon's key
            found = self._with_environment(environ)
        found._check_credentials(service)
        if found.endpoint is not None:
            split_endpoint(found.endpoint, found.label("endpoint"), insecure=found.insecure)
        found._check_encryption()
        return found

    def _with_environment(self, environ: Mapping[str, str]) -> Settings:
        found = self.with_variables(environ, "region")
        if self.key is None and self.secret is None and not self.anonymous:
            keyed = found.with_variables(environ, *self.credential_options)
            found = keyed if keyed.key and keyed.secret else found
        if not (self.dualstack or self.fips or self.accelerate):
            found = found.with_variables(environ, "endpoint")
        return found

    def _check_credentials(self, service: Service) -> None:
        if self.anonymous:
            if self.key or self.secret or self.token:
                raise InvalidOptionError("anonymous=True and a key exclude each other")
        elif not self.key or not self.secret:
            variables = ", or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise CredentialsNotFoundError(
                f"give an access key and its secret{variables if service.name == 's3' else ''};"
                " anonymous=True sends requests without them"
            )

    def _check_encryption(self) -> None:
        if self.kms_key is not None and not (self.encryption or "").startswith("aws:kms"):
            raise InvalidOptionError("kms_key goes with encryption='aws:kms' or 'aws:kms:dsse'")
        if self.customer_key is not None and self.encryption is not None:
            raise InvalidOptionError("encryption and customer_key exclude each other")

    def overridden(self, extra: Mapping[str, object]) -> Settings:
        """
        Return the settings for one upload, with the options of its own.

        Args:
            extra: They have been checked one by one.
        """
        given: dict[str, Any] = {
            name: extra[name]
            for name in ("acl", "encryption", "kms_key", "customer_key")
            if name in extra
        }
        if not given:
            return self
        # The encryption of an upload takes the place of any other.
        if given.get("customer_key") is not None:
            given = {"encryption": None, "kms_key": None, **given}
        elif given.get("encryption") is not None:
            given.setdefault("customer_key", None)
        if not str(given.get("encryption", self.encryption)).startswith("aws:kms"):
            given.setdefault("kms_key", None)
        found = self.replaced(**given)
        found._check_encryption()
        return found

    # ------------------------------------------------------------------ the service

    def service_of(self, service: Service) -> Service:
        """
        Return the record of the service that requests go to.

        The driver ``"s3"`` declares what Amazon S3 supports, so conditions are also checked here
        at every other endpoint.
        """
        if service.name != "s3" or self.endpoint is None:
            return service
        if amazon_region(self.endpoint) is not None:
            return service
        known = self._known(service)
        return OTHER if known is None else replace(known.service, guarded=True)

    def _known(self, service: Service) -> Known | None:
        """Return the known service that the endpoint belongs to, if any."""
        if self.endpoint is None or self.account is not None:
            return None
        candidates = SERVICES.values() if service.name == "s3" else [service]
        known = known_service(self.endpoint, candidates)
        # With another region than that of the endpoint, the endpoint is of an unknown service.
        if known is not None and known.region and self.region not in {None, known.region}:
            return None
        return known

    def access_key(self) -> Credentials | None:
        """Return the credentials that requests are signed with; `None` for anonymous ones."""
        if self.key is None or self.secret is None:
            return None
        return Credentials(self.key, self.secret, self.token)

    def first_region(self, service: Service) -> str:
        """Return the region where buckets are looked for first."""
        named = amazon_region(self.endpoint) if self.endpoint is not None else None
        known = self._known(service)
        region = self.region or named or (known.region if known else "") or service.region
        if not region:
            raise InvalidOptionError(f"say in which region of {service.title}, with region=")
        return region

    def endpoint_of(self, service: Service) -> Endpoint:
        """Return the endpoint of the service."""
        variants = Variants(self.dualstack, self.fips, self.accelerate)
        given, account = self.endpoint, self.account
        known = self._known(service)
        if given is not None and known is None and amazon_region(given) is None:
            check_no_bucket(given, SERVICES.values())
        if known is not None:  # the template says where the bucket goes
            given, account = None, known.account or None
        return Endpoint(service, given, account, variants, self.path_style, self.insecure)

    @cached_property
    def payer(self) -> dict[str, str]:
        """The header of requests to requester-pays buckets."""
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/ObjectsinRequesterPaysBuckets.html
        return {"x-amz-request-payer": "requester"} if self.requester_pays else {}

    @cached_property
    def customer(self) -> dict[str, str]:
        """The headers of an encryption key that the service does not keep."""
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

    @cached_property
    def access(self) -> dict[str, str]:
        """The headers of every read of an object."""
        return {**self.customer, **self.payer}

    @cached_property
    def reads(self) -> dict[str, str]:
        """The headers of a read of an object whose response has its checksum."""
        return {**self.access, "x-amz-checksum-mode": "ENABLED"}

    @cached_property
    def kept(self) -> dict[str, str]:
        """The headers of every write of an object."""
        headers = {**self.access}
        if self.encryption is not None:
            headers["x-amz-server-side-encryption"] = self.encryption
        if self.kms_key is not None:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = self.kms_key
        if self.acl is not None:
            headers["x-amz-acl"] = self.acl
        return headers

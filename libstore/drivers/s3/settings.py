"""The arguments of the driver, their checks, and the objects that are made from them."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from ...auth.aws.sessions import AWSCredentials, check_given
from ...auth.sigv4 import Credentials
from ...errors import CredentialsNotFoundError, InvalidOptionError
from ...options import option
from ...rest.options import credential
from ...rest.settings import RestSettings, split_endpoint
from ...s3api.options import ObjectSettings
from ...s3api.service import Service
from . import options
from .endpoints import (
    Known,
    ServiceEndpoint,
    Variants,
    amazon_region,
    check_no_bucket,
    checked_region,
    known_service,
)
from .services import OTHER, SERVICES


def region_in(endpoint: str) -> str:
    """Return the region in an endpoint of Amazon or of a known service, or an empty text."""
    known = known_service(endpoint, SERVICES.values())
    return amazon_region(endpoint) or (known.region if known is not None else "")


# https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
class Settings(RestSettings):
    """The arguments of `S3Driver`; only the driver ``"s3"`` reads the environment."""

    credential_options: ClassVar[tuple[str, ...]] = ("key", "secret", "token")
    reread: ClassVar[tuple[str, ...]] = (*credential_options, "verify")

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
        credential, default=None, variables=["AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN"],
        secret=True
    )  # fmt: skip
    credentials: AWSCredentials | None = option(
        "In place of a key, a function that returns one: a mapping, an object or a tuple, with"
        " ``key``, ``secret`` and, if it is temporary, ``token`` and ``expiry``, an aware datetime"
        " or seconds since 1970. It is called again before the key expires. Or a session or"
        " credentials of boto3 or botocore. It may contain a secret, so pickling requires"
        " ``pickle_secret=True``.",
        check_given, default=None, secret=True
    )  # fmt: skip
    profile: str | None = option(
        "The name of a profile in ``~/.aws/config`` and ``~/.aws/credentials``, for Amazon S3"
        " alone.",
        default=None, variables=["AWS_DEFAULT_PROFILE", "AWS_PROFILE"]
    )  # fmt: skip
    region: str | None = option(
        "The region of new buckets, and the first one in which other buckets are looked up. A"
        " bucket in another region is found automatically.",
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

    def check(self, service: Service) -> None:
        """Check the arguments that concern credentials, together."""
        if self.profile is not None and service.name != "s3":
            raise InvalidOptionError(
                "profile names a profile for Amazon S3; other companies must not be sent its key,"
                " so pass key and secret, or credentials"
            )
        ways = {
            "key": self.key or self.secret or self.token, "credentials": self.credentials,
            "profile": self.profile, "anonymous=True": self.anonymous,
        }  # fmt: skip
        given = [name for name, value in ways.items() if value]
        if len(given) > 1 and given != ["profile", "anonymous=True"]:
            raise InvalidOptionError(f"{' and '.join(given)} exclude each other; pass one of them")
        incomplete = not self.key or not self.secret
        if "key" in given and incomplete:
            raise CredentialsNotFoundError("pass both key and secret; one of them is missing")
        if not given and service.name != "s3":
            raise CredentialsNotFoundError(
                "pass key and secret, or credentials; anonymous=True sends requests without them"
            )

    def object_settings(self) -> ObjectSettings:
        """Return how objects are stored and read."""
        return ObjectSettings(
            self.encryption, self.kms_key, self.customer_key, self.acl, self.requester_pays
        )

    # ------------------------------------------------------------------ the service

    def access_key(self) -> Credentials | None:
        """Return the key that requests are signed with, if it does not expire."""
        if self.key is None or self.secret is None:
            return None
        return Credentials(self.key, self.secret, self.token)

    def address(self, service: Service) -> tuple[Service, ServiceEndpoint, str]:
        """
        Return the record of the service that requests go to, its endpoint and the first region.

        The driver ``"s3"`` declares what Amazon S3 supports, so conditions are also checked here
        at every other endpoint.
        """
        given, account = self.endpoint, self.account
        if given is not None:
            split_endpoint(given, self.label("endpoint"), insecure=self.insecure)
        known = self._known(service)
        amazon = None if given is None else amazon_region(given)
        if given is not None and known is None and amazon is None:
            check_no_bucket(given, SERVICES.values())
        if service.name == "s3" and given is not None and amazon is None:
            service = OTHER if known is None else replace(known.service, guarded=True)
        region = self.region or amazon or (known.region if known else "") or service.region
        if not region:
            raise InvalidOptionError(f"{service.title} has no default region; pass region=")
        if known is not None:  # the template says where the bucket goes
            given, account = None, known.account or None
        variants = Variants(self.dualstack, self.fips, self.accelerate)
        endpoint = ServiceEndpoint(
            service, given, account, variants, self.path_style, self.insecure
        )
        return service, endpoint, region

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

"""The arguments of the driver: declarations, checks, and the values derived from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

from typing_extensions import override

from ... import rest
from ...auth import clouds
from ...auth.keystone import Identity
from ...auth.searched import not_found, variable_line
from ...errors import CredentialsNotFoundError, InvalidOptionError
from ...options import option, string
from .endpoints import parse_endpoint
from .info import TEMP_URL_DIGESTS


def _printable(value: object, label: str) -> str:
    """Return a name, a password or a token; no message repeats it."""
    if not string(value, label).isprintable():
        raise InvalidOptionError(f"{label} must be printable text")
    return str(value)


def _interface(value: object, label: str) -> str:
    """Return the kind of address that is used; older tools call it ``publicURL``."""
    return rest.one_of("public", "internal", "admin")(
        string(value, label).removesuffix("URL"), label
    )


# https://docs.openstack.org/python-openstackclient/latest/cli/man/openstack.html, and the older
# variables of python-swiftclient.
class Settings(rest.RestSettings):
    """The arguments of `SwiftDriver`; without any credentials, the environment is read."""

    credential_options: ClassVar[tuple[str, ...]] = (
        "user",
        "secret",
        "user_id",
        "application_credential",
        "token",
    )
    reread: ClassVar[tuple[str, ...]] = (*credential_options, "cloud")

    user: str | None = option(
        "The name of the user; ``account:user`` for TempAuth.",
        _printable, default=None, variables=["OS_USERNAME", "ST_USER"], kw_only=False
    )  # fmt: skip
    secret: str | None = option(
        "The password, or the secret of the application credential.",
        _printable, default=None, secret=True, kw_only=False,
        variables=["OS_PASSWORD", "OS_APPLICATION_CREDENTIAL_SECRET", "ST_KEY"]
    )  # fmt: skip
    auth_url: str | None = option(
        "Where to log in: the address of Keystone, such as ``https://host:5000/v3``, or of"
        " TempAuth, such as ``https://host/auth/v1.0``.",
        default=None, variables=["OS_AUTH_URL", "ST_AUTH"]
    )  # fmt: skip
    cloud: str | None = option(
        "The name of a cloud in ``clouds.yaml``, which has the credentials and the other settings;"
        " this needs ``libstore[openstack]``.",
        default=None, variables=["OS_CLOUD"]
    )  # fmt: skip
    project: str | None = option(
        "The name of the project that owns the storage.",
        default=None, variables=["OS_PROJECT_NAME", "OS_TENANT_NAME"]
    )  # fmt: skip
    project_id: str | None = option(
        "The id of the project, in place of its name.",
        default=None, variables=["OS_PROJECT_ID", "OS_TENANT_ID"]
    )  # fmt: skip
    project_domain: str | None = option(
        "The name of the project's domain; the user's domain by default.",
        default=None, variables=["OS_PROJECT_DOMAIN_NAME"]
    )  # fmt: skip
    project_domain_id: str | None = option(
        "The id of the project's domain, in place of its name.",
        default=None, variables=["OS_PROJECT_DOMAIN_ID"]
    )  # fmt: skip
    user_id: str | None = option(
        "The id of the user, in place of the name.",
        _printable, default=None, variables=["OS_USER_ID"]
    )  # fmt: skip
    user_domain: str | None = option(
        "The name of the user's domain; by default, the domain with the id ``default``.",
        default=None, variables=["OS_USER_DOMAIN_NAME"]
    )  # fmt: skip
    user_domain_id: str | None = option(
        "The id of the user's domain, in place of its name.",
        default=None, variables=["OS_USER_DOMAIN_ID"]
    )  # fmt: skip
    application_credential: str | None = option(
        "The id of an application credential, or its name together with a user.",
        _printable, default=None,
        variables=["OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_NAME"]
    )  # fmt: skip
    token: str | None = option(
        "A token to exchange for one of the project; with `storage_url`, it is used unchanged.",
        _printable, default=None, secret=True, variables=["OS_TOKEN", "OS_AUTH_TOKEN"]
    )  # fmt: skip
    region: str | None = option(
        "The region of the service catalog; the first one by default.",
        default=None, variables=["OS_REGION_NAME"]
    )  # fmt: skip
    interface: str | None = option(
        'The kind of address in the service catalog: ``"public"`` (by default),'
        ' ``"internal"`` or ``"admin"``.',
        _interface, default=None, variables=["OS_INTERFACE", "OS_ENDPOINT_TYPE"]
    )  # fmt: skip
    storage_url: str | None = option(
        "The address of the account, in place of the one from the login.",
        default=None, variables=["OS_STORAGE_URL"]
    )  # fmt: skip
    anonymous: bool = option(
        "Send requests without a token; this requires `storage_url`.", default=False
    )
    temp_url_key: str | None = option(
        "The key that URLs are signed with; by default, the key of the account or container, if"
        " the user may read it.",
        _printable, default=None, secret=True
    )  # fmt: skip
    temp_url_digest: str | None = option(
        'The digest of signed URLs: ``"sha256"``, ``"sha512"`` or ``"sha1"``; by default the'
        " first of these that the cluster accepts.",
        rest.one_of(*TEMP_URL_DIGESTS), default=None
    )  # fmt: skip

    def completed(self, environ: Mapping[str, str]) -> Settings:
        """Return the settings with those of the environment added, checked together."""
        found = self
        if self.cloud is not None and (self.anonymous or self._has_credentials()):
            raise InvalidOptionError(
                "cloud and credentials or anonymous exclude each other; pass one of them"
            )
        if not self.anonymous and not self._has_credentials():
            found = found.with_variables(environ, "cloud")
            if found.cloud is not None:
                found = found._with_cloud(found.cloud)
                found._check_credentials(environ)
                return found
            found = self._with_identity(environ)
        found = found.with_variables(environ, "region", "interface")
        if found.auth_url is None:  # a token of one cloud is not sent to another
            found = found.with_variables(environ, "auth_url", "storage_url")
            if found.verify is True and environ.get("OS_CACERT"):
                found = found.replaced(verify=environ["OS_CACERT"])
        found._check_credentials(environ)
        return found

    def _with_cloud(self, name: str) -> Settings:
        """Return the settings with those of a cloud that were not given."""
        cloud = clouds.find_cloud(name, self.label("cloud"), self.region)
        missing = {
            key: value
            for key, value in cloud.values.items()
            if getattr(self, key) == self.table[key].default
        }
        return self.with_found(cloud.source, **missing)

    @override
    def found_again(self) -> frozenset[str]:
        if self.cloud is None:
            return super().found_again()
        # All settings of a cloud are read again where it is used, not its credentials alone.
        of_cloud = {name for name, source in self.sources.items() if source.startswith("cloud ")}
        return super().found_again() | of_cloud

    def _has_credentials(self) -> bool:
        return any(getattr(self, name) is not None for name in self.credential_options)

    def _with_identity(self, environ: Mapping[str, str]) -> Settings:
        names = [
            name
            for name in self.table
            if name.startswith(("user", "project")) or name in {"application_credential", "token"}
        ]
        found = self.with_variables(environ, *names, prefix="OS_")
        if found.application_credential is None:
            found = found.with_variables(environ, "secret", prefix="OS_PASSWORD")
        else:
            found = found.with_variables(environ, "secret", prefix="OS_APPLICATION")
            if environ.get("OS_APPLICATION_CREDENTIAL_ID"):  # an id needs no user
                found = found.replaced(user=None, user_id=None)
        if not found._has_credentials():
            return self.with_variables(environ, "user", "secret", prefix="ST_")
        return found.replaced(token=None) if found.secret else found

    def _searched(self, environ: Mapping[str, str]) -> Iterator[str]:
        """Yield the places where credentials were searched, for the error."""
        yield variable_line(environ, "OS_CLOUD")
        secret, key = "OS_PASSWORD", "OS_APPLICATION_CREDENTIAL_SECRET"
        for name, other in (
            ("OS_USERNAME", secret), ("OS_USER_ID", secret), (secret, "OS_USERNAME"),
            ("OS_APPLICATION_CREDENTIAL_ID", key), ("OS_TOKEN", ""),
            ("ST_USER", "ST_KEY"), ("ST_KEY", "ST_USER"),
        ):  # fmt: skip
            yield variable_line(environ, name, f"{other} is not" if other else "")
        yield from clouds.files(environ)

    def _check_credentials(self, environ: Mapping[str, str]) -> None:
        if self.anonymous:
            if self._has_credentials():
                raise InvalidOptionError(
                    "anonymous=True and credentials exclude each other; pass one"
                )
            if self.storage_url is None:
                raise InvalidOptionError("anonymous=True requires storage_url=")
            return
        named = self.user or self.user_id or self.application_credential
        if not self.token and not (named and self.secret):
            if self.cloud is not None:
                raise CredentialsNotFoundError(
                    f"{self.label('cloud')} is {self.cloud!r}, but that cloud has no user with a"
                    " password, no application credential with its secret, and no token"
                )
            advice = (
                "no OpenStack credentials were found; pass user= and secret=,"
                " application_credential= and secret=, token= or cloud=, set OS_USERNAME and"
                " OS_PASSWORD, or ST_USER and ST_KEY, or pass anonymous=True to send requests"
                " without credentials"
            )
            raise not_found(advice, self._searched(environ))
        if self.token and self.secret:
            raise InvalidOptionError("token and secret exclude each other; pass one of them")
        if self.auth_url is None and not (self.token and self.storage_url):
            raise CredentialsNotFoundError(
                "pass auth_url=, the address to log in at, or set OS_AUTH_URL or ST_AUTH; a token"
                " does not need it if storage_url= is passed too"
            )

    def endpoint(self, name: str) -> rest.Location | None:
        """Return the address in an argument, checked."""
        value, label = getattr(self, name), self.label(name)
        return None if value is None else parse_endpoint(value, label, insecure=self.insecure)

    @property
    def identity(self) -> Identity:
        """The credentials of the login, and their scope."""
        return Identity(
            self.user, self.secret, self.user_id, self.user_domain, self.user_domain_id,
            self.project, self.project_id, self.project_domain, self.project_domain_id,
            self.application_credential, self.token, self.region, self.interface or "public",
        )  # fmt: skip

    @cached_property
    def identity_of_account(self) -> tuple[object, ...]:
        """The address of the account and the user, without secrets."""
        kind = "token" if self.token is not None else "anonymous" if self.anonymous else "secret"
        user = replace(self.identity, secret=None, token=None)
        return kind, self.endpoint("auth_url"), self.endpoint("storage_url"), user

"""
What the AWS SDKs are configured with: the environment, and the profile in the shared files.

Only the driver ``"s3"`` reads it: another company must not be sent Amazon's key.
https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ...auth.aws.endpoints import ignored, in_profile
from ...auth.aws.profiles import Profile, SharedFiles, load, profile_name, read_flag
from ...auth.aws.sessions import region_of
from ...errors import CredentialsNotFoundError, InvalidOptionError
from ...http.transport import Transport
from .settings import Settings, region_in

if TYPE_CHECKING:
    from ...auth.aws.keys import Source


class Configuration(NamedTuple):
    """The environment, the shared files, and the profile to use."""

    environ: Mapping[str, str]
    files: SharedFiles
    profile: Profile

    # ------------------------------------------------------------------ settings

    def complete(self, settings: Settings) -> Settings:
        """Return the settings with what was not given."""
        if settings.endpoint is None or not region_in(settings.endpoint):
            settings = self._with_region(settings)
        given = settings.anonymous or settings.key is not None or settings.credentials is not None
        if not given and self.profile.given != "profile":
            settings = self._with_key(settings)
        return self._with_bundle(self._with_address(settings))

    def _with_region(self, settings: Settings) -> Settings:
        region = region_of(settings.credentials)
        if settings.region is None and region is not None:
            return settings.with_found("the region of the session credentials=", region=region)
        settings = settings.with_variables(self.environ, "region")
        region = self.profile.get("region")
        if settings.region is None and region is not None:
            settings = settings.with_found(self.profile.where("region"), region=region)
        return settings

    def _with_key(self, settings: Settings) -> Settings:
        """Return the settings with the key of the environment, if it has one."""
        found = settings.with_variables(self.environ, "key", "secret", "token")
        if "key" not in found.sources:
            return settings
        if "secret" not in found.sources:
            raise CredentialsNotFoundError(
                f"{found.sources['key']} is set, but AWS_SECRET_ACCESS_KEY is not; set both"
            )
        # A key with an expiry is found by `source`.
        return settings if self.environ.get("AWS_CREDENTIAL_EXPIRATION") else found

    def _with_address(self, settings: Settings) -> Settings:
        """Return the settings with the endpoint or the variants of Amazon's, if none is given."""
        settings = self._with_style(settings)
        if settings.endpoint is not None:
            return settings
        variant = settings.dualstack or settings.fips or settings.accelerate
        if not variant and not ignored(self.environ, self.profile):
            settings = settings.with_variables(self.environ, "endpoint")
            if "endpoint" not in settings.sources:
                found = in_profile("s3", self.profile, self.files)
                if found is not None:
                    settings = settings.with_found(found.label, endpoint=found.url)
        labels = {"fips": self._flag("use_fips_endpoint")}
        if settings.endpoint is None:
            dualstack = "use_dualstack_endpoint"
            labels["dualstack"] = self._flag(dualstack) or self._flag_of_s3(dualstack)
            labels["accelerate"] = self._flag_of_s3("use_accelerate_endpoint")
        for name, label in labels.items():
            if label:
                settings = settings.with_found(label, **{name: True})
        return settings

    def _with_style(self, settings: Settings) -> Settings:
        """Return the settings with the style of addresses, if none is given."""
        style, label = self._setting_of_s3("addressing_style")
        if style not in {"", "auto", "path", "virtual"}:
            raise InvalidOptionError(f"{label} must be auto, path or virtual")
        if style in {"", "auto"} or settings.path_style is not None:
            return settings
        return settings.with_found(label, path_style=style == "path")

    def _setting_of_s3(self, name: str) -> tuple[str, str]:
        """Return a setting below ``s3`` of the profile, and what it is from."""
        text = self.profile.nested("s3").get(name, "")
        return text, f"{name} in s3 of {self.profile.where('s3')}"

    def _flag_of_s3(self, name: str) -> str:
        """Return what sets a switch below ``s3``; an empty text if it is off."""
        text, label = self._setting_of_s3(name)
        return label if text and read_flag(text, label) else ""

    def _flag(self, name: str) -> str:
        """Return what sets a switch; an empty text if it is off."""
        variable = f"AWS_{name.upper()}"
        if self.environ.get(variable):
            return variable if read_flag(self.environ[variable], variable) else ""
        return self.profile.where(name) if self.profile.flag(name) else ""

    def _with_bundle(self, settings: Settings) -> Settings:
        """Return the settings with the certificate authorities that are configured."""
        path, label = self.environ.get("AWS_CA_BUNDLE"), "AWS_CA_BUNDLE"
        if not path:
            path = self.profile.get("ca_bundle")
            label = f"ca_bundle of {self.profile.where('ca_bundle')}"
        if not path or settings.verify is not True:
            return settings
        path = os.path.expanduser(path)
        if not os.path.exists(path):
            raise InvalidOptionError(f"{label} is {path!r}, which does not exist")
        return settings.with_found(label, verify=path)

    # ------------------------------------------------------------------ keys

    def source(self, settings: Settings, transport: Transport) -> tuple[Settings, Source | None]:
        """Return the settings with the key of a file, or the source of keys that expire."""
        from ...auth.aws.chain import Search
        from ...auth.aws.keys import Fixed

        search = Search(
            self.files, self.profile, self.environ, transport, settings.region,
            fips=settings.fips, insecure=settings.insecure,
        )  # fmt: skip
        source = search.find()
        if not isinstance(source, Fixed):
            return settings, source
        found = source.credentials
        values = {"key": found.key, "secret": found.secret, "token": found.token}
        known = {name: value for name, value in values.items() if value is not None}
        return settings.with_found(source.name, **known), None


def configuration(profile: str | None, environ: Mapping[str, str]) -> Configuration:
    """
    Read the shared files.

    Args:
        profile: The argument that names the profile.
    """
    files = load(environ)
    found = files.profile(*profile_name(profile, environ))
    return Configuration(environ, files, found)

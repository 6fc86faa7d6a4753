"""
The search for AWS's keys, in the order of botocore.

https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
https://github.com/boto/botocore/blob/develop/botocore/credentials.py

Arguments and the variables with a key that does not expire come before it; `libstore.drivers.s3`
reads those. What is on this machine is found without a request. A container's service or the
metadata service of EC2 is there or not when the first key is requested.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import AuthenticationError, CredentialsNotFoundError, InvalidOptionError
from ...http.transport import Transport
from ...redaction import Hidden
from ..renewal import Renewing
from ..searched import not_found
from ..sigv4 import Credentials
from .endpoints import address, configured
from .environment import environment_key
from .keys import Clock, Fixed, Key, Source
from .profiles import Profile, SharedFiles

if TYPE_CHECKING:
    from .metadata import InstanceSource
    from .sso import SSOLogin
    from .sts import STS, Role

_ENVIRONMENT = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_STATIC = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_DISABLED = "AWS_EC2_METADATA_DISABLED"
_TOKEN_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"  # noqa: S105 - the name of a variable


@dataclass(frozen=True)
class Search:
    """
    What a search for keys begins with.

    Attributes:
        profile: The profile to use.
        transport: The transport of requests to AWS's services.
        region: The region whose STS is used.
        fips: Whether endpoints with FIPS 140 cryptography are used.
        insecure: Whether a configured address of another machine may be plain http.
    """

    files: SharedFiles
    profile: Profile
    environ: Mapping[str, str]
    transport: Transport
    region: str | None = None
    fips: bool = False
    insecure: bool = False
    clock: Clock = time.time

    # ------------------------------------------------------------------ the order

    def find(self) -> Source:
        """
        Return the first source that is configured.

        Raises:
            CredentialsNotFoundError: There is none; the message has one line for each place.
            InvalidOptionError: The first one is configured wrongly.
        """
        profile = self.profile
        variables = self.environ if profile.given != "profile" else {}
        return (
            environment_key(variables, self.clock)
            or self._role(profile, (profile.name,))
            or self._in_profile(profile, variables)
            or self._container()
            or self._instance(self.not_found)
        )

    def _in_profile(self, profile: Profile, variables: Mapping[str, str]) -> Source | None:
        """
        Return the source that a profile has, besides a role that another key assumes.

        Args:
            variables: The environment, if it comes before the profile.
        """
        return (
            self._web_identity(profile, variables)
            or self._sso(profile)
            or self._static(profile, profile.credentials, profile.credentials_file)
            or self._login(profile)
            or self._process(profile)
            or self._static(profile, profile.config, profile.config_file)
        )

    def not_found(self, last: str) -> CredentialsNotFoundError:
        """
        Return the error that lists where keys were searched, and what is there.

        Args:
            last: The line about the metadata service.
        """
        profile = self.profile
        files = self.files.summary()
        if profile.exists:
            files.append(
                f"{profile.where()}: no keys, role_arn, sso_session, web_identity_token_file or"
                " credential_process"
            )
        else:
            files = [f"{line}; no profile given" if "profiles" in line else line for line in files]
        variables = [
            f"{name}: {'not used with profile=' if self.environ.get(name) else 'not set'}"
            for name in (_ENVIRONMENT[0], _TOKEN_FILE)
        ]
        container = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, AWS_CONTAINER_CREDENTIALS_FULL_URI"
        lines = [*variables, *files, f"{container}: not set", last]
        return not_found(
            "no AWS credentials were found; pass key= and secret=, profile= or credentials=, set"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or pass anonymous=True to send requests"
            " without credentials",
            lines,
        )

    # ------------------------------------------------------------------ STS

    def _sts(self) -> STS:
        from .sts import STS, regional_address

        found, region = regional_address(self.region, fips=self.fips)
        given = configured("sts", self.environ, self.profile, self.files)
        if given is not None:
            found = address(given, insecure=self.insecure)
        return STS(self.transport, found, region, self.clock)

    def _role(self, profile: Profile, seen: tuple[str, ...]) -> Source | None:
        """
        Return the source of a role that is assumed with another key.

        Args:
            seen: The profiles that lead to this one.
        """
        if "role_arn" not in profile or "web_identity_token_file" in profile:
            return None
        from .sts import RoleSource

        role = self._role_of(profile)
        where = profile.where("role_arn")
        if profile.get("mfa_serial") is not None:
            raise InvalidOptionError(
                f"{where}: mfa_serial requires a code from a person; pass"
                f" credentials=boto3.Session(profile_name={profile.name!r}), which prompts for it"
            )
        source, named = profile.get("source_profile"), profile.get("credential_source")
        if (source is None) == (named is None):
            raise InvalidOptionError(
                f"{where}: role_arn requires one of source_profile and credential_source"
            )
        if source is not None:
            base = self._source_profile(profile, source, seen)
        else:
            base = self._named_source(profile, str(named))
        return RoleSource(f"role {role.arn} of {where}", role, _reader(base), self._sts())

    def _source_profile(self, profile: Profile, name: str, seen: tuple[str, ...]) -> Source:
        """Return the source of the profile that another one names."""
        where = f"{profile.where('source_profile')}: source_profile is {name!r}"
        source = self.files.profile(name)
        if not source.exists:
            raise InvalidOptionError(f"{where}, but there is no such profile")
        static = any(setting in source for setting in _STATIC[:2])
        if name in seen and not (name == profile.name and static):
            raise InvalidOptionError(f"{where}, but that profile leads back to it")
        found = None if static else self._role(source, (*seen, name))
        found = found or self._in_profile(source, {})
        if found is None:
            raise InvalidOptionError(f"{where}, but that profile has no credentials")
        return found

    def _named_source(self, profile: Profile, name: str) -> Source:
        where = f"{profile.where('credential_source')}: credential_source is {name!r}"

        def fail(line: str) -> CredentialsNotFoundError:
            return CredentialsNotFoundError(f"{where}, but there is no key: {line}")

        kind = name.lower()
        if kind == "ec2instancemetadata":
            return self._instance(fail)
        found: Source | None
        if kind == "environment":
            found, line = environment_key(self.environ, self.clock), " and ".join(_ENVIRONMENT)
        elif kind == "ecscontainer":
            found, line = self._container(), "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
        else:
            raise InvalidOptionError(
                f"{where}; it must be Environment, Ec2InstanceMetadata or EcsContainer"
            )
        if found is None:
            raise fail(f"set {line}")
        return found

    def _role_of(self, profile: Profile) -> Role:
        from .sts import Role

        text = profile.get("duration_seconds")
        if text is not None and not (text.isdecimal() and len(text) < 8):
            raise InvalidOptionError(
                f"{profile.where('duration_seconds')}: duration_seconds must be a whole number"
            )
        return Role(
            profile.required("role_arn", "the role"),
            profile.get("role_session_name"),
            profile.get("external_id"),
            None if text is None else int(text),
        )

    def _web_identity(self, profile: Profile, variables: Mapping[str, str]) -> Source | None:
        """Return the source of a role that is assumed with a token; each variable comes first."""
        setting = "web_identity_token_file"
        where, label = profile.where(setting), f"{setting} of {profile.where(setting)}"
        # Neither a path nor the name of a role is hidden.
        path = str(variables.get(_TOKEN_FILE, ""))
        if path:
            where = label = _TOKEN_FILE
        path = path or profile.get(setting) or ""
        if not path:
            return None
        from .sts import Role, WebIdentitySource

        arn = variables.get("AWS_ROLE_ARN") or profile.get("role_arn")
        if not arn:
            raise InvalidOptionError(
                f"{label} is set, but there is no role; set AWS_ROLE_ARN, or role_arn of the"
                " profile"
            )
        session = variables.get("AWS_ROLE_SESSION_NAME") or profile.get("role_session_name")
        return WebIdentitySource(
            f"role {arn} of {where}", Role(arn, session), path, label, self._sts()
        )

    # ------------------------------------------------------------------ other sources of profiles

    def _static(self, profile: Profile, settings: Mapping[str, object], file: str) -> Fixed | None:
        """Return the key in one of the files, whose parts are not mixed with the other one's."""
        key, secret, token = (settings.get(name) or None for name in _STATIC)
        if key is None:
            return None
        where = f"profile {profile.name!r} of {file}"
        if not isinstance(key, str) or not isinstance(secret, str):
            raise InvalidOptionError(f"{where}: {_STATIC[0]} requires {_STATIC[1]}")
        old = settings.get("aws_security_token") or token  # its former name
        return Fixed(where, Credentials(key, secret, old if isinstance(old, str) else None))

    def _process(self, profile: Profile) -> Source | None:
        command = profile.get("credential_process")
        if command is None:
            return None
        from .process import ProcessSource

        label = f"credential_process of {profile.where('credential_process')}"
        return ProcessSource(label, Hidden(command), label, self.clock)

    def _sso(self, profile: Profile) -> Source | None:
        if "sso_account_id" not in profile and "sso_role_name" not in profile:
            return None
        from .sso import SSOLogin, SSOSource, portal_address

        session, region = self._sso_session(profile)
        found = portal_address(region)
        given = configured("sso", self.environ, self.profile, self.files)
        if given is not None:
            found = address(given, insecure=self.insecure)
        login = SSOLogin(session, profile.name, self.clock)
        return SSOSource(
            f"SSO login of {profile.where('sso_account_id')}",
            login,
            profile.required("sso_account_id", "SSO"),
            profile.required("sso_role_name", "SSO"),
            found,
            self.transport,
            self._renewed_by_botocore(profile, login),
        )

    def _sso_session(self, profile: Profile) -> tuple[str, str]:
        """Return the name of the login of a profile, and its region."""
        name = profile.get("sso_session")
        if name is None:
            start = profile.required("sso_start_url", "SSO")
            return start, profile.required("sso_region", "SSO")
        region = self.files.sessions.get(name, {}).get("sso_region")
        if not isinstance(region, str) or not region:
            raise InvalidOptionError(
                f"{profile.where('sso_session')}: sso_session is {name!r}, but there is no section"
                f" [sso-session {name}] with sso_region in {self.files.config_file}"
            )
        return name, region

    def _renewed_by_botocore(self, profile: Profile, login: SSOLogin) -> Callable[[], Key]:
        source = self._botocore(profile, f"the login has expired; {login.advice()}")

        def renewed() -> Key:
            try:
                return source()
            except CredentialsNotFoundError:
                raise
            except AuthenticationError as error:
                raise AuthenticationError(
                    f"the login has expired, and {error.message}; {login.advice()}"
                ) from error.__cause__

        return renewed

    def _login(self, profile: Profile) -> Source | None:
        if profile.get("login_session") is None:
            return None
        return self._botocore(
            profile, f"{profile.where()} has a login by aws login, which botocore reads"
        )

    def _botocore(self, profile: Profile, why: str) -> Source:
        """Return the source of keys that only botocore can provide."""
        from .given import DelegatedSource, botocore_credentials

        def find() -> object:
            return botocore_credentials(profile.name, why)

        label = f"botocore for {profile.where()}"
        return DelegatedSource(find, label, label, self.clock)

    # ------------------------------------------------------------------ sources without a profile

    def _container(self) -> Source | None:
        from .metadata import container_source

        return container_source(self.environ, self.transport, self.clock)

    def _instance(self, fail: Callable[[str], CredentialsNotFoundError]) -> InstanceSource:
        if self.environ.get(_DISABLED, "").lower() == "true":
            raise fail(f"EC2 metadata service: {_DISABLED} is true")
        from .metadata import instance_source

        return instance_source(self.profile, self.environ, fail, self.clock)


def _reader(source: Source) -> Callable[[], Credentials]:
    """Return a function that returns the present key of a source."""
    if isinstance(source, Fixed):
        credentials = source.credentials
        return lambda: credentials
    return Renewing(source).get

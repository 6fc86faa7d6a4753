"""
The files that the AWS SDKs share: ``~/.aws/config`` and ``~/.aws/credentials``.

https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html; they are read as botocore reads
them: https://github.com/boto/botocore/blob/develop/botocore/configloader.py
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ...errors import CredentialsNotFoundError, InvalidOptionError
from ...redaction import Hidden, HiddenDict, without_frames

#: The settings of one section: texts, or the texts of nested settings.
Section: TypeAlias = Mapping[str, "str | Mapping[str, str]"]

_EMPTY: Section = {}
# The settings whose values are hidden. An external id is a secret between two companies, and a
# command may have a password among its arguments.
_SECRETS = frozenset(
    {"aws_secret_access_key", "aws_session_token", "aws_security_token", "credential_process",
     "external_id"}
)  # fmt: skip
_TRUE, _FALSE = "true", "false"


@dataclass(frozen=True)
class Profile:
    """
    A named set of settings.

    Attributes:
        given: The argument or the variable that names it; empty if it is only the default.
        exists: Whether one of the files has it.
        config_file: The path of the file of the settings in `config`, as messages show it.
        credentials_file: That of the settings in `credentials`, which come first.
    """

    name: str
    given: str = ""
    exists: bool = False
    config_file: str = ""
    credentials_file: str = ""
    config: Section = field(default_factory=dict, repr=False)
    credentials: Section = field(default_factory=dict, repr=False)

    def __contains__(self, setting: str) -> bool:
        return setting in self.credentials or setting in self.config

    def where(self, setting: str = "") -> str:
        """Return the profile and the file of a setting, for messages."""
        file = self.config_file
        if setting in self.credentials or (not setting and not self.config):
            file = self.credentials_file
        return f"profile {self.name!r} of {file}"

    def get(self, setting: str) -> str | None:
        """Return the text of a setting; `None` if it is missing or blank."""
        value = self.credentials.get(setting, self.config.get(setting))
        if isinstance(value, Mapping):
            raise InvalidOptionError(f"{self.where(setting)}: {setting} must be one text")
        if not value:
            return None
        return value if setting in _SECRETS else str(value)

    def nested(self, setting: str) -> Mapping[str, str]:
        """Return the settings below a setting, such as those of ``s3``; none if it has a text."""
        value = self.credentials.get(setting, self.config.get(setting))
        return value if isinstance(value, Mapping) else {}

    def required(self, setting: str, why: str) -> str:
        """Return the text of a setting that another one requires."""
        value = self.get(setting)
        if value is None:
            raise InvalidOptionError(f"{self.where()}: {setting} is missing; {why} requires it")
        return value

    def flag(self, setting: str) -> bool | None:
        """Return whether a setting is true; `None` if it is missing."""
        value = self.get(setting)
        return None if value is None else read_flag(value, f"{self.where(setting)}: {setting}")


@dataclass(frozen=True)
class SharedFiles:
    """
    The content of the two files.

    Attributes:
        config_file: The path of the configuration, as messages show it.
        credentials_file: That of the file with keys.
        config: The profiles of the configuration.
        credentials: Those of the file with keys.
        sessions: The sections ``[sso-session name]``.
        services: The sections ``[services name]``.
        read: The files that exist, as messages show them.
        titles: The titles of all sections of the configuration.
    """

    config_file: str
    credentials_file: str
    config: Mapping[str, Section]
    credentials: Mapping[str, Section]
    sessions: Mapping[str, Section]
    services: Mapping[str, Section]
    read: frozenset[str]
    titles: frozenset[str]

    def profile(self, name: str, given: str = "") -> Profile:
        """
        Return a profile, which is empty if neither file has it.

        Raises:
            CredentialsNotFoundError: It does not exist, and `given` says that it must.
        """
        exists = name in self.config or name in self.credentials
        if given and not exists:
            found = list(self.summary())
            if name in self.titles:
                found.append(f"the section [{name}] of it must be titled [profile {name}]")
            raise CredentialsNotFoundError(
                f"{given} is {name!r}, but there is no such profile; {'; '.join(found)}"
            )
        return Profile(
            name, given, exists, self.config_file, self.credentials_file,
            self.config.get(name, _EMPTY), self.credentials.get(name, _EMPTY),
        )  # fmt: skip

    def names(self) -> list[str]:
        """Return the names of all profiles."""
        return sorted({*self.config, *self.credentials})

    def summary(self) -> list[str]:
        """Return what the files contain, without any value: one line for each file."""
        lines = []
        for path, profiles in (
            (self.credentials_file, self.credentials),
            (self.config_file, self.config),
        ):
            found = f"profiles {', '.join(sorted(profiles))}" if profiles else "no profiles"
            lines.append(f"{path}: {found if path in self.read else 'no such file'}")
        return lines


# ---------------------------------------------------------------------- which profile


def profile_name(profile: str | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """
    Return the name of the profile to use, and what names it; the latter is empty for the default.

    https://github.com/boto/botocore/blob/develop/botocore/configprovider.py has the same order of
    the variables.
    """
    if profile is not None:
        return profile, "profile"
    for variable in ("AWS_DEFAULT_PROFILE", "AWS_PROFILE"):
        if environ.get(variable):
            return environ[variable], variable
    return "default", ""


# ---------------------------------------------------------------------- files


def load(environ: Mapping[str, str]) -> SharedFiles:
    """
    Read the files that ``AWS_CONFIG_FILE`` and ``AWS_SHARED_CREDENTIALS_FILE`` name.

    Raises:
        InvalidOptionError: A file cannot be read; the message has the line, but not its text.
    """
    shown, path = _path(environ, "AWS_CONFIG_FILE", "~/.aws/config")
    keys_shown, keys_path = _path(environ, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    sections, keys = parse(path, shown), parse(keys_path, keys_shown)
    return SharedFiles(
        shown,
        keys_shown,
        named(sections or {}, "profile"),
        keys or {},
        named(sections or {}, "sso-session"),
        named(sections or {}, "services"),
        frozenset(
            name for name, found in ((shown, sections), (keys_shown, keys)) if found is not None
        ),
        frozenset(sections or ()),
    )


def _path(environ: Mapping[str, str], variable: str, default: str) -> tuple[str, str]:
    shown = environ.get(variable) or default
    return shown, os.path.expanduser(os.path.expandvars(shown))


def named(sections: Mapping[str, Section], kind: str) -> dict[str, Section]:
    """Return the sections of a kind by their name, such as those titled ``[profile name]``."""
    import shlex  # noqa: PLC0415 - many machines have no such file

    found = {}
    for title, section in sections.items():
        if title == "default" and kind == "profile":
            found[title] = section
        try:
            words = shlex.split(title) if title.startswith(kind) else []
        except ValueError:  # a quote without an end
            continue
        if len(words) == 2:
            found[words[1]] = section
    return found


def parse(path: str, shown: str) -> dict[str, Section] | None:
    """
    Return the sections of a file by their titles, `None` if there is no file.

    Args:
        shown: The path as messages show it.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = Hidden(file.read())
    except (OSError, UnicodeDecodeError) as error:
        # As for the SDKs, a directory is no file, nor is what this user cannot see, such as a
        # file in the home of root.
        if not os.path.isfile(path):
            return None
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InvalidOptionError(f"{shown} cannot be read: {reason}") from None
    import configparser  # noqa: PLC0415 - many machines have no such file

    parser = configparser.RawConfigParser()
    fault = ""
    try:
        parser.read_string(text)
    except configparser.Error as error:
        fault = _fault(without_frames(error))
    if fault:  # outside of the handler, so that the error with the file's text is not its context
        raise InvalidOptionError(f"{shown}: {fault}; correct the file")
    return {
        title: _section(
            [(name, Hidden(value)) for name, value in parser.items(title)], f"{shown}: [{title}]"
        )
        for title in parser.sections()
    }


def _fault(error: Exception) -> str:
    """Return the line of an error in a file, without its text, which may be a secret."""
    lines: list[int] = []
    number = getattr(error, "lineno", None)
    if isinstance(number, int):
        lines.append(number)
    lines += [line for line, _ in getattr(error, "errors", ())]
    return f"line {min(lines)} is not valid" if lines else "it is not valid"


def _section(items: Iterable[tuple[str, str]], where: str) -> Section:
    found: HiddenDict[str, str | Mapping[str, str]] = HiddenDict()
    for name, value in items:
        nested = value.startswith("\n")
        found[name] = _nested(value, f"{where} {name}") if nested else value
    return found


def _nested(value: str, where: str) -> Mapping[str, str]:
    """Return the settings in the indented lines below a setting."""
    found = HiddenDict[str, str]()
    for line in [Hidden(line.strip()) for line in value.splitlines()]:
        if not line:
            continue
        name, mark, text = map(Hidden, line.partition("="))
        if not mark:
            raise InvalidOptionError(f"{where}: an indented line below it has no '='")
        found[str(name.strip())] = Hidden(text.strip())
    return found


def read_flag(value: str, label: str) -> bool:
    """Return whether the text of a setting or a variable is true."""
    if value.lower() not in {_TRUE, _FALSE}:
        raise InvalidOptionError(f"{label} must be true or false")
    return value.lower() == _TRUE

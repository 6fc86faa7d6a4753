"""The shared files of the AWS SDKs, read as botocore reads them."""

from __future__ import annotations

import os
import random
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from libstore import InvalidOptionError, StorageError
from libstore.auth.aws import profiles
from libstore.auth.aws.endpoints import in_profile
from libstore.auth.aws.profiles import SharedFiles, load

SECRET = "s3cretOfAFile/NobodySees"


def files(folder: Path, config: str = "", credentials: str = "") -> SharedFiles:
    (folder / "config").write_text(config, "utf-8")
    (folder / "credentials").write_text(credentials, "utf-8")
    return load(
        {
            "AWS_CONFIG_FILE": str(folder / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
        }
    )


AWKWARD = {
    "spaces around": "[default]\n  region   =   eu-west-1  \n",
    "no spaces": "[default]\nregion=eu-west-1\n",
    "colon": "[default]\nregion: eu-west-1\n",
    "comments": "# x\n; y\n[default]\n# [profile no]\nregion = a # kept\n; output = b\nk = c\n",
    "upper case": "[default]\nREGION = eu-west-1\nAws_Access_Key_Id = A\n",
    "equals in value": "[default]\naws_secret_access_key = a/b+c==\n",
    "continuation": "[default]\ncredential_process = run\n  --more\n\n  --last\nregion = x\n",
    "nested": "[default]\ns3 =\n  endpoint_url = https://x\n  max = 10\nregion = x\n",
    "nested with blanks": "[default]\ns3 =\n  a=b\n\n  c = d = e\n",
    "nested with tabs": "[default]\ns3 =\n\ta = b\n\tc = d\n",
    "empty value": "[default]\nregion =\noutput = json\n",
    "quoted name": "[profile 'my profile']\nregion = x\n[profile \"other one\"]\nregion = y\n",
    "unquoted name": "[profile my profile]\nregion = x\n",
    "no end of quote": "[profile 'my]\nregion = x\n[profile ok]\nregion = y\n",
    "tabs in title": "[profile\tx]\nregion = x\n",
    "spaces in title": "[ profile x ]\nregion = x\n[profile   y]\nregion = y\n",
    "not a profile": "[preview]\nx = 1\n[profiles]\ny = 2\n[x]\nregion = z\n",
    "default twice": "[default]\nregion = a\n[profile default]\nregion = b\n",
    "default twice, other order": "[profile default]\nregion = b\n[default]\nregion = a\n",
    "sections": "[sso-session s]\nsso_region = x\n[services v]\ns3 =\n  endpoint_url = u\n",
    "defaults of configparser": "[DEFAULT]\nregion = all\n[profile x]\noutput = json\n",
    "windows": "[default]\r\nregion = eu-west-1\r\n",
    "unicode": "[profile zürich]\nregion = x\nrole_session_name = ä€\n",
    "percent": "[default]\nx = %(region)s %% $HOME\n",
    "empty": "",
    "blank": "\n\n  \n",
    "title without settings": "[default]\n[profile x]\n",
    "setting without a value": "[default]\nregion\n",
    "setting twice": "[default]\nregion = a\nregion = b\n",
    "section twice": "[default]\nregion = a\n[default]\noutput = b\n",
    "no section": "region = a\n",
    "nested without equals": "[default]\ns3 =\n  a\n",
    "title without end": "[default\nregion = a\n",
    "indented first": "  [default]\n  region = a\n",
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_awkward_file_is_read_as_botocore_reads_it(tmp_path: Path, text: str) -> None:
    assert_equal_to_botocore(tmp_path, text)


def test_random_files_are_read_as_botocore_reads_them(tmp_path: Path) -> None:
    for seed in range(400):
        assert_equal_to_botocore(tmp_path, random_file(random.Random(seed)))


def random_file(source: random.Random) -> str:
    """Return lines that a file could have, in any order."""
    titles = ["[default]", "[profile a]", "[profile 'b c']", "[profile d e]", "[sso-session s]",
              "[services v]", "[x]", '[profile "f]', "[profile]", "[default ]"]  # fmt: skip
    lines = ["region = eu-west-1", "role_arn=arn:aws:iam::1:role/x", "output : text", "s3 =",
             "  endpoint_url = https://x", "\tmax=1", "# comment", "; comment", "", "   ",
             "  # indented", "key = a # b", "UPPER = Value", 'x = "quoted"', "y = a = b",
             "z =", "  more"]  # fmt: skip
    found = [source.choice(titles)] if source.random() < 0.95 else []
    count = source.randrange(14)
    found += [source.choice(titles if source.random() < 0.2 else lines) for _ in range(count)]
    return source.choice(["\n", "\r\n"]).join(found) + "\n"


def assert_equal_to_botocore(folder: Path, text: str) -> None:
    loader = pytest.importorskip("botocore.configloader")
    from botocore.exceptions import ConfigParseError

    path = folder / "config"
    path.write_bytes(text.encode())
    expected: Mapping[str, Any] | None
    try:
        expected = loader.load_config(str(path))
    except ConfigParseError:
        expected = None
    try:
        found = load({"AWS_CONFIG_FILE": str(path), "AWS_SHARED_CREDENTIALS_FILE": "/no/file"})
    except InvalidOptionError:
        assert expected is None, text
        return
    assert expected is not None, text
    assert expected["profiles"] == found.config, text
    assert expected["sso_sessions"] == found.sessions, text
    assert expected["services"] == found.services, text


def test_profiles_of_both_files_are_merged_as_botocore_merges_them(tmp_path: Path) -> None:
    session = pytest.importorskip("botocore.session")
    found = files(
        tmp_path,
        "[default]\nregion = a\n[profile x]\noutput = json\nregion = b\n[profile only]\nr = 1\n",
        "[x]\nregion = c\naws_access_key_id = A\n[profile y]\nregion = d\n[default]\nk = v\n",
    )
    made = session.Session()
    made.set_config_variable("config_file", found.config_file)
    made.set_config_variable("credentials_file", found.credentials_file)
    expected = made.full_config["profiles"]
    assert sorted(expected) == found.names()
    for name, settings in expected.items():
        assert {key: found.profile(name).get(key) for key in settings} == settings


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"aws_secret_access_key = {SECRET}\n", "line 1"),
        (f"[default]\na = b\n{SECRET}\n", "line 3"),
        (f"[default]\nk = {SECRET}\nk = {SECRET}\n", "line 3"),
        (f"[default]\n[default]\nk = {SECRET}\n", "line 2"),
        (f"[default]\ns3 =\n  a = {SECRET}\n  {SECRET}\n", r"\[default\] s3"),
    ],
)
@pytest.mark.parametrize("name", ["config", "credentials"])
def test_error_names_file_and_line_but_not_the_text(
    tmp_path: Path, text: str, line: str, name: str
) -> None:
    with pytest.raises(InvalidOptionError, match=line) as caught:
        files(tmp_path, **{name: text})
    assert str(tmp_path / name) in caught.value.message
    assert_hidden(caught.value)


def assert_hidden(error: BaseException) -> None:
    """Check that neither a message nor a variable of the library shows the secret."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    chain: list[traceback.TracebackException | None] = [shown]
    while chain:
        one = chain.pop()
        if one is None:
            continue
        assert SECRET not in "".join(one.format_exception_only())
        for frame in one.stack:
            if "/tests/" not in frame.filename:
                assert SECRET not in str(frame.locals), frame
        chain += [one.__cause__, one.__context__]


def test_directory_in_place_of_a_file_is_ignored_as_by_the_sdk(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    found = load({"AWS_CONFIG_FILE": str(tmp_path / "config")})
    assert f"{tmp_path}/config: no such file" in found.summary()


@pytest.mark.skipif(not hasattr(os, "seteuid") or os.geteuid(), reason="only root can be another")
def test_file_in_the_home_of_another_user_is_ignored_as_by_the_sdk(tmp_path: Path) -> None:
    """As in a container whose HOME is that of root, but whose user is not root."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home/config").write_text("[default]\n")
    (tmp_path / "home").chmod(0o700)
    os.seteuid(65534)
    try:
        found = load({"AWS_CONFIG_FILE": str(tmp_path / "home/config")})
    finally:
        os.seteuid(0)
    assert found.profile("default").exists is False


def test_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"[default]\nx = \xff\n")
    with pytest.raises(InvalidOptionError, match="cannot be read: it is not UTF-8"):
        load({"AWS_CONFIG_FILE": str(tmp_path / "bytes")})


def test_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"\xef\xbb\xbf[default]\nregion = x\n")
    found = load({"AWS_CONFIG_FILE": str(tmp_path / "config")})
    assert found.profile("default").get("region") == "x"


def test_repr_of_files_and_profiles_shows_no_value(tmp_path: Path) -> None:
    found = files(tmp_path, f"[default]\nexternal_id = {SECRET}\ns3 =\n  a = {SECRET}\n")
    assert SECRET not in repr(found)
    assert SECRET not in repr(found.profile("default"))


def test_settings_have_checks(tmp_path: Path) -> None:
    found = files(tmp_path, "[default]\nregion =\n  a = b\nflag = yes\non = True\n")
    profile = found.profile("default")
    with pytest.raises(InvalidOptionError, match="region must be one text"):
        profile.get("region")
    with pytest.raises(InvalidOptionError, match="flag must be true or false"):
        profile.flag("flag")
    assert profile.flag("on")
    assert profile.flag("missing") is None
    with pytest.raises(StorageError, match="x is missing; y requires it"):
        profile.required("x", "y")


@pytest.mark.parametrize("service", ["s3", "sts"])
def test_addresses_are_those_of_botocore(tmp_path: Path, service: str) -> None:
    provider = pytest.importorskip("botocore.configprovider").ConfiguredEndpointProvider
    loader = pytest.importorskip("botocore.configloader")
    text = (
        "[profile a]\nservices = v\nendpoint_url = https://a\n[profile b]\nendpoint_url ="
        " https://b\n[profile c]\nservices = v\n[profile d]\nregion = x\n[services v]\ns3 =\n"
        "  endpoint_url = https://v\n"
    )
    found = files(tmp_path, text)
    full = loader.load_config(found.config_file)
    for name in "abcd":
        expected = provider(full, full["profiles"][name], service, {}).provide()
        given = in_profile(service, found.profile(name), found)
        assert expected == (None if given is None else given.url)


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        ("x", {"AWS_PROFILE": "y"}, ("x", "profile")),
        (None, {"AWS_PROFILE": "y"}, ("y", "AWS_PROFILE")),
        (None, {"AWS_PROFILE": "y", "AWS_DEFAULT_PROFILE": "z"}, ("z", "AWS_DEFAULT_PROFILE")),
        (None, {"AWS_PROFILE": ""}, ("default", "")),
    ],
)
def test_profile_is_named_by_the_argument_or_a_variable(
    given: str | None, environ: dict[str, str], expected: tuple[str, str]
) -> None:
    assert expected == profiles.profile_name(given, environ)

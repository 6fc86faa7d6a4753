"""Where AWS's keys are found, in which order, and what the error says if there are none."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from libstore import (
    AuthenticationError,
    CredentialsNotFoundError,
    InvalidOptionError,
    ServiceError,
    ServiceUnavailableError,
    TransportError,
)
from libstore.auth.aws.keys import Key
from servers.aws_credentials import iso, sts_error

STATIC = "aws_access_key_id = STATIC\naws_secret_access_key = static-secret\n"
ROLE = "arn:aws:iam::123456789012:role/reader"
PRINT = (
    "import json, sys; print(json.dumps({'Version': 1, 'AccessKeyId': sys.argv[1],"
    " 'SecretAccessKey': 'process-secret', 'SessionToken': 't', 'Expiration': sys.argv[2]}))"
)


def shown(key: Key) -> tuple[str, str, str | None]:
    value = key.value
    return value.key, str(value.secret), None if value.token is None else str(value.token)


FIRST = ("AKID1", "secret-1", "token-1")


def process(home: Any, key: str = "PROCESS", left: float = 3600.0) -> str:
    script = home.write("print key.py", PRINT)
    return f'"{sys.executable}" "{script}" {key} {iso(home.now + left)}'


# ---------------------------------------------------------------------- the order


def test_order_is_that_of_botocore(home: Any, tmp_path: Path) -> None:
    """Each source hides those behind it; they are taken away from the first to the last."""
    home.write("token", "web-token")
    login(home)
    sources: list[tuple[str, str, dict[str, str]]] = [
        (f"role {ROLE} of profile 'default'", f"role_arn={ROLE}\nsource_profile=base\n", {}),
        (
            "of AWS_WEB_IDENTITY_TOKEN_FILE", "",
            {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": ROLE},
        ),
        ("SSO login of profile", "sso_session=s\nsso_account_id=1\nsso_role_name=r\n", {}),
        ("profile 'default' of ~/.aws/credentials", "", {}),
        ("credential_process of profile", f"credential_process={process(home)}\n", {}),
        ("profile 'default' of ~/.aws/config", STATIC, {}),
        (
            "container credentials at 127.0.0.1", "",
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{home.fake.url}/x"},
        ),
        ("EC2 metadata service at 127.0.0.1", "", {}),
    ]  # fmt: skip
    found = []
    for first in range(len(sources)):
        left = sources[first:]
        home.services()
        home.environ = {name: value for name, value in home.environ.items() if "ENDPOINT" in name}
        for _, _, variables in left:
            home.environ |= variables
        home.config(
            "[default]\n" + "".join(text for _, text, _ in left)
            + f"[profile base]\n{STATIC}\n[sso-session s]\nsso_region=eu-west-1\n"
        )  # fmt: skip
        home.credentials(f"[default]\n{STATIC}" if first <= 3 else "")
        source = home.search().find()
        found.append(sources[first][0] in source.name)
        assert source().value.key in {"STATIC", "PROCESS", f"AKID{home.fake.issued}"}
    assert [True] * len(sources) == found


def test_profile_argument_comes_before_web_identity_of_the_environment(home: Any) -> None:
    home.environ |= {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere", "AWS_ROLE_ARN": ROLE}
    home.credentials(f"[prod]\n{STATIC}")
    assert home.search("prod").find().name == "profile 'prod' of ~/.aws/credentials"
    home.environ["AWS_PROFILE"] = "prod"
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in home.search().find().name


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_profile_is_named_by_a_variable(home: Any, variable: str) -> None:
    home.environ[variable] = "prod"
    home.config(f"[profile prod]\n{STATIC}")
    assert shown(home.search().find()()) == ("STATIC", "static-secret", None)


def test_parts_of_a_key_are_not_mixed_between_files(home: Any) -> None:
    home.config(f"[default]\n{STATIC}aws_session_token=of-config\n")
    home.credentials("[default]\naws_access_key_id=OTHER\naws_secret_access_key=other\n")
    assert shown(home.search().find()()) == ("OTHER", "other", None)


def test_files_can_be_elsewhere(home: Any, tmp_path: Path) -> None:
    home.write("elsewhere/keys", f"[default]\n{STATIC}")
    home.environ["AWS_SHARED_CREDENTIALS_FILE"] = "~/elsewhere/keys"
    assert home.search().find().name == "profile 'default' of ~/elsewhere/keys"


# ---------------------------------------------------------------------- nothing found


def test_error_lists_each_place_and_what_is_there(home: Any) -> None:
    home.credentials("[prod]\n[dev]\naws_access_key_id = A\naws_secret_access_key = B\n")
    home.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    with pytest.raises(CredentialsNotFoundError) as caught:
        home.search().find()
    assert caught.value.message.splitlines()[1:] == [
        "  AWS_ACCESS_KEY_ID: not set",
        "  AWS_WEB_IDENTITY_TOKEN_FILE: not set",
        "  ~/.aws/credentials: profiles dev, prod; no profile given",
        "  ~/.aws/config: no such file",
        "  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, AWS_CONTAINER_CREDENTIALS_FULL_URI: not set",
        "  EC2 metadata service: AWS_EC2_METADATA_DISABLED is true",
    ]


def test_error_names_a_profile_without_credentials(home: Any) -> None:
    home.config("[profile empty]\nregion=eu-west-1\n")
    home.environ |= {"AWS_EC2_METADATA_DISABLED": "TRUE", "AWS_ACCESS_KEY_ID": "A"}
    with pytest.raises(CredentialsNotFoundError) as caught:
        home.search("empty").find()
    assert (
        "profile 'empty' of ~/.aws/config: no keys, role_arn, sso_session,"
        " web_identity_token_file or credential_process" in caught.value.message
    )
    assert "AWS_ACCESS_KEY_ID: not used with profile=" in caught.value.message


def test_profile_that_does_not_exist_is_an_error_with_the_names_of_the_others(home: Any) -> None:
    home.credentials("[prod]\n[dev]\n")
    with pytest.raises(CredentialsNotFoundError) as caught:
        home.search("prd")
    assert caught.value.message == (
        "profile is 'prd', but there is no such profile; ~/.aws/credentials: profiles dev, prod;"
        " ~/.aws/config: no such file"
    )
    home.config("[prod]\n[prd]\n")
    with pytest.raises(CredentialsNotFoundError, match=r"must be titled \[profile prd\]$"):
        home.search("prd")
    home.environ["AWS_PROFILE"] = "missing"
    with pytest.raises(CredentialsNotFoundError, match=r"^AWS_PROFILE is 'missing'"):
        home.search()


def test_metadata_service_that_is_not_there_is_the_last_line(home: Any) -> None:
    home.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1"
    source = home.search().find()
    with pytest.raises(CredentialsNotFoundError) as caught:
        source()
    assert caught.value.message.splitlines()[-1] == (
        "  EC2 metadata service at 127.0.0.1: not reachable"
    )


# ---------------------------------------------------------------------- roles


def test_role_is_assumed_with_the_key_of_another_profile(home: Any) -> None:
    home.credentials(f"[base]\n{STATIC}")
    home.config(
        f"[profile r]\nrole_arn = {ROLE}\nsource_profile = base\nexternal_id = ext/&=\n"
        "duration_seconds = 900\nrole_session_name = me\n"
    )
    source = home.search("r", region="eu-west-1").find()
    assert source.name == f"role {ROLE} of profile 'r' of ~/.aws/config"
    assert home.fake.seen == []  # no request before the first key is needed
    key = source()
    assert shown(key) == FIRST
    assert key.expires == home.now + 3600
    (seen,) = home.fake.seen
    assert seen.parameters == {
        "Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": ROLE, "RoleSessionName": "me",
        "ExternalId": "ext/&=", "DurationSeconds": "900",
    }  # fmt: skip
    assert "Credential=STATIC/20270115/eu-west-1/sts/aws4_request" in seen.headers["authorization"]


def test_signature_of_the_request_is_that_of_botocore(home: Any) -> None:
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    home.credentials(f"[default]\n{STATIC}")
    home.config(f"[default]\nrole_arn = {ROLE}\nsource_profile = default\n")
    home.search(region="eu-west-1").find()()
    (seen,) = home.fake.seen
    signed = seen.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    headers = {name: seen.headers[name] for name in signed.split(";")}
    request = AWSRequest("POST", home.fake.url + seen.path, headers, seen.body)
    request.context["timestamp"] = seen.headers["x-amz-date"]
    signer = auth.SigV4Auth(Credentials("STATIC", "static-secret"), "sts", "eu-west-1")
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert seen.headers["authorization"].endswith(signer.signature(text, request))


def test_roles_form_a_chain(home: Any) -> None:
    home.config(
        f"[profile c]\nrole_arn = {ROLE}-c\nsource_profile = b\n"
        f"[profile b]\nrole_arn = {ROLE}-b\nsource_profile = a\n[profile a]\n{STATIC}"
    )
    key = home.search("c").find()()
    assert key.value.key == "AKID2"
    arns = [seen.parameters["RoleArn"][-1] for seen in home.fake.seen]
    assert arns == ["b", "c"]
    assert "Credential=AKID1/" in home.fake.seen[1].headers["authorization"]
    assert home.fake.seen[1].headers["x-amz-security-token"] == "token-1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source_profile = b\n[profile b]\nrole_arn = x\nsource_profile = a", "leads back"),
        ("source_profile = a", "leads back"),
        ("source_profile = missing", "there is no such profile"),
        ("source_profile = b\n[profile b]\nregion = x", "has no credentials"),
        ("", "requires one of source_profile and credential_source"),
        ("source_profile = b\ncredential_source = Environment", "requires one of"),
        ("credential_source = Elsewhere", "must be Environment, Ec2"),
        ("credential_source = Environment", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ("credential_source = EcsContainer", "set AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        ("source_profile = a\nmfa_serial = arn", r"Session\(profile_name='a'\), which prompts"),
        ("source_profile = a\nduration_seconds = 1h", "must be a whole number"),
    ],
)  # fmt: skip
def test_wrong_role_is_an_error_in_words(home: Any, text: str, message: str) -> None:
    home.config(f"[profile a]\nrole_arn = {ROLE}\n{text}\n")
    with pytest.raises((InvalidOptionError, CredentialsNotFoundError), match=message) as caught:
        home.search("a").find()
    assert "of ~/.aws/config" in caught.value.message


def test_role_of_a_profile_with_keys_of_its_own(home: Any) -> None:
    home.config(f"[profile a]\n{STATIC}role_arn = {ROLE}\nsource_profile = a\n")
    assert home.search("a").find()().value.key == "AKID1"


@pytest.mark.parametrize(
    ("kind", "key"),
    [("Environment", "ENV"), ("EcsContainer", "AKID1"), ("Ec2InstanceMetadata", "AKID1")],
)
def test_role_is_assumed_with_a_named_source(home: Any, kind: str, key: str) -> None:
    home.config(f"[profile a]\nrole_arn = {ROLE}\ncredential_source = {kind}\n")
    home.environ |= {
        "AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "env-secret",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{home.fake.url}/x",
    }  # fmt: skip
    home.search("a").find()()
    assert f"Credential={key}/" in home.fake.seen[-1].headers["authorization"]


def test_refusal_of_sts_says_why(home: Any) -> None:
    home.config(f"[default]\n{STATIC}role_arn = {ROLE}\nsource_profile = default\n")
    home.fake.faults.append((403, sts_error("AccessDenied", "User u is not authorized.")))
    with pytest.raises(AuthenticationError) as caught:
        home.search().find()()
    assert "STS refused AssumeRole: User u is not authorized; check" in caught.value.message
    assert (caught.value.status, caught.value.code) == (403, "AccessDenied")


def test_busy_sts_is_tried_again(home: Any) -> None:
    home.config(f"[default]\n{STATIC}role_arn = {ROLE}\nsource_profile = default\n")
    home.fake.faults += [(503, ""), (400, sts_error("Throttling", "slow down"))]
    assert home.search().find()().value.key == "AKID1"
    home.fake.faults += [(500, "")] * 3
    with pytest.raises(ServiceUnavailableError):
        home.search().find()()


def test_page_of_a_proxy_is_no_key(home: Any) -> None:
    home.config(f"[default]\n{STATIC}role_arn = {ROLE}\nsource_profile = default\n")
    home.fake.faults += [(200, "<html>"), (200, "<html/>"), (407, "<html/>")]
    for _ in range(3):
        with pytest.raises(ServiceError, match="not from AWS"):
            home.search().find()()


def test_expiry_is_converted_to_the_local_clock(home: Any) -> None:
    home.config(f"[default]\n{STATIC}role_arn = {ROLE}\nsource_profile = default\n")
    home.fake.clock = lambda: home.now + 7200  # the clock of the service is right
    assert home.search().find()().expires == home.now + 3600


# ---------------------------------------------------------------------- web identity


def test_web_identity_sends_the_present_token_of_the_file(home: Any) -> None:
    path = home.write("token", "first-token\n")
    home.environ |= {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(path), "AWS_ROLE_ARN": ROLE,
        "AWS_ROLE_SESSION_NAME": "pod",
    }  # fmt: skip
    source = home.search().find()
    assert shown(source()) == FIRST
    path.write_text("second-token")
    source()
    assert ["first-token", "second-token"] == [
        seen.parameters["WebIdentityToken"] for seen in home.fake.seen
    ]
    seen = home.fake.seen[0]
    assert seen.parameters["Action"] == "AssumeRoleWithWebIdentity"
    assert seen.parameters["RoleSessionName"] == "pod"
    assert "authorization" not in seen.headers
    path.unlink()
    with pytest.raises(CredentialsNotFoundError) as caught:
        source()
    assert caught.value.message == (
        f"the token file '{path}', which AWS_WEB_IDENTITY_TOKEN_FILE names, cannot be read: No"
        " such file or directory"
    )


def test_web_identity_of_a_profile(home: Any) -> None:
    path = home.write("token", "the-token")
    home.config(f"[profile w]\nrole_arn = {ROLE}\nweb_identity_token_file = {path}\n")
    source = home.search("w").find()
    assert source.name == f"role {ROLE} of profile 'w' of ~/.aws/config"
    assert shown(source()) == FIRST


def test_web_identity_without_a_role_is_an_error(home: Any) -> None:
    home.environ["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/token"
    with pytest.raises(InvalidOptionError, match="there is no role; set AWS_ROLE_ARN"):
        home.search().find()


@pytest.mark.parametrize("profile", [None, "default"])
def test_variables_of_a_web_identity_come_before_each_setting_of_the_profile(
    home: Any, profile: str | None
) -> None:
    """As with botocore, whose documentation of the order speaks of each value by itself."""
    path = home.write("token", "the-token")
    settings = f"web_identity_token_file = {path}\nrole_session_name = of-profile\n"
    home.config(f"[default]\nrole_arn = {ROLE}\nexternal_id = x\n{settings}")
    home.environ |= {"AWS_ROLE_ARN": f"{ROLE}-of-env", "AWS_ROLE_SESSION_NAME": "of-env"}
    home.search(profile).find()()
    sent = home.fake.seen[0].parameters
    expected = (ROLE, "of-profile") if profile else (f"{ROLE}-of-env", "of-env")
    assert expected == (sent["RoleArn"], sent["RoleSessionName"])
    # STS takes an external id from AssumeRole only.
    assert "ExternalId" not in sent


# ---------------------------------------------------------------------- commands


def test_command_is_run_without_a_shell(home: Any, tmp_path: Path) -> None:
    home.config(f"[default]\ncredential_process = {process(home)} ; touch {tmp_path}/no\n")
    key = home.search().find()()
    assert shown(key) == ("PROCESS", "process-secret", "t")
    assert key.expires == home.now + 3600
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import sys; print('s3cret', file=sys.stderr); sys.exit(3)", "ended with exit code 3"),
        ("print('s3cret')", "must print a JSON object with Version 1"),
        ("print('[1]')", "must print a JSON object"),
        ('print(\'{"Version": 2, "SecretAccessKey": "s3cret"}\')', "with Version 1"),
        ('print(\'{"Version": 1, "SecretAccessKey": "s3cret"}\')', "no text AccessKeyId"),
    ],
)
def test_command_that_fails_is_named_without_its_output(
    home: Any, script: str, message: str
) -> None:
    path = home.write("fail.py", script)
    home.config(f"[default]\ncredential_process = {sys.executable} {path}\n")
    with pytest.raises(AuthenticationError, match=message) as caught:
        home.search().find()()
    assert f"(program {Path(sys.executable).name})" in caught.value.message
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "message"),
    [("/no/such/program --x", "could not be run: No such file"), ("'open", "check its quotes")],
)
def test_command_that_cannot_be_run(home: Any, command: str, message: str) -> None:
    home.config(f"[default]\ncredential_process = {command}\n")
    with pytest.raises((AuthenticationError, InvalidOptionError), match=message):
        home.search().find()()


def test_expired_key_of_a_command_is_an_error(home: Any) -> None:
    home.config(f"[default]\ncredential_process = {process(home, left=-1)}\n")
    with pytest.raises(AuthenticationError, match="has expired"):
        home.search().find()()


@pytest.mark.parametrize("text", ["whenever", "1800000000", "2027-13-01T00:00:00Z"])
def test_expiry_that_is_no_time_is_an_error(home: Any, text: str) -> None:
    path = home.write(
        "key.py",
        f"""print('{{"Version": 1, "AccessKeyId": "A",\
 "SecretAccessKey": "s", "Expiration": "{text}"}}')""",
    )
    home.config(f"[default]\ncredential_process = {sys.executable} {path}\n")
    with pytest.raises(AuthenticationError, match="is not a time in ISO 8601") as caught:
        home.search().find()()
    assert text not in caught.value.message


# ---------------------------------------------------------------------- SSO


def login(home: Any, session: str = "s", left: float = 3600.0, **more: str) -> None:
    name = hashlib.sha1(session.encode()).hexdigest()
    token = {"accessToken": "sso-token", "expiresAt": iso(home.now + left), **more}
    home.write(f".aws/sso/cache/{name}.json", json.dumps(token))


SSO = "sso_account_id = 123\nsso_role_name = Reader\n"
SESSION = "[sso-session s]\nsso_start_url = https://x.awsapps.com/start\nsso_region = eu-west-1\n"


@pytest.mark.parametrize("legacy", [False, True])
def test_sso_keys_are_requested_with_the_token_of_the_login(home: Any, legacy: bool) -> None:
    if legacy:
        login(home, "https://x.awsapps.com/start", expiresAt=iso(home.now + 9).replace("Z", "UTC"))
        more = "sso_start_url = https://x.awsapps.com/start\nsso_region = eu-west-1\n"
    else:
        login(home)
        more = f"sso_session = s\n{SESSION}"
    home.config(f"[profile p]\n{SSO}{more}")
    source = home.search("p").find()
    assert source.name == "SSO login of profile 'p' of ~/.aws/config"
    key = source()
    assert shown(key) == FIRST
    assert key.expires == home.now + 3600
    (seen,) = home.fake.seen
    assert seen.parameters == {"role_name": "Reader", "account_id": "123"}
    assert seen.headers["x-amz-sso_bearer_token"] == "sso-token"


def test_sso_without_a_login_says_how_to_log_in(home: Any) -> None:
    home.config(f"[profile p]\n{SSO}sso_session = s\n{SESSION}")
    with pytest.raises(CredentialsNotFoundError, match="aws sso login --profile p"):
        home.search("p").find()()


def test_expired_login_is_renewed_by_botocore_or_says_how_to_log_in(
    home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.config(f"[profile p]\n{SSO}sso_session = s\n{SESSION}")
    login(home, left=-1)
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(CredentialsNotFoundError) as caught:
        home.search("p").find()()
    assert caught.value.message == (
        "the login has expired; log in with: aws sso login --profile p; botocore, which renews"
        " logins, is installed with: pip install 'libstore[aws]'"
    )


def test_botocore_that_cannot_renew_a_login_says_how_to_log_in(home: Any) -> None:
    pytest.importorskip("botocore.session")
    home.config(f"[profile p]\n{SSO}sso_session = s\n{SESSION}")
    home.now = 1_000_000_000.0  # so that the login has expired for botocore's clock, too
    login(home, left=-1)
    with pytest.raises(AuthenticationError, match="aws sso login --profile p") as caught:
        home.search("p").find()()
    # botocore finds no token if it was imported with another home.
    assert re.search(r"failed to provide a key \((\w*Token\w*Error)\)",
                     caught.value.message)  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, '{"message": "Session token not found or invalid"}', "aws sso login --profile p"),
        (403, '{"message": "No access"}', "role 'Reader' in the account 123"),
        (403, "<html>", "not from AWS"),
        (200, "{}", "not from AWS"),
    ],
)
def test_refusal_of_the_portal(home: Any, status: int, body: str, message: str) -> None:
    home.config(f"[profile p]\n{SSO}sso_session = s\n{SESSION}")
    login(home)
    home.fake.faults.append((status, body))
    with pytest.raises(Exception, match=message):
        home.search("p").find()()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sso_account_id = 1\nsso_session = s\n" + SESSION, "sso_role_name is missing"),
        (SSO + "sso_session = other\n" + SESSION, r"no section \[sso-session other\]"),
        (SSO, "sso_start_url is missing"),
        (SSO + "sso_start_url = x", "sso_region is missing"),
    ],
)
def test_incomplete_sso_is_an_error(home: Any, text: str, message: str) -> None:
    home.config(f"[profile p]\n{text}")
    with pytest.raises(InvalidOptionError, match=message):
        home.search("p").find()


def test_profile_of_aws_login_needs_botocore(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    home.config("[profile p]\nlogin_session = arn:aws:iam::1:user/u\n")
    source = home.search("p").find()
    assert source.name == "botocore for profile 'p' of ~/.aws/config"
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(CredentialsNotFoundError, match=r"pip install 'libstore\[aws\]'"):
        source()


# ---------------------------------------------------------------------- containers


def test_container_sends_the_token_of_the_file_again_each_time(home: Any) -> None:
    path = home.write("token", "first\n")
    home.environ |= {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{home.fake.url}/v1/credentials?x=y",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(path),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "unused",
    }
    source = home.search().find()
    home.fake.authorization = "first"
    assert shown(source()) == FIRST
    path.write_text("second")
    home.fake.authorization = "second"
    source()
    assert home.fake.seen[0].path == "/v1/credentials?x=y"
    path.unlink()
    with pytest.raises(CredentialsNotFoundError, match=f"the file '{path}', which AWS_CONTAINER"):
        source()


def test_container_sends_the_token_of_the_variable(home: Any) -> None:
    home.fake.authorization = "Basic abc"
    home.environ |= {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": home.fake.url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic abc",
    }
    assert shown(home.search().find()()) == FIRST
    home.fake.authorization = "other"
    with pytest.raises(AuthenticationError, match="refused to provide a key") as caught:
        home.search().find()()
    assert caught.value.code == "Denied"


def test_container_service_that_is_not_reachable_is_named(home: Any) -> None:
    """The address alone could be taken for that of the storage service."""
    home.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1:1/x"
    source = home.search().find()
    with pytest.raises(TransportError, match=r"no key from .*\(AWS_CONTAINER_.* refused"):
        source()


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://169.254.170.2/x", True), ("http://169.254.170.23/v1", True),
        ("http://[fd00:ec2::23]/v1", True), ("http://localhost:1/x", True),
        ("http://127.0.0.9/", True), ("https://keys.example/x", True),
        ("http://keys.example/x", False), ("http://169.254.169.254/x", False),
        ("http://localhost.example/", False), ("ftp://localhost/", False),
        ("http://user@localhost/", False),
    ],
)  # fmt: skip
def test_container_is_on_a_host_that_may_get_the_token(home: Any, url: str, allowed: bool) -> None:
    home.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url
    if allowed:
        home.search().find()
    else:
        with pytest.raises(InvalidOptionError, match="AWS_CONTAINER_CREDENTIALS_FULL_URI"):
            home.search().find()


def test_relative_address_of_a_container_is_that_of_ecs(home: Any) -> None:
    home.environ |= {
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/id",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": home.fake.url,
    }
    source: Any = home.search().find()
    assert (source.origin, source.target) == ("http://169.254.170.2", "/v2/credentials/id")


# ---------------------------------------------------------------------- the environment

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "ENV",
    "AWS_SECRET_ACCESS_KEY": "env-secret",
    "AWS_SESSION_TOKEN": "env-token",
}


def test_temporary_key_of_the_environment_is_read_again(home: Any) -> None:
    home.environ |= {**ENVIRONMENT, "AWS_CREDENTIAL_EXPIRATION": iso(home.now + 3600)}
    source = home.search().find()
    key = source()
    assert source.name == "environment variable AWS_ACCESS_KEY_ID"
    assert shown(key) == ("ENV", "env-secret", "env-token")
    assert key.expires == home.now + 3600
    home.environ |= {"AWS_ACCESS_KEY_ID": "NEXT", "AWS_SECURITY_TOKEN": "next-token"}
    assert shown(source()) == ("NEXT", "env-secret", "next-token")
    home.now += 3600
    with pytest.raises(AuthenticationError, match=r"AWS_CREDENTIAL_EXPIRATION.*has expired"):
        source()
    del home.environ["AWS_ACCESS_KEY_ID"]
    with pytest.raises(AuthenticationError, match="are not set any more"):
        source()
    assert "env-secret" not in repr(source)


def test_temporary_key_of_the_environment_assumes_a_role(home: Any) -> None:
    home.environ |= {**ENVIRONMENT, "AWS_CREDENTIAL_EXPIRATION": iso(home.now + 3600)}
    home.config(f"[profile r]\nrole_arn = {ROLE}\ncredential_source = Environment\n")
    assert shown(home.search("r").find()()) == FIRST
    assert "Credential=ENV/" in home.fake.seen[0].headers["authorization"]


# ---------------------------------------------------------------------- EC2

TOKEN = "PUT /api/token"
LIST = "GET /meta-data/iam/security-credentials/"


def test_keys_of_an_instance_are_requested_by_version_2(home: Any) -> None:
    key = home.search().find()()
    assert shown(key) == FIRST
    assert home.fake.operations == [TOKEN, LIST, f"{LIST}the-role"]


@pytest.mark.parametrize(
    ("faults", "line"),
    [
        ([(403, "")], "status 403 of /latest/api/token; only version 2 of the service is used"),
        ([(400, "")], "status 400 of /latest/api/token"),
        ([(200, "token"), (404, "")], "the instance has no role"),
        ([(500, ""), (503, "")], "status 503 of /latest/api/token"),
        ([(200, "the-metadata-token"), (200, "r"), (200, '{"Code": "Failed"}')], "no key for the"),
        ([(200, "the-metadata-token"), (200, "r"), (200, "{}")], "no text AccessKeyId"),
    ],
)
def test_instance_without_a_key_says_why(
    home: Any, faults: list[tuple[int, str]], line: str
) -> None:
    home.fake.faults += faults
    with pytest.raises(CredentialsNotFoundError) as caught:
        home.search().find()()
    assert line in caught.value.message.splitlines()[-1]


def test_metadata_service_that_is_turned_off_is_no_named_source(home: Any) -> None:
    home.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    home.config(f"[default]\nrole_arn = {ROLE}\ncredential_source = Ec2InstanceMetadata\n")
    with pytest.raises(CredentialsNotFoundError, match="AWS_EC2_METADATA_DISABLED is true"):
        home.search().find()
    assert home.fake.seen == []


def test_instance_is_tried_again(home: Any) -> None:
    home.fake.faults += [(500, "")]
    assert home.search().find()().value.key == "AKID1"


@pytest.mark.parametrize("life", [-60.0, 100.0])
def test_key_that_the_instance_could_not_renew_is_used_on(home: Any, life: float) -> None:
    home.fake.life = life
    assert home.now + 300 <= home.search().find()().expires <= home.now + 600


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AWS_METADATA_SERVICE_TIMEOUT", "soon", "must be a number"),
        ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "0", "must be a number"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv5", "IPv4 or IPv6"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://example.com", "another machine"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "nothing", "begin with https"),
    ],
)
def test_wrong_setting_of_the_metadata_service(
    home: Any, name: str, value: str, message: str
) -> None:
    home.environ[name] = value
    with pytest.raises(InvalidOptionError, match=f"{name}.*{message}"):
        home.search().find()


def test_settings_of_the_metadata_service(home: Any) -> None:
    home.config(
        "[default]\nmetadata_service_timeout = 3\nmetadata_service_num_attempts = 4\n"
        "ec2_metadata_service_endpoint_mode = IPv6\n"
    )
    del home.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
    source: Any = home.search().find()
    assert (source.timeout, source.attempts) == (3.0, 4)
    assert source.name == "EC2 metadata service at fd00:ec2::254"


# ---------------------------------------------------------------------- addresses of services


@pytest.mark.parametrize(
    ("region", "fips", "address", "signed"),
    [
        (None, False, "https://sts.amazonaws.com", "us-east-1"),
        ("eu-west-1", False, "https://sts.eu-west-1.amazonaws.com", "eu-west-1"),
        ("us-east-2", True, "https://sts-fips.us-east-2.amazonaws.com", "us-east-2"),
        ("cn-north-1", False, "https://sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ],
)
def test_sts_is_that_of_the_region(
    home: Any, region: str | None, fips: bool, address: str, signed: str
) -> None:
    del home.environ["AWS_ENDPOINT_URL_STS"]
    home.config(f"[default]\n{STATIC}role_arn = {ROLE}\nsource_profile = default\n")
    source: Any = home.search(region=region, fips=fips).find()
    assert (source.sts.address.origin, source.sts.region) == (address, signed)


@pytest.mark.parametrize(
    ("settings", "more", "address"),
    [
        ("services = x\n", "[services x]\nsts =\n  endpoint_url = https://a\n", "https://a"),
        ("endpoint_url = https://b\n", "", "https://b"),
        ("services = x\nendpoint_url = https://b\n", "[services x]\ns3 =\n  a = b\n", "https://b"),
        (
            "endpoint_url = https://b\nignore_configured_endpoint_urls = true\n", "",
            "https://sts.amazonaws.com",
        ),
    ],
)  # fmt: skip
def test_address_of_sts_in_a_profile(home: Any, settings: str, more: str, address: str) -> None:
    del home.environ["AWS_ENDPOINT_URL_STS"]
    home.config(
        f"[default]\n{STATIC}role_arn = {ROLE}\nsource_profile = default\n{settings}{more}"
    )
    source: Any = home.search().find()
    assert source.sts.address.origin == address


def test_wrong_address_of_sts_names_where_it_is_from(home: Any) -> None:
    home.config(f"[default]\n{STATIC}role_arn = {ROLE}\nsource_profile = default\n")
    home.environ["AWS_ENDPOINT_URL_STS"] = "http://sts.example"
    with pytest.raises(InvalidOptionError, match="AWS_ENDPOINT_URL_STS is http://"):
        home.search().find()
    assert home.search(insecure=True).find()
    home.environ["AWS_ENDPOINT_URL_STS"] = ""
    home.config(f"[default]\n{STATIC}role_arn = {ROLE}\nsource_profile = default\nservices = x\n")
    with pytest.raises(InvalidOptionError, match=r"no section \[services x\]"):
        home.search().find()

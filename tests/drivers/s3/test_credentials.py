"""The driver of Amazon S3 finds credentials and settings as the AWS SDKs do, and renews them."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typing_extensions import Self, override

from libstore import (
    AuthenticationError,
    CredentialsNotFoundError,
    InvalidOptionError,
    NotSupportedError,
    RetryPolicy,
    ServiceUnavailableError,
    StorageDriver,
    StorageError,
    TransferOptions,
    TransportError,
    get_driver,
)
from libstore.drivers.s3 import S3Driver
from servers.aws_credentials import FakeAWS

MIB = 1 << 20
STATIC = "aws_access_key_id = FILEKEY\naws_secret_access_key = file-secret\n"
ROLE = "arn:aws:iam::123456789012:role/reader"


class Files:
    """A home for the shared files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".aws").mkdir()

    def config(self, text: str) -> None:
        (self.folder / ".aws/config").write_text(text)

    def credentials(self, text: str) -> None:
        (self.folder / ".aws/credentials").write_text(text)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Files:
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    return Files(tmp_path)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAWS]:
    with FakeAWS(time.time) as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", found.url)
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", found.url)
        yield found


def key(driver: StorageDriver) -> str:
    """Return the id of the key that the driver signs with now."""
    url = str(driver.container("bucket").object("name").sign_url(expires=60))
    return parse_qs(urlsplit(url).query)["X-Amz-Credential"][0].partition("/")[0]


# ---------------------------------------------------------------------- where they are from


def test_source_of_credentials(
    monkeypatch: pytest.MonkeyPatch, home: Files, fake: FakeAWS
) -> None:
    assert S3Driver(anonymous=True).credentials_source is None
    assert S3Driver("A", "b").credentials_source == "argument key"
    home.credentials(f"[default]\n{STATIC}[prod]\n{STATIC.replace('FILEKEY', 'PRODKEY')}")
    home.config(f"[profile role]\nrole_arn = {ROLE}\nsource_profile = prod\n")
    sources = {
        "profile 'default' of ~/.aws/credentials": S3Driver(),
        "profile 'prod' of ~/.aws/credentials": S3Driver(profile="prod"),
        f"role {ROLE} of profile 'role' of ~/.aws/config": S3Driver(profile="role"),
        "argument credentials": S3Driver(credentials=lambda: {"key": "FUNC", "secret": "s"}),
    }
    assert [*sources] == [driver.credentials_source for driver in sources.values()]
    keys = [key(driver) for driver in sources.values()]
    assert keys == ["FILEKEY", "PRODKEY", "AKID1", "FUNC"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
    assert S3Driver().credentials_source == "environment variable AWS_ACCESS_KEY_ID"
    assert key(S3Driver(profile="prod")) == "PRODKEY"  # an argument comes before the environment
    assert get_driver("memory")().credentials_source is None


def test_sources_of_other_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "account")
    monkeypatch.setenv("AZURE_STORAGE_KEY", "a2V5")
    azure = get_driver("azure")("account")
    assert azure.credentials_source == "environment variable AZURE_STORAGE_KEY"
    assert get_driver("gcs")(token="t").credentials_source == "argument token"
    swift = get_driver("swift")(token="t", storage_url="https://x/v1/a")
    assert swift.credentials_source == "argument token"
    assert get_driver("minio")("A", "b", endpoint="https://x").credentials_source == "argument key"


def test_no_credentials_at_all(home: Files) -> None:
    home.credentials("[prod]\nregion = x\n")
    with pytest.raises(
        CredentialsNotFoundError, match=r"  ~/\.aws/credentials: profiles prod; no"
    ):
        S3Driver()


def test_metadata_service_is_used_at_the_first_request(
    monkeypatch: pytest.MonkeyPatch, fake: FakeAWS
) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    driver = S3Driver()
    assert fake.seen == []
    assert driver.credentials_source == "EC2 metadata service at 127.0.0.1"
    assert key(driver) == "AKID1"
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
    nowhere = S3Driver()
    with pytest.raises(CredentialsNotFoundError, match=r"127\.0\.0\.1: not reachable"):
        nowhere.container_exists("bucket") if hasattr(nowhere, "container_exists") else key(
            nowhere
        )


def test_key_without_a_secret_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    with pytest.raises(CredentialsNotFoundError, match="AWS_ACCESS_KEY_ID is set, but AWS_SECRET"):
        S3Driver()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"profile": "p", "key": "a", "secret": "b"}, "key and profile exclude each other"),
        ({"credentials": dict, "key": "a", "secret": "b"}, "key and credentials exclude"),
        ({"credentials": dict, "profile": "p"}, "credentials and profile exclude"),
        ({"credentials": dict, "anonymous": True}, "credentials and anonymous=True exclude"),
        ({"key": "a", "secret": "b", "anonymous": True}, "key and anonymous=True exclude"),
        ({"profile": "p"}, "profile is 'p', but there is no such profile"),
        ({"credentials": "a"}, "must be a function that returns"),
        ({"profile": 1}, "profile must be a str"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidOptionError, CredentialsNotFoundError), match=message):
        S3Driver(**arguments)


def test_other_services_read_nothing_of_amazons(
    monkeypatch: pytest.MonkeyPatch, home: Files
) -> None:
    home.credentials(f"[default]\n{STATIC}region = eu-west-9\n")
    home.config("[default]\nendpoint_url = https://elsewhere.example\n")
    monkeypatch.setenv("AWS_PROFILE", "default")
    minio = get_driver("minio")
    with pytest.raises(CredentialsNotFoundError, match="pass key and secret"):
        minio(endpoint="https://minio.example")
    with pytest.raises(InvalidOptionError, match="must not be sent its key"):
        minio(endpoint="https://minio.example", profile="default")
    driver = minio(
        endpoint="https://minio.example", credentials=lambda: {"key": "OWN", "secret": "s"}
    )
    assert key(driver) == "OWN"
    assert "minio.example" in repr(driver)


@pytest.mark.parametrize("name", ["r2", "gcs-s3"])
def test_function_provides_keys_of_other_services(name: str) -> None:
    more = {"account": "0123"} if name == "r2" else {}
    driver = get_driver(name)(credentials=lambda: {"key": "OWN", "secret": "s"}, **more)
    assert key(driver) == "OWN"


def test_session_of_boto3() -> None:
    boto3 = pytest.importorskip("boto3")
    driver = S3Driver(credentials=boto3.Session("BOTO", "s", "t"))
    assert key(driver) == "BOTO"
    assert driver.credentials_source == "argument credentials (boto3.Session)"


def test_region_of_a_session_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As boto3 does it: the variables may be those of another program."""
    boto3 = pytest.importorskip("boto3")
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    session = boto3.Session("BOTO", "s", "t", region_name="eu-west-3")
    regions = [
        S3Driver(credentials=given, **more)._client.region
        for given, more in (
            (session, {}),
            (session._session, {}),
            (session, {"region": "us-west-1"}),
            (session, {"endpoint": "https://s3.eu-north-1.amazonaws.com"}),
            (session.get_credentials(), {}),
            (boto3.Session("BOTO", "s", "t"), {}),
        )
    ]
    assert ["eu-west-3", "eu-west-3", "us-west-1", "eu-north-1", *["us-west-2"] * 2] == regions


# ---------------------------------------------------------------------- settings


def test_settings_of_a_profile(home: Files, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    home.config(
        f"[profile a]\n{STATIC}region = eu-west-3\nuse_fips_endpoint = true\n"
        f"use_dualstack_endpoint = true\nca_bundle = {bundle}\n"
        f"[profile b]\n{STATIC}region = eu-west-3\nservices = x\nendpoint_url = https://no.example\n"
        "[services x]\ns3 =\n  endpoint_url = https://s3.example\n"
        f"[profile c]\n{STATIC}endpoint_url = https://c.example\n"
        f"[profile d]\n{STATIC}endpoint_url = https://d.example\nuse_fips_endpoint = true\n"
        f"[profile e]\n{STATIC}endpoint_url = http://e.example\n"
        f"[profile f]\n{STATIC}region = Wrong!\n"
        f"[profile g]\n{STATIC}ca_bundle = /no/file\n"
    )
    first = S3Driver(profile="a")
    assert repr(first) == "<S3Driver https://s3-fips.dualstack.eu-west-3.amazonaws.com>"
    assert first._settings.verify == str(bundle)
    assert S3Driver(profile="a", verify=False)._settings.verify is False
    assert repr(S3Driver(profile="b")) == "<S3Driver https://s3.example>"
    assert "endpoint=https://s3.example" in S3Driver(profile="b").url
    assert repr(S3Driver(profile="c")) == "<S3Driver https://c.example>"
    assert (
        repr(S3Driver(profile="c", endpoint="https://o.example")) == "<S3Driver https://o.example>"
    )
    for name, message in (
        ("d", "cannot be combined with another endpoint"),
        ("e", r"^endpoint_url of profile 'e' of ~/\.aws/config is http://"),
        ("f", r"^region of profile 'f' of ~/\.aws/config must be lower-case"),
        ("g", r"^ca_bundle of profile 'g' of ~/\.aws/config is '/no/file', which does not exist"),
    ):
        with pytest.raises(InvalidOptionError, match=message):
            S3Driver(profile=name)


def test_settings_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, home: Files, tmp_path: Path
) -> None:
    home.config(
        "[default]\nregion = eu-west-1\nendpoint_url = https://c.example\nuse_fips_endpoint = true"
    )
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://d.example")
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "false")
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    (tmp_path / "ca").write_text("")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca"))
    driver = S3Driver("A", "b")
    assert repr(driver) == "<S3Driver https://s3.dualstack.eu-west-2.amazonaws.com>"
    assert driver._settings.verify == str(tmp_path / "ca")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "maybe")
    with pytest.raises(InvalidOptionError, match="AWS_USE_FIPS_ENDPOINT must be true or false"):
        S3Driver("A", "b")


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("https://s3.eu-west-3.amazonaws.com", "eu-west-3"),
        ("https://s3.eu-central-2.wasabisys.com", "eu-central-2"),
        ("https://s3.amazonaws.com", "eu-west-1"),
        ("https://minio.example", "eu-west-1"),
    ],
)
def test_region_in_the_endpoint_comes_before_that_of_the_machine(
    home: Files, monkeypatch: pytest.MonkeyPatch, endpoint: str, region: str
) -> None:
    home.config("[default]\nregion = eu-west-1\n")
    assert S3Driver("A", "b", endpoint=endpoint)._client.region == region
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert S3Driver("A", "b", endpoint=endpoint)._client.region == region
    given = S3Driver("A", "b", endpoint=endpoint, region="us-east-2")
    assert given._client.region == "us-east-2"


def test_region_of_the_profile_is_that_of_sts(
    monkeypatch: pytest.MonkeyPatch, home: Files, fake: FakeAWS
) -> None:
    home.config(
        f"[profile r]\nregion = eu-central-1\nrole_arn = {ROLE}\nsource_profile = s\n"
        f"[profile s]\n{STATIC}"
    )
    assert key(S3Driver(profile="r")) == "AKID1"
    assert "/eu-central-1/sts/" in fake.seen[0].headers["authorization"]


def host_of(driver: StorageDriver, bucket: str = "box") -> str:
    parts = urlsplit(str(driver.object(bucket, "name").sign_url()))
    return f"{parts.netloc}{parts.path}"


def test_settings_of_s3_in_a_profile(home: Files) -> None:
    region = "region = eu-west-3\n"
    home.config(
        f"[profile path]\n{STATIC}{region}s3 =\n  addressing_style = path\n  a = b\n"
        f"[profile virtual]\n{STATIC}{region}s3 =\n  addressing_style = virtual\n"
        f"[profile auto]\n{STATIC}{region}s3 =\n  addressing_style = auto\n"
        f"[profile wrong]\n{STATIC}{region}s3 =\n  addressing_style = paths\n"
        f"[profile fast]\n{STATIC}{region}s3 =\n  use_accelerate_endpoint = true\n"
        "  use_dualstack_endpoint = true\n  addressing_style = path\n"
        f"[profile both]\n{STATIC}{region}use_fips_endpoint = true\n"
        "s3 =\n  use_accelerate_endpoint = true\n"
        f"[profile text]\n{STATIC}{region}s3 = path\n"
    )
    plain = "box.s3.eu-west-3.amazonaws.com/name"
    expected = {
        "path": "s3.eu-west-3.amazonaws.com/box/name", "virtual": plain, "auto": plain,
        "text": plain, "fast": "box.s3-accelerate.dualstack.amazonaws.com/name",
    }  # fmt: skip
    assert expected == {name: host_of(S3Driver(profile=name)) for name in expected}
    assert host_of(S3Driver(profile="path", path_style=False)) == plain
    other = {"endpoint": "https://s3.example"}
    assert host_of(S3Driver(profile="virtual", **other)) == "box.s3.example/name"
    assert host_of(S3Driver(profile="fast", **other)) == "s3.example/box/name"
    with pytest.raises(
        InvalidOptionError,
        match=r"^addressing_style in s3 of profile 'wrong' of ~/\.aws/config must be auto, path",
    ):
        S3Driver(profile="wrong")
    with pytest.raises(InvalidOptionError, match="use one of fips and accelerate"):
        S3Driver(profile="both")


def test_buckets_of_the_accelerated_endpoint_are_in_its_host() -> None:
    driver = S3Driver("A", "b", region="eu-west-1", accelerate=True, path_style=True)
    assert host_of(driver) == "box.s3-accelerate.amazonaws.com/name"


def test_endpoint_of_the_machine_has_no_dual_stack(
    monkeypatch: pytest.MonkeyPatch, home: Files
) -> None:
    """As with botocore; FIPS is a requirement, which must not be lost."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.example")
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    assert repr(S3Driver("A", "b")) == "<S3Driver https://s3.example>"
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    with pytest.raises(InvalidOptionError, match="cannot be combined with another endpoint"):
        S3Driver("A", "b")


def test_former_name_of_the_session_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SECURITY_TOKEN"):
        monkeypatch.setenv(f"AWS_{name}", name)
    assert S3Driver()._client.credentials.token == "SECURITY_TOKEN"


def test_temporary_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FIRST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2099-01-01T00:00:00Z")
    driver = S3Driver()
    assert driver.credentials_source == "environment variable AWS_ACCESS_KEY_ID"
    assert key(driver) == "FIRST"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SECOND")
    assert key(driver) == "FIRST"
    assert key(pickle.loads(pickle.dumps(driver))) == "SECOND"
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsNotFoundError, match="AWS_ACCESS_KEY_ID is set, but AWS_SECRET"):
        S3Driver()


# ---------------------------------------------------------------------- pickles, equality, secrets


def provide() -> dict[str, str]:
    return {"key": "PICKLED", "secret": "a-secret"}


def test_pickle_finds_the_credentials_again(home: Files) -> None:
    home.credentials(f"[prod]\n{STATIC}")
    home.config("[profile prod]\nregion = eu-west-1\n")
    data = pickle.dumps(S3Driver(profile="prod"))
    assert b"file-secret" not in data
    assert b"FILEKEY" not in data
    home.credentials("[prod]\naws_access_key_id = NEWKEY\naws_secret_access_key = new\n")
    loaded = pickle.loads(data)
    assert key(loaded) == "NEWKEY"
    assert loaded.credentials_source == "profile 'prod' of ~/.aws/credentials"


def test_pickle_of_a_function_must_be_allowed() -> None:
    with pytest.raises(NotSupportedError, match="credentials="):
        pickle.dumps(S3Driver(credentials=provide))
    allowed = S3Driver(credentials=provide, pickle_secret=True)
    assert key(pickle.loads(pickle.dumps(allowed))) == "PICKLED"


def test_pickle_and_url_have_no_certificates_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Files
) -> None:
    home.credentials(f"[default]\n{STATIC}")
    (tmp_path / "ca").write_text("")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca"))
    driver = S3Driver()
    assert "verify" not in driver.url
    data = pickle.dumps(driver)
    monkeypatch.delenv("AWS_CA_BUNDLE")
    assert pickle.loads(data)._settings.verify is True


def test_drivers_with_other_credentials_are_not_equal(home: Files, fake: FakeAWS) -> None:
    home.config(
        f"[profile a]\nrole_arn = {ROLE}-a\nsource_profile = s\n"
        f"[profile b]\nrole_arn = {ROLE}-b\nsource_profile = s\n[profile s]\n{STATIC}"
    )
    assert S3Driver(profile="a") == S3Driver(profile="a")
    assert S3Driver(profile="a") != S3Driver(profile="b")
    assert S3Driver(credentials=provide) == S3Driver(credentials=provide)
    assert S3Driver(credentials=provide) != S3Driver(credentials=dict)


def test_url_and_repr_show_no_secret(home: Files) -> None:
    home.credentials(f"[default]\n{STATIC}")
    driver = S3Driver()
    shown = f"{driver!r} {driver.url} {driver._settings!r}"
    assert "file-secret" not in shown
    assert "FILEKEY" not in shown


def test_presigned_url_of_a_temporary_key_has_its_token(home: Files, fake: FakeAWS) -> None:
    home.config(f"[default]\nrole_arn = {ROLE}\nsource_profile = s\n[profile s]\n{STATIC}")
    url = str(S3Driver().container("bucket").object("name").sign_url(expires=60))
    assert "X-Amz-Security-Token=token-1" in url


def test_import_and_a_key_load_no_source() -> None:
    code = (
        "import sys; from libstore import get_driver; get_driver('s3')('a', 'b');"
        "print(*[name for name in sys.modules if name.startswith('libstore.auth.aws.')])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[1:])},
    )  # fmt: skip
    loaded = {name.rpartition(".")[2] for name in ended.stdout.split()}
    assert loaded == {"endpoints", "profiles", "sessions"}


# ---------------------------------------------------------------------- renewal


class SmallS3:
    """
    Buckets in memory that take uploads in parts, with keys that are valid until a time.

    Attributes:
        valid: Returns whether a key is valid now.
        keys: The keys of the requests in their order, and whether they were valid.
        before_part: Called with the number of parts so far, under a lock.
        code: The error code of requests with another key.
    """

    code = "ExpiredToken"

    def __init__(self, valid: Callable[[str], bool]) -> None:
        self.valid = valid
        self.keys: list[tuple[str, bool]] = []
        self.parts: dict[int, bytes] = {}
        self.before_part: Callable[[int], object] = lambda count: None
        self.lock = threading.Lock()

    def accept(self, key: str, number: int | None, digest: bytes) -> bool:
        """Note a request and the part that it stores; return whether its key is valid."""
        with self.lock:
            if number is not None:
                self.before_part(len(self.parts))
            valid = self.valid(key)
            self.keys.append((key, valid))
            if valid and number is not None:
                self.parts[number] = digest
        return valid

    def etag(self) -> str:
        whole = b"".join(digest for _, digest in sorted(self.parts.items()))
        return f'"{hashlib.md5(whole).hexdigest()}-{len(self.parts)}"'

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(store: SmallS3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            number = int(query["partNumber"][0]) if "partNumber" in query else None
            found = re.search(r"Credential=(\w+)/", self.headers["authorization"])
            assert found is not None
            if not store.accept(found[1], number, hashlib.md5(body).digest()):
                self._send(400, f"<Error><Code>{store.code}</Code><Message>x</Message></Error>")
            elif "uploads" in query:
                tag = "InitiateMultipartUpload"
                self._send(200, f"<{tag}Result><UploadId>id</UploadId></{tag}Result>")
            elif number is None and "uploadId" in query:
                tag = "CompleteMultipartUploadResult"
                self._send(200, f"<{tag}><ETag>{store.etag()}</ETag></{tag}>")
            else:
                self._send(200, "", ETag=f'"{hashlib.md5(body).hexdigest()}"')

        do_POST = do_PUT  # noqa: N815 - the name that http.server calls

        def _send(self, status: int, text: str, **headers: str) -> None:
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("x-amz-request-id", "id")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        @override
        def log_message(self, format: str, *args: object) -> None: ...

    return Handler


class Issuer:
    """A function for ``credentials=`` with numbered keys, which are valid for an hour."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.calls = 0
        self.fault: Exception | None = None
        self.ends: dict[str, float] = {}

    def clock(self) -> float:
        return time.time() + self.ahead

    def __call__(self) -> dict[str, object]:
        self.calls += 1
        if self.fault is not None:
            raise self.fault
        key, end = f"KEY{self.calls}", self.clock() + 3600
        self.ends[key] = end
        return {"key": key, "secret": f"secret-{self.calls}", "token": "t", "expiry": end}

    def valid(self, key: str) -> bool:
        return self.ends[key] > self.clock()

    def driver(self, url: str) -> S3Driver:
        transfer = TransferOptions(concurrency=16, part_size=5 * MIB)
        made = S3Driver(credentials=self, endpoint=url, transfer=transfer)
        made._client.credentials._clock = self.clock
        return made


DATA = bytes(100 * MIB)


@pytest.mark.parametrize(
    ("ahead", "rejected"),
    [(3600 - 600, False), (3600 + 60, True)],
    ids=["in the window", "expired"],
)
def test_upload_of_twenty_parts_goes_on_with_one_new_key(ahead: float, rejected: bool) -> None:
    """The time moves on after ten parts; at its end, requests under way are rejected once."""
    issuer = Issuer()
    with SmallS3(issuer.valid) as store, issuer.driver(store.url) as driver:

        def advance(count: int) -> None:
            if count == 10:
                issuer.ahead = ahead

        store.before_part = advance
        driver.upload_object(DATA, "bucket", "name")
    assert len(store.parts) == 20
    assert issuer.calls == 2
    assert {"KEY1", "KEY2"} == {name for name, _ in store.keys}
    assert rejected == any(not valid for _, valid in store.keys)
    assert all(valid for name, valid in store.keys if name == "KEY2")


def test_key_that_the_service_rejects_is_replaced_once() -> None:
    """As after a revocation, of which the clock says nothing."""
    issuer = Issuer()
    revoked: set[str] = set()
    with (
        SmallS3(lambda name: name not in revoked) as store,
        issuer.driver(store.url) as driver,
    ):
        store.before_part = lambda count: revoked.add("KEY1") if count == 10 else None
        driver.upload_object(DATA, "bucket", "name")
    assert len(store.parts) == 20
    assert issuer.calls == 2


def test_failing_renewal_does_not_stop_an_upload_while_the_key_is_valid() -> None:
    issuer = Issuer()
    with SmallS3(issuer.valid) as store, issuer.driver(store.url) as driver:

        def advance(count: int) -> None:
            if count == 10:
                issuer.ahead = 3600 - 600
                issuer.fault = OSError("the provider is down")

        store.before_part = advance
        driver.upload_object(DATA, "bucket", "name")
        assert len(store.parts) == 20
        assert issuer.calls == 2  # the second one failed, and the next one has to wait
        issuer.ahead = 3600 + 60
        with pytest.raises(AuthenticationError, match=r"credentials= failed.*\(OSError\)"):
            driver.upload_object(b"x", "bucket", "small")
        issuer.fault = None
        driver.upload_object(b"x", "bucket", "small")


@pytest.mark.parametrize(
    "fault", [ServiceUnavailableError("busy", status=500), TransportError("gone")]
)
def test_request_without_a_key_was_not_sent(fault: StorageError) -> None:
    """The outcome of a conditional write that was sent would be checked by another request."""
    issuer = Issuer()
    with SmallS3(issuer.valid) as store, issuer.driver(store.url) as driver:
        driver.retry = RetryPolicy(attempts=1)
        issuer.fault = fault
        with pytest.raises(type(fault)) as caught:
            driver.upload_object(b"x", "bucket", "name", if_absent=True)
    assert store.keys == []
    assert issuer.calls == 1
    assert not getattr(caught.value, "sent", False)


def test_child_process_renews_for_itself(fake: FakeAWS, home: Files) -> None:
    home.config(f"[default]\nrole_arn = {ROLE}\nsource_profile = s\n[profile s]\n{STATIC}")
    fake.life = 1.0  # is over before the next request
    driver = S3Driver()
    assert key(driver) == "AKID1"
    driver._client.credentials._clock = lambda: time.time() + 3600
    child = os.fork()
    if child == 0:
        os._exit(0 if key(driver) == "AKID2" else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert key(driver) == "AKID3"


@pytest.mark.server
def test_role_on_moto(moto_server: Any, monkeypatch: pytest.MonkeyPatch, home: Files) -> None:
    home.config(f"[default]\nrole_arn = {ROLE}\nsource_profile = s\n[profile s]\n{STATIC}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint)
    with S3Driver() as driver:
        container = driver.create_container("of-a-role", exist_ok=True)
        container.upload_object(b"content", "name")
        assert container.get_object("name").read() == b"content"
        container.delete()
    assert driver.credentials_source == f"role {ROLE} of profile 'default' of ~/.aws/config"


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_function_is_called_again_after_its_key_was_rotated(code: str) -> None:
    """The service no longer knows the old key, or the key has another secret."""
    keys = ["OLD"]
    with SmallS3(lambda key: key == "NEW") as store:
        store.code = code
        driver = S3Driver(
            region="us-east-1", endpoint=store.url,
            credentials=lambda: {"key": keys[-1], "secret": "a-secret"},
        )  # fmt: skip
        container = driver.container("bucket")
        with pytest.raises(
            AuthenticationError, match="credentials argument credentials"
        ) as caught:
            container.upload_object(b"a", "a")
        assert caught.value.credentials_source == "argument credentials"
        keys.append("NEW")
        assert container.upload_object(b"a", "a").size == 1
    assert [key for key, _ in store.keys] == ["OLD", "OLD", "NEW"]


def test_error_names_the_credentials_that_were_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OLD")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    with SmallS3(lambda key: False) as store:
        container = S3Driver(region="us-east-1", endpoint=store.url).container("bucket")
        with pytest.raises(
            AuthenticationError, match="credentials environment variable AWS_ACCESS_KEY_ID"
        ) as caught:
            container.upload_object(b"a", "a")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.credentials_source == "environment variable AWS_ACCESS_KEY_ID"

"""
No error shows a secret: not in its text, its pickle and the log, nor in a variable of any frame.

Whatever the fault is, and even if the service repeats what it was sent.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import pickle
import re
import socket
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

import pytest
from scripted import Play, Server, length_of, read_head, respond
from typing_extensions import override

from libstore import RetryPolicy, StorageDriver, StorageError, TransferOptions, get_driver
from libstore.auth.google_default import DefaultCredentials
from libstore.http.transport import Transport
from servers.google_metadata import FakeMetadata

SECRET = "s3cret/of+the=caller&that-nobody-sees"
TOKEN = "token.of-the/caller+that=nobody~sees"
OTHER = "0therSecretOfTheCallerThatNobodySees"
PASSWORD = "pr0xyPasswordThatNobodySees"
KEY = bytes(range(100, 132))
AZURE_KEY = base64.b64encode(b"the key of an account that nobody sees").decode()
SIGNATURE = "c2lnbmF0dXJlIG9mIGEgU0FTIHRoYXQgbm9ib2R5IHNlZXM="
SAS = f"sv=2021-12-02&sp=rw&sig={quote(SIGNATURE, safe='')}"
TESTS = str(Path(__file__).parents[1])


class AccessToken(NamedTuple):
    """As azure-core's is."""

    token: str
    expires_on: int


class Credential:
    """One of azure-identity's kind, whose tokens show themselves."""

    def get_token(self, *scopes: str) -> Any:
        return AccessToken(TOKEN, 2**40)


@cache
def private_key() -> str:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    made: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return made.decode()


def account(url: str) -> dict[str, str]:
    pytest.importorskip("google.auth")
    return {
        "client_email": "me@project.iam.gserviceaccount.com", "private_key": private_key(),
        "project_id": "project", "token_uri": f"{url}/token",
    }  # fmt: skip


@cache
def machine() -> Any:
    """Return the credentials of a machine at Google, whose metadata server gives out tokens."""
    fake = FakeMetadata(name=TOKEN).__enter__()
    return DefaultCredentials(Transport(), {"GCE_METADATA_HOST": fake.host})._by_library()[0]


def in_cloud(url: str, **more: Any) -> StorageDriver:
    """Return a driver whose credentials are in OpenStack's file."""
    pytest.importorskip("openstack.config")
    auth = {"auth_url": f"{url}/v3", "username": "user", "password": SECRET,
            "project_name": "project"}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder, "clouds.yaml")
        path.write_text(json.dumps({"clouds": {"prod": {"auth": auth}}}))
        patch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
        return get_driver("swift")(cloud="prod", **more)


Maker = Callable[..., StorageDriver]
MAKERS: Mapping[str, Maker] = {
    "s3": lambda url, **more: get_driver("s3")(
        "AKID", SECRET, token=TOKEN, endpoint=url, **more
    ),
    "s3-function": lambda url, **more: get_driver("s3")(
        credentials=lambda: {"key": "AKID", "secret": SECRET, "token": TOKEN, "expiry": 2**40},
        endpoint=url, **more
    ),
    "s3-sse-c": lambda url, **more: get_driver("s3")(
        "AKID", SECRET, customer_key=KEY, endpoint=url, **more
    ),
    "azure-key": lambda url, **more: get_driver("azure")(
        "account", AZURE_KEY, customer_key=KEY, endpoint=f"{url}/account", **more
    ),
    "azure-sas": lambda url, **more: get_driver("azure")(
        "account", sas_token=SAS, endpoint=f"{url}/account", **more
    ),
    "azure-url": lambda url, **more: get_driver("azure")(
        endpoint=f"{url}/account?{SAS}", **more
    ),
    "azure-string": lambda url, **more: get_driver("azure")(
        connection_string=f"AccountName=account;AccountKey={AZURE_KEY};BlobEndpoint={url}/account",
        **more,
    ),
    "azure-token": lambda url, **more: get_driver("azure")(
        "account", credential=Credential(), endpoint=f"{url}/account", **{"insecure": True, **more}
    ),
    "gcs-token": lambda url, **more: get_driver("gcs")(
        token=TOKEN, endpoint=url, project="project", customer_key=KEY, **more
    ),
    "gcs-function": lambda url, **more: get_driver("gcs")(
        token=lambda: (TOKEN, 2**40), endpoint=url, project="project", **more
    ),
    "gcs-hmac": lambda url, **more: get_driver("gcs")(
        "GOOGKEY", SECRET, customer_key=KEY, endpoint=url, project="project", **more
    ),
    "gcs-account": lambda url, **more: get_driver("gcs")(
        service_account=account(url), endpoint=url, **more
    ),
    "gcs-machine": lambda url, **more: get_driver("gcs")(
        credentials=machine(), endpoint=url, project="project", **more
    ),
    "swift-cloud": in_cloud,
    "swift-v1": lambda url, **more: get_driver("swift")(
        "user", SECRET, auth_url=f"{url}/auth/v1.0", temp_url_key=OTHER, **more
    ),
    "swift-v3": lambda url, **more: get_driver("swift")(
        "user", SECRET, project="project", auth_url=f"{url}/v3", **more
    ),
    "swift-application": lambda url, **more: get_driver("swift")(
        application_credential="id", secret=SECRET, auth_url=f"{url}/v3", **more
    ),
    "swift-token": lambda url, **more: get_driver("swift")(
        token=TOKEN, temp_url_key=OTHER, storage_url=f"{url}/v1/AUTH_a", **more
    ),
}  # fmt: skip


# The drivers whose requests have no signature or token in a header before their login succeeds.
UNSIGNED = {"swift-v3", "swift-application", "swift-cloud", "azure-sas", "azure-url"}


def _planted() -> Iterator[str]:
    for text in (SECRET, TOKEN, OTHER, PASSWORD, AZURE_KEY, SIGNATURE):
        yield from (
            text,
            quote(text),
            quote(text, safe=""),
            base64.b64encode(text.encode()).decode(),
        )
    yield from (base64.b64encode(KEY).decode(), KEY.hex(), repr(KEY)[2:-1])
    yield base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    yield repr(base64.b64decode(AZURE_KEY))[2:-1]


PLANTED = tuple(_planted())


def shown_in(text: str, more: tuple[str, ...] = ()) -> list[str]:
    """Return what of the secrets stands in a text."""
    found = [secret for secret in (*PLANTED, *more) if secret in text]
    lines = [line for line in private_key().splitlines() if len(line) == 64]
    return found + [line for line in lines if line in text]


def variables(error: BaseException) -> Iterator[str]:
    """Yield the variables of all frames but those of tests, of an error and all before it."""
    traces: list[traceback.TracebackException | None] = [
        traceback.TracebackException.from_exception(error, capture_locals=True)
    ]
    while traces:
        one = traces.pop()
        if one is None:
            continue
        traces += [one.__cause__, one.__context__]
        yield "".join(one.format_exception_only())
        for frame in one.stack:
            if not frame.filename.startswith(TESTS):
                for name, value in (frame.locals or {}).items():
                    yield f"{frame.filename}:{frame.lineno} {frame.name}: {name} = {value}"


def check(error: BaseException, more: tuple[str, ...] = ()) -> None:
    """Check every text that can be made of an error; those of results have no frames."""
    assert isinstance(error, StorageError), repr(error)
    texts = [str(error), repr(error), repr(vars(error)), repr(pickle.dumps(error))]
    for text in (*texts, *("".join(traceback.format_exception(error)).splitlines())):
        assert not shown_in(text, more), text[:2_000]
    for text in variables(error):
        assert not shown_in(text), text[:2_000]


OPERATIONS: Mapping[str, Callable[[StorageDriver], Any]] = {
    "read": lambda driver: driver.object("bucket", "name").read(),
    "stream": lambda driver: list(driver.object("bucket", "name").stream()),
    "open": lambda driver: driver.object("bucket", "name").as_file().read(),
    "get": lambda driver: driver.get_object("bucket", "name"),
    "put": lambda driver: driver.upload_object(b"content", "bucket", "name"),
    "put absent": lambda driver: driver.upload_object(b"1", "bucket", "name", if_absent=True),
    "put parts": lambda driver: driver.upload_object(bytes((5 << 20) + 1), "bucket", "name"),
    "write": lambda driver: driver.open_object("bucket", "name", "wb").close(),
    "delete": lambda driver: driver.object("bucket", "name").delete(),
    "delete many": lambda driver: [
        check(result.error) for result in driver.delete_objects(
            [driver.object("bucket", name) for name in "abc"]
        ) if result.error is not None
    ],
    "list": lambda driver: list(driver.list_objects("bucket")),
    "list containers": lambda driver: list(driver.list_containers()),
    "list uploads": lambda driver: list(driver.list_uploads("bucket")),
    "copy": lambda driver: driver.object("bucket", "name").copy("bucket", "copy"),
    "metadata": lambda driver: driver.object("bucket", "name").update_metadata({"a": "b"}),
    "container": lambda driver: driver.create_container("bucket"),
    "delete container": lambda driver: driver.delete_container("bucket"),
    "sign": lambda driver: driver.object("bucket", "name").sign_url(),
    "sign with a key": lambda driver: driver.object("bucket", "name").sign_url(
        method="PUT", headers={"x-goog-encryption-key": OTHER, "bad name": "1"}
    ),
    "publish": lambda driver: driver.object("bucket", "name").enable_cdn(),
    "request": lambda driver: driver.request("GET", "bucket", "name", query={"a": "b"}).read(),
    "request of the account": lambda driver: driver.request("GET", path="/p").json(),
    "request of a container": lambda driver: driver.container("bucket").request(
        "PUT", query={"own": ""}, headers={"x-own": OTHER}, content=b"content"
    ).close(),
    "request refused": lambda driver: driver.request(
        "PUT", "bucket", headers={"x-own": OTHER, "bad name": OTHER}, content=SECRET.encode()
    ),
}  # fmt: skip


#: What may be sent in place of a valid response, and what becomes of the connection.
FAULTS: Mapping[str, Play] = {
    "closed": Play(then="close"),
    "reset": Play(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12", "reset"),
    "bad head": Play(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\nx: y\0\r\n\r\n", "close"),
    "bad chunk": Play(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "close"),
    "empty": respond(b"", 200, "close"),
    "garbage": respond(b"{]<", 200, "close", X_Trans_Id="1", ETag="a", x_ms_request_id="1"),
    "unauthorized": respond(b"no", 401, "close", X_Trans_Id="1", x_ms_request_id="1"),
    "denied": respond(b"no", 403, "close", X_Trans_Id="1", x_ms_request_id="1"),
    "failed": respond(b"", 500, "close"),
}


class Echo(Server):
    """Repeats what it was sent, in the error format of each service."""

    status = 400

    @override
    def _converse(self, peer: socket.socket, stream: BinaryIO, number: int) -> bool:
        head = read_head(stream)
        if not head:
            return False
        body = stream.read(length_of(head))
        self._note(head, body, number)
        text = (head + body).decode("latin-1")
        values = [line.partition(": ")[2] for line in head.decode("latin-1").split("\r\n")[1:-2]]
        secrets = [value for value in values if len(value) > 20]
        peer.sendall(self._rendered(text, " ".join(secrets)))
        return False

    def _rendered(self, text: str, short: str) -> bytes:
        if self.status % 3 == 0:
            document: str = json.dumps({"error": {"message": text, "errors": [{"reason": short}]}})
            kind = "application/json"
        else:
            document = (
                f"<Error><Code>{escape(short)}</Code><Message>{escape(text)}</Message></Error>"
            )
            kind = "application/xml"
        body = document.encode()
        names = ("x-amz-request-id", "x-ms-request-id", "x-trans-id", "x-guploader-uploadid",
                 "x-ms-error-code", "etag")  # fmt: skip
        lines = [f"HTTP/1.1 {self.status} {short}", f"Content-Length: {len(body)}",
                 "Connection: close", f"Content-Type: {kind}",
                 *(f"{name}: {short}" for name in names)]  # fmt: skip
        return "\r\n".join([*lines, "", ""]).encode() + body


#: What a string of a connection says may be given by arguments too.
LABELS = [label for label in MAKERS if label not in {"azure-string", "swift-application"}]


@pytest.fixture(params=LABELS)
def label(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@contextlib.contextmanager
def made(label: str, url: str, **more: Any) -> Iterator[StorageDriver]:
    transfer = TransferOptions(part_size=5 << 20, multipart_threshold=5 << 20, concurrency=2)
    with MAKERS[label](
        url, retry=RetryPolicy(2, base=0.0), transfer=transfer, timeout=5.0, **more
    ) as driver:
        yield driver


def map_concurrently(driver: StorageDriver, seen: Callable[[], tuple[str, ...]] = tuple) -> int:
    """Run all operations; return how many failed, after a check of their errors."""
    failed = 0
    for operation in OPERATIONS.values():
        try:
            operation(driver)
        except Exception as error:
            failed += 1
            check(error, seen())
    return failed


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_shows_a_secret(
    label: str, fault: str, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.default = FAULTS[fault]
    with made(label, server.url) as driver:
        assert map_concurrently(driver) > 3
        assert not shown_in(repr(driver) + repr(vars(driver)))
    assert not shown_in(caplog.text)


@pytest.mark.parametrize("fault", ["closed", "denied", "failed"])
def test_content_of_an_own_request_is_not_in_tracebacks(
    label: str, fault: str, server: Server
) -> None:
    """A message may have it, if the service repeats it: users need to read what is wrong in it."""
    server.default = FAULTS[fault]
    with made(label, server.url) as driver, pytest.raises(StorageError) as caught:
        driver.request("PUT", "bucket", query={"own": ""}, content=SECRET.encode())
    check(caught.value)


@pytest.mark.parametrize("fault", ["closed", "unauthorized", "denied", "empty"])
@pytest.mark.parametrize("label", ["swift-v1", "swift-v3", "swift-cloud", "gcs-account"])
def test_no_fault_behind_a_login_shows_a_secret(
    label: str, fault: str, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """The token that the login gave is a secret too."""
    caplog.set_level(logging.DEBUG)
    token = json.dumps({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})
    catalog = {"token": {"expires_at": "2099-01-01T00:00:00Z", "catalog": [{
        "type": "object-store",
        "endpoints": [{"interface": "public", "region": "r", "url": f"{server.url}/v1/AUTH_a"}],
    }]}}  # fmt: skip
    login = {
        "swift-v1": respond(b"", X_Auth_Token=TOKEN, X_Storage_Url=f"{server.url}/v1/AUTH_a"),
        "swift-v3": respond(json.dumps(catalog).encode(), 201, X_Subject_Token=TOKEN),
        "gcs-account": respond(token.encode(), Content_Type="application/json"),
    }[label.replace("cloud", "v3")]
    server.default = FAULTS[fault]
    for name, operation in OPERATIONS.items():
        server.steps.append(login)
        with made(label, server.url) as driver:
            with contextlib.suppress(StorageError):
                try:
                    operation(driver)
                except Exception as error:
                    check(error)
                    raise
        server.steps.clear()
        assert not shown_in(caplog.text), name


@pytest.mark.parametrize("status", [200, 400, 403, 404, 411, 501, 503])
def test_echoing_service_shows_no_secret(
    label: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with contextlib.closing(Echo()) as server:
        server.status = status
        with made(label, server.url) as driver:
            map_concurrently(driver, lambda: signatures(server))
        found = signatures(server)
        assert found or label in UNSIGNED or "gcs" in label
        assert not shown_in(caplog.text, found)


@pytest.mark.parametrize("label", ["s3-sse-c", "azure-key", "gcs-token", "gcs-hmac"])
def test_key_of_another_request_is_not_shown(label: str, server: Server) -> None:
    """A listing is requested without the customer key."""
    text = base64.b64encode(KEY).decode()
    document = json.dumps({"error": {"code": 400, "message": text}})
    if label != "gcs-token":
        document = f"<Error><Code>Invalid</Code><Message>{text}</Message></Error>"
    server.default = respond(document.encode(), 400)
    with made(label, server.url) as driver, pytest.raises(StorageError) as caught:
        OPERATIONS["list"](driver)
    check(caught.value)


def signatures(server: Server) -> tuple[str, ...]:
    """Return the signatures, tokens and keys that a server has seen."""
    found = set()
    for seen in server.seen:
        headers = dict(seen.headers)
        value = headers.get("authorization", "")
        found |= set(re.findall(r"Signature=(\S+)|SharedKey \S+?:(\S+)|Bearer (\S+)", value))
        found |= {(headers.get(name, ""),) for name in ("x-auth-token", "x-auth-key")}
    texts = {text for group in found for text in group if text}
    return tuple(texts | {unquote(text) for text in texts})


@pytest.mark.parametrize("label", ["s3-sse-c", "azure-key", "gcs-account", "gcs-hmac", "swift-v3"])
@pytest.mark.parametrize("status", [200, 403, 407])
def test_a_proxys_password_is_not_shown(
    label: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with contextlib.closing(Echo()) as server:
        server.status = status
        proxies = {"http": f"http://user:{PASSWORD}@127.0.0.1:{server.port}"}
        with made(label, "http://store.invalid", proxies=proxies, insecure=True) as driver:
            map_concurrently(driver, lambda: signatures(server))
        assert any(b"proxy-authorization" in seen.head for seen in server.seen)
    assert not shown_in(caplog.text)


@pytest.mark.parametrize("label", ["s3", "azure-sas", "gcs-token", "swift-token"])
@pytest.mark.parametrize("status", [407, 502])
def test_a_proxys_password_is_not_shown_where_it_opens_no_tunnel(label: str, status: int) -> None:
    with contextlib.closing(Echo()) as server:
        server.status = status
        proxies = {"https": f"http://user:{PASSWORD}@127.0.0.1:{server.port}"}
        with made(label, "https://store.invalid", proxies=proxies) as driver:
            assert map_concurrently(driver)


#: Arguments that cannot work beside secrets that can.
WRONG: tuple[dict[str, object], ...] = (
    {"endpoint": "nonsense"}, {"endpoint": f"https://user:{PASSWORD}@store.invalid"},
    {"endpoint": f"https://store.invalid/?{SAS}"}, {"auth_url": f"https://u:{PASSWORD}@host"},
    {"timeout": -1}, {"retry": 3}, {"transfer": 5}, {"cdn": "nonsense"}, {"verify": "/no/such"},
    {"proxies": {"http": f"ftp://user:{PASSWORD}@host", "https": f"ftp://user:{PASSWORD}@host"}},
    {"proxies": f"http://user:{PASSWORD}@host"}, {"proxies": {"http": f"http://u:{PASSWORD}@h:x"}},
    {"customer_key": KEY[:31]}, {"customer_key": memoryview(KEY)[:31]}, {"customer_key": SECRET},
    {"secret": f"{SECRET}\n"}, {"secret": SECRET.encode()}, {"token": f"{TOKEN}\n"},
    {"token": TOKEN.encode()},
    {"sas_token": SIGNATURE}, {"sas_token": f"{SAS} x"}, {"temp_url_key": f"{OTHER}\0"},
    {"temp_url_key": OTHER.encode()}, {"region": 5}, {"anonymous": True},
    {"connection_string": f"AccountName=a;{AZURE_KEY.rstrip('=')};x"},
    {"connection_string": f"AccountName=a;AccountKey=!{AZURE_KEY}"},
    {"connection_string": f"AccountKey={AZURE_KEY};BlobEndpoint=nonsense"},
    {"service_account": {"client_email": "a@b", "private_key": OTHER}},
    {"service_account": {"private_key": OTHER}},
)  # fmt: skip


@pytest.mark.parametrize("label", MAKERS)
@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_wrong_argument_shows_no_secret(label: str, number: int) -> None:
    try:
        with made_with(label, WRONG[number]) as driver:
            driver.object("bucket", "name").read()
    except StorageError as error:
        check(error)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):  # of another driver
            raise


def made_with(label: str, wrong: Mapping[str, object]) -> StorageDriver:
    """Return a driver with some arguments of others in the place of its own."""
    given: dict[str, Any] = {}
    positional: tuple[object, ...] = ()

    class Catch:
        def __call__(self, *arguments: object, **options: object) -> Any:
            nonlocal positional
            positional = arguments
            given.update(options)
            return self

    name = label.partition("-")[0]
    catch = Catch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "get_driver", lambda name: catch)
        MAKERS[label]("http://127.0.0.1:9", retry=RetryPolicy(1))
    first = {"swift": "user", "azure": "account"}.get(name, "key")
    second = {"azure": "key"}.get(name, "secret")
    options = {**dict(zip((first, second), positional, strict=False)), **given, **wrong}
    return get_driver(name)(**options)


@pytest.mark.parametrize("variables_of", [
    {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": f"{TOKEN}\n"},
    {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": f"{SECRET}\n"},
    {"AZURE_STORAGE_ACCOUNT": "account", "AZURE_STORAGE_KEY": f"{AZURE_KEY}!"},
    {"AZURE_STORAGE_ACCOUNT": "account", "AZURE_STORAGE_SAS_TOKEN": f"{SIGNATURE}"},
    {"AZURE_STORAGE_CONNECTION_STRING": f"AccountKey {AZURE_KEY};AccountName=a"},
    {"OS_AUTH_URL": "https://host/v3", "OS_USERNAME": "u", "OS_PASSWORD": f"{SECRET}\n"},
    {"OS_AUTH_URL": "https://host/v3", "OS_TOKEN": f"{TOKEN}\n"},
    {"OS_CLOUD": "missing"}, {"IDENTITY_HEADER": OTHER, "AZURE_CLIENT_SECRET": SECRET},
    {"ST_AUTH": "https://host/auth/v1.0", "ST_USER": "u", "ST_KEY": f"{SECRET}\n"},
    {"HTTPS_PROXY": f"ftp://user:{PASSWORD}@host", "REQUESTS_CA_BUNDLE": "/no/such"},
], ids="+".join)  # fmt: skip
@pytest.mark.parametrize("name", ["s3", "azure", "gcs", "swift"])
def test_the_environment_is_not_shown(
    name: str, variables_of: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also that of other services: all variables are in one mapping."""
    planted = {"AWS_SECRET_ACCESS_KEY": SECRET, "OS_PASSWORD": SECRET, "MY_TOKEN": OTHER}
    for variable, value in {**planted, **variables_of}.items():
        monkeypatch.setenv(variable, value)
    options = {"project": "p", "token": TOKEN} if name == "gcs" else {}
    try:
        with get_driver(name)(**options, retry=RetryPolicy(1)) as driver:
            driver.transfer = TransferOptions()
    except StorageError as error:
        check(error)


@pytest.mark.parametrize("label", ["s3", "azure-key", "gcs-token", "gcs-hmac"])
@pytest.mark.parametrize("key", [KEY, bytearray(KEY), KEY[:31], memoryview(KEY)])
def test_a_key_of_one_upload_is_not_shown(label: str, key: Any, server: Server) -> None:
    server.default = respond(b"no", 403, x_ms_request_id="1")
    with made(label, server.url) as driver:
        extra = {"customer_key": key}
        container = driver.object("bucket", "name").container
        for call in (
            lambda: driver.upload_object(b"1", "bucket", "name", extra=extra),
            lambda: container.upload_object(b"1", "name", extra=extra),
            lambda: container.open("name", "wb", extra=extra).close(),
            lambda: driver.object("bucket", "name").copy("bucket", "copy", extra=extra),
        ):
            with pytest.raises(StorageError) as caught:
                call()
            check(caught.value)

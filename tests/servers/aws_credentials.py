"""AWS's services for credentials on loopback: STS, the SSO portal, EC2's and ECS's metadata."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlsplit

from typing_extensions import Self, override

ROLE = "the-role"


@dataclass
class Seen:
    """A request: the name of what it wants, its parameters and its headers."""

    operation: str
    parameters: dict[str, str]
    headers: dict[str, str]
    path: str
    body: bytes = b""


@dataclass
class FakeAWS:
    """
    Gives out numbered keys: ``AKID1`` with ``secret-1`` and ``token-1``.

    Attributes:
        clock: The time of the service.
        life: The seconds for which a key is valid.
        faults: Responses in place of the next ones, each with a status and a body.
        before: Called for each request for a key, while it is open.
        metadata_token: The session token of the metadata service.
        authorization: The header that the container's service requires.
    """

    clock: Callable[[], float]
    life: float = 3600.0
    seen: list[Seen] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)
    before: Callable[[], object] = lambda: None
    metadata_token: str = "the-metadata-token"
    authorization: str | None = None
    issued: int = 0
    url: str = ""

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def operations(self) -> list[str]:
        return [one.operation for one in self.seen]

    def key(self) -> tuple[str, str, str, float]:
        self.before()
        with self._lock:
            self.issued += 1
            number = self.issued
        return f"AKID{number}", f"secret-{number}", f"token-{number}", self.clock() + self.life

    # ------------------------------------------------------------------ responses

    def respond(self, method: str, target: str, seen: Seen) -> tuple[int, str]:
        path = urlsplit(target).path
        if method == "POST":
            return self._sts(seen)
        if path == "/federation/credentials":
            return self._portal(seen)
        if path.startswith("/latest/"):
            return self._instance(method, path, seen)
        return self._container(seen)

    def _sts(self, seen: Seen) -> tuple[int, str]:
        seen.operation = action = seen.parameters.get("Action", "")
        if self.faults:
            return self.faults.pop(0)
        key, secret, token, end = self.key()
        return 200, (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<{action}Result><AssumedRoleUser><Arn>arn</Arn></AssumedRoleUser><Credentials>"
            f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
            f"<SessionToken>{token}</SessionToken><Expiration>{iso(end)}</Expiration>"
            f"</Credentials></{action}Result></{action}Response>"
        )

    def _portal(self, seen: Seen) -> tuple[int, str]:
        seen.operation = "GetRoleCredentials"
        if self.faults:
            return self.faults.pop(0)
        key, secret, token, end = self.key()
        fields = {"accessKeyId": key, "secretAccessKey": secret, "sessionToken": token,
                  "expiration": int(end * 1000)}  # fmt: skip
        return 200, json.dumps({"roleCredentials": fields})

    def _instance(self, method: str, path: str, seen: Seen) -> tuple[int, str]:
        seen.operation = f"{method} {path.removeprefix('/latest')}"
        if self.faults:
            return self.faults.pop(0)
        if method == "PUT":
            ok = seen.headers.get("x-aws-ec2-metadata-token-ttl-seconds") == "21600"
            return (200, self.metadata_token) if ok else (400, "")
        if seen.headers.get("x-aws-ec2-metadata-token") != self.metadata_token:
            return 401, ""
        name = path.removeprefix("/latest/meta-data/iam/security-credentials/")
        if not name:
            return 200, ROLE
        return (200, self._document("Token", Code="Success")) if name == ROLE else (404, "")

    def _container(self, seen: Seen) -> tuple[int, str]:
        seen.operation = "container"
        if self.faults:
            return self.faults.pop(0)
        if seen.headers.get("authorization") != self.authorization:
            return 403, json.dumps({"code": "Denied", "message": "no"})
        return 200, self._document("Token")

    def _document(self, token_name: str, **more: str) -> str:
        key, secret, token, end = self.key()
        return json.dumps(
            {**more, "AccessKeyId": key, "SecretAccessKey": secret, token_name: token,
             "Expiration": iso(end)}
        )  # fmt: skip


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def sts_error(code: str, message: str) -> str:
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}"
        "</Message></Error><RequestId>id</RequestId></ErrorResponse>"
    )


def _handler(fake: FakeAWS) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            query = parse_qs(urlsplit(self.path).query)
            parameters = {name: values[0] for name, values in query.items()}
            if self.command == "POST":
                parameters |= dict(parse_qsl(body.decode()))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen("", parameters, headers, self.path, body)
            fake.seen.append(seen)
            status, text = fake.respond(self.command, self.path, seen)
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_PUT = do_POST = do_GET  # noqa: N815 - the names that http.server calls

        @override
        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(fake.clock() if timestamp is None else timestamp)

        @override
        def log_message(self, format: str, *args: object) -> None: ...

    return Handler

"""Google's metadata server and token endpoint on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from typing_extensions import Self, override

EMAIL = "robot@test-project.iam.gserviceaccount.com"
ROOT = "/computeMetadata/v1"


@dataclass
class FakeMetadata:
    """
    Gives out numbered tokens, ``metadata-token-1`` and so on.

    Attributes:
        life: The seconds for which a token is valid.
        name: The text that tokens begin with.
        flavor: The header that shows that the server is Google's.
        faults: Responses in place of the next ones, each with a status and a body.
        seen: The paths of the requests.
        scopes: The scopes of the tokens.
        before: Called for each request for a token, while it is open.
    """

    life: float = 3600.0
    name: str = "metadata-token"
    flavor: str | None = "Google"
    faults: list[tuple[int, str]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    before: Callable[[], object] = lambda: None
    issued: int = 0
    host: str = ""

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def token(self) -> str:
        self.before()
        with self._lock:
            self.issued += 1
            number = self.issued
        return json.dumps(
            {"access_token": f"{self.name}-{number}", "expires_in": self.life,
             "token_type": "Bearer"}
        )  # fmt: skip

    def respond(self, method: str, target: str, flavor: str | None) -> tuple[int, str]:
        path = urlsplit(target).path
        self.seen.append(path.removeprefix(ROOT))
        if self.faults:
            return self.faults.pop(0)
        if method == "POST":  # the token endpoint of a service account
            return 200, self.token()
        if flavor != "Google":
            return 403, "Missing required header: Metadata-Flavor"
        if path == f"{ROOT}/instance/service-accounts/default/token":
            self.scopes += parse_qs(urlsplit(target).query).get("scopes", [])
            return 200, self.token()
        found = {"/instance/service-accounts/default/email": EMAIL,
                 "/project/project-id": "metadata-project"}  # fmt: skip
        text = found.get(path.removeprefix(ROOT))
        return (200, text) if text else (404, "not found")


def _handler(fake: FakeMetadata) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", "0")))
            status, text = fake.respond(
                self.command, self.path, self.headers.get("metadata-flavor")
            )
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if fake.flavor is not None:
                self.send_header("Metadata-Flavor", fake.flavor)
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        @override
        def log_message(self, format: str, *args: object) -> None: ...

    return Handler

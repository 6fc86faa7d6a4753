"""A scripted Azure: its drivers, and its responses."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from scripted import Play, Server, respond

from libstore import (
    RetryPolicy,
    TransferOptions,
    get_driver,
)
from libstore.drivers.azure import AzureDriver

KEY = base64.b64encode(b"a key that nobody sees").decode()
CONTENT = b"content of an object"
MD5 = hashlib.md5(CONTENT).hexdigest()
MD5_64 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
PART = 64 * 1024
BIG = bytes(2 * PART)
BIG_MD5 = base64.b64encode(hashlib.md5(BIG).digest()).decode()


def made(server: Server, **options: Any) -> AzureDriver:
    if "sas_token" not in options:
        options["key"] = KEY
    endpoint = f"{server.url}/account"
    driver = get_driver("azure")(endpoint=endpoint, retry=RetryPolicy(3, base=0.0), **options)
    driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=1)
    return driver


def error(code: str, status: int, message: str = "so it is", **headers: str) -> Any:
    """Return an error as Azure writes it."""
    body = (
        f"\ufeff<?xml version='1.0' encoding='utf-8'?><Error><Code>{code}</Code>"
        f"<Message>{message}\nRequestId:REQUEST1\nTime:2026-01-01T00:00:00Z</Message></Error>"
    )
    return respond(
        body.encode(), status=status, x_ms_request_id="REQUEST1", x_ms_error_code=code, **headers
    )


def lost() -> Any:
    """Return a response that is lost on the way."""
    return Play(then="close")


def stored(etag: str = "0x1", status: int = 201, **headers: str) -> Any:
    return respond(status=status, ETag=f'"{etag}"', x_ms_request_id="REQUEST1", **headers)


def head_of(content: bytes, etag: str = "0x1", **headers: str) -> Any:
    md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
    lines = [
        "HTTP/1.1 200 OK", f"Content-Length: {len(content)}", f'ETag: "{etag}"',
        f"Content-MD5: {md5}", *(f"{name}: {value}" for name, value in headers.items()), "", "",
    ]  # fmt: skip
    return Play("\r\n".join(lines).encode())


def document(inside: str, root: str = "EnumerationResults") -> Any:
    return respond(f"\ufeff<?xml version='1.0'?><{root}>{inside}</{root}>".encode())


def requests(server: Server) -> list[str]:
    """Return method and ``comp`` of all requests."""
    return [
        f"{seen.line.split(' ')[0]} {seen.target.partition('comp=')[2].partition('&')[0]}".strip()
        for seen in server.seen
    ]


def forbidding(code: str, status: int) -> Any:
    return respond(status=status, x_ms_error_code=code)

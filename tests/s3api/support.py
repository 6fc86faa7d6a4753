"""A scripted S3: its drivers, and its responses."""

from __future__ import annotations

import hashlib
from typing import Any

from scripted import Play, Server, respond

from libstore import RetryPolicy, TransferOptions, get_driver
from libstore.drivers.s3 import S3Driver

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "a-secret/that+nobody=sees", "a-token-that-nobody-sees"
CONTENT = b"content of an object"
MD5 = hashlib.md5(CONTENT).hexdigest()
PART = 5 * 1024 * 1024
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def made(server: Server, **options: Any) -> S3Driver:
    """Return a driver of a service that is known well, at the server's address."""
    options = {"retry": RetryPolicy(3, base=0.0), **options}
    driver = get_driver("seaweedfs")(KEY, SECRET, token=TOKEN, endpoint=server.url, **options)
    driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=1)
    return driver


def error(code: str, status: int, message: str = "so it is", **more: str) -> Any:
    """Return an error as S3 writes it."""
    extra = "".join(f"<{name}>{value}</{name}>" for name, value in more.items())
    fields = f"<Code>{code}</Code><Message>{message}</Message>{extra}"
    body = f"<?xml version='1.0'?><Error>{fields}</Error>"
    return respond(body.encode(), status=status, x_amz_request_id="REQUEST1")


def dropped() -> Any:
    return Play(then="close")


def stored(etag: str = MD5, **headers: str) -> Any:
    return respond(ETag=f'"{etag}"', **headers)


def head_of(content: bytes, etag: str) -> Any:
    """Return the response to HEAD; its length is that of what GET would bring."""
    lines = f'HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nETag: "{etag}"\r\n\r\n'
    return Play(lines.encode())


def document(root: str, inside: str) -> Any:
    return respond(f"<?xml version='1.0'?>\n<{root} {NAMESPACE}>{inside}</{root}>".encode())


def methods(server: Server) -> list[str]:
    return [seen.line.split(" ")[0] for seen in server.seen]

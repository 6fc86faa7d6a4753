"""Error responses as each service writes them."""

from __future__ import annotations

import json

from scripted import Play, respond

REQUEST_ID = "REQUEST1"
_IDS = {
    "x_amz_request_id": REQUEST_ID,
    "x_ms_request_id": REQUEST_ID,
    "x_guploader_uploadid": REQUEST_ID,
    "X_Trans_Id": REQUEST_ID,
}


def xml_error(code: str, status: int, message: str = "so it is", **headers: str) -> Play:
    """Return an error of S3, Azure, or Google's XML API."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return respond(
        body.encode(), status,
        **{"Content_Type": "application/xml", "x_ms_error_code": code, **_IDS, **headers},
    )  # fmt: skip


def azure_error(code: str, status: int, message: str = "so it is") -> Play:
    """Return an error of Azure, with all that Azure adds to its messages."""
    body = (
        f"\ufeff<?xml version='1.0' encoding='utf-8'?><Error><Code>{code}</Code><Message>{message}"
        f"\nRequestId:{REQUEST_ID}\nTime:2026-01-01T00:00:00Z</Message></Error>"
    )
    return respond(body.encode(), status, x_ms_error_code=code, **_IDS)


def json_error(reason: str, status: int, message: str = "so it is") -> Play:
    """Return an error of Google's JSON API."""
    errors = [{"reason": reason, "message": message}]
    body = {"error": {"code": status, "message": message, "errors": errors}}
    return respond(
        json.dumps(body).encode(), status, Content_Type="application/json; charset=UTF-8", **_IDS
    )


def plain_error(status: int, body: bytes = b"<html><h1>so</h1><p>it is</p></html>") -> Play:
    """Return an error of Swift, which has no codes."""
    return respond(body, status, Content_Type="text/html", **_IDS)


def error_of(label: str, code: str, status: int, message: str = "so it is") -> Play:
    """Return an error of a service by the label of its driver."""
    if label == "swift":
        return plain_error(status, message.encode())
    make = {"azure": azure_error, "gcs": json_error}.get(label, xml_error)
    return make(code, status, message)

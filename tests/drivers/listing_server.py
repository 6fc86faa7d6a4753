"""Listings as S3, Azure, Google and Swift send them, of names in memory, in pages of any size."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

from scripted import Play, Seen, Server, length_of, read_head, respond
from typing_extensions import override

DATE = "2026-11-30T12:00:00.000000"
#: A name, and whether it is a prefix.
Row: TypeAlias = "tuple[str, bool]"


@dataclass
class Sent:
    """The parameters of a request for a page."""

    prefix: str
    delimiter: str
    token: str
    limit: int
    query: dict[str, str]


@dataclass
class Sheet:
    """
    A page.

    Attributes:
        token: The continuation token of the next page.
    """

    rows: list[Row]
    token: str | None = None


class ListingServer(Server):
    """
    Keeps names, lists them and deletes them.

    Attributes:
        names: The names of the objects.
        sizes: The sizes of the pages that are sent, whatever was requested.
        sheet: Returns the page for a request, in place of the page of the names.
    """

    def __init__(self, label: str, names: list[str], *sizes: int) -> None:
        self.label = label
        self.names = set(names)
        self.sizes: Iterator[int] = itertools.cycle(sizes or (10**9,))
        self.sheet: Callable[[Sent], Sheet] = self.page
        super().__init__()

    def page(self, sent: Sent) -> Sheet:
        """Return the page behind a name, which is the token."""
        size = min(next(self.sizes), sent.limit)
        rows: list[Row] = []
        for name in sorted(self.names):
            if not name.startswith(sent.prefix):
                continue
            end = name.find(sent.delimiter, len(sent.prefix)) if sent.delimiter else -1
            row = (name, False) if end < 0 else (name[: end + len(sent.delimiter)], True)
            if row[0] <= sent.token or row in rows[-1:]:
                continue
            if len(rows) == size:
                return Sheet(rows, rows[-1][0])
            rows.append(row)
        return Sheet(rows)

    @property
    def listed(self) -> list[str]:
        """The targets of the requests for pages."""
        return [seen.target for seen in self.seen if seen.line.startswith("GET")]

    @override
    def _converse(self, peer: socket.socket, stream: BinaryIO, number: int) -> bool:
        head = read_head(stream)
        if not head:
            return False
        seen = Seen(head, stream.read(length_of(head)), number)
        self._note(seen.head, seen.body, number)
        with self._lock:
            play = self.respond(seen)
        peer.sendall(play.data)
        return True

    def respond(self, seen: Seen) -> Play:
        method = seen.line.partition(" ")[0]
        path, _, text = seen.target.partition("?")
        query = dict(parse_qsl(text, keep_blank_values=True))
        if method == "GET" and path == "/info":
            document = {"container_listing_limit": 10_000, "account_listing_limit": 10_000}
            return respond(json.dumps({"swift": document, "bulk_delete": {}}).encode())
        if method == "GET":
            return getattr(self, f"_{self.label.replace('-', '_')}")(query)  # type: ignore[no-any-return]
        if method == "POST" and "bulk-delete" in query:
            return self._bulk(seen.body.decode().split("\n"))
        if method == "POST" and "delete" in query:
            return self._objects(seen.body.decode())
        if method == "DELETE":
            return self._delete(unquote(path))
        return _said(b"", 204)

    # ------------------------------------------------------------------ pages

    def _s3(self, query: dict[str, str]) -> Play:
        token = query.get("continuation-token", query.get("start-after", ""))
        sheet = self.sheet(_sent(query, token, "max-keys"))
        rows = "".join(
            f"<CommonPrefixes><Prefix>{quote(name)}</Prefix></CommonPrefixes>" if is_prefix else
            f"<Contents><Key>{quote(name)}</Key><Size>1</Size><ETag>x</ETag>"
            f"<Generation>5</Generation></Contents>"
            for name, is_prefix in sheet.rows
        )  # fmt: skip
        more = (
            f"<IsTruncated>true</IsTruncated>"
            f"<NextContinuationToken>{escape(sheet.token)}</NextContinuationToken>"
            if sheet.token is not None
            else "<IsTruncated>false</IsTruncated>"
        )
        return _xml(f"<ListBucketResult><EncodingType>url</EncodingType>{more}{rows}"
                    "</ListBucketResult>")  # fmt: skip

    _gcs_hmac = _s3

    def _azure(self, query: dict[str, str]) -> Play:
        sheet = self.sheet(_sent(query, query.get("marker", ""), "maxresults"))
        rows = "".join(
            f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>" if is_prefix else
            f"<Blob><Name>{escape(name)}</Name><Properties><Content-Length>1</Content-Length>"
            "<Etag>x</Etag></Properties></Blob>"
            for name, is_prefix in sheet.rows
        )  # fmt: skip
        more = escape(sheet.token or "")
        return _xml(f"<EnumerationResults><Blobs>{rows}</Blobs><NextMarker>{more}</NextMarker>"
                    "</EnumerationResults>")  # fmt: skip

    def _gcs(self, query: dict[str, str]) -> Play:
        sheet = self.sheet(_sent(query, query.get("pageToken", ""), "maxResults"))
        document: dict[str, object] = {
            "items": [
                {"name": name, "size": "1", "generation": "5"} for name, is_prefix in sheet.rows
                if not is_prefix
            ],
            "prefixes": [name for name, is_prefix in sheet.rows if is_prefix],
        }  # fmt: skip
        if sheet.token is not None:
            document["nextPageToken"] = sheet.token
        return _said(json.dumps(document).encode(), content_type="application/json")

    def _swift(self, query: dict[str, str]) -> Play:
        sheet = self.sheet(_sent(query, query.get("marker", ""), "limit"))
        document = [
            {"subdir": name}
            if is_prefix
            else {"name": name, "bytes": 1, "hash": "x", "count": 1, "last_modified": DATE}
            for name, is_prefix in sheet.rows
        ]
        return _said(json.dumps(document).encode())

    # ------------------------------------------------------------------ deletions

    def _bulk(self, lines: list[str]) -> Play:
        for line in lines:
            self.names.discard(unquote(line).split("/", 2)[2])
        document = {"Number Deleted": len(lines), "Number Not Found": 0, "Errors": [],
                "Response Status": "200 OK"}  # fmt: skip
        return _said(json.dumps(document).encode())

    def _objects(self, body: str) -> Play:
        for piece in body.split("<Key>")[1:]:
            self.names.discard(piece.partition("</Key>")[0])
        return _xml("<DeleteResult></DeleteResult>")

    def _delete(self, path: str) -> Play:
        name = path.rpartition("/bucket/o/" if self.label == "gcs" else "/bucket/")[2]
        if path.endswith("/bucket"):
            return _said(b"", 409 if self.names else 204)
        self.names.discard(name)
        return _said(b"", 204)


def _sent(query: dict[str, str], token: str, limit: str) -> Sent:
    return Sent(
        query.get("prefix", ""), query.get("delimiter", ""), token,
        int(query.get(limit, 10_000)), query,
    )  # fmt: skip


def _said(body: bytes, status: int = 200, **headers: str) -> Play:
    return respond(
        body, status, x_trans_id="tx1", x_amz_request_id="R1", x_ms_request_id="R1",
        x_guploader_uploadid="R1", **headers,
    )  # fmt: skip


def _xml(text: str) -> Play:
    return _said(f"<?xml version='1.0'?>{text}".encode(), content_type="application/xml")

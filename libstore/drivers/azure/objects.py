"""Blobs: how they are read, written, deleted and listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from ...http.message import Response
from ...listing import iterate_pages
from ...rest.checksums import base64_of, hex_digest
from ...rest.confirming import Written
from ...rest.dialect import condition_headers, parameters, sorted_page
from ...rest.reading import read_headers, sent_span, size_of_head
from ...transfer.payload import Payload
from ...values import Conditions, ListQuery, ObjectInfo, Page, Prefix, Reading, Span, WriteOptions
from . import dialect, operations
from .client import MAX_PAGE, PAGE_SIZE, AzureClient
from .dialect import Encryption
from .endpoints import check_root_name

#: The rows of a listing: the name of each element, and its texts by path.
Rows: TypeAlias = "Sequence[tuple[str, Mapping[str, str]]]"


class Objects:
    """The blobs of one account."""

    def __init__(self, client: AzureClient, encryption: Encryption) -> None:
        self._client = client
        self._encryption = encryption

    # ------------------------------------------------------------------ reading

    def head(self, container: str, name: str, version: str | None = None) -> ObjectInfo:
        """Return the attributes of a blob."""
        return self._head(container, name, version, self._encryption.reads)

    def head_written(self, container: str, name: str, encryption: Mapping[str, str]) -> ObjectInfo:
        """
        Return the blob that is stored after a write.

        Args:
            encryption: The headers of the write's encryption.
        """
        # Reading needs no scope, and is refused with a key that is not the blob's.
        reads = encryption if "x-ms-encryption-key" in encryption else {}
        return self._head(container, name, None, reads)

    def _head(
        self, container: str, name: str, version: str | None, reads: Mapping[str, str]
    ) -> ObjectInfo:
        response = self._client.send(
            operations.GET_BLOB_PROPERTIES, container, name,
            query=_version_query(version), headers=reads,
        )  # fmt: skip
        return dialect.object_info(name, response.headers, size_of_head(response))

    def open(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        """Request the content of a blob."""
        response = self._client.send(
            operations.GET_BLOB, container, name,
            query=_version_query(version),
            headers={**self._encryption.reads, **read_headers(span, conditions)},
        )  # fmt: skip
        sent, size = sent_span(response)
        info = dialect.object_info(name, response.headers, size)
        return Reading(info, sent, response, response.close)

    # ------------------------------------------------------------------ writing

    def put(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        """Write a blob with one request."""
        check_root_name(container, name)
        conditions = options.conditions
        encryption = self._encryption.of(options.extra)
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "content-md5": base64_of(payload.digest("md5")),
            **dialect.write_headers(options),
            **encryption,
            **condition_headers(conditions),
        }

        def read(response: Response) -> ObjectInfo:
            md5 = hex_digest("md5", response.headers.get("content-md5"))
            return dialect.written_info(name, response.headers, md5)

        return self._client.write(
            operations.PUT_BLOB, container, name, read,
            lambda: self.head_written(container, name, encryption),
            Written(content=payload).matches,
            conditions, headers.get(dialect.TOKEN), headers=headers, content=payload,
        )  # fmt: skip

    def delete(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        """Delete a blob or one of its versions."""
        headers = condition_headers(conditions)
        if version is None:
            # https://learn.microsoft.com/en-us/rest/api/storageservices/delete-blob: a blob that
            # has snapshots is deleted together with them, or not at all.
            headers["x-ms-delete-snapshots"] = "include"
        self._client.delete(
            operations.DELETE_BLOB, container, name,
            lambda: self.head(container, name), conditions,
            query=_version_query(version), headers=headers,
        )  # fmt: skip

    # ------------------------------------------------------------------ listing

    def rows(
        self, container: str, query: ListQuery, token: str | None, limit: int, include: str = ""
    ) -> tuple[Rows, str | None]:
        """Return the rows of one page, and the token of the next one."""
        # https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs
        fields = {
            "comp": "list",
            "delimiter": query.delimiter,
            "include": include,
            "marker": token or "",
            "maxresults": str(min(limit, PAGE_SIZE)),
            "prefix": query.prefix,
            "restype": "container",
        }
        page = self._client.send_xml(
            operations.LIST_BLOBS, container,
            root="EnumerationResults", rows=("Blob", "BlobPrefix"), limit=MAX_PAGE,
            query=parameters(fields),
        )  # fmt: skip
        return page.rows, page.fields.get("NextMarker") or None

    def list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        """Return one page of all versions of blobs."""
        rows, following = self.rows(container, ListQuery(prefix), token, limit, "versions")
        found = dialect.list_items(rows)
        return Page([item for item in found if isinstance(item, ObjectInfo)], following)

    def list_page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        """
        Return one page of blobs and prefixes, sorted by name.

        Azure cannot start after a name, so pages are read up to that name. The page that has it
        is read again for the items that did not fit: a token is Azure's own and the last name.
        """
        if not query.start_after:
            rows, following = self.rows(container, query, token, limit)
            return sorted_page(dialect.list_items(rows), query, following)
        marker, _, last = (token or "").partition("\n")
        after = replace(query, start_after=max(query.start_after, last))

        def fetch(token: str | None) -> Page[ObjectInfo | Prefix]:
            rows, following = self.rows(container, query, token or marker, PAGE_SIZE)
            return Page(dialect.list_items(rows), following)

        items: list[ObjectInfo | Prefix] = []
        for page in iterate_pages(fetch, f"blobs in {container!r}"):
            items = list(sorted_page(list(page.items), after).items)
            if len(items) > limit:
                return Page(items[:limit], f"{marker}\n{items[limit - 1].name}")
            if items and page.token is not None:
                return Page(items, f"{page.token}\n")
            marker = page.token or marker
        return Page(items)


def _version_query(version: str | None) -> dict[str, str] | None:
    return {"versionid": version} if version else None

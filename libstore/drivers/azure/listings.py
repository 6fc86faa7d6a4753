"""Listings of one container, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from ...listing import iterate_pages
from ...rest.dialect import parameters, sorted_page
from ...values import ListQuery, ObjectInfo, Page, Prefix
from . import dialect, operations
from .client import MAX_PAGE, AzureClient

Rows: TypeAlias = "Sequence[tuple[str, Mapping[str, str]]]"

_MOST = 5_000


class Lister:
    """Lists containers of one account."""

    def __init__(self, client: AzureClient) -> None:
        self._client = client

    def rows(
        self, container: str, query: ListQuery, token: str | None, limit: int, *, include: str = ""
    ) -> tuple[Rows, str | None]:
        """Return the rows of one page, and the token of the next one."""
        # https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs
        query_of_page = {
            "comp": "list",
            "delimiter": query.delimiter,
            "include": include,
            "marker": token or "",
            "maxresults": str(min(limit, _MOST)),
            "prefix": query.prefix,
            "restype": "container",
        }
        page = self._client.send_xml(
            operations.LIST_BLOBS, container,
            root="EnumerationResults", rows=("Blob", "BlobPrefix"), limit=MAX_PAGE,
            query=parameters(query_of_page),
        )  # fmt: skip
        return page.rows, page.fields.get("NextMarker") or None

    def versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        """Return one page of all versions of blobs."""
        rows, following = self.rows(container, ListQuery(prefix), token, limit, include="versions")
        found = dialect.list_items(rows)
        return Page([item for item in found if isinstance(item, ObjectInfo)], following)

    def page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        """
        Return blobs and prefixes in the order of their names.

        Azure cannot begin behind a name, so pages are read up to that name. The page that has it
        is read again for items that did not fit: a token is Azure's own and the last name.
        """
        if not query.start_after:
            rows, following = self.rows(container, query, token, limit)
            return sorted_page(dialect.list_items(rows), query, following)
        marker, _, last = (token or "").partition("\n")
        after = replace(query, start_after=max(query.start_after, last))

        def fetch(token: str | None) -> Page[ObjectInfo | Prefix]:
            rows, following = self.rows(container, query, token or marker, _MOST)
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

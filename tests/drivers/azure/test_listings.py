"""Pages of Azure's listings."""

from __future__ import annotations

from typing import Any

from drivers.azure.support import (
    document,
)
from scripted import Server, respond

from libstore.drivers.azure import AzureDriver


def blob_row(name: str, *, encoded: bool = False) -> str:
    mark = ' Encoded="true"' if encoded else ""
    return (
        f"<Blob><Name{mark}>{name}</Name><Properties><Etag>0x1</Etag><Content-Length>5"
        "</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
    )


def test_names_invalid_in_xml_are_decoded(server: Server, driver: AzureDriver) -> None:
    rows = blob_row("a%25b%EF%BF%BE", encoded=True) + blob_row("a%25c")
    prefix = '<BlobPrefix><Name Encoded="true">%EF%BF%BF/</Name></BlobPrefix>'
    server.steps.append(document(f"<Blobs>{rows}{prefix}</Blobs><NextMarker />"))
    names = [item.name for item in driver.list_objects("box", delimiter="/")]
    assert names == sorted(["a%b\ufffe", "a%25c", "\uffff/"])


def test_listing_follows_its_markers(server: Server, driver: AzureDriver) -> None:
    for rows, marker in (("a", "m&1"), ("", "m2"), ("b", "")):
        inside = f"<Blobs>{blob_row(rows) if rows else ''}</Blobs>"
        server.steps.append(
            document(f"{inside}<NextMarker>{marker.replace('&', '&amp;')}</NextMarker>")
        )
    assert ["a", "b"] == [item.name for item in driver.list_objects("box")]
    assert "marker=m%261&" in server.seen[1].target
    assert "marker=m2&" in server.seen[2].target


def test_listing_starts_after_a_name_inside_a_page(server: Server, driver: AzureDriver) -> None:
    """Pages before it are large ones; the one that has it is read again for what did not fit."""
    pages = [("abc", "2"), ("def", "3"), ("ghi", "")]

    def page(number: int) -> Any:
        names, marker = pages[number]
        rows = "".join(map(blob_row, names))
        return document(f"<Blobs>{rows}</Blobs><NextMarker>{marker}</NextMarker>")

    server.steps.extend(page(number) for number in (0, 1, 1, 2))
    first = driver._list_objects("box", query("d"), None, 1)
    second = driver._list_objects("box", query("d"), first.token, 1)
    third = driver._list_objects("box", query("d"), second.token, 1)
    assert [["e"], ["f"], ["g"]] == [
        [item.name for item in found.items] for found in (first, second, third)
    ]
    assert all("maxresults=5000" in seen.target for seen in server.seen)


def query(start_after: str) -> Any:
    from libstore.values import ListQuery

    return ListQuery(start_after=start_after)


def test_truncated_listing_is_requested_again(server: Server, driver: AzureDriver) -> None:
    server.steps.extend([respond(b"<EnumerationResults><Blobs>"), document(blob_row("a"))])
    assert ["a"] == [item.name for item in driver.list_objects("box")]


def test_versions_are_listed_with_their_ids(server: Server, driver: AzureDriver) -> None:
    rows = (
        "<Blob><Name>a</Name><VersionId>v1</VersionId></Blob>"
        "<Blob><Name>a</Name><VersionId>v2</VersionId><IsCurrentVersion>true</IsCurrentVersion>"
        "</Blob>"
    )
    server.steps.append(document(f"<Blobs>{rows}</Blobs><NextMarker>more</NextMarker>"))
    page = driver._list_versions("box", "", None, 7)
    assert [("a", "v1"), ("a", "v2")] == [(info.name, info.version) for info in page.items]
    assert page.token == "more"
    assert "include=versions&maxresults=7" in server.seen[0].target

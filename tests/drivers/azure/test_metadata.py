"""Changes of metadata and content type whose response is lost."""

from __future__ import annotations

import pytest
from drivers.azure.support import (
    CONTENT,
    MD5_64,
    error,
    head_of,
    lost,
)
from scripted import Server, with_token

from libstore import (
    ObjectChangedError,
    OutcomeUnknownError,
)
from libstore.drivers.azure import AzureDriver


def test_metadata_change_with_lost_response_is_checked(
    server: Server, driver: AzureDriver
) -> None:
    now = head_of(CONTENT, "0x2", **{"x-ms-meta-a": "b"})
    server.steps.extend([lost(), error("ConditionNotMet", 412), with_token(now), now])
    obj = driver.object("box", "a").update_metadata({"a": "b"}, if_match="0x1")
    assert obj.etag == "0x2"
    for steps in ([], [lost()]):
        server.steps.extend([*steps, error("ConditionNotMet", 412), now])
        with pytest.raises(ObjectChangedError):
            driver.object("box", "a").update_metadata({"a": "b"}, if_match="0x1")
        server.steps.clear()
    # A content type has no token that identifies the writer.
    before = head_of(CONTENT, "0x1")
    server.steps.extend([before, lost(), error("ConditionNotMet", 412)])
    with pytest.raises(OutcomeUnknownError):
        driver.object("box", "a").update_metadata(content_type="a/b", if_match="0x1")


def test_content_type_change_with_lost_response_is_checked(
    server: Server, driver: AzureDriver
) -> None:
    """What is not said again would be lost, so all of it is."""
    before = head_of(CONTENT, **{"Cache-Control": "no-cache", "Content-Language": "de"})
    after = head_of(CONTENT, "0x2", **{"Content-Type": "text/x-b"})
    server.steps.extend([before, lost(), error("ConditionNotMet", 412), after, after])
    obj = driver.object("box", "a").update_metadata(content_type="text/x-b")
    assert (obj.etag, obj.content_type) == ("0x2", "text/x-b")
    sent = dict(server.seen[1].headers)
    assert ("no-cache", "de", MD5_64, '"0x1"') == (
        sent["x-ms-blob-cache-control"],
        sent["x-ms-blob-content-language"],
        sent["x-ms-blob-content-md5"],
        sent["if-match"],
    )

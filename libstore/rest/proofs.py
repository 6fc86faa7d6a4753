"""Web pages in the place of a service's responses."""

from __future__ import annotations

from collections.abc import Mapping


def has_html(method: str, headers: Mapping[str, str], size: int | None) -> bool:
    """
    Return whether a response has a body of HTML, by its headers.

    The content type alone is not enough: frameworks send it with empty bodies too.

    Args:
        size: Of the body; `None` if it is not known.
    """
    if not headers.get("content-type", "").lower().startswith("text/html"):
        return False
    # The header of a response to HEAD is the size of the body that a GET would have.
    length = headers.get("content-length") if method == "HEAD" else size
    return str(length) != "0"

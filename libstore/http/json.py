"""JSON as services send it; a number that is out of range does not invalidate the rest."""

from __future__ import annotations

import json
from typing import Any

from ..redaction import Hidden, HiddenDict


def parse_json(data: bytes | str) -> Any:
    """
    Parse a JSON document; numbers that are out of range, NaN and Infinity become `None`.

    The `repr` of its objects masks all values, because a service may repeat credentials in them.

    Raises:
        ValueError: The document is not JSON, nested too deep, or not valid Unicode.
    """
    text = Hidden(data if isinstance(data, str) else data.decode(json.detect_encoding(data)))
    try:
        found = _decode(text)
    except RecursionError:
        raise ValueError("the document is nested too deep") from None
    if "\\ud" in text.lower():
        # A lone surrogate cannot be encoded, and so cannot be sent in a request.
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _decode(text: str) -> Any:
    try:
        return json.loads(text, object_hook=HiddenDict, parse_constant=_nothing)
    except json.JSONDecodeError:
        raise
    except ValueError:  # a number has more digits than Python converts
        return json.loads(text, object_hook=HiddenDict, parse_constant=_nothing, parse_int=_number)


def _nothing(_name: str) -> None:
    """Return `None` for NaN and Infinity, which are not JSON."""


def _number(digits: str) -> int | None:
    return int(digits) if len(digits) <= 40 else None

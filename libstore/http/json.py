"""JSON as services send it, where one number that does not fit must not cost the rest."""

from __future__ import annotations

import json
from typing import Any

from ..redaction import Hidden, HiddenDict


def parse_json(data: bytes | str) -> Any:
    """
    Return what a document says; numbers that no service can mean are `None`.

    The `repr` of its objects shows no values, for a service may repeat our credentials in them.

    Raises:
        ValueError: It is not JSON, it is nested too deep, or its text is not Unicode.
    """
    text = Hidden(data if isinstance(data, str) else data.decode(json.detect_encoding(data)))
    try:
        found = _decode(text)
    except RecursionError:
        raise ValueError("the document is nested too deep") from None
    if "\\ud" in text.lower():
        # Half of a pair of surrogates, which nothing can be sent with.
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _decode(text: str) -> Any:
    try:
        return json.loads(text, object_hook=HiddenDict, parse_constant=_nothing)
    except json.JSONDecodeError:
        raise
    except ValueError:  # a number of more digits than Python converts
        return json.loads(text, object_hook=HiddenDict, parse_constant=_nothing, parse_int=_number)


def _nothing(_name: str) -> None:
    """Stand for NaN and Infinity, which JSON does not have."""


def _number(digits: str) -> int | None:
    return int(digits) if len(digits) <= 40 else None

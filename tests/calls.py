"""Count the calls of the library's own functions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import libstore

_PACKAGE = str(Path(libstore.__file__).parent)


def count_calls(function: Callable[[], object]) -> int:
    """Return how many functions of the library a call enters, in this thread."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_filename.startswith(_PACKAGE)

    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count

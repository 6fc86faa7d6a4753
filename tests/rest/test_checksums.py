"""Digests, and what follows where they differ."""

from __future__ import annotations

import pytest

from libstore import IntegrityError
from libstore.rest.checksums import require_digest


def test_other_digest_raises_and_is_named() -> None:
    with pytest.raises(IntegrityError, match="the MD5 of part 3 should be aa, but is bb"):
        require_digest("aa", "bb", "the MD5 of part 3")
    with pytest.raises(IntegrityError, match="is None"):
        require_digest("aa", None, "the MD5")


@pytest.mark.parametrize("found", ["aa", None])
def test_unknown_digest_is_not_compared(found: str | None) -> None:
    require_digest(None, found, "the MD5")
    require_digest("aa", "aa", "the MD5")

"""Test the content type that is guessed from a name."""

from __future__ import annotations

import mimetypes

import pytest

from libstore.content_types import DEFAULT_CONTENT_TYPE, guess_content_type
from libstore.drivers.memory import MemoryDriver


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat.jpg", "image/jpeg"),
        ("2026/CAT.JPEG", "image/jpeg"),
        ("a.html", "text/html"),
        ("a.js", "text/javascript"),
        ("a.csv", "text/csv"),
        ("a.json", "application/json"),
        ("a.parquet", "application/vnd.apache.parquet"),
        ("a.tar.gz", "application/gzip"),
        ("a.csv.zst", "application/zstd"),
        ("a.unheard-of", DEFAULT_CONTENT_TYPE),
        ("no-extension", DEFAULT_CONTENT_TYPE),
        ("folder.jpg/no-extension", DEFAULT_CONTENT_TYPE),
        (".bashrc", DEFAULT_CONTENT_TYPE),
        ("folder/", DEFAULT_CONTENT_TYPE),
        ("a.", DEFAULT_CONTENT_TYPE),
        ("data:text/html,x", DEFAULT_CONTENT_TYPE),
        ("http://host/a.png?b=c", DEFAULT_CONTENT_TYPE),
    ],
)
def test_last_extension_decides(name: str, expected: str) -> None:
    """A name is not a URL; what follows its last dot decides."""
    assert expected == guess_content_type(name)


def test_platform_tables_have_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of the system or of the program do not change the guess."""
    strict = dict(mimetypes.types_map, **{".jpg": "x/y", ".unheard-of": "x/z"})
    monkeypatch.setattr(mimetypes, "types_map", strict)
    assert "image/jpeg" == guess_content_type("cat.jpg")
    assert DEFAULT_CONTENT_TYPE == guess_content_type("a.unheard-of")


def test_passed_content_type_takes_precedence() -> None:
    container = MemoryDriver().create_container("c")
    assert "image/png" == container.upload_object(b"", "a.png").content_type
    given = container.upload_object(b"", "b.png", content_type="text/plain; charset=utf-8")
    assert "text/plain; charset=utf-8" == given.content_type

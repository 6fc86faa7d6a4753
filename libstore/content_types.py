"""The content type of an object, guessed from its name."""

from __future__ import annotations

import mimetypes
import posixpath
from collections.abc import Mapping
from functools import cache

DEFAULT_CONTENT_TYPE = "application/octet-stream"

_OTHER_TYPES = {
    ".7z": "application/x-7z-compressed",
    ".avif": "image/avif",
    ".avro": "application/vnd.apache.avro",
    ".bz2": "application/x-bzip2",
    ".flac": "audio/flac",
    ".geojson": "application/geo+json",
    ".gz": "application/gzip",
    ".heic": "image/heic",
    ".js": "text/javascript",
    ".jsonl": "application/x-ndjson",
    ".m4a": "audio/mp4",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mkv": "video/x-matroska",
    ".ndjson": "application/x-ndjson",
    ".ogg": "audio/ogg",
    ".parquet": "application/vnd.apache.parquet",
    ".rtf": "application/rtf",
    ".toml": "application/toml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xz": "application/x-xz",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zst": "application/zstd",
}


@cache
def _types() -> Mapping[str, str]:
    """Return the types by extension; reads do not need them."""
    # `mimetypes.guess_type` reads the system's tables, so its results differ between machines.
    return {**mimetypes.MimeTypes(filenames=()).types_map[True], **_OTHER_TYPES}


def guess_content_type(name: str) -> str:
    """Guess the type from a name's extension; the default is ``"application/octet-stream"``."""
    # `x.tar.gz` is stored compressed, so its last extension counts.
    extension = posixpath.splitext(name)[1].lower()
    return _types().get(extension, DEFAULT_CONTENT_TYPE)

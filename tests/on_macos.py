"""Tests that `test_platforms.py` runs in a process like that of macOS; see `macos.py`."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from libstore import NotSupportedError, get_driver


def test_extended_attributes_are_not_supported(tmp_path: Path) -> None:
    with pytest.raises(NotSupportedError, match=r"attributes='xattr' requires os\.setxattr"):
        get_driver("local")(tmp_path, attributes="xattr")


def test_attributes_are_in_side_files(tmp_path: Path) -> None:
    container = get_driver("local")(tmp_path).create_container("c")
    container.upload_object(b"content", "a", metadata={"by": "me"})

    assert {"by": "me"} == container.get_object("a").metadata
    assert [".libstore-attributes", "a"] == sorted(os.listdir(tmp_path / "c"))


def test_socket_is_no_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container = get_driver("local")(tmp_path).create_container("c")
    monkeypatch.chdir(tmp_path / "c")  # the path of a socket has at most about 100 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")

        assert not container.object("socket").exists()
    container.delete()

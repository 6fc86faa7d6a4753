"""Tests that `test_platforms.py` runs in a process without POSIX; see `windows.py`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from libstore import (
    Container,
    LocalFileIsADirectoryError,
    LocalFilePermissionError,
    NotSupportedError,
    driver_from_url,
    get_driver,
    list_drivers,
    open_url,
)

CREATING: dict[str, Callable[[Path], object]] = {
    "get_driver": get_driver("local"),
    "driver_from_url": lambda path: driver_from_url("local://?root=store"),
    "open_url": lambda path: open_url("file:///store/photos/cat.jpg"),
}


@pytest.fixture
def container() -> Container:
    return get_driver("memory")().create_container("c")


@pytest.mark.parametrize("way", CREATING)
def test_local_driver_is_not_supported(way: str, tmp_path: Path) -> None:
    with pytest.raises(NotSupportedError) as caught:
        CREATING[way](tmp_path)

    assert (
        "the local driver requires a POSIX system such as Linux or macOS, with directory"
        " descriptors and file locks, and this system (win32) does not have them; use another"
        " driver, or the Windows Subsystem for Linux"
    ) == caught.value.message


def test_all_drivers_are_imported() -> None:
    assert [] == [name for name in list_drivers() if not get_driver(name).name]


@pytest.mark.parametrize(
    "name",
    ["C:evil", "a:b", "a\\b", "what?", "a*", "tab\t", "CON", "nul.txt", "Com1 .x", "end.", "end "],
)
def test_name_that_windows_does_not_allow_is_no_file(
    container: Container, tmp_path: Path, name: str
) -> None:
    obj = container.upload_object(b"content", f"folder/{name}")
    with pytest.raises(LocalFileIsADirectoryError, match="is not the name of a file"):
        obj.download(tmp_path)

    assert [] == os.listdir(tmp_path)


@pytest.mark.parametrize(
    "name", ["cat.jpg", ".hidden", "console", "COM", "com10", "größe", "a.b.c"]
)
def test_other_names_are_those_of_files(container: Container, tmp_path: Path, name: str) -> None:
    obj = container.upload_object(b"content", f"folder/{name}")

    assert b"content" == obj.download(tmp_path).read_bytes()


def test_open_destination_is_an_error(container: Container, tmp_path: Path) -> None:
    """Nothing remains of the download, and the destination is unchanged."""
    obj = container.upload_object(b"new", "a")
    path = tmp_path / "a"
    path.write_bytes(b"old")
    message = re.escape(repr(str(path)))
    with path.open("rb"), pytest.raises(LocalFilePermissionError, match=message):
        obj.download(path, overwrite=True)

    assert b"old" == path.read_bytes()
    assert ["a"] == os.listdir(tmp_path)


def test_directory_is_no_source(container: Container, tmp_path: Path) -> None:
    with pytest.raises(LocalFileIsADirectoryError, match="Is a directory"):
        container.upload_object(tmp_path, "a")

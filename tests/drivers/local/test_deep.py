"""Deep trees of directories without any object in them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drivers.local.support import names, new_container


@pytest.fixture
def dig(tmp_path: Path) -> Iterator[Callable[[int], None]]:
    """Return what makes so many empty directories in one another in "root/c"; remove them."""
    top = tmp_path / "root" / "c"

    def dig(depth: int) -> None:
        here = os.getcwd()
        os.chdir(top)
        for _ in range(depth):
            os.mkdir("e")
            os.chdir("e")
        os.chdir(here)

    yield dig
    # Neither shutil nor pytest gets so deep.
    subprocess.run(["rm", "-rf", str(tmp_path / "root")], check=True)


def test_deep_tree_of_empty_directories_is_replaced_by_an_object(
    tmp_path: Path, dig: Callable[[int], None]
) -> None:
    """An object takes the place of empty directories, however deep they are."""
    container = new_container(tmp_path / "root")
    dig(600)
    container.upload_object(b"1", "e")
    assert ["e"] == names(container)


def test_container_is_deleted_with_a_deep_tree_of_empty_directories(
    tmp_path: Path, dig: Callable[[int], None]
) -> None:
    """A container is deleted with its empty directories, however deep they are."""
    container = new_container(tmp_path / "root")
    dig(1_200)
    assert [] == names(container)
    container.delete()
    assert [] == os.listdir(tmp_path / "root")

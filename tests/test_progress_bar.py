"""Progress bars of transfers, drawn by tqdm and by rich."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty import small_parts

from libstore import InvalidTypeError, NotSupportedError, get_driver, progress_bar
from libstore.progress_bars import ProgressBar


@pytest.fixture(params=["tqdm", "rich"])
def package(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have one of the packages only."""
    name: str = request.param
    pytest.importorskip(name)
    if name == "rich":
        monkeypatch.setitem(sys.modules, "tqdm", None)
    return name


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def bar(package: str, screen: io.StringIO) -> ProgressBar:
    if package == "tqdm":
        return progress_bar("cat.jpg", file=screen, mininterval=0, ncols=80)
    console: Any = pytest.importorskip("rich.console").Console(
        file=screen, force_terminal=True, width=120
    )
    return progress_bar("cat.jpg", console=console)


def test_bar_shows_each_transfer_to_its_end(
    bar: ProgressBar, screen: io.StringIO, tmp_path: Path
) -> None:
    driver = get_driver("memory")()
    driver.transfer = small_parts()
    container = driver.create_container("c")
    container.upload_object(bytes(3 << 20), "a", progress=bar)
    first = screen.getvalue()
    assert "cat.jpg" in first
    assert "100%" in first or "3.1/3.1 MB" in first
    container.download_object("a", tmp_path / "a", progress=bar)
    assert len(screen.getvalue()) > len(first)
    container.upload_object(iter([b"x" * 1000]), "b", progress=bar)
    container.upload_object(b"", "empty", progress=bar)


@pytest.mark.parametrize("progress", [lambda done: None, lambda a, b, c: None, progress_bar, 5])
def test_progress_that_cannot_be_called_is_refused_before_the_first_byte(
    progress: Any, tmp_path: Path
) -> None:
    container = get_driver("memory")().create_container("c")
    obj = container.upload_object(b"content", "a")
    calls: list[Callable[[], object]] = [
        lambda: container.upload_object(b"new", "a", progress=progress),
        lambda: obj.download(tmp_path / "a", progress=progress),
        lambda: obj.download(io.BytesIO(), progress=progress),
        lambda: obj.copy(container, "b", progress=progress),
        lambda: obj.move(container, "b", progress=progress),
    ]
    for call in calls:
        with pytest.raises(InvalidTypeError, match="progress must be a function"):
            call()

    assert [] == list(tmp_path.iterdir())
    assert ["a"] == [found.name for found in container.list_objects()]
    assert b"content" == obj.read()


def test_bar_follows_totals_that_change_and_restarts(
    bar: ProgressBar, screen: io.StringIO
) -> None:
    with bar:
        for done, total in ((500, None), (1_000, 2_000), (100, 4_000), (2_000, 4_000)):
            bar(done, total)
    shown = screen.getvalue()
    assert "50%" in shown or "2.0/4.0 kB" in shown
    bar.close()


def test_end_of_the_block_closes_the_bar_of_a_failed_transfer(bar: ProgressBar) -> None:
    def stop(done: int, total: int | None) -> None:
        bar(done, total)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), bar:
        stop(1, 2)
    assert bar._bar is None


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tqdm", "rich"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NotSupportedError, match=r"pip install 'libstore\[progress\]'"):
        progress_bar("cat.jpg")
